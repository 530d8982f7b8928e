"""Many trainings over one dataset: what a sweep file asks for.

In:  a TOML file:

         recipe = "korea-sequential"    # a name, or a recipe file beside this one
         [set]                          # fields of every run, as in `--set`
         seed = 0
         [grid]                         # every combination of these values
         size = [32, 64]
         "stages.0.lr" = [1e-3, 1e-4]
         [[runs]]                       # or a list, each with fields of its own
         name = "try 1"
         depth = 5
         theirs = {loss = 1.63, accuracy = 0.65}    # published figures, shown beside ours

     Where there is a list and a grid, each run of the list is done with every combination
     of the grid. `recipe` may stand among the fields too, so that recipes can be compared.
Out: a `Sweep`: a checked recipe for every run. `sweep_run.py` runs them.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import product
from pathlib import Path
from typing import Any

from waymark.errors import ConfigError, UnknownName
from waymark.training.recipe import Recipe, read_recipe
from waymark.training.recipes import find_recipe

TABLES = ("korea-table",)
"""The sweeps that ship with waymark, in `training/tables`."""

MOST_RUNS = 1000
PUBLISHED = ("loss", "accuracy", "top3")
"""What may be said under `theirs`."""

_KEYS = ("recipe", "set", "grid", "runs")
_SLUG = 48  # characters of a run's folder name


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One run of a sweep.

    Attributes:
        name: what the sweep file calls it, or the values that set it apart.
        folder: name of its folder: its number in the sweep and what of `name` is safe.
        recipe: how it is trained, checked.
        theirs: published figures of the same experiment, by the names in `PUBLISHED`.
    """

    name: str
    folder: str
    recipe: Recipe
    theirs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A sweep file, read and checked.

    Attributes:
        name: the file's name without its ending.
        text: the file as it was read.
        runs: in the order of the file; the last field of the grid changes fastest.
    """

    name: str
    text: str
    runs: tuple[Planned, ...]


def find_sweep(name: str) -> Sweep:
    """Return the sweep of that name that ships with waymark, or the one in that TOML file.

    Raises:
        UnknownName: with the nearest match.
        ConfigError: if a file is wrong.
    """
    if name in TABLES:
        return read_sweep(Path(__file__).parent / "tables" / f"{name}.toml")
    if name.endswith(".toml"):
        return read_sweep(Path(name))
    near = get_close_matches(name, TABLES, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UnknownName(
        f"no sweep named {name!r}; {hint}waymark has {', '.join(TABLES)}, "
        "and a file of your own ends in .toml."
    )


def read_sweep(path: Path) -> Sweep:
    """Read a sweep file, and check the recipe of every run.

    Raises:
        ConfigError: if the file cannot be read, or a recipe, a field or a value is wrong;
            names the run, and the field with what it may be.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"cannot read the sweep {path}: {error}. It is a TOML file with a recipe, and a "
            "[grid] or [[runs]]."
        ) from error
    _check_names(values, _KEYS, f"the sweep {path}")
    everyone = _fields(_table(values, "set", path))
    if "recipe" in values:
        everyone.setdefault("recipe", values["recipe"])
    combinations = list(_combinations(_fields(_table(values, "grid", path)), path))
    listed = _listed(values, path)
    total = len(listed) * len(combinations)
    if total > MOST_RUNS:
        raise ConfigError(f"{path} asks for {total:,} runs; a sweep has at most {MOST_RUNS:,}.")
    planned: list[Planned] = []
    digits = max(2, len(str(total)))
    for (given, own, theirs), chosen in product(listed, combinations):
        if twice := sorted(own.keys() & chosen.keys()):
            raise ConfigError(
                f"{path}: {', '.join(twice)} of the run {given!r} stands in [grid] too; "
                "leave it out of one of them."
            )
        told = " ".join(part for part in (given, _said(chosen)) if part)
        name = told or _said(own) or "as it is"
        recipe = _resolved({**everyone, **own, **chosen}, f"run {name!r} of {path}", path.parent)
        folder = f"{len(planned) + 1:0{digits}}-{_slug(name)}"
        planned.append(Planned(name=name, folder=folder, recipe=recipe, theirs=theirs))
    names = [run.name for run in planned]
    if again := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"{path} has two runs named {again[0]!r}; each needs a name of its own.")
    return Sweep(name=path.stem, text=text, runs=tuple(planned))


def _resolved(fields: dict[str, Any], where: str, beside: Path) -> Recipe:
    """Return the recipe of a run, whose errors say which run it is."""
    from waymark.models.backbones import find_backbone

    settings = dict(fields)
    named = settings.pop("recipe", None)
    if not isinstance(named, str) or not named:
        raise ConfigError(
            f'{where} has no recipe; write recipe = "NAME" at the top of the file. '
            "`waymark recipes` lists them."
        )
    try:
        base = read_recipe(beside / named) if named.endswith(".toml") else find_recipe(named)
        recipe = base.with_settings(settings)
        find_backbone(recipe.backbone)
    except UnknownName as error:
        raise UnknownName(f"{where}: {error}") from error
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    return recipe


def _table(values: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    table = values.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{name} in {path} must be a [{name}] table.")
    return table


def _listed(
    values: Mapping[str, Any], path: Path
) -> list[tuple[str, dict[str, Any], dict[str, float]]]:
    """Return name, fields and published figures of each of [[runs]]; one of nothing if none."""
    runs = values.get("runs", [{}])
    if not isinstance(runs, list) or not runs or not all(isinstance(run, dict) for run in runs):
        raise ConfigError(f"runs in {path} must be [[runs]] tables, at least one.")
    found = []
    for number, run in enumerate(runs, start=1):
        own = dict(run)
        name, theirs = own.pop("name", ""), own.pop("theirs", {})
        where = f"run {name or number!r} of {path}"
        if not isinstance(name, str) or not name.isprintable():
            raise ConfigError(f"{where}: its name must be text, without control characters.")
        if not isinstance(theirs, dict):
            raise ConfigError(f"{where}: theirs must be a table of {', '.join(PUBLISHED)}.")
        _check_names(theirs, PUBLISHED, f"{where}: theirs")
        for key, value in theirs.items():
            if type(value) not in (int, float) or not math.isfinite(value):
                raise ConfigError(f"{where}: theirs.{key} is {value!r}; it must be a number.")
        found.append((name.strip(), _fields(own), theirs))
    return found


def _combinations(grid: Mapping[str, Any], path: Path) -> Iterator[dict[str, Any]]:
    """Yield one value of each field, in every combination; once nothing if there is no grid."""
    for key, choices in grid.items():
        if not isinstance(choices, list) or not choices:
            raise ConfigError(
                f"{key} in the [grid] of {path} is {choices!r}; it must be a list of the values "
                f"to try, such as {key} = [{choices!r}]."
            )
    if (size := math.prod(len(choices) for choices in grid.values())) > MOST_RUNS:
        raise ConfigError(
            f"the [grid] of {path} has {size:,} combinations; a sweep has at most {MOST_RUNS:,}."
        )
    for chosen in product(*grid.values()):
        yield dict(zip(grid, chosen, strict=True))


def _fields(table: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return `{"stages": {"0": {"lr": x}}}` as `{"stages.0.lr": x}`: quoted or not is the same."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat |= _fields(value, f"{before}{key}.")
        else:
            flat[before + key] = value
    return flat


def _check_names(given: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in given:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            meant = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(f"{where} has no {key!r}; {meant}It may have {', '.join(known)}.")


def _said(fields: Mapping[str, Any]) -> str:
    """Write fields as a name: `size=64 stages.0.lr=0.001`."""
    words = [f"{key}={value}".replace(" ", "") for key, value in fields.items()]
    return "".join(c for c in " ".join(words) if c.isprintable())


def _slug(name: str) -> str:
    """Return what of a name can be a folder's: small letters, digits, dots and hyphens."""
    return re.sub(r"[^a-z0-9._]+", "-", name.lower()).strip("-.")[:_SLUG].rstrip("-.") or "run"
