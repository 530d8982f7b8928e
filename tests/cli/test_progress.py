"""Progress is a bar on a terminal and a few plain lines in a pipe, always on stderr."""

from __future__ import annotations

import io

import pytest

from waymark.cli.progress import bar, plain_lines


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def lines_of(calls: list[tuple[float, int, int]]) -> list[str]:
    """Return the plain lines that calls of (time in seconds, done, total) give."""
    lines: list[str] = []
    now = 0.0
    progress = plain_lines(lines.append, every=5, clock=lambda: now)
    for now, done, total in calls:  # noqa: B007  the clock reads it
        progress(done, total, "photos")
    return lines


def test_quick_work_is_silent() -> None:
    """Nothing is said of what ends before the first line is due."""
    assert lines_of([(0, 0, 2), (1, 1, 2), (2, 2, 2)]) == []


def test_slow_work_speaks_now_and_then() -> None:
    """A line every few seconds, not one a photo, and one at the end."""
    calls = [(float(second), second, 12) for second in range(13)]
    assert lines_of(calls) == ["photos: 5/12", "photos: 10/12", "photos: 12/12"]


def test_unknown_total() -> None:
    """Where the total is not known, only what is done is shown."""
    assert lines_of([(0, 1, 0), (6, 40, 0)]) == ["photos: 40"]


def test_a_pipe_gets_no_control_codes() -> None:
    """What is not a terminal gets plain text or nothing."""
    stream = io.StringIO()
    with bar(stream=stream) as progress:
        progress(1, 2, "photos")
        progress(2, 2, "photos")
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar() -> None:
    """A terminal shows what is done, and square brackets in it are no markup."""
    stream = Terminal()
    with bar(stream=stream) as progress:
        progress(1, 2, "[bold]photos")
        progress(2, 2, "[bold]photos")
    assert "[bold]photos" in stream.getvalue()
    assert "2/2" in stream.getvalue()


def test_stdout_stays_clean(capsys: pytest.CaptureFixture[str]) -> None:
    """By default nothing goes to stdout, which belongs to the command's answer."""
    with bar() as progress:
        progress(1, 1, "photos")
    assert capsys.readouterr().out == ""
