"""The docs are complete, their examples work, their links hold, their figures are measured."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from waymark.cli import app
from waymark.training.recipes import RECIPES

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
TEXT = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
GROUP: Any = typer.main.get_command(app)


def blocks(language: str) -> list[Any]:
    """Return every fenced block of a language, named by page and number."""
    fence = re.compile(rf"^```{language}\n(.*?)^```", re.DOTALL | re.MULTILINE)
    return [
        pytest.param(code, id=f"{name}-{number}")
        for name, text in TEXT.items()
        for number, code in enumerate(fence.findall(text), start=1)
    ]


def lines() -> list[str]:
    """Return every command line of the console blocks, without its comment, each once."""
    found = {
        shlex.join(shlex.split(line.removeprefix("$ "), comments=True))
        for block in blocks("console")
        for line in block.values[0].splitlines()
        if line.startswith("$ ")
    }
    return sorted(found)


def test_there_are_examples() -> None:
    """The tests below look at something."""
    assert blocks("python")
    assert lines()


@pytest.mark.parametrize("line", lines())
def test_console_examples_parse(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command line of the docs is one that waymark takes."""
    monkeypatch.chdir(tmp_path)
    program, *arguments = shlex.split(line)
    for word in arguments:  # arguments that must exist
        if re.fullmatch(r"[\w-]+\.(jpg|toml|waymark|safetensors)", word):
            Path(word).touch()
        elif re.fullmatch(r"my-[a-z]+|other-photos|runs/\w+", word):
            Path(word).mkdir(parents=True)
    assert program == "waymark"
    context = GROUP.make_context("waymark", arguments)
    command = GROUP
    while hasattr(command, "commands"):
        name, command, arguments = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        context = command.make_context(name, arguments, parent=context)


@pytest.mark.parametrize("code", blocks("python"))
def test_python_examples_run(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    """Each Python example runs as it stands, beside a photo and a broken one."""
    from waymark.samples import SAMPLES, render

    monkeypatch.chdir(tmp_path)
    render(SAMPLES[0], seed=0).save("photo.jpg")
    Path("broken.jpg").write_bytes(b"no photo")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_every_command_is_in_the_guide() -> None:
    """Each command has an example in the user guide."""
    guide = TEXT["docs/guide.md"]
    absent = [name for name in GROUP.commands if f"$ waymark {name}" not in guide]
    assert not absent


def test_every_recipe_is_documented() -> None:
    """Each recipe with a name has its paragraph."""
    assert not [name for name in RECIPES if f"\n## `{name}`\n" not in TEXT["docs/recipes.md"]]


@pytest.mark.parametrize("name", TEXT)
def test_links_lead_somewhere(name: str) -> None:
    """Each link to a file of the checkout has that file at its end."""
    targets = re.findall(r"\]\((?!https?:)([^)#\s]+)", TEXT[name])
    here = (ROOT / name).parent
    assert not [target for target in targets if not (here / target).exists()]


@pytest.mark.parametrize("name", TEXT)
def test_named_files_exist(name: str) -> None:
    """Each path in backquotes that looks like one of ours is one."""
    named = re.findall(r"`((?:src|tests|docs|benchmarks|requirements)/[\w./-]+)`", TEXT[name])
    assert not [path for path in named if not (ROOT / path).exists()]


def test_figures_are_measured_ones() -> None:
    """The tables are those that the benchmarks left."""
    command = [sys.executable, "benchmarks/write_tables.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_make_targets_of_the_docs_exist() -> None:
    """Each `make TARGET` that a page names is in the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:`|^    )make ([a-z]+)", "\n".join(TEXT.values()), re.MULTILINE))
    known = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert {"demo", "test"} <= named <= known


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_nothing_of_a_machine_is_committed() -> None:
    """No file names a package index or a folder of the machine it was made on."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    wanted = (".md", ".py", ".toml", ".txt", ".in", ".json", ".csv", "Makefile", "run", "NOTICE")
    # put together here, so that this file does not find itself
    traces = re.compile(
        "|".join(["/" + "root/", "/" + "work/", "pypi" + r"\.org", "--index" + "-url"])
    )
    files = [ROOT / name for name in listed.stdout.split("\0") if name.endswith(wanted)]
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in files
        if path.is_file() and (match := traces.search(path.read_text(encoding="utf-8")))
    ]
    assert not found
