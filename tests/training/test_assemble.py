"""A bundle made of a trained network says what the network says, in one task or in two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from waymark.bundle import statistics as bundle_statistics
from waymark.bundle.format import Bundle, read_bundle, write_bundle
from waymark.bundle.graph import tiny_model
from waymark.bundle.manifest import CATEGORY
from waymark.dataset.categories import categories_of
from waymark.dataset.index import Dataset, read_dataset
from waymark.errors import DatasetError
from waymark.evaluation import statistics as evaluation_statistics
from waymark.evaluation.calibration import fit_temperature
from waymark.evaluation.evaluate import evaluate
from waymark.models.design import Design
from waymark.preprocess import Preprocess
from waymark.recognise.prediction import Prediction, Seen
from waymark.recognise.recogniser import Recogniser
from waymark.training.assemble import assemble
from waymark.training.teach import teach

pytestmark = pytest.mark.usefixtures("own_cache")
KINDS = {"brick": "wall", "copper": "roof", "sky": "roof"}
DESIGN = Design(backbone="resnet18", pool="gem", hidden=(16,), dropout=0.1, size=64)


@pytest.fixture
def dataset(tmp_path: Path, folder: Callable[..., Path]) -> Dataset:
    """Return a parted dataset of three landmarks in two categories."""
    folder(tmp_path / "d" / "train", brick=9, copper=8, sky=7)
    folder(tmp_path / "d" / "val", 20, brick=5, copper=5, sky=5)
    rows = sorted((tmp_path / "d").rglob("*.png"))
    table = tmp_path / "d" / "photos.csv"
    lines = [
        f"{p.relative_to(tmp_path / 'd')},{p.parent.name},{KINDS[p.parent.name]},"
        f"{p.parent.parent.name}"
        for p in rows
    ]
    table.write_text("\n".join(["path,label,category,split", *lines]) + "\n")
    return read_dataset(table)


def made(dataset: Dataset, *, normalise: bool = False, both: bool = True, **more: Any) -> Bundle:
    """Assemble a bundle around a tiny network."""
    import onnx
    from onnx import numpy_helper

    model = tiny_model(3, features=16, normalise=normalise, categories=2 if both else 0)
    graph = onnx.load_model_from_string(model).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return assemble(
        model,
        (arrays["head_landmark_weight"], arrays["head_landmark_bias"]),
        dataset,
        backbone=b"weights",
        design=DESIGN,
        normalise=normalise,
        categories=categories_of(dataset)[0] if both else (),
        preprocess=Preprocess(size=64),
        provenance={"data": "colours"},
        **more,
    )


def test_two_tasks_are_written_read_and_predicted(dataset: Dataset, tmp_path: Path) -> None:
    """Classes, design and parameters come back; every photo gets both answers."""
    bundle = made(dataset, parameters=1234)
    write_bundle(tmp_path / "b.waymark", bundle)
    read = read_bundle(tmp_path / "b.waymark")

    assert read.manifest.tasks[0].ids == ("brick", "copper", "sky")
    assert [known.category for known in read.manifest.landmarks] == ["wall", "roof", "roof"]
    assert read.manifest.tasks[1].name == CATEGORY
    assert [(kind.id, kind.name) for kind in read.manifest.categories] == [
        ("roof", "roof"), ("wall", "wall"),
    ]  # fmt: skip
    assert Design.from_dict(read.manifest.backbone["design"]) == DESIGN
    assert read.manifest.backbone["timm_name"] == "resnet18"
    assert read.manifest.metrics == {"parameters": 1234}
    for tta in (False, True):
        said = Recogniser(read, tta=tta).predict(dataset.photos[0].path)
        assert said.category_predictions is not None
        assert {guess.category for guess in said.category_predictions} == {"roof", "wall"}
        assert sum(guess.score for guess in said.category_predictions) == pytest.approx(1)
    measured = evaluate(Recogniser(read), dataset, split="val").to_dict()
    assert measured["category"]["n"] == measured["n"] == 15


@pytest.mark.parametrize("normalise", [False, True])
def test_the_head_in_the_statistics_is_the_one_in_the_model(
    dataset: Dataset, normalise: bool
) -> None:
    """Logits computed from embeddings, and the temperature fitted to them, are the model's."""
    bundle = made(dataset, normalise=normalise)
    val = dataset.of_split("val")
    seen = [s for s in Recogniser(bundle).classify([p.path for p in val.photos])
            if isinstance(s, Seen)]  # fmt: skip
    logits = np.stack([s.logits for s in seen])
    embedding = np.stack([s.embedding for s in seen])
    if normalise:
        embedding = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)

    own = embedding @ bundle.statistics["head_weight"].T + bundle.statistics["head_bias"]
    truth = np.array([dataset.labels.index(p.label) for p in val.photos])

    assert bundle.manifest.head == {"normalise": normalise}
    assert logits == pytest.approx(own, abs=1e-4)
    assert bundle.manifest.temperature == pytest.approx(fit_temperature(logits, truth), rel=1e-3)


def test_one_task_is_as_before(dataset: Dataset, tmp_path: Path) -> None:
    """No categories, no second task; nothing is said of parameters."""
    bundle = made(dataset, both=False)
    write_bundle(tmp_path / "b.waymark", bundle)

    assert bundle.manifest.categories == ()
    assert bundle.manifest.metrics == {}
    said = Recogniser(read_bundle(tmp_path / "b.waymark")).predict(dataset.photos[0].path)
    assert said.category_predictions is None


def test_means_and_counts_are_of_the_training_photos(dataset: Dataset) -> None:
    """Validation photos leave no trace in the statistics."""
    bundle = made(dataset)
    embedded = Recogniser(bundle).embed([p.path for p in dataset.photos if p.split == "train"])
    labels = np.array([dataset.labels.index(p.label) for p in dataset.photos if p.split == "train"])

    assert bundle.statistics["counts"].tolist() == [9, 8, 7]
    for i in range(3):
        assert bundle.statistics["means"][i] == pytest.approx(
            embedded[labels == i].mean(axis=0), abs=1e-4
        )


def test_a_wide_embedding_keeps_variances_and_works(
    dataset: Dataset, tmp_path: Path, folder: Any, monkeypatch: Any
) -> None:
    """Saved, read, used and taught like any other, without a matrix of the embedding's width."""
    for module in (bundle_statistics, evaluation_statistics):
        monkeypatch.setattr(module, "WIDE", 8)
    write_bundle(tmp_path / "b.waymark", made(dataset, normalise=True))
    bundle = read_bundle(tmp_path / "b.waymark")

    assert bundle.statistics["covariance"].shape == (16,)
    said = Recogniser(bundle).predict(dataset.photos[0].path)
    assert isinstance(said, Prediction)
    news = read_dataset(folder(tmp_path / "new", sand=6))
    taught = teach(bundle, news).bundle
    write_bundle(tmp_path / "taught.waymark", taught)
    read = read_bundle(tmp_path / "taught.waymark")
    assert read.manifest.tasks[0].ids == ("brick", "copper", "sky", "sand")
    assert read.statistics["covariance"].shape == (16,)
    assert Recogniser(read).predict(news.photos[0].path).predictions


def test_a_landmark_without_a_readable_photo_is_named(dataset: Dataset) -> None:
    """It cannot have a mean."""
    photos = tuple(p for p in dataset.photos if p.label != "sky" or p.split == "val")

    with pytest.raises(DatasetError, match="no training photo of sky"):
        made(replace(dataset, photos=photos))
