"""How many planted faults does `data check` find, and how often is it right?

Faults of eight kinds are planted in real photos (`planted.py`), and `check_dataset` looks for
them. What it flags besides is put on contact sheets, for a look by eye; the counts of that
look are kept in check_faults_judged.json: no photo, no path.

    python benchmarks/check_faults.py --dataset provence --sheets DIR      to tune by
    python benchmarks/check_faults.py --dataset world-test                 once, at the end
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from check_sheets import Flag, write_sheet
from planted import COPIES, CROP, KEPT, KINDS, QUALITY, RADIUS, SCALE, WHICH, Planted, plant_in
from receipt import HERE, receipt
from table import publish
from waymark.bundle.format import read_bundle
from waymark.curate.finding import Check, Finding
from waymark.dataset.index import Dataset, read_dataset
from waymark.evaluation.metrics import wilson_interval

JUDGED = HERE / "check_faults_judged.json"
DUPLICATES = ("exact-duplicate", "near-duplicate")
FOUND_BY = {
    "near-duplicate": DUPLICATES,
    "mirrored": DUPLICATES,
    **{kind: (kind,) for kind in KINDS if kind not in ("near-duplicate", "mirrored")},
}
"""Kinds of findings by which a planted fault counts as found."""
WANTED = {  # least recall, least precision, %
    "exact-duplicate": (99, 90),
    "near-duplicate": (95, 90),
    "mirrored": (90, None),
    "wrong-label": (85, 60),
    "off-topic": (90, 90),
    "truncated": (100, 90),
    "wrong-extension": (100, 90),
    "blurred": (85, 80),
}
STRENGTHS = {
    "scale": SCALE,
    "quality": QUALITY,
    "crop": CROP,
    "kept": KEPT,
    "radius": RADIUS,
}
MOST_LOOKED = 50
COLUMNS = ("planted fault", "found", "95 % interval", "wanted", "flagged", "right for sure")
COLUMNS = (*COLUMNS, "right of others looked at", "precision", "wanted ")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one kind of fault.

    Attributes:
        planted: the faults.
        found: for each of them, whether a finding tells of it.
        elsewhere: of those not found, how many another kind of finding tells of.
        right: flagged photos that are at fault for sure: by planting, or by equal bytes.
        others: flagged photos that were not planted as such: for the look by eye.
    """

    kind: str
    planted: tuple[Planted, ...]
    found: tuple[bool, ...]
    elsewhere: dict[str, int]
    right: int
    others: tuple[Flag, ...]


def outcomes(
    planted: Sequence[Planted], findings: Iterable[Finding], contents: Mapping[str, str]
) -> list[Outcome]:
    """Hold findings against what was planted.

    Args:
        planted: every fault.
        findings: of the check.
        contents: path of each photo, and a hash of its bytes.

    Returns:
        One outcome for each of `KINDS`.
    """
    by_kind: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_kind[finding.kind].append(finding)
    truth = {record.path: record for record in planted}
    originals = {record.path: record.original or record.path for record in planted}

    def source(path: str) -> str:
        """Name the picture that a photo was made of: one name for all its copies."""
        return contents[originals.get(path, path)]

    told: dict[str, set[str]] = {
        kind: {path for finding in rows for path in _tells_of(finding, source)}
        for kind, rows in by_kind.items()
    }
    results = []
    for kind in KINDS:
        rows = tuple(record for record in planted if record.kind == kind)
        found = tuple(
            any(record.path in told.get(by, ()) for by in FOUND_BY[kind]) for record in rows
        )
        missed = [record for record, hit in zip(rows, found, strict=True) if not hit]
        elsewhere = {
            other: count
            for other, paths in sorted(told.items())
            if (count := sum(record.path in paths for record in missed))
        }
        flags = [] if kind == "mirrored" else _flags(by_kind[kind])
        right = [_is_right(kind, flag, truth, told) for flag in flags]
        others = tuple(flag for flag, ok in zip(flags, right, strict=True) if not ok)
        results.append(
            Outcome(
                kind=kind,
                planted=rows,
                found=found,
                elsewhere=elsewhere,
                right=sum(right),
                others=others,
            )
        )
    return results


def _tells_of(finding: Finding, source: Callable[[str], str]) -> list[str]:
    """Return the photos that a finding tells of: of duplicates, those with a real partner."""
    if finding.kind not in DUPLICATES:
        return list(finding.paths)
    pictures = [source(path) for path in finding.paths]
    return [
        p for p, picture in zip(finding.paths, pictures, strict=True) if pictures.count(picture) > 1
    ]


def _flags(findings: Iterable[Finding]) -> list[Flag]:
    """Return the photos that findings blame, each once."""
    flags: dict[str, Flag] = {}
    for finding in findings:
        pair = finding.kind in DUPLICATES
        for path in finding.paths[:-1] if pair else finding.paths:
            beside = finding.paths[-1] if pair else None
            flag = Flag(path=path, beside=beside, suggested=finding.label_suggested)
            flags.setdefault(path, flag)
    return list(flags.values())


def _is_right(kind: str, flag: Flag, truth: dict[str, Planted], told: dict[str, set[str]]) -> bool:
    if kind in DUPLICATES:
        return flag.path in told[kind]
    record = truth.get(flag.path)
    if kind == "wrong-label":
        return record is not None and record.mislabelled and record.shows is not None
    return record is not None and record.kind == kind


def looked_at(outcome: Outcome, seed: int = 0) -> list[Flag]:
    """Draw the other flagged photos that are looked at, at most `MOST_LOOKED`."""
    order = np.random.default_rng(seed).permutation(len(outcome.others))[:MOST_LOOKED]
    return [outcome.others[i] for i in sorted(order)]


def digest(flags: Sequence[Flag]) -> str:
    """Return what tells one set of looked-at photos from another."""
    paths = "\n".join(f"{flag.path}\t{flag.beside}" for flag in flags)
    return hashlib.sha256(paths.encode()).hexdigest()[:16]


def judgement(name: str, outcome: Outcome, judged: dict[str, Any]) -> tuple[int, int] | None:
    """Return how many of the others were looked at and right; None if these were not judged."""
    looked = looked_at(outcome)
    if not looked:
        return 0, 0
    row = judged.get(name, {}).get(outcome.kind)
    if row is None or row["of"] != digest(looked):
        return None
    return row["looked"], row["right"]


def row_of(outcome: Outcome, look: tuple[int, int] | None) -> list[str]:
    """Return the cells of one kind."""
    hits, n = sum(outcome.found), len(outcome.found)
    low, high = wilson_interval(hits, n)
    recall, precision = WANTED[outcome.kind]
    cells = [outcome.kind, f"{hits} of {n}", f"{low:.1%} to {high:.1%}", f"{recall} %"]
    if outcome.kind == "mirrored":
        return [*cells, "", "", "", "", ""]
    flagged = outcome.right + len(outcome.others)
    cells += [str(flagged), str(outcome.right)]
    wanted = f"{precision} %"
    if look is None:
        return [*cells, f"not judged ({len(outcome.others)})", "", wanted]
    looked, right = look
    share = precision_after(outcome, look)
    seen = f"{right} of {looked}" if looked else ""
    return [*cells, seen, f"{share:.1%}" if share is not None else "", wanted]


def precision_after(outcome: Outcome, look: tuple[int, int]) -> float | None:
    """Return the share of flagged photos that are at fault, those not looked at by estimate."""
    looked, right = look
    flagged = outcome.right + len(outcome.others)
    extra = len(outcome.others) * right / looked if looked else 0.0
    return (outcome.right + extra) / flagged if flagged else None


def by_strength(outcome: Outcome) -> list[list[str]]:
    """Return rows of recall for each third of each strength, and by whose class a copy lies in."""
    rows = []
    for name in sorted({name for record in outcome.planted for name in record.strength}):
        values = np.array([record.strength[name] for record in outcome.planted])
        edges = np.linspace(*STRENGTHS[name], 4)
        third = np.clip(np.searchsorted(edges, values, "right") - 1, 0, 2)
        cells = [_share(np.array(outcome.found)[third == part]) for part in range(3)]
        bounds = [f"{low:.3g} to {high:.3g}" for low, high in pairwise(edges)]
        rows.append(
            [f"{outcome.kind}: {name}", *(": ".join(c) for c in zip(bounds, cells, strict=True))]
        )
    if outcome.kind in COPIES:
        other = np.array([record.mislabelled for record in outcome.planted])
        found = np.array(outcome.found)
        cells = [f"same: {_share(found[~other])}", f"other: {_share(found[other])}", ""]
        rows.append([f"{outcome.kind}: class", *cells])
    return rows


def _share(found: np.ndarray[Any, Any]) -> str:
    return f"{int(found.sum())} of {len(found)}"


def sheets(folder: Path, root: Path, results: Sequence[Outcome]) -> None:
    """Write contact sheets: other flagged photos, and planted ones that were missed."""
    folder.mkdir(parents=True, exist_ok=True)
    for outcome in results:
        looked = looked_at(outcome)
        missed = [
            Flag(path=record.path, beside=record.original, suggested=record.shows)
            for record, hit in zip(outcome.planted, outcome.found, strict=True)
            if not hit
        ]
        for what, flags in (("others", looked), ("missed", missed)):
            if flags:
                write_sheet(folder / f"{outcome.kind}-{what}.png", root, flags)
        if looked:
            row = {"looked": len(looked), "right": None, "of": digest(looked)}
            print(f'  "{outcome.kind}": {json.dumps(row)}')


def measure(
    name: str, folder: Path, *, seed: int, n: int, bundle: str
) -> tuple[Check, list[Outcome], float]:
    """Plant, check, and hold one against the other; also the seconds that the check took."""
    from waymark.curate.check import check_dataset

    planted = plant_in(name, folder, seed=seed, n=n)
    loaded = read_bundle(bundle)
    dataset = read_dataset(folder)
    started = time.perf_counter()
    check = check_dataset(dataset, bundle=loaded)
    seconds = time.perf_counter() - started
    return check, outcomes(planted, check.findings, contents_of(dataset)), seconds


def contents_of(dataset: Dataset) -> dict[str, str]:
    """Return the path of each photo, below the dataset's root, with a hash of its bytes."""
    return {
        photo.path.relative_to(dataset.root).as_posix(): hashlib.sha256(
            photo.path.read_bytes()
        ).hexdigest()
        for photo in dataset.photos
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", choices=sorted(WHICH), required=True)
    parser.add_argument("--seed", type=int, default=0, help="of what is planted")
    parser.add_argument("--n", type=int, default=100, help="faults of each kind")
    parser.add_argument("--bundle", default="world")
    parser.add_argument("--sheets", type=Path, help="write contact sheets there, for the eye")
    parser.add_argument("--dry", action="store_true", help="keep no result: while tuning")
    options = parser.parse_args()
    judged = json.loads(JUDGED.read_text(encoding="utf-8")) if JUDGED.exists() else {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / options.dataset
        check, results, seconds = measure(
            options.dataset, folder, seed=options.seed, n=options.n, bundle=options.bundle
        )
        if options.sheets:
            sheets(options.sheets, folder, results)
    looks = [judgement(options.dataset, outcome, judged) for outcome in results]
    rows = [row_of(outcome, look) for outcome, look in zip(results, looks, strict=True)]
    strengths = [row for outcome in results for row in by_strength(outcome)]
    for row in strengths:
        print("  ".join(row))
    for outcome in results:
        if outcome.elsewhere:
            print(f"{outcome.kind}: missed, but found as {outcome.elsewhere}")
    print("; ".join(check.notes), check.counts(), f"{seconds:.1f} s", sep="\n")
    if options.dry:
        from table import markdown

        print(markdown(COLUMNS, rows))
        return
    common: dict[str, Any] = receipt(read_bundle(options.bundle))
    publish(
        f"check_faults-{options.dataset}",
        columns=COLUMNS,
        rows=rows,
        note=f"{options.n} faults of each kind among {check.photos} photos of {options.dataset}, "
        f"seed {options.seed}. Precision: right for sure (planted, or equal byte for byte), "
        "and of the others the share that a look by eye at up to 50 of them found right.",
        found={outcome.kind: sum(outcome.found) for outcome in results},
        elsewhere={outcome.kind: outcome.elsewhere for outcome in results},
        others={outcome.kind: len(outcome.others) for outcome in results},
        counts=check.counts(),
        seconds=seconds,
        **common,
    )
    publish(
        f"check_strengths-{options.dataset}",
        columns=["fault: strength", "first third", "second third", "last third"],
        rows=strengths,
        note=f"Found, of those planted in each third of the range; {options.dataset}, "
        f"seed {options.seed}.",
        **common,
    )


if __name__ == "__main__":
    main()
