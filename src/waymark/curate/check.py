"""Check a dataset before a model learns from it: one pass over its photos, sixteen questions.

In:  a `Dataset` and a bundle whose network looks at the photos.
Out: a `Check`: findings by kind, the worst first.

Photos are read in `check_read`, copies are told in `check_copies`; labels are doubted in
`check_labels` and `check_names`. Nothing is changed: `clean` acts on what is found.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from waymark.bundle.format import Bundle, read_bundle
from waymark.curate.check_classes import Classes, doubted, few_photos, similar
from waymark.curate.check_copies import (
    copy_findings,
    find_copies,
    fit_of_classes,
    leakage_findings,
)
from waymark.curate.check_place import place_findings
from waymark.curate.check_read import Reading, name_in, read_all
from waymark.curate.finding import KINDS, Check, Finding, Kind
from waymark.dataset.index import Dataset
from waymark.errors import ConfigError
from waymark.progress import Progress, silent

DOUBTS: frozenset[Kind] = frozenset({"off-topic", "wrong-label", "similar-classes"})
"""Kinds for which the network has to look at the photos."""
COPIES = DOUBTS | {"exact-duplicate", "near-duplicate", "leakage", "few-photos"}
"""Kinds for which copies have to be found."""
_NO_PHOTOS = ("a folder", "a link to a folder", "has no path", "listed twice", "misplaced")


def check_dataset(
    dataset: Dataset,
    *,
    bundle: Bundle | None = None,
    kinds: Collection[str] = KINDS,
    seed: int = 0,
    workers: int | None = None,
    source: Path | None = None,
    progress: Progress = silent,
) -> Check:
    """Look for faults in a dataset.

    Negatives are looked at for faults of their files and for copies, not for their label.

    Args:
        dataset: what to check; of `read_dataset`, which adds negatives and places.
        bundle: whose network to look with; default: the world bundle.
        kinds: what to look for, of `KINDS`.
        seed: of the folds in which labels are doubted.
        workers: threads; default: one for each CPU this process may use.
        source: where the dataset was read from, if not from its root.
        progress: told of photos as they are looked at.

    Raises:
        ConfigError: if a kind is none, or `workers` is below 1.
        BundleError: if the network cannot be run.
    """
    wanted = _kinds(kinds)
    if not wanted & DOUBTS:
        bundle = None
    elif bundle is None:
        bundle = read_bundle("world")
    began = time.time()
    reading = read_all(dataset, bundle, workers=workers, progress=progress)
    skipped, notes = _skipped(dataset)
    found = [*skipped, *_photo_findings(reading)]
    found += place_findings(dataset, reading) if "gps-far" in wanted else ()
    if wanted & COPIES:
        progress(0, 0, "comparing photos")
        classes = Classes.of(dataset, reading)
        named = list(similar(classes, reading))
        classes = classes.merge(named)
        fitting = fit_of_classes(reading.embeddings, classes.merged, len(classes.labels))
        copies = find_copies(reading, fitting)
        found += [pair.finding for pair in named]
        found += copy_findings(reading, copies, classes.merged, fitting)
        found += leakage_findings(reading, copies)
        found += few_photos(reading, classes, copies)
        if wanted & {"off-topic", "wrong-label"}:
            progress(0, 0, "doubting labels")
            doubts, said = doubted(
                reading,
                classes,
                copies,
                known=None if bundle is None else bundle.statistics.get("negative_means"),
                wrong_labels="wrong-label" in wanted,
                seed=seed,
            )
            found += doubts
            notes += said
    order = {kind: place for place, kind in enumerate(KINDS)}
    found = [finding for finding in found if finding.kind in wanted]
    found.sort(key=lambda finding: (order[finding.kind], -finding.severity, finding.paths))
    return Check(
        dataset=str((source or dataset.root).absolute()),
        photos=len(reading.entries) + len(skipped),
        findings=tuple(found),
        notes=tuple(notes),
        made=began,
    )


def _kinds(kinds: Collection[str]) -> set[str]:
    if wrong := sorted(set(kinds) - set(KINDS)):
        raise ConfigError(f"{wrong[0]!a} is nothing to look for; there are {', '.join(KINDS)}.")
    if not kinds:
        raise ConfigError(f"no kind of finding to look for; there are {', '.join(KINDS)}.")
    return set(kinds)


def _skipped(dataset: Dataset) -> tuple[list[Finding], list[str]]:
    """Say what the dataset could not use: photos as findings, all else as notes."""
    found, others, examples = [], Counter[str](), dict[str, str]()
    for row in dataset.skipped:
        path = row.file or Path(row.path)
        if row.reason.startswith(_NO_PHOTOS) or path.is_dir():
            others[row.reason] += 1
            examples.setdefault(row.reason, row.path)
            continue
        # A manifest names its rows from its own folder, a walk from where it was started.
        from_root = not path.is_absolute() and (
            _exists(dataset.root / path) or not path.is_relative_to(dataset.root)
        )
        name = path.as_posix() if from_root else name_in(path, dataset.root)
        found.append(
            Finding(
                kind="unreadable",
                paths=(name,),
                severity=1.0,
                suggest="drop",
                reason=row.reason,
            )
        )
    return found, [
        f"{count} left out: {reason} ({examples[reason]}{', ...' if count > 1 else ''})"
        for reason, count in others.items()
    ]


def _exists(path: Path) -> bool:
    try:
        return path.exists() or path.is_symlink()
    except (OSError, ValueError):
        return False


def _photo_findings(reading: Reading) -> Iterator[Finding]:
    for entry, seen in zip(reading.entries, reading.examined, strict=True):
        for fault in seen.faults:
            yield Finding(
                kind=fault.kind,
                paths=(entry.name,),
                severity=fault.severity,
                suggest=fault.suggest,
                reason=fault.reason,
            )
