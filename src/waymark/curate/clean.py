"""Decide what a check's findings mean for the photos of a dataset.

In:  a dataset, and the `Check` that was made of it.
Out: a `Plan`: which photos go, and why; which get another label; what is left alone.
     Nothing is written or moved here: `clean_manifest.py` and `quarantine.py` do that.

What a check.json says is not trusted: it may be old, or from elsewhere. Only photos that
lie in the dataset's own folder, and are as they were when it was made, are spoken of. Of
photos that are copies of each other one always stays, unless each has a fault of its own.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from waymark.curate.finding import KINDS, Check, Finding, Kind
from waymark.dataset.index import Dataset, Skipped, printable, why_not_photo
from waymark.errors import ConfigError, DatasetError, UnknownName

DUPLICATES: tuple[Kind, ...] = ("exact-duplicate", "near-duplicate")
ALIKE: tuple[Kind, ...] = (*DUPLICATES, "leakage")
"""Kinds whose findings are photos like each other, of which the last one stays."""
OF_CLASSES: tuple[Kind, ...] = ("few-photos", "similar-classes")
"""Kinds whose findings speak of classes; their photos are only examples."""
RELABELS: tuple[Kind, ...] = ("wrong-label", "similar-classes")
_DAY = 86_400  # s


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to happen to the photos of a dataset.

    Attributes:
        dataset: as it is now.
        drop: photos to take out, by path below the dataset's root, each with the first kind
            of finding that says so.
        relabel: photos that get another label, by path, each with that label.
        spared: photos that are kept, although a finding says to drop them, because no other
            sound copy of them would be left.
        stale: photos that are gone, or were changed since the check.
        outside: paths that do not lie in the dataset's folder; they are left alone.
        emptied: labels that would have no photo left, and were not merged into others.
        waiting: findings that suggest another label, where labels are to stay.
    """

    dataset: Dataset
    drop: dict[str, Kind]
    relabel: dict[str, str]
    spared: tuple[str, ...] = ()
    stale: tuple[Skipped, ...] = ()
    outside: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()
    waiting: int = 0

    def counts(self) -> dict[str, int]:
        """Number of photos to drop for each kind that has any, in the order of `KINDS`."""
        found = Counter(self.drop.values())
        return {kind: found[kind] for kind in KINDS if found[kind]}

    def kept(self) -> Dataset:
        """Return the dataset without what is dropped, and with the new labels."""
        dataset = self.dataset
        keys = [path_in(dataset.root, photo.path) for photo in dataset.photos]
        photos = [
            replace(photo, label=self.relabel.get(key, photo.label))
            for key, photo in zip(keys, dataset.photos, strict=True)
            if key not in self.drop
        ]
        splits = dataset.negative_splits or (None,) * len(dataset.negatives)
        negatives = [
            (path, split)
            for path, split in zip(dataset.negatives, splits, strict=True)
            if path_in(dataset.root, path) not in self.drop
        ]
        return replace(
            dataset.with_photos(photos),
            negatives=tuple(path for path, _ in negatives),
            negative_splits=tuple(split for _, split in negatives) if any(splits) else (),
        )


def parse_kinds(text: str | None) -> tuple[Kind, ...] | None:
    """Return the kinds in a list such as `duplicates,off-topic`; None where it is None.

    Raises:
        UnknownName: a word is no kind of finding, nor `duplicates`.
        ConfigError: there is no word in it.
    """
    if text is None:
        return None
    wanted: list[Kind] = []
    for word in filter(None, (word.strip() for word in text.split(","))):
        if word == "duplicates":
            wanted += DUPLICATES
        elif word in KINDS:
            wanted.append(word)
        else:
            near = get_close_matches(word, (*KINDS, "duplicates"), n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UnknownName(
                f"no kind of finding is called {word!a}; {hint}There are {', '.join(KINDS)}, "
                "and duplicates, which means exact and near ones."
            )
    if not wanted:
        raise ConfigError("--only names no kind of finding; give some: duplicates,off-topic.")
    return tuple(dict.fromkeys(wanted))


def plan_clean(
    check: Check,
    dataset: Dataset,
    *,
    only: Sequence[Kind] | None = None,
    relabel: bool = False,
    made: float | None = None,
) -> Plan:
    """Decide what happens to each photo.

    Args:
        check: of this dataset.
        dataset: as it is now.
        only: act on every finding of these kinds, whatever it suggests; by default on those
            of any kind that suggest `drop` (and with `relabel`, on those that suggest that).
        relabel: give photos of `wrong-label`, and classes of `similar-classes`, the label
            that was suggested. Without it, `wrong-label` in `only` drops them.
        made: when the check was made, in seconds since 1970; photos that were changed later
            are left alone.

    Raises:
        DatasetError: the check was made of another dataset, has a path with `..` in it, or
            suggests a label that the dataset does not have.
        ConfigError: `only` names a kind that speaks of classes, which have nothing to drop.
    """
    _check_only(only, relabel=relabel)
    _check_same(check, dataset)
    labels = {path_in(dataset.root, photo.path): photo.label for photo in dataset.photos}
    seen = _Seen(dataset.root, made)
    classes: dict[str, str] = {}
    renamed: dict[str, str] = {}
    blamed: dict[str, Kind] = {}
    alike: list[tuple[Kind, list[str], str | None]] = []
    waiting = 0
    for finding in sorted(check.findings, key=lambda finding: KINDS.index(finding.kind)):
        new = finding.label_suggested if finding.kind in RELABELS else None
        waiting += new is not None and not relabel
        if not _chosen(finding, only, relabel=relabel):
            continue
        paths = [path for path in finding.paths if seen.usable(path)]
        keys = [seen.key(path) or "" for path in paths]
        if relabel and new is not None:
            _check_label(new, dataset)
            if finding.kind == "similar-classes":
                classes |= {labels[key]: new for key in keys if labels.get(key, new) != new}
            else:
                renamed |= {key: new for key in keys if key in labels}
        elif finding.kind in ALIKE:
            kept = keys[-1] if paths and paths[-1] == finding.paths[-1] else None
            alike.append((finding.kind, keys, kept))
        else:
            for key in keys:
                blamed.setdefault(key, finding.kind)
    drop, spared = _drop_copies(alike, blamed)
    relabelled = {key: _final(classes, renamed.get(key, label)) for key, label in labels.items()}
    left = {relabelled[key] for key in labels if key not in drop}
    return Plan(
        dataset=dataset,
        drop=drop,
        relabel={
            key: label
            for key, label in relabelled.items()
            if key not in drop and label != labels[key]
        },
        spared=spared,
        stale=tuple(seen.stale.values()),
        outside=tuple(seen.outside),
        emptied=tuple(
            label for label in dataset.labels if label not in left and label not in classes
        ),
        waiting=waiting,
    )


def path_in(root: Path, path: Path) -> str:
    """Return a photo's path below the dataset's root, or absolute where it lies elsewhere."""
    if path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return _below(root, path.absolute()) or path.absolute().as_posix()


class _Seen:
    """Which of the paths in a check can be acted on; keeps count of the others."""

    def __init__(self, root: Path, made: float | None) -> None:
        self.root = root
        self.made = made
        self.stale: dict[str, Skipped] = {}
        self.outside: dict[str, None] = {}

    def key(self, path: str) -> str | None:
        """Return a path below the root; None where it leads elsewhere."""
        parts = PurePosixPath(path).parts
        if not parts or ".." in parts or "\0" in path:
            raise DatasetError(
                f"check.json names {path!a}, which `waymark data check` never writes: a path is "
                "below the dataset's folder or absolute, without '..'. Check the dataset again."
            )
        if not PurePosixPath(path).is_absolute():
            return PurePosixPath(path).as_posix()
        return _below(self.root, Path(path))

    def usable(self, path: str) -> bool:
        """Say whether a path is a photo of this dataset, as it was when it was checked."""
        key = self.key(path)
        if key is None:
            self.outside[path] = None
            return False
        file = self.root / key
        reason = ""
        if not os.path.lexists(file):
            reason = "is gone"
        elif file.is_dir() or why_not_photo(file) == "":
            reason = "is no photo"
        elif file.exists() and self._is_new(file.stat().st_mtime):
            reason = "was changed since the check"
        if reason:
            self.stale[key] = Skipped(printable(key), reason)
        return not reason

    def _is_new(self, changed: float) -> bool:
        """Say whether a time is after the check; one in the future is a wrong clock's."""
        return self.made is not None and self.made < changed < time.time() + _DAY


def _chosen(finding: Finding, only: Sequence[Kind] | None, *, relabel: bool) -> bool:
    if only is not None:
        # Of copies under two labels somebody has to say which is right; a group on two sides
        # of a split is no copy at all: splitting anew helps.
        unsure = finding.kind in ALIKE and finding.suggest == "review"
        return finding.kind in only and not unsure
    if relabel and finding.kind in RELABELS and finding.suggest == "relabel":
        return True
    return finding.suggest == "drop" and finding.kind not in OF_CLASSES


def _drop_copies(
    alike: Iterable[tuple[Kind, list[str], str | None]], blamed: dict[str, Kind]
) -> tuple[dict[str, Kind], tuple[str, ...]]:
    """Add copies to what is dropped, but never all copies of a picture.

    Args:
        alike: kind of finding, the photos that are alike, and the one to keep, where it can
            still be kept.
        blamed: what is dropped anyway.

    Returns:
        What is dropped, and what is spared because nothing sound like it would be left.
    """
    group: dict[str, str] = {}

    def head(key: str) -> str:
        while group.setdefault(key, key) != key:
            group[key] = group[group[key]]
            key = group[key]
        return key

    copies: dict[str, Kind] = {}
    order: list[str] = []  # the better a copy, the later
    for kind, keys, kept in alike:
        for key in keys:
            group[head(key)] = head(keys[-1])
            if key != kept:
                copies.setdefault(key, kind)
        order += keys
    members: dict[str, list[str]] = {}
    for key in dict.fromkeys(order):
        members.setdefault(head(key), []).append(key)
    rank = {key: place for place, key in enumerate(order)}
    spared = []
    for together in members.values():
        sound = [key for key in together if key not in blamed]
        if sound and all(key in copies for key in sound):
            spared.append(max(sound, key=lambda key: rank[key]))
    for key in spared:
        del copies[key]
    return copies | blamed, tuple(spared)


def _final(classes: dict[str, str], label: str) -> str:
    """Follow classes that were merged into others that were merged; stop in a circle."""
    passed = {label}
    while (after := classes.get(label)) is not None and after not in passed:
        passed.add(after)
        label = after
    return label


def _below(root: Path, path: Path) -> str | None:
    for base in (root.absolute(), root.resolve()):
        if path.is_relative_to(base) and path != base:
            return path.relative_to(base).as_posix()
    return None


def _check_only(only: Sequence[Kind] | None, *, relabel: bool) -> None:
    for kind in only or ():
        if kind in OF_CLASSES and not (relabel and kind in RELABELS):
            way = "merge them with --relabel" if kind in RELABELS else "add photos to them"
            raise ConfigError(
                f"--only names {kind}, which speaks of whole classes: there is nothing to drop; "
                f"{way}."
            )


def _check_same(check: Check, dataset: Dataset) -> None:
    """Refuse the check of another dataset; one that was moved since is the same."""
    checked = Path(check.dataset)
    root = checked if checked.is_dir() else checked.parent
    if checked.exists() and root.resolve() != dataset.root.resolve():
        raise DatasetError(
            f"check.json is of {printable(checked)}, not of {printable(dataset.root)}; make one "
            "with `waymark data check`."
        )


def _check_label(label: str, dataset: Dataset) -> None:
    if label not in dataset.landmarks:
        raise DatasetError(
            f"check.json suggests the label {label!a}, which {dataset.name} does not have; "
            "expected one of its labels. Check the dataset again, with the same --levels."
        )
