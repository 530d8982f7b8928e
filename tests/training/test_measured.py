"""The committed figures, and what is shown where there are none."""

from __future__ import annotations

import json
from pathlib import Path

from waymark.training.measured import FILE, read_measured
from waymark.training.recipes import RECIPES


def row(recipe: str, start: str, top1: float | None, *, own: bool) -> dict[str, object]:
    """Return a row of the committed table."""
    span = None if top1 is None else [top1 - 0.1, top1 + 0.1]
    figures = {"top1": top1, "top1_interval": span, "n": 50}
    return {"recipe": recipe, "start": start, "own": own, **figures}


def test_the_row_of_a_recipe_s_own_settings(tmp_path: Path) -> None:
    """Not the best of several rows: test photos are not to choose by."""
    rows = [
        row("a", "random", 0.7, own=False),
        row("a", "partial", 0.6, own=True),
        row("b", "random", None, own=True),
    ]
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
