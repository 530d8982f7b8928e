"""Sweeps: what a file asks for, and runs that neither failures nor kills can spoil."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from waymark.errors import ConfigError, RunError, UnknownName
from waymark.training import sweep_run, sweep_state
from waymark.training.recipes import RECIPES
from waymark.training.sweep import MOST_RUNS, TABLES, Sweep, find_sweep, read_sweep
from waymark.training.sweep_run import available_memory, fitting_jobs, gpu_memory, run_sweep
from waymark.training.sweep_state import Shared

LIST = """
recipe = "linear"
[[runs]]
name = "a"
[[runs]]
name = "b"
views = 1
[[runs]]
name = "c"
views = 3
"""

STUB = '''
"""A training that takes no time, and does what its number of views says."""
import json, os, signal, sys, time, tomllib
from pathlib import Path

words = sys.argv[2:]
after = lambda option: Path(words[words.index(option) + 1])
recipe, out = tomllib.loads(after("--recipe").read_text()), after("--out")
out.mkdir(exist_ok="--resume" in words)
(out / "recipe.toml").write_text(after("--recipe").read_text())
with Path("begun.txt").open("a") as log:
    print(out.name, "--resume" in words, os.environ["OMP_NUM_THREADS"], file=log)
behaviour = Path(f"do-{recipe['views']}.txt")
if behaviour.exists():
    exec(behaviour.read_text())
metrics = {"dataset": "d", "n": 4, "top1": recipe["views"] / 4, "loss": 1.0}
(out / "model.waymark").write_bytes(b"")
(out / "metrics.json").write_text(json.dumps(metrics))
'''


@pytest.fixture
def sweep(tmp_path: Path) -> Callable[[str], Sweep]:
    """Return a function that reads a sweep file of this text."""

    def read(text: str) -> Sweep:
        file = tmp_path / "tries.toml"
        file.write_text(text, encoding="utf-8")
        return read_sweep(file)

    return read


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let `STUB` be what trains; return the folder that it works in."""
    (tmp_path / "stub.py").write_text(STUB, encoding="utf-8")
    program = (sys.executable, "-S", str(tmp_path / "stub.py"))
    monkeypatch.setattr(sweep_run, "_PROGRAM", program)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def begun() -> list[str]:
    """Return which trainings the stub was started for, in order."""
    return [line.split()[0] for line in Path("begun.txt").read_text().splitlines()]


def test_a_grid_is_every_combination(sweep: Callable[[str], Sweep]) -> None:
    """The last field changes fastest; fields of a stage may be quoted or not."""
    read = sweep(
        'recipe = "finetune"\n[set]\nbatch = 8\nstages.1.epochs = 3\n'
        '[grid]\nsize = [64, 96]\n"stages.0.lr" = [1e-3, 1]\n'
    )

    assert [(run.recipe.size, run.recipe.stages[0].lr) for run in read.runs] == [
        (64, 0.001),
        (64, 1.0),
        (96, 0.001),
        (96, 1.0),
    ]
    assert {(run.recipe.batch, run.recipe.stages[1].epochs) for run in read.runs} == {(8, 3)}
    assert read.runs[1].name == "size=64 stages.0.lr=1"
    assert read.runs[1].folder == "02-size-64-stages.0.lr-1"
    assert read.name == "tries"


def test_a_list_has_names_fields_and_published_figures(sweep: Callable[[str], Sweep]) -> None:
    """Runs are in the file's order; what they do not say is the recipe's."""
    read = sweep(LIST + "theirs = {loss = 1.5, top3 = 0.9}")

    assert [run.folder for run in read.runs] == ["01-a", "02-b", "03-c"]
    assert [run.recipe.views for run in read.runs] == [RECIPES["linear"].views, 1, 3]
    assert [dict(run.theirs) for run in read.runs] == [{}, {}, {"loss": 1.5, "top3": 0.9}]
    assert {run.recipe.name for run in read.runs} == {"linear"}


def test_with_both_each_run_is_done_with_every_combination(sweep: Callable[[str], Sweep]) -> None:
    """The list is the outer loop, the grid the inner one, and wins over [set]."""
    read = sweep(LIST + "[grid]\nseed = [7, 8]\n[set]\nseed = 1\n")

    assert [(run.name, run.recipe.seed) for run in read.runs] == [
        (f"{name} seed={seed}", seed) for name in "abc" for seed in (7, 8)
    ]


def test_recipes_can_be_compared(sweep: Callable[[str], Sweep], tmp_path: Path) -> None:
    """`recipe` is a field like others; a file is looked for beside the sweep's."""
    (tmp_path / "own.toml").write_text('kind = "linear"\nviews = 3\n', encoding="utf-8")

    read = sweep('[grid]\nrecipe = ["finetune", "own.toml"]\n')

    assert [run.recipe.name for run in read.runs] == ["finetune", "own"]


def test_a_recipe_alone_is_one_run(sweep: Callable[[str], Sweep]) -> None:
    """Neither list nor grid: the recipe as it is."""
    assert [run.folder for run in sweep('recipe = "linear"').runs] == ["01-as-it-is"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("recipe = ", ["cannot read the sweep"]),
        ("[grid]\nviews = [1]", ["run 'views=1'", "has no recipe", "waymark recipes"]),
        ('recipe = "linaer"', ["did you mean 'linear'"]),
        ('recipe = "no.toml"', ["cannot read the recipe"]),
        ('recipe = "linear"\n[grids]\nviews = [1]', ["'grids'", "did you mean 'grid'"]),
        ('recipe = "linear"\ngrid = 3', ["must be a [grid] table"]),
        ('recipe = "linear"\n[grid]\nviews = 3', ["views", "must be a list", "[3]"]),
        ('recipe = "linear"\n[grid]\nviews = []', ["views", "must be a list"]),
        ('recipe = "linear"\n[set]\nvews = 1', ["'vews'", "did you mean 'views'"]),
        (LIST + "sede = 1", ["run 'c'", "'sede'", "did you mean 'seed'"]),
        (LIST + "[grid]\nviews = [1]", ["run 'b'", "views", "[grid] too"]),
        (LIST.replace('"b"', '"a"'), ["two runs named 'a'"]),
        (LIST.replace('"b"', '"b\\u0007"'), ["run 'b\\x07'", "control characters"]),
        (LIST + "theirs = {los = 1.0}", ["run 'c'", "'los'", "did you mean 'loss'"]),
        (LIST + "theirs = {loss = true}", ["theirs.loss", "must be a number"]),
        (LIST + "theirs = 3", ["theirs must be a table"]),
        ('recipe = "linear"\nruns = []', ["[[runs]] tables"]),
        (
            'recipe = "finetune"\n[grid]\naugment = ["light", "strnog"]',
            ["augment=strnog", "strong"],
        ),
        ('recipe = "finetune"\n[grid]\nsize = [64, 65]', ["run 'size=65'", "multiple of 32"]),
        ('recipe = "finetune"\n[set]\nbackbone = "resnet81"', ["'resnet81'", "did you mean"]),
        ('recipe = "finetune"\n[set]\nstages.7.lr = 1', ["stage '7'", "stages 0 to 1"]),
        (
            'recipe = "linear"\n[grid]\nseed = ' + str(list(range(99))) + "\nviews = [1, 2, 3]\n"
            "val = [0.1, 0.2, 0.3, 0.4]",
            [f"at most {MOST_RUNS:,}"],
        ),
    ],
)
def test_a_wrong_file_says_what_is_wrong(
    text: str, said: list[str], sweep: Callable[[str], Sweep]
) -> None:
    """The run, the field, what it may be and the nearest match, before anything starts."""
    with pytest.raises(ConfigError) as caught:
        sweep(text)

    for words in said:
        assert words in str(caught.value)


def test_tables_are_found_by_name() -> None:
    """What ships with waymark needs no path; a misspelt name gets the nearest match."""
    assert [len(find_sweep(name).runs) for name in TABLES] == [20]
    with pytest.raises(UnknownName, match="did you mean 'korea-table'"):
        find_sweep("korea-tabel")


@pytest.mark.shared
def test_the_korean_table_is_that_of_the_readme(shared: Path) -> None:
    """All 12 columns of all 20 experiments are what the project's README says."""
    (readme,) = (shared / "seeds").glob("003_*.txt")
    rows = [
        [cell.strip(" *") for cell in line.split("|")[1:-1]]
        for line in readme.read_text(encoding="utf-8").splitlines()
        if line.startswith("| try_")
    ]
    words = {"Relu": "relu", "LeakyRelu(alpha=0.01)": "leaky-relu", "Elu": "elu", "-": "relu"}

    for row, run in zip(rows, find_sweep("korea-table").runs, strict=True):
        recipe, (stage,) = run.recipe, run.recipe.stages
        name, loss, accuracy, layers, size, epochs, batch, conv, first, pool, drop, later, by = row
        theirs = {"loss": float(loss), "top3" if "top3" in name else "accuracy": float(accuracy)}
        vgg = recipe.backbone == "vgg_like"
        assert run.name == name
        assert dict(run.theirs) == theirs
        assert int(layers) == (10 + len(recipe.hidden) + 1 if vgg else recipe.depth)
        assert vgg == ("VGG" in name)
        assert (recipe.size, stage.epochs, recipe.batch) == (int(size), int(epochs), int(batch))
        assert conv == f"({recipe.filters},{recipe.kernel},{recipe.kernel})"
        assert pool == f"({recipe.max_pool},{recipe.max_pool})"
        assert (recipe.first_activation, recipe.activation) == (words[first], words[later])
        assert recipe.conv_dropout == float(drop.replace("-", "0"))
        assert stage.optimiser == by
        assert recipe.start == "random"


@pytest.mark.parametrize(
    ("cores", "gigabytes", "gpu", "jobs"),
    [
        *((1, 64, None, 1), (2, 64, None, 1), (16, 64, None, 8), (16, 10, None, 3)),
        *((16, 1, None, 1), (16, 64, 8, 2), (16, 64, 139, 8)),
    ],
)
def test_jobs_fit_cores_and_memory(cores: int, gigabytes: int, gpu: int | None, jobs: int) -> None:
    """One for two cores and for 3 GB of memory, the GPU's too, but always one."""
    assert fitting_jobs(cores, gigabytes * 10**9, None if gpu is None else gpu * 10**9) == jobs


@pytest.mark.parametrize(
    ("says", "free"),
    [("echo 8192; echo 100", 8192 * 2**20), ("exit 9", None), ("echo [N/A]", None), ("", None)],
)
def test_free_memory_of_a_gpu_is_what_nvidia_smi_says(
    says: str, free: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of the first; None where it says nothing of use, or there is none."""
    assert 0 < available_memory() <= psutil.virtual_memory().total
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{says}\n")
    program.chmod(0o755)

    assert gpu_memory() == free


def test_a_bad_run_does_not_stop_the_rest(sweep: Callable[[str], Sweep], stub: Path) -> None:
    """It is listed as failed with its last line; the next try does it alone."""
    Path("do-1.txt").write_text("print('hello'); sys.exit('error: the \\x1b[31mdisk is full')")
    told: list[tuple[str, str, str]] = []

    board = run_sweep(
        sweep(LIST),
        Shared(dataset=stub),
        out=stub / "S",
        jobs=2,
        tell=lambda run, happening, said: told.append((run.folder, happening, said)),
    )

    assert [(row.name, row.fault) for row in board.rows] == [
        ("03-c", ""),
        ("01-a", ""),
        ("02-b", "the ?[31mdisk is full"),
    ]
    assert board.marks == ("1", "2", "-")
    assert ("02-b", "failed", "the ?[31mdisk is full") in told
    assert "hello" in (stub / "S" / "02-b.log").read_text()
    assert sorted(begun()) == ["01-a", "02-b", "03-c"]
    Path("do-1.txt").unlink()

    again = run_sweep(sweep(LIST), Shared(dataset=stub), out=stub / "S", jobs=2)

    assert [row.name for row in again.rows] == ["03-c", "01-a", "02-b"]
    assert begun()[3:] == ["02-b"]
    with (stub / "S" / "leaderboard.csv").open(newline="", encoding="utf-8") as stream:
        table = list(csv.DictReader(stream))
    assert [(row["place"], row["run"], row["note"]) for row in table] == [
        ("1", "03-c", ""),
        ("2", "01-a", ""),
        ("3", "02-b", ""),
    ]
    assert (stub / "S" / "leaderboard.html").is_file()
    assert (stub / "S" / "sweep.toml").read_text() == LIST


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "out of memory"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("sys.exit(3)", "ended with code 3"),
        ("sys.exit(0)", "left no metrics.json and no model.waymark"),
    ],
)
def test_however_a_run_ends_the_leaderboard_says_why(
    does: str, said: str, sweep: Callable[[str], Sweep], stub: Path
) -> None:
    """Killed, crashed, or gone without a word, or without a result."""
    Path("do-3.txt").write_text(does)

    board = run_sweep(sweep(LIST), Shared(dataset=stub), out=stub / "S", jobs=3)

    assert said in board.rows[-1].fault
    assert [row.fault for row in board.rows[:-1]] == ["", ""]


def test_cores_are_split_and_stay_split(
    sweep: Callable[[str], Sweep], stub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run gets its share of threads, and a resumed sweep goes on with the same."""
    monkeypatch.setattr(sweep_run, "cores", lambda: 12)
    Path("do-1.txt").write_text("sys.exit(1)")

    run_sweep(sweep(LIST), Shared(dataset=stub), out=stub / "S", jobs=3)
    run_sweep(sweep(LIST), Shared(dataset=stub), out=stub / "S", jobs=1)

    threads = [line.split()[2] for line in Path("begun.txt").read_text().splitlines()]
    assert threads == ["4"] * 4


def test_a_run_is_resumed_where_there_is_a_checkpoint(
    sweep: Callable[[str], Sweep], stub: Path
) -> None:
    """Without one the folder of a killed run is begun anew, whatever is in it."""
    run_sweep(sweep(LIST), Shared(dataset=stub), out=stub / "S")
    state = stub / "S" / "sweep.json"
    state.write_text(state.read_text().replace('"finished": true', '"finished": false'))
    (stub / "S" / "01-a" / "recipe.toml").write_text("")
    (stub / "S" / "02-b" / "recipe.toml").write_text("vie")
    (stub / "S" / "02-b" / ".split.csv.part").touch()
    checkpoint = stub / "S" / "03-c" / "checkpoint" / "last.pt"
    checkpoint.parent.mkdir()
    checkpoint.touch()
    Path("begun.txt").unlink()

    run_sweep(sweep(LIST), Shared(dataset=stub), out=stub / "S", jobs=1)

    resumed = [line.split()[:2] for line in Path("begun.txt").read_text().splitlines()]
    assert resumed == [["01-a", "False"], ["02-b", "False"], ["03-c", "True"]]
    assert not (stub / "S" / "02-b" / ".split.csv.part").exists()


def test_another_sweep_does_not_go_into_the_same_folder(
    sweep: Callable[[str], Sweep], stub: Path
) -> None:
    """Changed recipes, vanished runs and other photos are refused by name; more runs are not."""
    out = stub / "S"
    run_sweep(sweep(LIST), Shared(dataset=stub), out=out)

    with pytest.raises(RunError, match=r"02-b \(views was 1, now 2\)"):
        run_sweep(sweep(LIST.replace("views = 1", "views = 2")), Shared(dataset=stub), out=out)
    with pytest.raises(RunError, match=r"03-c \(no longer in the sweep file\)"):
        run_sweep(sweep(LIST.replace('"c"', '"d"')), Shared(dataset=stub), out=out)
    with pytest.raises(RunError, match="begun with dataset"):
        run_sweep(sweep(LIST), Shared(dataset=stub / "other"), out=out)
    assert len(begun()) == 3
    more = sweep(LIST + '[[runs]]\nname = "d"\nseed = 4\n')
    assert len(run_sweep(more, Shared(dataset=stub), out=out).rows) == 4
    assert begun()[3:] == ["04-d"]


def test_a_sweep_needs_a_folder_of_its_own(sweep: Callable[[str], Sweep], stub: Path) -> None:
    """Anything else in it, or a damaged state, is an error that says so; nothing is touched."""
    (stub / "mine").mkdir()
    (stub / "mine" / "thesis.txt").write_text("x")
    (stub / "file").touch()
    (stub / "hurt").mkdir()
    (stub / "hurt" / "sweep.json").write_text('{"runs": {"01-a": 3}}')

    for name, said in (("mine", "thesis.txt"), ("file", "is a file"), ("hurt", "is damaged")):
        with pytest.raises(RunError, match=said):
            run_sweep(sweep(LIST), Shared(dataset=stub), out=stub / name)
    with pytest.raises(ConfigError, match="at least 1"):
        run_sweep(sweep(LIST), Shared(dataset=stub), out=stub / "S", jobs=0)
    with pytest.raises(ConfigError, match="no such file"):
        run_sweep(sweep(LIST), Shared(dataset=stub, weights=stub / "w"), out=stub / "S")
    assert not Path("begun.txt").exists()


def test_one_sweep_at_a_time(
    sweep: Callable[[str], Sweep], stub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training that outlives its sweep keeps the folder's lock; a second sweep waits for it."""
    monkeypatch.setattr(sweep_state, "_PATIENCE", 0.1)
    out = stub / "S"
    out.mkdir()
    with sweep_state.locked(out) as lock:
        left = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE,
                                pass_fds=(lock,))  # fmt: skip
    with pytest.raises(RunError, match="still writes into"):
        run_sweep(sweep(LIST), Shared(dataset=stub), out=out)
    left.communicate(b"\n")

    assert len(run_sweep(sweep(LIST), Shared(dataset=stub), out=out).rows) == 3
