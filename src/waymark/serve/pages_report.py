"""What the Landmarks and Report pages show of a bundle.

In:  a bundle's manifest; its figures are from a file that nobody vouches for.
Out: rows and tiles with plain values; what was not measured is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from waymark.bundle.manifest import Manifest
from waymark.gazetteer import Gazetteer, Landmark
from waymark.gazetteer_country import country_name
from waymark.serve.outline import project
from waymark.serve.pages_place import percent

MOST_ROWS = 1000  # landmarks on one page; the others are found by searching

# key, name, what it means, whether its n is that of the unknown photos
_FIGURES = (
    ("top1", "Right at once", "the best guess is the landmark", "n"),
    ("top3", "Among three", "the landmark is one of the best three guesses", "n"),
    ("top5", "Among five", "the landmark is one of the best five guesses", "n"),
    ("macro_f1", "Macro F1", "each landmark counts the same, however many photos it has", "n"),
    ("ece", "Calibration error", "how far scores are from how often they are right", "n"),
    ("unknown_auroc", "Unknown AUROC", "how well it tells photos of none of its landmarks", ""),
    (
        "unknown_fpr95",
        "FPR at 95 % recall",
        "photos of none that pass where 95 % of the others do",
        "u",
    ),
    ("gap", "GAP", "the surest answers first, unknown photos among them", ""),
)
_SPLITS = {"val": "validation photos", "test": "test photos", "train": "training photos"}


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One figure."""

    name: str
    value: str
    span: str | None
    meaning: str
    n: int | None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One landmark in the list.

    Attributes:
        index: its place among the classes, from 0.
        landmark: what is known of it, by the names of `Landmark`.
        words: what it is found by, in the browser.
        at: where it lies on the map, units.
        n: photos that it was measured on; None where it was not.
        recall: of these, the share that it was named in.
        precision: of those that were given its name, the share that are of it.
    """

    index: int
    landmark: dict[str, Any]
    words: str
    at: tuple[float, float] | None
    n: int | None
    recall: float | None
    precision: float | None


def tiles(metrics: Mapping[str, Any]) -> list[Tile]:
    """Return the figures of a bundle, each with its interval and its n."""
    counts = {"n": _count(metrics.get("n")), "u": _count(metrics.get("n_unknown")), "": None}
    found = []
    for key, name, meaning, counted in _FIGURES:
        value = _share(metrics.get(key))
        if value is None:
            continue
        span = metrics.get(f"{key}_interval")
        ends = [_share(end) for end in span] if isinstance(span, list) and len(span) == 2 else []
        low, high = ends if ends and None not in ends else (None, None)
        found.append(
            Tile(
                name=name,
                value=percent(value, 1),
                span=f"{percent(low, 1)} to {percent(high, 1)}"
                if low is not None and high is not None
                else None,
                meaning=meaning,
                n=counts[counted],
            )
        )
    return found


def rows(manifest: Manifest, query: str = "") -> list[Row]:
    """Return the landmarks by name, or those that a search finds, the likeliest first."""
    figures = manifest.metrics.get("per_class")
    per_class = figures if isinstance(figures, Mapping) else {}
    index = {one.id: number for number, one in enumerate(manifest.landmarks)}
    if query.strip():
        found = _gazetteer(manifest.landmarks).search(query, limit=MOST_ROWS)
        chosen: Iterable[Landmark] = _likely(found)
    else:
        chosen = sorted(manifest.landmarks, key=lambda one: one.name.casefold())[:MOST_ROWS]
    return [_row(one, index[one.id], per_class.get(one.id)) for one in chosen]


@lru_cache(maxsize=2)
def _gazetteer(landmarks: tuple[Landmark, ...]) -> Gazetteer:
    """Return what a bundle's landmarks are searched in; it is slow to make."""
    return Gazetteer(landmarks)


def _likely(found: list[tuple[Landmark, float]]) -> list[Landmark]:
    """Return what is found for certain; only where nothing is, what is spelt alike."""
    sure = [one for one, score in found if score > 0.56]
    return sure or [one for one, _ in found]


def _row(landmark: Landmark, index: int, figures: Any) -> Row:
    said = figures if isinstance(figures, Mapping) else {}
    recall, n = _share(said.get("recall")), _count(said.get("n"))
    words = (
        landmark.name, landmark.local_name, landmark.id, landmark.place, landmark.country,
        country_name(landmark.country), landmark.category,
    )  # fmt: skip
    placed = landmark.lat is not None and landmark.lon is not None
    return Row(
        index=index,
        landmark=landmark.to_dict(),
        words=" ".join(filter(None, words)),
        at=project(landmark.lat, landmark.lon) if placed else None,  # type: ignore[arg-type]
        n=n if recall is not None else None,
        recall=recall,
        precision=_share(said.get("precision")),
    )


def measured_on(metrics: Mapping[str, Any]) -> str | None:
    """Say which photos the figures are of: `2,003 validation photos`; None without figures."""
    n = _count(metrics.get("n"))
    if not n:
        return None
    split = metrics.get("split")
    return f"{n:,} {_SPLITS.get(str(split), 'photos')}"


def summary(manifest: Manifest) -> str:
    """Say in a sentence or two how good a bundle is."""
    metrics = manifest.metrics
    top1, measured = _share(metrics.get("top1")), measured_on(metrics)
    classes = len(manifest.landmarks)
    if top1 is None or measured is None:
        return f"It knows {classes:,} landmarks. How well has not been measured."
    text = (
        f"Of {measured}, it names the landmark right in {percent(top1, 1)} at once; "
        f"there are {classes:,} landmarks to choose from."
    )
    wrongly = _share(metrics.get("unknown_called_known"))
    n_unknown = _count(metrics.get("n_unknown"))
    if wrongly is not None and n_unknown:
        text += f" Of {n_unknown:,} photos of none of them it takes {percent(wrongly, 1)} for one."
    return text


def facts(manifest: Manifest, sha256: str, card: str) -> list[tuple[str, str]]:
    """Return what else a bundle says of itself; of its origin, only what the card does not tell."""
    told_there = "How it was made" in card
    origin: dict[str, Any] = {} if told_there else manifest.provenance
    prepare, rule = manifest.preprocess, manifest.unknown
    fast = manifest.sizes.get("fast")
    held = f"; takes {percent(rule.fpr, 1)} of held-out negatives for one" if rule.fpr else ""
    told = {
        "Landmarks": f"{len(manifest.landmarks):,}",
        "Categories": f"{len(manifest.categories):,}" if manifest.categories else None,
        "Network": manifest.backbone.get("timm_name"),
        "Recipe": origin.get("recipe_name"),
        "Photo to input": f"{prepare.size} x {prepare.size} px, {prepare.fit}, {prepare.filter}"
        + (f"; {fast} px when it is to be fast" if fast else ""),
        "Temperature": f"{manifest.temperature:.3f}",
        "Unknown": f"above a score of {rule.threshold:.2f}{held}",
        "Unknown rule fitted on": rule.source,
        "Data": origin.get("data"),
        "Terms of the data": origin.get("terms"),
        "Photos learnt from": origin.get("photos"),
        "Negatives": origin.get("negatives"),
        "Seed": origin.get("seed"),
        "Parent bundle": origin.get("parent"),
        "Hash (SHA-256)": sha256,
    }
    return [
        (name, str(value))
        for name, value in told.items()
        if isinstance(value, str | int | float) and value != ""
    ]


def _share(value: Any) -> float | None:
    """Return a number of 0 to 1, or None for anything else."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good and 0 <= value <= 1 else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None
