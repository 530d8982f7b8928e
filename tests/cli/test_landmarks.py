"""`waymark landmarks` lists and finds."""

from __future__ import annotations

import json

from typer import Typer
from typer.testing import CliRunner

from waymark.cli.landmarks import landmarks
from waymark.gazetteer import load_gazetteer

app = Typer()
app.command()(landmarks)


def test_without_words_all_are_listed() -> None:
    """A line each, in the order of the file."""
    lines = CliRunner().invoke(app, []).stdout.splitlines()

    assert [line.split()[0] for line in lines] == [each.id for each in load_gazetteer().landmarks]


def test_words_search_in_any_spelling() -> None:
    """Several words are one query; the best comes first."""
    result = CliRunner().invoke(app, ["eifel", "towr"])

    assert result.exit_code == 0
    assert result.stdout.startswith("eiffel_tower ")


def test_json_has_a_landmark_a_line() -> None:
    """Every key is present, null where nothing is known."""
    result = CliRunner().invoke(app, ["anitkabir", "--json", "--limit", "1"])
    (found,) = map(json.loads, result.stdout.splitlines())

    assert (found["id"], found["local_name"], found["wikidata"]) == ("anitkabir", None, "Q615404")


def test_nothing_found() -> None:
    """Exit code 1, and a word on stderr."""
    result = CliRunner().invoke(app, ["qqqqqq"])

    assert (result.exit_code, result.stdout) == (1, "")
    assert "no landmark is like 'qqqqqq'" in result.stderr
