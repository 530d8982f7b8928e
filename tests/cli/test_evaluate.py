"""`waymark evaluate`, from folders and a bundle file to JSON, text, a report and exit codes."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from waymark.bundle.format import write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.cli import app


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Return the file of a bundle that knows landmark-0 to landmark-5."""
    path = tmp_path / "tiny.waymark"
    write_bundle(path, tiny_bundle(6))
    return path


def make(folder: Path, count: int, seed: int = 0) -> None:
    """Fill a folder with tiny photos."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for i in range(count):
        pixels = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.jpg")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Return a dataset of two landmarks with a broken photo among them."""
    for i in range(2):
        make(tmp_path / "photos" / f"landmark-{i}", 4, i)
    (tmp_path / "photos" / "landmark-0" / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    return tmp_path / "photos"


def run(*words: Any) -> Result:
    """Run `waymark evaluate`."""
    return CliRunner().invoke(app, ["evaluate", *map(str, words)])


def test_json_is_one_object_with_the_promised_keys(
    bundle: Path, dataset: Path, tmp_path: Path
) -> None:
    """Standard output is a single JSON object; the broken photo is a row in it."""
    make(tmp_path / "odd" / "objects", 5)

    done = run(bundle, dataset, "--negatives", tmp_path / "odd", "--json")

    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)
    promised = "n top1 top1_interval top3 top5 macro_f1 ece per_class skipped"
    promised += " n_unknown unknown_auroc unknown_fpr95 gap"
    assert set(figures) >= set(promised.split())
    assert (figures["n"], figures["n_unknown"]) == (8, 5)
    assert set(figures["per_class"]) == {"landmark-0", "landmark-1"}
    assert set(figures["per_class"]["landmark-0"]) == {"precision", "recall", "f1", "n"}
    assert [set(row) for row in figures["skipped"]] == [{"path", "reason"}]
    low, high = figures["top1_interval"]
    assert 0 <= low <= figures["top1"] <= high <= 1


def test_text_says_the_same_in_words(bundle: Path, dataset: Path) -> None:
    """Without --json a person reads the figures, their intervals and what was skipped."""
    done = run(bundle, dataset, "--fast")

    assert done.exit_code == 0, done.output
    assert "8 photos of known landmarks, 0 of none" in done.stdout
    assert "top-1" in done.stdout
    assert "AUROC" not in done.stdout
    assert "skipped 1" in done.stdout


def test_report_writes_a_page_and_leaves_json_alone(
    bundle: Path, dataset: Path, tmp_path: Path
) -> None:
    """--report fills the folder; with --json, stdout is still one object, the same as in it."""
    done = run(bundle, dataset, "--json", "--report", tmp_path / "report")

    assert done.exit_code == 0, done.output
    assert (tmp_path / "report" / "report.html").is_file()
    written = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert json.loads(done.stdout) == written
    assert "report.html" in done.stderr


def test_labels_the_bundle_lacks_end_with_2(bundle: Path, dataset: Path) -> None:
    """The error is one line that lists them; the option counts their photos as unknown."""
    make(dataset / "castle", 2)

    refused = run(bundle, dataset)
    taken = run(bundle, dataset, "--absent-as-unknown", "--json")

    assert refused.exit_code == 2
    assert refused.stdout == ""
    assert refused.stderr.startswith("error: ")
    assert refused.stderr.count("\n") == 1
    assert "castle" in refused.stderr
    assert json.loads(taken.stdout)["n_unknown"] == 2


def test_split_chooses_what_is_read(bundle: Path, tmp_path: Path) -> None:
    """Test is the default where there is one; another split is asked for by name."""
    make(tmp_path / "d" / "train" / "landmark-0", 3)
    make(tmp_path / "d" / "test" / "landmark-0", 2)

    counts = [json.loads(run(bundle, tmp_path / "d", "--json").stdout)["n"]]
    counts += [
        json.loads(run(bundle, tmp_path / "d", "--json", "--split", split).stdout)["n"]
        for split in ("train", "all")
    ]

    assert counts == [2, 3, 5]
    assert run(bundle, tmp_path / "d", "--split", "val").exit_code == 2


def test_levels_name_the_folders(bundle: Path, tmp_path: Path) -> None:
    """Two levels of folders need --levels, and the error says so."""
    make(tmp_path / "d" / "paris" / "landmark-0", 2)

    refused = run(bundle, tmp_path / "d")
    read = run(bundle, tmp_path / "d", "--levels", "place,landmark", "--json")

    assert refused.exit_code == 2
    assert "--levels" in refused.stderr
    assert json.loads(read.stdout)["n"] == 2


def test_a_report_over_other_files_is_refused_before_any_work(
    bundle: Path, dataset: Path, tmp_path: Path
) -> None:
    """Exit code 2, one line, and the folder stays as it was."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.toml").touch()

    refused = run(bundle, tmp_path / "nowhere", "--report", tmp_path / "run")

    assert refused.exit_code == 2
    assert "a run" in refused.stderr
    assert "nowhere" not in refused.stderr
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["recipe.toml"]


@pytest.fixture
def two_tasks(tmp_path: Path) -> Path:
    """Return the file of a bundle that also knows two categories, and who is of which."""
    made = tiny_bundle(3, categories=2)
    landmarks = tuple(
        replace(known, category=f"kind-{i % 2}") for i, known in enumerate(made.manifest.landmarks)
    )
    tasks = (replace(made.manifest.tasks[0], classes=landmarks), made.manifest.tasks[1])
    path = tmp_path / "two.waymark"
    write_bundle(path, replace(made, manifest=replace(made.manifest, tasks=tasks)))
    return path


def test_categories_are_measured_where_the_bundle_knows_them(
    bundle: Path, two_tasks: Path, dataset: Path
) -> None:
    """A line in the text, an object in the JSON; null for a bundle without."""
    text = run(two_tasks, dataset).stdout
    figures = json.loads(run(two_tasks, dataset, "--json").stdout)["category"]

    assert f"category top-1      {figures['top1']:7.1%}" in text
    assert "category macro F1" in text
    assert figures["n"] == 8
    assert set(figures["per_class"]) == {"kind-0", "kind-1"}
    assert json.loads(run(bundle, dataset, "--json").stdout)["category"] is None
    assert "category" not in run(bundle, dataset).stdout


def test_per_class_adds_a_table_for_each_task(two_tasks: Path, dataset: Path) -> None:
    """With the numbers of the JSON, and only when asked for."""
    text = run(two_tasks, dataset, "--per-class").stdout
    figures = json.loads(run(two_tasks, dataset, "--json").stdout)

    assert "macro average" not in run(two_tasks, dataset).stdout
    tables = text[text.index("\nlandmarks\n") :].split("\ncategories\n")
    assert len(tables) == 2
    for table, found in zip(tables, (figures, figures["category"]), strict=True):
        for name, row in found["per_class"].items():
            (line,) = [line for line in table.splitlines() if line.split()[:1] == [name]]
            cells = [f"{row[key]:.3f}" for key in ("precision", "recall", "f1")]
            assert line.split()[1:] == [*cells, str(row["n"])]
        assert f"{found['top1']:.3f}" in table
        assert found["macro_f1"] == pytest.approx(
            float(table.split("macro average")[1].split()[2]), abs=5e-4
        )


@pytest.mark.skipif(os.name != "posix", reason="control characters in names are for POSIX")
def test_a_table_cannot_steer_the_terminal(tmp_path: Path) -> None:
    """A landmark is called by what it is called, escaped."""
    make(tmp_path / "d" / "a\u202eb", 3)
    made = tiny_bundle(1)
    task = replace(
        made.manifest.tasks[0], classes=(replace(made.manifest.landmarks[0], id="a\u202eb"),)
    )
    write_bundle(
        tmp_path / "b.waymark", replace(made, manifest=replace(made.manifest, tasks=(task,)))
    )

    done = run(tmp_path / "b.waymark", tmp_path / "d", "--per-class")

    assert done.exit_code == 0, done.output
    assert "\u202e" not in done.stdout
    assert "a\\u202eb" in done.stdout
