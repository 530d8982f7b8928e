"""`waymark data clean`: what it writes, moves, brings back, and says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from waymark.cli.data import data
from waymark.curate.finding import Check, Finding
from waymark.dataset.index import read_dataset
from waymark.errors import ConfigError, DatasetError, UnknownName
from waymark.samples import SAMPLES, write_samples


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a dataset of two sample landmarks, three photos each."""
    names = SAMPLES[:2]
    return write_samples(tmp_path / "photos", per_landmark=3, size=(48, 32), names=names)


@pytest.fixture
def check(folder: Path, tmp_path: Path) -> Path:
    """Return a check.json of it: a duplicate, a blurred photo, a wrong label."""
    one, two = SAMPLES[:2]
    rows: list[dict[str, Any]] = [
        {"kind": "exact-duplicate", "paths": (f"{one}/000.jpg", f"{one}/001.jpg")},
        {"kind": "blurred", "paths": (f"{two}/000.jpg",), "suggest": "review"},
        {"kind": "wrong-label", "paths": (f"{two}/001.jpg",), "label_suggested": one}
        | {"suggest": "relabel"},
    ]
    findings = tuple(Finding(**{"severity": 1.0, "suggest": "drop"} | row) for row in rows)
    file = tmp_path / "check.json"
    Check(dataset=str(folder.resolve()), photos=6, findings=findings).write(file)
    return file


def clean(*words: object) -> Result:
    """Run the command."""
    return CliRunner().invoke(data, ["clean", *map(str, words)])


def counts(dataset: Path) -> list[int]:
    """Return how many photos each landmark has."""
    return list(read_dataset(dataset).counts().values())


def test_a_manifest_leaves_out_what_is_bad(folder: Path, check: Path) -> None:
    """Nothing is moved, and the photos that stay are those of the manifest."""
    result = clean(folder, "--from", check)

    assert result.exit_code == 0, result.output
    assert f"{folder / 'clean.csv'}: 5 of 6 photos" in result.stdout
    assert "1  exact-duplicate" in result.stdout
    assert "--relabel" in result.stderr
    assert sorted(counts(folder / "clean.csv")) == [2, 3]
    assert counts(folder) == [3, 3]
    assert isinstance(clean(folder, "--from", check).exception, ConfigError)  # it exists


def test_kinds_and_labels_can_be_chosen(folder: Path, check: Path) -> None:
    """--only takes all of a kind; --relabel moves a photo to the other landmark."""
    (first, second), out = SAMPLES[:2], folder / "out.csv"
    result = clean(folder, "--from", check, "--only=duplicates,blurred", "--out", out)
    assert result.exit_code == 0, result.output
    assert counts(out) == [2, 2]

    out.unlink()
    result = clean(folder, "--from", check, "--relabel", "--out", out)
    assert "1  get another label" in result.stdout
    assert read_dataset(out).counts() == {first: 3, second: 2}
    assert isinstance(clean(folder, "--from", check, "--only=dulicates").exception, UnknownName)


def test_a_quarantine_and_back(folder: Path, check: Path, tmp_path: Path) -> None:
    """The line that is printed undoes it."""
    before = {path: path.read_bytes() for path in folder.rglob("*.jpg")}
    moved = clean(folder, "--from", check, "--quarantine", tmp_path / "away")
    assert moved.exit_code == 0, moved.output
    assert "1 photos moved" in moved.stdout
    assert len(list(folder.rglob("*.jpg"))) == 5
    assert not (folder / "clean.csv").exists()

    log = moved.stdout.partition("--restore ")[2].split()[0]
    back = clean(folder, "--restore", log)
    assert back.exit_code == 0, back.output
    assert {path: path.read_bytes() for path in folder.rglob("*.jpg")} == before


def test_a_photo_that_cannot_go_back_is_said(folder: Path, check: Path, tmp_path: Path) -> None:
    """Exit code 1, and the photo in its place is left."""
    clean(folder, "--from", check, "--quarantine", tmp_path / "away")
    (folder / SAMPLES[0] / "000.jpg").write_text("mine")
    back = clean(folder, "--restore", tmp_path / "away" / "quarantine.jsonl")

    assert back.exit_code == 1
    assert "another file is in its place" in back.stderr
    assert (folder / SAMPLES[0] / "000.jpg").read_text() == "mine"


def test_what_one_would_not_expect_is_said(folder: Path, check: Path, tmp_path: Path) -> None:
    """Photos that are gone or outside, a copy that is spared, a landmark without photos."""
    one, two = SAMPLES[:2]
    groups = (
        (f"{two}/000.jpg", f"{two}/001.jpg", f"{two}/002.jpg"),
        ("/elsewhere/\x1b[31m.jpg", f"{one}/gone\n.jpg"),
    )
    findings = [
        Finding(kind="off-topic", paths=paths, severity=1, suggest="drop") for paths in groups
    ]
    pair = (f"{one}/000.jpg", f"{one}/gone\n.jpg")
    findings.append(Finding(kind="near-duplicate", paths=pair, severity=1, suggest="drop"))
    Check(dataset=str(folder), photos=6, findings=tuple(findings)).write(check)
    result = clean(folder, "--from", check)

    for words in ("no longer fits", "outside the dataset", "last sound copy", "last photo"):
        assert words in result.stderr
    assert "\x1b" not in result.output
    assert two in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--from=check.json", "--restore=log"),
        ("--restore=log", "--only=blurred"),
        ("--restore=log", "--quarantine=away"),
        ("--from=check.json", "--quarantine=away", "--relabel"),
        ("--from=check.json", "--quarantine=away", "--out=clean.csv"),
    ],
)
def test_options_that_do_not_go_together(folder: Path, words: tuple[str, ...]) -> None:
    """Are refused before anything is read."""
    assert isinstance(clean(folder, *words).exception, ConfigError)


def test_files_that_are_not_there(folder: Path, tmp_path: Path) -> None:
    """A check.json or a dataset that is missing is told as such."""
    assert isinstance(clean(folder, "--from", tmp_path / "no.json").exception, DatasetError)
    missing = clean(tmp_path / "none", "--restore", tmp_path / "log")
    assert isinstance(missing.exception, DatasetError)


def test_the_same_command_again_says_what_it_did_before(
    folder: Path, check: Path, tmp_path: Path
) -> None:
    """What is in the quarantine is not called gone."""
    words = (folder, "--from", check, "--quarantine", tmp_path / "q")
    clean(*words)
    again = clean(*words)

    assert again.exit_code == 0, again.output
    assert "1 are in the quarantine already" in again.stderr
    assert "is gone" not in again.stderr


def test_what_a_link_that_stays_leads_to_is_not_moved(folder: Path, check: Path) -> None:
    """The link would be lost with it."""
    first = folder / SAMPLES[0]
    (first / "001.jpg").unlink()
    (first / "001.jpg").symlink_to("000.jpg")
    quarantine = folder / ".quarantine"
    result = clean(folder, "--from", check, "--quarantine", quarantine)

    assert result.exit_code == 1
    assert "a photo that stays is a link to it" in result.stderr
    assert (first / "001.jpg").read_bytes()
