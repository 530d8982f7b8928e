"""`waymark landmarks` lists, finds, checks and matches."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from waymark.cli.landmarks import landmarks
from waymark.dataset.index import read_dataset
from waymark.errors import ConfigError
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


def dataset(root: Path, *labels: str) -> Path:
    """Save a photo of each label."""
    from PIL import Image

    for label in labels:
        (root / label).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(root / label / "1.png")
    return root


def test_csv_is_a_landmarks_file(tmp_path: Path) -> None:
    """What is listed for a spreadsheet can be read as one's own file."""
    text = CliRunner().invoke(app, ["--csv"]).stdout
    (tmp_path / "l.csv").write_text(text, encoding="utf-8")

    assert load_gazetteer(tmp_path / "l.csv").landmarks == load_gazetteer().landmarks


def test_ones_own_file_is_searched(tmp_path: Path) -> None:
    """Only what is in it is found."""
    file = tmp_path / "mine.csv"
    file.write_text("id,name\nold_mill,Alte Mühle\ngate,Gate\n", encoding="utf-8")
    found = CliRunner().invoke(app, ["alte muhle", "--landmarks", str(file), "--json"])
    none = CliRunner().invoke(app, ["eiffel", "--landmarks", str(file)])

    assert [json.loads(line)["id"] for line in found.stdout.splitlines()] == ["old_mill"]
    assert none.exit_code == 1


def test_all_faults_of_ones_own_file_are_said(tmp_path: Path) -> None:
    """A line each, with the number of the line, nothing that steers a terminal; exit code 2."""
    file = tmp_path / "mine.csv"
    file.write_text("id,lat,lon,country\nx,91,0,UK\ny,0,0,FR\nz\x1b[2J,0,181,FR\n")
    result = CliRunner().invoke(app, ["--landmarks", str(file)])

    assert (result.exit_code, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert [line.partition(", line ")[2][:2] for line in lines[:-1]] == [
        "2:",
        "2:",
        "4:",
        "4:",
        "4:",
    ]
    assert lines[-1] == "5 faults; rows without one: 1."
    assert "\x1b" not in result.stderr


def test_labels_are_matched_and_nothing_is_written(tmp_path: Path) -> None:
    """Each label has a line with a score; text, JSON and CSV say the same."""
    root = dataset(tmp_path / "mine", "09.Golden_Gate_Bridge", "Tah_Mahal", "my_house", "=1+1")
    before = sorted(tmp_path.rglob("*"))
    words = ["--match", str(root)]
    text = CliRunner().invoke(app, words)
    rows = [
        json.loads(line) for line in CliRunner().invoke(app, [*words, "--json"]).stdout.splitlines()
    ]
    table = list(csv.DictReader(CliRunner().invoke(app, [*words, "--csv"]).stdout.splitlines()))

    assert text.exit_code == 0, text.output
    assert "0.99 golden_gate_bridge (Golden Gate Bridge; San Francisco, US)" in text.stdout
    assert "nothing like it" in text.stdout
    found = {row["label"]: row["landmark"] for row in rows}
    assert found == {
        "09.Golden_Gate_Bridge": "golden_gate_bridge",
        "Tah_Mahal": "taj_mahal",
        "my_house": None,
        "=1+1": None,
    }
    assert [row["landmark"] or None for row in table] == [row["landmark"] for row in rows]
    assert "'=1+1" in [row["label"] for row in table]
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_sure_or_picked_is_written(tmp_path: Path) -> None:
    """The file places the dataset's labels, and says by which landmark and score."""
    root = dataset(tmp_path / "mine", "09.Golden_Gate_Bridge", "Tah_Mahal", "tour", "petra")
    out = root / "landmarks.csv"
    words = ["--match", str(root), "--out", str(out)]
    picks = ["--pick", "tour=eiffel_tower", "--pick", "petra="]
    result = CliRunner().invoke(app, [*words, *picks])

    assert result.exit_code == 0, result.output
    assert "2 of 4 labels" in result.stderr
    read = read_dataset(root)
    assert {label for label, by in read.places_from.items() if by == "landmarks.csv"} == {
        "09.Golden_Gate_Bridge",
        "tour",
    }
    assert read.landmarks["tour"].name == "Eiffel Tower"
    assert read.landmarks["09.Golden_Gate_Bridge"].lon == pytest.approx(-122.48, abs=0.01)
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert {row["id"]: (row["matched"], row["match_score"]) for row in rows} == {
        "09.Golden_Gate_Bridge": ("golden_gate_bridge", "0.990"),
        "tour": ("eiffel_tower", "1.000"),
    }
    again = CliRunner().invoke(app, words)
    assert isinstance(again.exception, ConfigError)
    assert "exists" in str(again.exception)


def test_ones_own_landmarks_come_first(tmp_path: Path) -> None:
    """A label is matched with one's own file and with ours."""
    file = tmp_path / "mine.csv"
    file.write_text("id,name,place\nmill,Old Mill,Ulm\n")
    root = dataset(tmp_path / "photos", "old_mill", "eiffeltower")
    result = CliRunner().invoke(
        app, ["--match", str(root), "--landmarks", str(file), "--json", "--min-score", "0.9"]
    )

    found = [json.loads(line)["landmark"] for line in result.stdout.splitlines()]
    assert found == ["eiffel_tower", "mill"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--out x.csv", "belong to --match"),
        ("--levels place,landmark", "belong to --match"),
        ("eiffel --match photos", "exclude each other"),
        ("--match photos --pick a=b", "belongs|--out"),
        ("--match photos --out new.csv --pick nothing", "LABEL=ID"),
        ("--match photos --out new.csv --min-score 0", "above 0"),
    ],
)
def test_options_that_do_not_go_together(
    words: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error says which, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    dataset(tmp_path / "photos", "mill")
    result = CliRunner().invoke(app, words.split())

    assert isinstance(result.exception, ConfigError), result.output
    assert re.search(said, str(result.exception))
    assert not list(tmp_path.glob("*.csv"))
