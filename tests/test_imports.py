"""Arrows point one way, torch stays where it belongs, and starting loads nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parent.parent / "src"
PACKAGE = SRC / "waymark"

# each storey may import itself and those after it
STOREYS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("demo", "doctor"),
    ("serve", "notebook", "space", "scale"),
    ("library", "curate"),
    ("training",),
    ("evaluation",),
    ("recognise",),
    ("bundle",),
    ("dataset", "models"),
    ("photo", "samples", "preprocess", "gazetteer"),
    ("errors", "progress", "version"),
)
LEVEL = {part: level for level, parts in enumerate(STOREYS) for part in parts}

# the modules that may import torch (and timm, torchvision, accelerate) at module level
TORCH = ("torch", "torchvision", "timm", "accelerate")
T_MODULES = (
    "waymark.dataset.loader",
    "waymark.models.scratch",
    "waymark.models.heads",
    "waymark.models.build",
    "waymark.bundle.export",
    "waymark.training.loop",
    "waymark.training.tasks",
)
HEAVY = (*TORCH, "onnxruntime", "onnx", "sklearn", "scipy", "matplotlib", "fastapi", "PIL", "rich")


def modules() -> Iterator[tuple[str, Path]]:
    """Yield (dotted name, file) of every module of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(SRC).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())


def is_t_module(name: str) -> bool:
    """Say whether a module may import torch; `training.loop_state` is a part of the loop."""
    return name in T_MODULES or name.startswith(tuple(f"{module}_" for module in T_MODULES))


def imports(path: Path, *, everywhere: bool) -> Iterator[tuple[str, int]]:
    """Yield (imported module, line), of the module level or of function bodies too.

    What stands under `if TYPE_CHECKING` is never executed and does not count.
    """
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are written in full"
            assert node.module is not None
            yield node.module, node.lineno
            # `from waymark import photo` may name a module
            for alias in node.names:
                if f"{node.module}.{alias.name}" in MODULES:
                    yield f"{node.module}.{alias.name}", node.lineno
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        elif everywhere or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += ast.iter_child_nodes(node)


def storey(module: str) -> int | None:
    """Return the storey of a waymark module; None for the package itself and for others.

    A part of a module, such as `photo_exif`, stands where the module does.
    """
    parts = module.split(".")
    if parts[0] != "waymark" or len(parts) == 1:
        return None
    return LEVEL[parts[1] if parts[1] in LEVEL else parts[1].partition("_")[0]]


def test_every_module_has_a_storey() -> None:
    """A new module or package is put on a storey before anything else."""
    assert all(isinstance(storey(name), int) for name in MODULES if "." in name)


def test_arrows_point_down() -> None:
    """No module imports from a storey above its own, not even inside a function."""
    upward = [
        f"{path.relative_to(SRC)}:{line} imports {target}"
        for name, path in MODULES.items()
        if (own := storey(name)) is not None
        for target, line in imports(path, everywhere=True)
        if (level := storey(target)) is not None and level < own
    ]
    assert not upward, "\n".join(upward)


def test_only_export_looks_across_to_models() -> None:
    """Of the bundle, only `export` knows the deep path's networks; a design is a mere record."""
    across = [
        f"{path.relative_to(SRC)}:{line}"
        for name, path in MODULES.items()
        if name.startswith("waymark.bundle") and not is_t_module(name)
        for target, line in imports(path, everywhere=True)
        if target.startswith("waymark.models") and target != "waymark.models.design"
    ]
    assert not across, "\n".join(across)


def test_torch_at_module_level_only_in_t_modules() -> None:
    """torch, and whatever imports it, is met only in the T modules or inside functions."""
    wrong = [
        f"{path.relative_to(SRC)}:{line} imports {target}"
        for name, path in MODULES.items()
        if not is_t_module(name)
        for target, line in imports(path, everywhere=False)
        if target.split(".")[0] in TORCH or is_t_module(target)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", [name for name in T_MODULES if name in MODULES])
def test_t_modules_are_listed_as_they_are(name: str) -> None:
    """A T module that exists does import torch; one that no longer does leaves the list."""
    found = {target.split(".")[0] for target, _ in imports(MODULES[name], everywhere=False)}
    assert found & set(TORCH)


def loaded_by(code: str, *, without: tuple[str, ...] = ()) -> set[str]:
    """Run code in a fresh Python where `without` cannot be imported; return what it loaded."""
    block = f"import sys\nfor name in {without!r}:\n    sys.modules[name] = None\n"
    show = "\nprint('\\n' + ' '.join(m for m, value in sys.modules.items() if value is not None))"
    done = subprocess.run(
        [sys.executable, "-c", block + code + show],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()}


@pytest.mark.parametrize("code", ["import waymark", "import waymark.cli"])
def test_starting_loads_nothing_heavy(code: str) -> None:
    """The package and its command line cost next to nothing until they are used."""
    assert not loaded_by(code) & set(HEAVY)


def test_help_loads_nothing_heavy() -> None:
    """`waymark --help` builds every command's options, and still loads nothing heavy."""
    code = "from waymark.cli import app\ntry:\n    app(['--help'])\nexcept SystemExit:\n    pass"
    assert not loaded_by(code) & (set(HEAVY) | {"numpy"})


def test_torch_is_not_loaded_where_it_is_not_needed() -> None:
    """Importing all modules but the T ones loads no torch, even where torch is installed."""
    rest = [name for name in MODULES if not is_t_module(name) and not name.endswith("__main__")]
    assert not loaded_by("\n".join(f"import {name}" for name in rest)) & set(TORCH)


def test_predict_without_torch(tmp_path: Path) -> None:
    """`waymark predict` works where nothing of the deep path can be imported."""
    code = (
        "from waymark.cli import app\n"
        "from waymark.samples import SAMPLES, render\n"
        f"path = {str(tmp_path / 'photo.jpg')!r}\n"
        "render(SAMPLES[0], seed=0).save(path)\n"
        "try:\n    app(['predict', path, '--json'])\n"
        "except SystemExit as end:\n    assert not end.code, end.code"
    )
    assert not loaded_by(code, without=TORCH) & set(TORCH)
