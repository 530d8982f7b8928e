"""Does cleaning help? Heads taught with photos as they are, and as `data clean` leaves them.

`data check` looks at provence, at pakistan, and at provence with 100 faults of each kind
planted in it. Each photo is then named by heads that learnt from other folds: from all their
photos, from those that `data clean` keeps, by itself, with `--only` doubtful ones dropped as
well, and with `--relabel`. The photos tested on are the same for all; copies, by whichever
measure, never stand on both sides. The head is the fast path's
(`training/ridge.py`), at its default penalty.

    python benchmarks/clean_retrain.py [--seeds 5] [--folds 5]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from planted import plant_in
from receipt import receipt
from shared import photos_of
from table import publish
from waymark.bundle.format import Bundle, read_bundle
from waymark.curate.check import check_dataset
from waymark.curate.clean import ALIKE, OF_CLASSES, Plan, path_in, plan_clean
from waymark.curate.finding import Check, Kind
from waymark.dataset.duplicates import near_duplicate_groups
from waymark.dataset.index import Dataset, read_dataset
from waymark.dataset.split import folds
from waymark.training.features import embed_photos
from waymark.training.linear import DEFAULT_PENALTY
from waymark.training.ridge import Moments, ridge_heads, unit

RESAMPLES = 2000
DOUBTED: tuple[Kind, ...] = (
    "truncated",
    "exact-duplicate",
    "near-duplicate",
    "off-topic",
    "wrong-label",
)
COLUMNS = ("taught with", "photos", "relabelled", "top-1, all", "change")
COLUMNS = (*COLUMNS, "top-1, sound photos", "change ")
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A dataset, what was found in it, and its photos as the network sees them.

    Attributes:
        name: for the table.
        dataset: N readable photos; two names of one landmark are one already.
        labels: (N,), class of each.
        vectors: (N, V, D), unit length.
        groups: (N,), photos of one number are copies, or may be.
        sound: (N,), where faults were planted, whether this photo is none of them; else
            whether no finding speaks of it.
        arms: for each way to clean, which photos it keeps (N,), and under which class (N,).
        counts: number of findings of each kind.
        merged: labels that were merged into others beforehand.
    """

    name: str
    dataset: Dataset
    labels: NDArray[np.intp]
    vectors: NDArray[np.float32]
    groups: NDArray[np.int64]
    sound: Bools
    arms: dict[str, tuple[Bools, NDArray[np.intp]]]
    counts: dict[str, int]
    merged: dict[str, str]


def look_at(name: str, dataset: Dataset, bundle: Bundle, planted: Iterable[str] = ()) -> Case:
    """Check a dataset, plan its cleaning, and embed its photos.

    Args:
        name: for the table.
        dataset: as it is.
        bundle: whose network to check and to embed with.
        planted: paths of photos that are known to be at fault.
    """
    check = check_dataset(dataset, bundle=bundle)
    faulty = set(planted) or flagged(check)
    base = plan_clean(check, dataset, only=("similar-classes",), relabel=True)
    merged = {
        photo.label: base.relabel[key]
        for photo in dataset.photos
        if (key := path_in(dataset.root, photo.path)) in base.relabel
    }
    seen = base.kept()
    found = embed_photos(bundle, [photo.path for photo in seen.photos], views=2)
    seen = seen.with_photos(seen.photos[row] for row in found.rows)
    keys = [path_in(seen.root, photo.path) for photo in seen.photos]
    number = {label: i for i, label in enumerate(seen.labels)}
    labels = np.array([number[photo.label] for photo in seen.photos])
    plans = {
        "cleaned": plan_clean(check, seen),
        "cleaned, doubtful ones dropped too": plan_clean(check, seen, only=DOUBTED),
        "cleaned, --relabel": plan_clean(_final(check, merged), seen, relabel=True),
    }
    return Case(
        name=name,
        dataset=seen,
        labels=labels,
        vectors=unit(found.vectors).astype(np.float32),
        groups=together(seen, keys, check),
        sound=np.array([key not in faulty for key in keys]),
        arms={arm: _arm(plan, keys, labels, number) for arm, plan in plans.items()},
        counts=check.counts(),
        merged=merged,
    )


def _final(check: Check, merged: dict[str, str]) -> Check:
    """Return the check with the names that landmarks have after merging, and that done."""
    from dataclasses import replace

    findings = tuple(
        replace(f, label_suggested=merged.get(f.label_suggested or "", f.label_suggested))
        for f in check.findings
        if f.kind not in OF_CLASSES
    )
    return replace(check, findings=findings)


def _arm(
    plan: Plan, keys: Sequence[str], labels: NDArray[np.intp], number: dict[str, int]
) -> tuple[Bools, NDArray[np.intp]]:
    kept = np.array([key not in plan.drop for key in keys])
    new = [
        number[plan.relabel[key]] if key in plan.relabel else label
        for key, label in zip(keys, labels, strict=True)
    ]
    return kept, np.array(new, np.intp)


def flagged(check: Check) -> set[str]:
    """Return the photos that a finding blames: of copies, all but the one to keep."""
    return {
        path
        for finding in check.findings
        if finding.kind not in OF_CLASSES
        for path in (finding.paths[:-1] if finding.kind in ALIKE else finding.paths)
    }


def together(dataset: Dataset, keys: Sequence[str], check: Check) -> NDArray[np.int64]:
    """Group copies: by the check's findings, and by the hashes that splitting goes by."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    hashed = near_duplicate_groups([photo.path for photo in dataset.photos])
    place = {key: i for i, key in enumerate(keys)}
    sets = [[place[p] for p in f.paths if p in place] for f in check.findings if f.kind in ALIKE]
    firsts = {group: i for i, group in reversed(list(enumerate(hashed)))}
    pairs = [(i, firsts[group]) for i, group in enumerate(hashed)]
    pairs += [(rows[0], row) for rows in sets for row in rows[1:]]
    one, two = np.array(pairs).T
    graph = coo_array((np.ones(len(one), bool), (one, two)), shape=(len(keys), len(keys)))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def named_right(case: Case, *, seeds: int, k: int) -> dict[str, NDArray[np.float64]]:
    """Return how often each photo is named as it is labelled, for each arm.

    Returns:
        (N,) share of the seeds, 0 to 1, by arm; "as it is" comes first.
    """
    everything = np.ones(len(case.labels), bool)
    arms = {"as it is": (everything, case.labels), **case.arms}
    right = {arm: np.zeros(len(case.labels)) for arm in arms}
    for seed in range(seeds):
        fold = folds(case.dataset, k=k, seed=seed, groups=case.groups.tolist())
        for part in range(k):
            tested = fold == part
            for arm, (kept, labels) in arms.items():
                guess = _guess(case, kept & ~tested, labels, tested)
                right[arm][tested] += (guess == case.labels[tested]) / seeds
    return right


def _guess(case: Case, learnt: Bools, labels: NDArray[np.intp], tested: Bools) -> NDArray[np.intp]:
    views, width = case.vectors.shape[1:]
    moments = Moments.of(
        case.vectors[learnt].reshape(-1, width),
        np.repeat(labels[learnt], views),
        len(case.dataset.labels),
        views=views,
    )
    known = np.flatnonzero(moments.counts)
    weight, bias = ridge_heads(moments.means[known], moments.covariance, [DEFAULT_PENALTY])[0]
    scores = case.vectors[tested][:, 0] @ weight.T + bias
    return np.asarray(known[scores.argmax(axis=1)])


def interval(values: NDArray[np.float64], groups: NDArray[np.int64]) -> tuple[float, float]:
    """Return the 95 % interval of a mean over photos, by drawing groups of copies anew."""
    _, numbers = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(numbers, values), np.bincount(numbers)
    drawn = np.random.default_rng(0).integers(len(sums), size=(RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def rows_of(case: Case, right: dict[str, NDArray[np.float64]]) -> list[list[str]]:
    """Return a row of the table for each arm."""
    before = right["as it is"]
    rows = []
    for arm, values in right.items():
        kept, labels = case.arms.get(arm, (np.ones(len(values), bool), case.labels))
        cells = [f"{case.name}: {arm}", str(int(kept.sum()))]
        cells.append(str(int((kept & (labels != case.labels)).sum())))
        for chosen in (np.ones(len(values), bool), case.sound):
            cells.append(f"{values[chosen].mean():.2%}")
            low, high = interval((values - before)[chosen], case.groups[chosen])
            change = (values - before)[chosen].mean()
            cells.append("" if arm == "as it is" else f"{change:+.2%} ({low:+.2%} to {high:+.2%})")
        rows.append(cells)
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--bundle", default="world")
    options = parser.parse_args()
    bundle = read_bundle(options.bundle)
    provence = read_dataset(photos_of("provence"), levels="place,landmark")
    pakistan = read_dataset(photos_of("pakistan"))
    cases = [look_at("provence", provence, bundle), look_at("pakistan", pakistan, bundle)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "provence"
        faults = plant_in("provence", folder)
        paths = {record.path for record in faults}
        cases.append(look_at("provence, faults planted", read_dataset(folder), bundle, paths))
        results = [
            (case, named_right(case, seeds=options.seeds, k=options.folds)) for case in cases
        ]
    tested = "; ".join(
        f"{case.name} {len(case.labels)} photos, {int(case.sound.sum())} sound" for case in cases
    )
    publish(
        "clean_retrain",
        columns=[
            "taught with",
            "photos",
            "relabelled",
            "top-1, all",
            "change",
            "top-1, sound photos",
            "change ",
        ],
        rows=[row for case, right in results for row in rows_of(case, right)],
        note=f"{options.folds} folds, {options.seeds} seeds; {tested}: where faults were planted, "
        "photos that are none of them, else those of which no finding speaks. The check sees all "
        "photos, the tested ones too. Change against photos as "
        "they are, with its 95 % interval (groups of copies drawn anew); labels of the photos "
        "tested are the given ones.",
        findings={case.name: case.counts for case in cases},
        merged={case.name: case.merged for case in cases},
        top1={
            case.name: {arm: float(values.mean()) for arm, values in right.items()}
            for case, right in results
        },
        **receipt(bundle),
    )


if __name__ == "__main__":
    main()
