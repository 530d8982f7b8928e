"""`waymark write` and `waymark undo`: what they print, what they do, and how they end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from waymark.bundle.format import write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.cli import app
from waymark.errors import WaymarkError
from waymark.library.store import Store


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a folder of three photos and a library that knows them, to be copied."""
    root = tmp_path_factory.mktemp("tagged")
    write_bundle(root / "b.waymark", tiny_bundle(4))
    (root / "photos").mkdir()
    for seed in range(3):
        blocks = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((90, 70)).save(root / "photos" / f"{seed}.png")
    run("tag", root / "photos", "--library", root / "l.sqlite", "--bundle", root / "b.waymark",
        "--unknown-threshold", 1)  # fmt: skip
    return root / "photos", root / "l.sqlite"


@pytest.fixture
def folder(tagged: tuple[Path, Path]) -> Path:
    """Return the folder without sidecars."""
    for sidecar in tagged[0].glob("*.xmp"):
        sidecar.unlink()
    return tagged[0]


@pytest.fixture
def call(tagged: tuple[Path, Path]) -> Callable[..., Any]:
    """Return a function that runs a command with the library."""
    return lambda *arguments: run(*arguments, "--library", tagged[1])


def run(*arguments: object) -> Any:
    """Run a command."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_dry_run_shows_and_touches_nothing(folder: Path, call: Callable[..., Any]) -> None:
    """Differences go to stdout, what they come to and how to do it to stderr."""
    result = call("write", folder, "--min-score", 0)

    assert result.exit_code == 0
    assert result.stdout.count("--- /dev/null") == 3
    assert "+++ " in result.stdout
    assert "--apply" in result.stderr
    assert not list(folder.glob("*.xmp"))


def test_a_line_a_file(folder: Path, call: Callable[..., Any]) -> None:
    """With --brief; a dry run that leaves a file alone ends with 1, as the run itself would."""
    shown = call("write", folder, "--min-score", 0, "--brief")
    assert [line[:8] for line in shown.stdout.splitlines()] == ["create  "] * 3
    assert all("  Places/" in line for line in shown.stdout.splitlines())
    for number in range(3):
        (folder / f"{number}.png.xmp").write_bytes(b"broken")
    (folder / "0.png.xmp").unlink()
    shown = call("write", folder, "--min-score", 0, "--brief")
    assert shown.exit_code == 1
    assert shown.stderr.count("left ") == 3  # two files, and how many
    for number in (1, 2):
        (folder / f"{number}.png.xmp").unlink()


def test_there_and_back_again(folder: Path, call: Callable[..., Any]) -> None:
    """Written, nothing to write, listed, shown to go, and gone."""
    first = call("write", folder, "--min-score", 0, "--apply")
    assert first.exit_code == 0
    assert "3 made" in first.stdout
    assert "waymark undo" in first.stdout
    assert len(list(folder.glob("*.png.xmp"))) == 3
    assert "3 already" in call("write", folder, "--min-score", 0, "--apply").stdout
    assert "3 files" in call("undo", "--list").stdout

    shown = call("undo")
    assert "3 to be removed" in shown.stderr
    assert len(list(folder.glob("*.xmp"))) == 3
    assert call("undo", "--apply").exit_code == 0
    assert not list(folder.glob("*.xmp"))


def test_nothing_is_approved_yet(folder: Path, call: Callable[..., Any]) -> None:
    """Without --min-score only what a person approved is written, and it says so."""
    result = call("write", folder)

    assert result.exit_code == 0
    assert "approved" in result.stderr
    assert not result.stdout


def test_what_is_left_alone_is_named(folder: Path, call: Callable[..., Any]) -> None:
    """A damaged sidecar ends with 1, is named with the reason, and is as it was."""
    (folder / "0.png.xmp").write_bytes(b"broken")
    result = call("write", folder, "--min-score", 0, "--apply")

    assert result.exit_code == 1
    assert "0.png.xmp" in result.stderr
    assert (folder / "0.png.xmp").read_bytes() == b"broken"
    call("undo", "--apply")


@pytest.mark.parametrize(
    "wrong",
    [
        ("write", "--approved", "--min-score", 0.5),
        ("write", "--min-score", 7),
        ("write", "--embed", "--apply"),
        ("write", "/no/such/folder"),
        ("undo", 12345),
        ("undo", "--all", 1),
    ],
)
def test_wrong_usage(call: Callable[..., Any], wrong: tuple[object, ...]) -> None:
    """Each is an error that names the remedy."""
    result = call(*wrong)

    assert result.exit_code != 0
    assert result.exit_code == 2 or isinstance(result.exception, WaymarkError)


def test_a_rejected_tag_is_taken_out_and_all_goes_at_once(
    folder: Path, call: Callable[..., Any], tagged: tuple[Path, Path]
) -> None:
    """The write after a rejection removes that sidecar; `undo --all` shows and does the rest."""
    call("write", folder, "--min-score", 0, "--apply")
    with Store.open(tagged[1]) as store:
        store.reject([1])
    shown = call("write", folder, "--min-score", 0)
    assert "1 to be removed, 2 already" in shown.stderr
    assert "1 removed" in call("write", folder, "--min-score", 0, "--apply").stdout
    assert len(list(folder.glob("*.xmp"))) == 2

    assert "2 to be removed" in call("undo", "--all").stderr
    assert call("undo", "--all", "--apply").exit_code == 0
    assert not list(folder.glob("*.xmp"))
    with Store.open(tagged[1]) as store:
        store.undo_review()


def test_embedding_there_and_back(
    folder: Path, call: Callable[..., Any], tool: Callable[[str], str]
) -> None:
    """With a backup photos are written into, and undo gives the files of before."""
    tool("exiftool")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    shown = call("write", folder, "--min-score", 0, "--embed")
    done = call("write", folder, "--min-score", 0, "--embed", "--apply", "--i-have-a-backup")

    assert "+++ " in shown.stdout
    assert "3 changed" in done.stdout
    assert {path.name: path.read_bytes() for path in folder.iterdir()} != before
    assert call("undo", "--apply").exit_code == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_nothing_is_left_to_be_taken_back(folder: Path, call: Callable[..., Any]) -> None:
    """An undo that has nothing to do speaks of undoing, not of reviewing photos."""
    done = call("write", folder, "--min-score", 0, "--apply")
    number = done.stdout.split("waymark undo ")[1].split()[0]
    call("undo", number, "--apply")
    result = call("undo", number)

    assert result.exit_code == 0
    assert "left to be taken back" in result.stderr
    assert "approved" not in result.stderr
