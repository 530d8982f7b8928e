"""One batch is learnt by heart where it can be; the learning rate rises until it hurts."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from waymark.dataset.index import Dataset, read_dataset
from waymark.errors import ConfigError
from waymark.samples import SAMPLES, write_samples
from waymark.training.checks import judge
from waymark.training.recipe import Recipe, Stage

torch = pytest.importorskip("torch")

from waymark.training.loop_checks import evenly, find_rate, overfit_one_batch  # noqa: E402

CNN = Recipe(
    backbone="scratch_cnn5",
    start="random",
    size=32,
    batch=8,
    pool="flatten",
    hidden=(32,),
    hidden_norm=True,
    dropout=0.5,
    loss="nll",
    stages=(Stage(optimiser="adam", lr=1e-3, warmup=0.5, schedule="cosine"),),
    workers=0,
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of two rendered landmarks."""
    torch.set_num_threads(1)
    return write_samples(
        tmp_path_factory.mktemp("d") / "s", per_landmark=6, size=(48, 48), names=SAMPLES[:2]
    )


@pytest.fixture
def dataset(photos: Path) -> Dataset:
    """Return them as a dataset."""
    return read_dataset(photos)


def test_a_network_that_can_learn_does(dataset: Dataset) -> None:
    """S2's network knows eight photos by heart within a few steps, dropout and all."""
    steps = list(overfit_one_batch(dataset, CNN, steps=60))
    assert judge(steps).learns
    assert steps[0].step == 0
    assert steps[-1].wrong == ()
    assert steps[-1].top1 == {"landmark": 1.0}
    assert steps[-1].loss < steps[0].loss / 2


def test_labels_at_odds_cannot_be_learnt(dataset: Dataset, tmp_path: Path) -> None:
    """The same photo under two labels stays wrong under one of them, and is named."""
    one, two = dataset.labels
    photo = next(p.path for p in dataset.photos if p.label == one)
    for label in (one, two):
        (tmp_path / label).mkdir()
        shutil.copy(photo, tmp_path / label / f"{label}.jpg")

    steps = list(overfit_one_batch(read_dataset(tmp_path), CNN, steps=12))

    assert not judge(steps).learns
    assert len(steps) == 13
    assert len(steps[-1].wrong) == 1
    assert steps[-1].wrong[0].parent.parent == tmp_path


def test_a_rate_far_too_low_is_told(dataset: Dataset) -> None:
    """Nothing moves at 1e-9, and the advice says why."""
    still = replace(CNN, stages=(Stage(optimiser="sgd", lr=1e-9),))
    verdict = judge(list(overfit_one_batch(dataset, still, steps=3)))
    assert not verdict.learns
    assert "too low" in verdict.advice[0]


def test_both_tasks_are_learnt_by_heart(photos: Path, tmp_path: Path) -> None:
    """With landmark and category at once, both must be named right."""
    for folder, category in zip(sorted(photos.iterdir()), ("tower", "bridge"), strict=True):
        shutil.copytree(folder, tmp_path / category / folder.name)
    dataset = read_dataset(tmp_path, levels="category,landmark")
    steps = list(overfit_one_batch(dataset, replace(CNN, task="parallel"), steps=60))
    assert judge(steps).learns
    assert steps[-1].top1 == {"landmark": 1.0, "category": 1.0}


def test_the_same_seed_gives_the_same_steps(dataset: Dataset) -> None:
    """Batch, weights and losses depend on the seed alone."""
    one, two = ([s.loss for s in overfit_one_batch(dataset, CNN, steps=3)] for _ in range(2))
    assert one == two


def test_a_batch_has_every_landmark_alike(dataset: Dataset) -> None:
    """Photos are taken in turn; those that a dataset keeps for choosing are not taken."""
    assert Counter(p.label for p in evenly(dataset, 6, seed=0).photos) == dict.fromkeys(
        dataset.labels, 3
    )
    kept = [replace(p, split="val" if i % 2 else "train") for i, p in enumerate(dataset.photos)]
    chosen = evenly(dataset.with_photos(tuple(kept)), 100, seed=0)
    assert {p.path for p in chosen.photos} == {p.path for p in kept if p.split == "train"}
    assert chosen.labels == dataset.labels


def test_rates_rise_by_the_same_factor(dataset: Dataset) -> None:
    """From the lowest to the highest, one real batch each, and the loss falls on the way."""
    steps = list(find_rate(dataset, CNN, lowest=1e-5, highest=1e-2, steps=16))
    assert steps[0].rate == pytest.approx(1e-5)
    assert steps[-1].rate == pytest.approx(1e-2)
    factors = [b.rate / a.rate for a, b in pairwise(steps)]
    assert factors == pytest.approx([factors[0]] * 15)
    assert steps[-1].smoothed < steps[0].smoothed


def test_it_ends_when_the_loss_explodes(dataset: Dataset) -> None:
    """A rate of a hundred is far too much, and the steps after it are not taken."""
    wild = replace(CNN, hidden_norm=False, stages=(Stage(optimiser="sgd", lr=1e-3),))
    steps = list(find_rate(dataset, wild, lowest=1e-4, highest=100.0, steps=40))
    assert len(steps) < 40


def test_checks_write_nothing(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither where they run nor in the temporary folder."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    list(overfit_one_batch(dataset, CNN, steps=1))
    list(find_rate(dataset, CNN, steps=2))
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_none(dataset: Dataset, tmp_path: Path) -> None:
    """A file that holds no weights is an error before the first step."""
    (tmp_path / "no.safetensors").write_text("no")
    with pytest.raises(ConfigError, match="cannot read the weights"):
        next(overfit_one_batch(dataset, CNN, weights=tmp_path / "no.safetensors"))
