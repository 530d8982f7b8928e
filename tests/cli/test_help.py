"""The command line starts fast, explains itself, and turns errors into one line."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from waymark.cli import Translated, app
from waymark.errors import DatasetError
from waymark.version import __version__

EMPTY = """
import typer
app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
@app.command()
def nothing() -> None:
    pass
app()
"""
RUNS = 9


def seconds(command: list[str]) -> float:
    """Return how long a command takes."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return time.perf_counter() - started


def test_help_costs_at_most_twice_an_empty_app(tmp_path: Path) -> None:
    """`waymark --help` takes no more than twice as long as an empty Typer app's."""
    empty = tmp_path / "empty.py"
    empty.write_text(EMPTY)
    ours = [sys.executable, "-m", "waymark", "--help"]
    theirs = [sys.executable, str(empty), "--help"]
    seconds(ours), seconds(theirs)  # compiled files are written now
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(RUNS)]
    mine, empty_app = (statistics.median(column) for column in zip(*pairs, strict=True))
    assert mine <= 2 * empty_app


def commands() -> list[list[str]]:
    """Return every command as the words that follow `waymark`."""
    group = typer.main.get_command(app)
    found: list[list[str]] = [[]]
    waiting = [([], group)]
    while waiting:
        words, command = waiting.pop()
        for name, child in getattr(command, "commands", {}).items():
            found.append([*words, name])
            waiting.append(([*words, name], child))
    return sorted(found)


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_explains_itself(words: list[str]) -> None:
    """-h and --help work everywhere and say what the command does, and all its options."""
    short = CliRunner().invoke(app, [*words, "-h"])
    long = CliRunner().invoke(app, [*words, "--help"])
    assert short.exit_code == long.exit_code == 0
    assert short.output == long.output
    assert len(long.output.split("Options:")[0].split()) > 4


def test_version() -> None:
    """--version prints the version alone."""
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"waymark {__version__}\n")


@pytest.mark.parametrize("arguments", [["no-such-command"], ["--no-such-option"], ["doctor", "x"]])
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    """A command, an option or an argument that does not exist is wrong usage."""
    assert CliRunner().invoke(app, arguments).exit_code == 2


def raising(error: BaseException) -> typer.Typer:
    """Return an app of our group whose only command raises."""
    group = typer.Typer(cls=Translated, rich_markup_mode=None, pretty_exceptions_enable=False)

    @group.callback()
    def top() -> None:
        """Hold the command."""

    @group.command()
    def fail() -> None:
        raise error

    return group


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (DatasetError("no photos in x.\n  Put some there."), "no photos in x. Put some there.", 2),
        (DatasetError("a\x1b[31mb"), "a?[31mb", 2),
        (PermissionError(13, "Permission denied", "out"), "Permission denied: out", 2),
    ],
)
def test_errors_are_one_line(error: Exception, line: str, code: int) -> None:
    """A user's error is one line on stderr, without a traceback and without control codes."""
    result = CliRunner().invoke(raising(error), ["fail"])
    assert (result.exit_code, result.stderr, result.stdout) == (code, f"error: {line}\n", "")


def test_ctrl_c_exits_with_130() -> None:
    """Ctrl-C ends with the code that shells know, and one line."""
    result = CliRunner().invoke(raising(KeyboardInterrupt()), ["fail"])
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


def test_our_own_mistakes_are_not_hidden() -> None:
    """Any other exception stays an exception: it is a bug to be seen."""
    result = CliRunner().invoke(raising(ZeroDivisionError("oops")), ["fail"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_reader_that_stops_early_is_fine() -> None:
    """`waymark backbones | head -1` prints no complaint about the pipe."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "waymark", "backbones"],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.stderr == ""


def test_demo_prints_its_page_and_where_to_go_next(tmp_path, world_path) -> None:
    """The path goes to stdout, the next steps to stderr."""
    from waymark.samples import SAMPLES, render

    render(SAMPLES[0], seed=0, size=(160, 120)).save(tmp_path / "p.jpg")
    arguments = ["demo", str(tmp_path / "p.jpg"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, arguments)

    assert result.stdout.strip() == str(tmp_path / "out" / "index.html")
    assert "waymark train" in result.stderr
