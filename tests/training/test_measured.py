"""The committed figures, and what is shown where there are none."""

from __future__ import annotations

import json
from pathlib import Path

from waymark.training.measured import FILE, read_measured
from waymark.training.recipes import RECIPES


def row(recipe: str, start: str, top1: float | None) -> dict[str, object]:
    """Return a row of the committed table."""
    span = None if top1 is None else [top1 - 0.1, top1 + 0.1]
    return {"recipe": recipe, "start": start, "top1": top1, "top1_interval": span, "n": 50}


def test_the_best_start_of_each_recipe(tmp_path: Path) -> None:
    """Of several rows the one with the highest top-1; rows without a figure do not count."""
    rows = [row("a", "random", 0.4), row("a", "partial", 0.6), row("b", "random", None)]
    file = tmp_path / "measured.json"
    file.write_text(json.dumps({"commit": "abc", "world": {"rows": rows}}))
    found = read_measured(file)
    assert set(found) == {"world"}
    assert set(found["world"]) == {"a"}
    assert (found["world"]["a"].start, found["world"]["a"].top1) == ("partial", 0.6)


def test_without_a_file_nothing_is_measured(tmp_path: Path) -> None:
    """The list of recipes works before anything was measured."""
    assert read_measured(tmp_path / "none.json") == {}


def test_what_is_committed_is_of_recipes_that_exist() -> None:
    """Every figure is a share within its interval, of a recipe of the list."""
    for table in read_measured(FILE).values():
        for name, found in table.items():
            assert name.split(" ")[0] in RECIPES
            low, high = found.interval
            assert 0 <= low <= found.top1 <= high <= 1
            assert found.photos > 0
