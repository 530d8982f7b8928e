"""The leaderboard: what it reads, how it ranks, and that nothing in it can run or call out."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from waymark.dataset.manifest import escaped
from waymark.errors import RunError
from waymark.evaluation.compare import Leaderboard, leaderboard, read_runs
from waymark.evaluation.compare_columns import COLUMNS
from waymark.evaluation.compare_page import note, shown, write_csv, write_html

HOSTILE = ("<script>alert(1)<!--", '"><img src=x onerror=alert(1)>', "=cmd|' !A0", "-2+3")
SEQUENTIAL = """
name = "korea-sequential"
kind = "deep"
backbone = "sequential"
size = 64
batch = 32
hidden = [128]
depth = 5
filters = 16
kernel = 5
first_activation = "elu"
activation = "leaky-relu"
max_pool = 3
conv_dropout = 0.25
dropout = 0.0
[[stages]]
epochs = 2
optimiser = "rmsprop"
[[stages]]
epochs = 7
optimiser = "adam"
"""


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a run folder."""

    def write(name: str, top1: float | None = 0.5, recipe: str = "", **figures: Any) -> Path:
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "recipe.toml").write_text(recipe or 'kind = "linear"\n', encoding="utf-8")
        told = {"dataset": "d", "split": "val", "n": 40, "top1": top1, "loss": 1.0, **figures}
        (folder / "metrics.json").write_text(json.dumps(told), encoding="utf-8")
        return folder

    return write


def of(board: Leaderboard, name: str) -> dict[str, Any]:
    """Return the values of a run that has some."""
    (row,) = (row for row in board.rows if row.name == name)
    return {key: value for key, value in row.values.items() if value is not None}


def test_the_best_comes_first_whatever_it_took(run: Callable[..., Path]) -> None:
    """Top-1, then the lower loss, then the name; times decide nothing."""
    for name, top1, loss, minutes in (
        ("slow", 0.9, 0.5, 90.0),
        ("b", 0.7, 0.5, 1.0),
        ("a", 0.7, 0.5, 2.0),
        ("low", 0.7, 0.1, 3.0),
        ("none", None, 0.0, 0.0),
    ):
        run(name, top1, loss=loss, training={"minutes": minutes, "photos_per_s": 1 / 3})

    board = leaderboard(read_runs([run("last", 0.1).parent]))

    assert [row.name for row in board.rows] == ["slow", "low", "a", "b", "last", "none"]
    assert board.marks == ("1", "2", "3", "4", "5", "6")
    assert of(board, "slow")["photos_per_s"] == 0.3333


def test_the_columns_of_the_korean_table(run: Callable[..., Path]) -> None:
    """All twelve are read from recipe and figures; what a network does not have is empty."""
    run("own", 0.75, SEQUENTIAL, loss=0.25)
    run("vgg", 0.5, SEQUENTIAL.replace('"sequential"', '"vgg_like"').replace("[128]", "[9, 9]"))
    run("timm", 0.4, SEQUENTIAL.replace('"sequential"', '"resnet18"').replace("[128]", "[]"))
    board = leaderboard(read_runs([run("fast", 0.3).parent]))

    columns = ["loss", "accuracy", "layers", "size", "epochs", "batch", "first_conv"]
    columns += ["first_activation", "pool", "dropout", "activation", "optimiser"]
    own = of(board, "own")
    assert [own[column] for column in columns] == [
        *(0.25, 0.75, 5, 64, 9, 32, "(16,5,5)"),
        *("elu", "(3,3)", 0.25, "leaky-relu", "rmsprop + adam"),
    ]
    assert (of(board, "vgg")["layers"], of(board, "vgg")["first_conv"]) == (13, "(64,3,3)")
    assert of(board, "timm").keys() & set(columns) == {
        *("loss", "accuracy", "size", "epochs", "batch", "dropout", "optimiser")
    }
    assert of(board, "fast").keys() & set(columns) == {"loss", "accuracy"}
    assert {column.key for column in board.columns} >= set(columns)


def test_more_columns_and_what_old_runs_lack(run: Callable[..., Path]) -> None:
    """Figures of the training where they are told; an older run's from its history; else none."""
    new = run(
        "new",
        0.5,
        top1_interval=[0.4, 0.6],
        category={"macro_f1": 0.8},
        parameters=1_234_567,
        training={"minutes": 2.5, "photos_per_s": 99, "start": "random", "labels_seen_before": 0},
    )
    (new / "model.waymark").write_bytes(bytes(1_500_000))
    old = run("old", 0.4, category=None)
    (old / "history.csv").write_text("epoch,photos,seconds\n1,60,30\n2,60,30\n")

    board = leaderboard(read_runs([new, old]))

    told = {
        *(("top1_low", 0.4), ("top1_high", 0.6), ("category_f1", 0.8), ("parameters", 1_234_567)),
        *(("minutes", 2.5), ("photos_per_s", 99), ("start", "random"), ("seen", 0)),
        ("megabytes", 1.5),
    }
    assert told <= set(of(board, "new").items())
    assert {("minutes", 1.0), ("photos_per_s", 2.0)} <= set(of(board, "old").items())
    assert not of(board, "old").keys() & {"parameters", "category_f1", "top1_low", "start"}
    parameters = next(column for column in COLUMNS if column.key == "parameters")
    assert [shown(parameters, row.values["parameters"]) for row in board.rows] == ["1.23 M", "-"]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"dataset": "e"}, "measured on 40 val photos of e; the others on 40 val photos of d"),
        ({"n": 12}, "measured on 12 val photos of d; the others on 40 val photos of d"),
        ({"split": None}, "measured on 40 photos of d; the others on 40 val photos of d"),
    ],
)
def test_runs_on_other_photos_have_a_letter_instead_of_a_place(
    other: dict[str, Any], said: str, run: Callable[..., Path]
) -> None:
    """They stay where their figures put them, with a note, and the others are counted past them."""
    folders = [run("x", 0.9), run("y", 0.8, **other), run("z", 0.7)]

    board = leaderboard(read_runs(folders))

    assert board.marks == ("1", "a", "2")
    assert board.notes == {"a": said}
    assert [note(board, *pair) for pair in zip(board.marks, board.rows, strict=True)] == [
        *("", said, "")
    ]


def test_another_split_of_the_same_size_is_told_apart(run: Callable[..., Path]) -> None:
    """split.csv says which photos were measured; how the others were parted does not matter."""
    lines = ["path,label,split,group", "p1,a,val,", "p2,a,train,", "p3,a,train,g", "n,unknown,val,"]
    for name, val in (("x", "p1"), ("y", "p1"), ("z", "p2")):
        rows = [re.sub("train|val", "val" if line[:2] == val else "train", line) for line in lines]
        rows[0] = lines[0]
        (run(name, 0.5) / "split.csv").write_text("\n".join(rows[: 1 if name == "" else 5]))
    (read_y := (run("w", 0.4) / "split.csv")).write_text("\n".join([lines[0], "p1,a,val,"]))

    board = leaderboard(read_runs([read_y.parent.parent]))

    assert dict(zip([row.name for row in board.rows], board.marks, strict=True)) == {
        "x": "1",
        "y": "2",
        "z": "a",
        "w": "3",
    }
    assert "not the same ones" in board.notes["a"]


def test_letters_go_on_after_z(run: Callable[..., Path]) -> None:
    """Thirty datasets have thirty names."""
    for i in range(31):
        run(f"{i:02}", 0.5, dataset=f"d{i}")

    board = leaderboard(read_runs([run("31", 0.1, dataset="d0").parent]))

    assert board.marks[:3] == ("1", "a", "b")
    assert board.marks[26:29] == ("z", "aa", "ab")
    assert len(set(board.marks)) == len(board.marks)


def test_runs_sweeps_and_folders_of_them(run: Callable[..., Path], tmp_path: Path) -> None:
    """Each run once, in a sweep those that its state names, with published figures and faults."""
    one = run("one")
    done = run("s/01-a", 0.6)
    run("s/99-not-of-the-sweep")
    (run("s/03-c") / "metrics.json").unlink()
    (run("s/04-d") / "metrics.json").write_text("{")
    state = {
        "01-a": {"theirs": {"loss": 1.5, "accuracy": 0.9}},
        "02-b": {"fault": "no \x1bmemory"},
        "03-c": {"fault": None},
        "04-d": 7,
        "../one": {},
        "..": {},
    }
    (done.parent / "sweep.json").write_text(json.dumps({"runs": state}))

    rows = read_runs([one, done, done.parent, one.parent, tmp_path / "runs"])
    board = leaderboard(rows)

    assert [row.name for row in board.rows] == ["01-a", "one", "02-b", "03-c", "04-d"]
    assert [row.fault for row in board.rows][2:] == [
        "no �memory",
        "not finished",
        "its metrics.json cannot be read",
    ]
    assert board.marks == ("1", "2", "-", "-", "-")
    assert of(board, "01-a")["theirs_loss"] == 1.5
    assert of(board, "01-a")["theirs_accuracy"] == 0.9


def test_equal_names_are_told_apart(run: Callable[..., Path]) -> None:
    """The folder above is put before them."""
    rows = read_runs([run("s/a"), run("t/a"), run("t/b")])

    assert [row.name for row in rows] == ["s/a", "t/a", "b"]


def test_no_run_is_an_error(tmp_path: Path) -> None:
    """The message says what was expected."""
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RunError, match=r"holds no run: expected a folder with metrics\.json"):
            read_runs([path])


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "[" * 100_000,
        '{"top1": "high", "n": [], "training": 3, "category": 4, "top1_interval": 5}',
        '{"top1": 1e999, "n": true, "dataset": "\\ud800", "loss": ' + "9" * 400 + "}",
        '{"top1": NaN, "training": {"start": {}}, "split": {}}',
    ],
)
def test_figures_that_make_no_sense_are_left_out(text: str, run: Callable[..., Path]) -> None:
    """Whatever a file says, a row comes of it, and a page and a table of that."""
    folder = run("x", recipe="stages = 3\nhidden = 4\nbackbone = 5\n")
    (folder / "metrics.json").write_text(text)
    (folder / "split.csv").write_text("nothing")
    (folder / "history.csv").write_text("seconds,photos\nx,y\n")

    board = leaderboard(read_runs([folder]))

    assert not {"top1", "n", "minutes"} & of(board, "x").keys()
    write_csv(folder / "b.csv", board)
    write_html(folder / "b.html", board)


def test_the_table_is_what_was_read_and_runs_nothing(
    run: Callable[..., Path], tmp_path: Path
) -> None:
    """Numbers come back unrounded; no cell is one that a spreadsheet takes for a formula."""
    for i, name in enumerate(HOSTILE):
        told = {"start": "@SUM(1)"}
        run(name, (i + 1) / 7, dataset="=1+1" if i else "d", training=told)

    board = leaderboard(read_runs([tmp_path / "runs"]))
    with write_csv(tmp_path / "new" / "t.csv", board).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    assert [row["run"] for row in rows] == [escaped(name) for name in reversed(HOSTILE)]
    assert [float(row["top1"]) for row in rows] == [4 / 7, 3 / 7, 2 / 7, 1 / 7]
    assert {row["start"] for row in rows} == {"'@SUM(1)"}
    assert rows[-1]["place"] == "a"
    assert "=1+1" in rows[-1]["note"]
    assert not any(cell.startswith(tuple("=+-@")) for row in rows for cell in row.values())


def test_the_page_shows_names_as_text(run: Callable[..., Path], tmp_path: Path) -> None:
    """No element, attribute or address comes from a name; the one script is named by its hash."""
    for i, name in enumerate(HOSTILE):
        figures = {"top1_interval": [0.1, 0.9], "dataset": HOSTILE[0] if i == 3 else "d"}
        run(name, (i + 1) / 5, SEQUENTIAL, **figures)
    board = leaderboard(read_runs([tmp_path / "runs"]))

    page = html.parse(write_html(tmp_path / "p.html", board, title=HOSTILE[1])).getroot()

    assert len(page.findall(".//script")) == 1
    assert not page.findall(".//img")
    assert not page.xpath("//@src | //@href | //@*[starts-with(name(), 'on')]")
    assert page.find(".//h1").text == HOSTILE[1]
    names = [cell.text_content() for cell in page.find(".//table").xpath(".//tbody//th")]
    assert names == list(reversed(HOSTILE))
    policy = page.xpath("//meta[@http-equiv]/@content")[0]
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "unsafe" not in policy.replace("style-src 'unsafe-inline'", "")
    assert HOSTILE[0] in page.find(".//section").text_content()


@pytest.mark.browser
def test_columns_are_sorted_by_a_click(
    run: Callable[..., Path], tmp_path: Path, chromium: Any
) -> None:
    """Numbers as numbers, the better end first, then the other; without scripts, still a table."""
    for name, loss, parameters in (("x", 10.0, 5), ("y", 9.5, 1_000_000), ("z", 0.9, 70_000)):
        run(name, 0.5, SEQUENTIAL, loss=loss, parameters=parameters)
    (run("gone") / "metrics.json").unlink()
    board = leaderboard(read_runs([tmp_path / "runs"]))
    address = write_html(tmp_path / "p.html", board).as_uri()
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(address)

    def order(table: int) -> list[str]:
        rows = page.locator("table").nth(table).locator("tbody th").all_inner_texts()
        return [row.strip() for row in rows]

    def click(table: int, title: str) -> None:
        heads = page.locator("table").nth(table).locator("thead button")
        heads.nth(heads.all_inner_texts().index(title)).click()

    assert order(0) == ["z", "y", "x"]
    click(0, "parameters")
    assert order(0) == ["x", "z", "y"]
    click(0, "parameters")
    assert order(0) == ["y", "z", "x"]
    click(0, "run")
    assert order(0) == ["x", "y", "z"]
    click(1, "loss")
    assert order(1) == ["z", "y", "x", "gone"]  # no figure comes last, either way
    click(1, "loss")
    assert order(1) == ["x", "y", "z", "gone"]
    assert (asked, said) == ([address], [])
    page.close()
    plain = chromium.new_context(java_script_enabled=False).new_page()
    plain.goto(address)
    assert plain.locator("table").count() == 2
    assert plain.locator("button").count() == 0
    plain.close()


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits(width: int, run: Callable[..., Path], tmp_path: Path, chromium: Any) -> None:
    """Tables scroll within the page; the page itself never sideways, nor on paper."""
    for i in range(3):
        run(f"{i}-{'long-name-' * 9}", 0.5, SEQUENTIAL, top1_interval=[0.4, 0.6], parameters=10**i)
    board = leaderboard(read_runs([tmp_path / "runs"]))
    page = chromium.new_page(viewport={"width": width, "height": 900})
    page.goto(write_html(tmp_path / "p.html", board).as_uri())

    wide = "document.documentElement.scrollWidth"
    assert page.evaluate(wide) <= width
    page.set_viewport_size({"width": 1047, "height": 700})  # A4, landscape, without margins
    page.emulate_media(media="print")
    assert page.evaluate(wide) <= 1047
    page.close()
