"""A run has a folder of its own, says where it comes from, and fails before it costs anything."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest

from waymark.bundle.format import read_bundle, write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.dataset.index import read_dataset
from waymark.errors import BundleError, ConfigError, DatasetError, MissingExtra, RunError
from waymark.training.recipes import RECIPES
from waymark.training.run import Origin, open_folder, train

LINEAR, DEEP = RECIPES["linear"], RECIPES["finetune"]


@pytest.fixture
def dataset(tmp_path, folder):
    """Return a dataset of two landmarks."""
    return read_dataset(folder(tmp_path / "photos", brick=6, sky=6))


@pytest.fixture
def parent(tmp_path, own_cache) -> str:
    """Return the file of a tiny bundle to learn from."""
    write_bundle(tmp_path / "tiny.waymark", tiny_bundle(features=32))
    return str(tmp_path / "tiny.waymark")


def test_a_run_says_where_it_comes_from(tmp_path, dataset, parent):
    """Command, terms and places are in card and provenance; bundle and files say the same."""
    origin = Origin(command="waymark train photos", terms="CC BY 4.0")

    run = train(dataset, LINEAR, out=tmp_path / "run", parent=parent, origin=origin)

    card = (run.folder / "README.md").read_text(encoding="utf-8").splitlines()
    for row in (
        "| command | `waymark train photos` |",
        "| terms of the data | CC BY 4.0 |",
        "| places | 2 unknown |",
    ):
        assert row in card
    bundle = read_bundle(run.folder)
    assert bundle.sha256 == run.bundle.sha256
    assert bundle.manifest.provenance["places"] == {"unknown": 2}
    assert json.loads((run.folder / "metrics.json").read_text()) == run.metrics


def test_terms_are_not_made_up(tmp_path, dataset, parent):
    """Who does not say what may be done with the photos gets a card that says so."""
    run = train(dataset, LINEAR, out=tmp_path / "run", parent=parent)

    assert "| terms of the data | not stated |" in run.bundle.card.splitlines()
    assert "| command |" not in run.bundle.card


def test_a_folder_is_made_or_numbered(tmp_path, monkeypatch):
    """As asked for, or the first runs/DATASET-RECIPE-N that is not there."""
    monkeypatch.chdir(tmp_path)

    assert open_folder(tmp_path / "a" / "b", "d", LINEAR, resume=False).is_dir()
    assert open_folder(tmp_path / "a" / "b", "d", LINEAR, resume=False).is_dir()  # still empty
    numbered = [open_folder(None, "d", LINEAR, resume=False) for _ in range(2)]
    assert numbered == [Path("runs/d-linear-1"), Path("runs/d-linear-2")]


def test_a_folder_in_use_is_not_taken(tmp_path):
    """Neither one with something in it, nor a file."""
    (tmp_path / "file").touch()

    with pytest.raises(RunError, match=r"is not empty.*--resume"):
        open_folder(tmp_path, "d", LINEAR, resume=False)
    with pytest.raises(RunError, match="is a file"):
        open_folder(tmp_path / "file", "d", LINEAR, resume=False)


def test_only_a_run_of_this_recipe_is_resumed(tmp_path):
    """Without a folder, without a run in it, or with another recipe there is nothing to go on."""
    with pytest.raises(RunError, match="--resume needs --out"):
        open_folder(None, "d", LINEAR, resume=True)
    with pytest.raises(RunError, match="holds no run"):
        open_folder(tmp_path, "d", LINEAR, resume=True)
    (tmp_path / "recipe.toml").write_text(LINEAR.to_toml(), encoding="utf-8")
    with pytest.raises(RunError, match="another recipe"):
        open_folder(tmp_path, "d", replace(LINEAR, seed=9), resume=True)
    assert open_folder(tmp_path, "d", LINEAR, resume=True) == tmp_path


def test_the_deep_path_without_torch_fails_before_anything_is_read(tmp_path, dataset, monkeypatch):
    """The message has what is missing and the command; no folder is left, no photo hashed."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "waymark.training.deep.find_spec", lambda name: None if name == "timm" else find(name)
    )
    told = []

    with pytest.raises(MissingExtra, match=r"timm not found.*pip install \"waymark\[train\]\""):
        train(dataset, DEEP, out=tmp_path / "run", progress=lambda *said: told.append(said))

    assert told == []
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_trained_is_refused(tmp_path, dataset):
    """One landmark, two tasks on the fast path, weights that nobody has: no folder is left."""
    one = dataset.with_photos(p for p in dataset.photos if p.label == "sky")
    out, weights = tmp_path / "run", tmp_path / "w.safetensors"

    with pytest.raises(DatasetError, match="one landmark, 'sky'"):
        train(one, LINEAR, out=out)
    with pytest.raises(ConfigError, match="task is 'parallel'"):
        train(dataset, LINEAR.with_settings({"task": "parallel"}), out=out)
    with pytest.raises(ConfigError, match="nobody has pretrained vgg_like"):
        train(dataset, RECIPES["korea-vgg"].with_settings({"start": "pretrained"}), out=out)
    with pytest.raises(DatasetError, match="without a category: 'brick', 'sky'"):
        train(dataset, RECIPES["usc-vgg16"], out=out)
    with pytest.raises(ConfigError, match="no such file"):
        train(dataset, LINEAR, out=out, weights=weights)
    with pytest.raises(ConfigError, match="no such file"):
        train(dataset, DEEP, out=out, weights=weights)
    assert not out.exists()


def test_a_run_that_fails_at_once_leaves_no_folder(tmp_path, dataset, own_cache):
    """So that the same command can be given again."""
    (tmp_path / "bad.waymark").write_text("no bundle")

    with pytest.raises(BundleError, match=r"bad\.waymark"):
        train(dataset, LINEAR, out=tmp_path / "run", parent=str(tmp_path / "bad.waymark"))

    assert not (tmp_path / "run").exists()
