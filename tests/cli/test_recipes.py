"""`waymark recipes`, and what a recipe of one's own is told when it cannot be."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from waymark.cli import app
from waymark.samples import SAMPLES, write_samples
from waymark.training import measured
from waymark.training.recipe import Recipe, read_recipe
from waymark.training.recipes import RECIPES


def run(*words: str) -> Result:
    """Run `waymark`."""
    return CliRunner().invoke(app, list(words))


def test_every_recipe_is_listed() -> None:
    """Name, sentence, source and size, on lines that fit a terminal of 80 columns."""
    done = run("recipes")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines if line[0] != " "] == list(RECIPES)
    assert max(map(len, lines)) <= 80
    plain = " ".join(done.stdout.split())
    for recipe in RECIPES.values():
        assert " ".join(recipe.about.split()) in plain
        assert f"source: {' '.join(recipe.source.split())}" in plain
    assert re.search(r"^istanbul-resnet50 +resnet50, 23\.5 M weights, 224 px$", done.stdout, re.M)


def test_measured_figures_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Top-1 with its interval where a recipe was measured, a dash where it was not."""
    row = {"recipe": "linear", "start": "here", "own": True, "n": 9}
    row |= {"top1": 0.8, "top1_interval": [0.7, 0.9]}
    (tmp_path / "m.json").write_text(json.dumps({"world": {"rows": [row]}}))
    monkeypatch.setattr(measured.read_measured, "__defaults__", (tmp_path / "m.json",))
    said = " ".join(run("recipes").stdout.split("finetune ")[0].split())
    assert "top-1 here: world 80.0% (70.0% to 90.0%, n = 9, from here), provence -" in said


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_printed_is_a_recipe(name: str, tmp_path: Path) -> None:
    """The TOML reads back as the same recipe; what is said of it stands above as comments."""
    text = run("recipes", name).stdout
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    assert read_recipe(tmp_path / "mine.toml") == RECIPES[name]
    above = text.split("\nname = ")[0].splitlines()
    assert all(line.startswith("#") or not line for line in above)
    said = " ".join(" ".join(line.removeprefix("#") for line in above).split())
    for part in (RECIPES[name].about, RECIPES[name].source, RECIPES[name].notes):
        assert " ".join(part.split()) in said


def test_hostile_words_stay_comments(tmp_path: Path) -> None:
    """Line ends and control codes in one's own recipe do not get out of the comment."""
    nasty = 'about = "a\\nseed = 7\\u001b[31m"\nsource = "\\u2028seed = 8"\n'
    (tmp_path / "mine.toml").write_text(nasty, encoding="utf-8")
    done = run("recipes", str(tmp_path / "mine.toml"))
    assert done.exit_code == 0, done.output
    above = done.stdout.split("\nname = ")[0]
    assert "\x1b" not in above
    assert all(line.startswith("#") for line in above.split("\n") if line)
    assert tomllib.loads(done.stdout)["seed"] == 0


def test_no_torch_is_loaded() -> None:
    """The list, sizes and all, comes without torch."""
    code = (
        "import sys\nsys.modules['torch'] = None\nfrom waymark.cli import app\n"
        "try:\n    app(['recipes'])\nexcept SystemExit as end:\n    assert not end.code\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset of two rendered landmarks."""
    folder = tmp_path_factory.mktemp("d") / "s"
    return write_samples(folder, per_landmark=2, size=(32, 32), names=SAMPLES[:2])


WRONG = {
    # what the file says: words that the message must have
    "sise = 128": ["no field 'sise'", "did you mean 'size'", "batch"],
    "stages = [{epoch = 3}]": ["stage", "'epoch'", "did you mean 'epochs'", "optimiser"],
    'backbone = "resnet81"': ["'resnet81'", "did you mean 'resnet18'", "waymark backbones"],
    'augment = "strnog"': ["augment", "'strnog'", "none, flip, five, light, strong", "'strong'"],
    'task = "category-frist"': ["task", "'category-first'", "parallel", "landmark-as-feature"],
    'stages = [{optimiser = "adamm"}]': ["optimiser", "adamw, adam, sgd, rmsprop", "Did you mean"],
    'loss = "nnl"': ["loss", "cross-entropy, nll, arcface", "'nll'"],
    'pool = "gme"': ["pool", "mean, gem, grid, flatten", "'gem'"],
    'kind = "deeep"': ["kind", "deep, linear", "'deep'"],
    "batch = 0": ["batch", "0", "between 1 and 65536"],
    "dropout = 1.5": ["dropout", "1.5", "between 0.0 and 0.95"],
    "stages = [{lr = -1}]": ["lr", "-1", "between 1e-09 and 100"],
    "stages = [{epochs = 0}]": ["epochs", "between 1 and"],
    "size = 100": ["size", "100", "multiple of 32"],
    'batch = "many"': ["batch", "'many'", "int"],
    "hidden = [0]": ["hidden", "whole numbers", "1 to 65536"],
    "hidden = [1000000000]": ["hidden", "1 to 65536"],
    "seed = -1": ["seed", "-1", "between 0 and 4294967295"],
    "stages = [{lr = nan}]": ["lr", "nan", "between"],
    "stages = []": ["stages"],
    "seed = ": ["mine.toml", "waymark recipes"],
}


@pytest.mark.parametrize(("text", "words"), WRONG.items(), ids=WRONG)
def test_a_recipe_that_cannot_be(text: str, words: list[str], photos: Path, tmp_path: Path) -> None:
    """One line: the field, what it is, what it may be, and the nearest match; no run is made."""
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    done = run("train", str(photos), "--recipe", str(file), "--out", str(tmp_path / "run"))
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert [word for word in words if word not in line] == []
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("batc=3", ["'batc'", "did you mean 'batch'"]),
        ("stages.0.rl=3", ["'rl'", "lr"]),
        ("stages.9.lr=1e-3", ["stage", "9", "0 to"]),
        ("backbone=vgg18", ["'vgg18'", "did you mean 'vgg1"]),
        ("precision=float23", ["precision", "auto, float32, bfloat16", "'float32'"]),
        ("seed", ["--set", "key=value"]),
    ],
)
def test_a_setting_that_cannot_be(setting: str, words: list[str], photos: Path) -> None:
    """The same for `--set`."""
    done = run("train", str(photos), "--recipe", "finetune", "--set", setting)
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert [word for word in words if word not in line] == []


def test_a_recipe_that_does_not_exist() -> None:
    """The nearest name, and the command that lists all."""
    done = run("recipes", "istanbul-resnet5")
    assert done.exit_code == 2
    assert "did you mean 'istanbul-resnet50'" in done.stderr
    assert "`waymark recipes`" in done.stderr


def test_the_defaults_are_a_recipe() -> None:
    """An empty file is one, named after itself."""
    assert Recipe().with_settings({}) == Recipe()
