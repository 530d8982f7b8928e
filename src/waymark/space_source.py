"""What of waymark's source a program needs that only predicts.

In:  names of modules.
Out: these modules and all that they import, anywhere in their code, as relative paths and text.

Imports are read, not run: what is imported only now and then (a HEIC decoder, a heatmap) is
found as well, and what any of it needs from outside is named in the Space's requirements.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from importlib.resources import files

PACKAGE = "waymark"
PREDICTING = (PACKAGE, "waymark.recognise.recogniser")  # `waymark.load(...).predict(...)`


def read_sources(modules: Iterable[str] = PREDICTING) -> dict[str, str]:
    """Read modules of waymark and all of waymark that they import, directly or not.

    Args:
        modules: dotted names.

    Returns:
        The text of each file by its path (`waymark/photo.py`), sorted by path.
    """
    found: dict[str, str] = {}
    seen: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if (source := _find(name)) is None:  # a function or a class, not a module
            continue
        path, text = source
        found[path] = text
        waiting += [name.rpartition(".")[0] or PACKAGE, *_imported(text)]
    return dict(sorted(found.items()))


def _find(name: str) -> tuple[str, str] | None:
    """Return (path, text) of a module; None if there is none of that name."""
    parts = name.split(".")
    for tail in ((*parts, "__init__.py"), (*parts[:-1], f"{parts[-1]}.py")):
        file = files(PACKAGE).joinpath(*tail[1:])
        if tail[1:] and file.is_file():
            return "/".join(tail), file.read_text(encoding="utf-8")
    return None


def _imported(text: str) -> Iterator[str]:
    """Yield what may be modules of waymark in a module's code, strings for import_module too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or PACKAGE  # all imports are written in full
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [node.value] if all(map(str.isidentifier, node.value.split("."))) else []
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == PACKAGE)
