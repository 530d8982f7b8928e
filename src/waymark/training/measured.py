"""What each recipe reached on photos here, as `benchmarks/seeds.py` measured and committed it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("measured.json")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One training that was measured.

    Attributes:
        recipe: name.
        start: where its weights came from.
        top1: part of the photos named right, 0 to 1.
        interval: of `top1`, 95 %.
        photos: how many it was measured on.
    """

    recipe: str
    start: str
    top1: float
    interval: tuple[float, float]
    photos: int


def read_measured(file: Path = FILE) -> Mapping[str, Mapping[str, Measured]]:
    """Return for each set of photos, for each recipe, the row of its own settings.

    What was measured on test photos is not chosen by: no best of several rows.

    Returns:
        Nothing where nothing was measured yet; a recipe that was not is absent.
    """
    if not file.exists():
        return {}
    found: dict[str, dict[str, Measured]] = {}
    for photos, table in json.loads(file.read_text(encoding="utf-8")).items():
        own = found.setdefault(photos, {})
        for row in table.get("rows", ()) if isinstance(table, dict) else ():
            name = row["recipe"]
            if row.get("top1") is not None and row.get("own"):
                low, high = row["top1_interval"]
                own[name] = Measured(
                    recipe=name,
                    start=str(row.get("start", "")),
                    top1=row["top1"],
                    interval=(low, high),
                    photos=row["n"],
                )
    return {photos: own for photos, own in found.items() if own}
