"""Find the photos of a dataset and what each shows, without decoding any.

In:  a folder (`label/photo.jpg`, with or without `train|val|test` above, or two levels
     named by `levels`), or a manifest (CSV or Parquet).
Out: a `Dataset`: labelled photos, negatives, what was skipped and why, and a `Landmark`
     record for each label.

Photos are found by content. Where the place of a landmark comes from is decided in
`dataset/places.py`, how a manifest is read in `dataset/manifest.py`.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from waymark.errors import ConfigError, DatasetError
from waymark.gazetteer import Landmark, display_name

UNKNOWN = "unknown"
READ_ALREADY = "a link to a folder read already"
SPLITS = ("train", "val", "test")
_SPLIT_OF_FOLDER = {**{name: name for name in SPLITS}, "valid": "val", "validation": "val"}
_LEVELS = ("category", "place")
_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"}
    | {".heic", ".heif", ".avif"}
)
_HIDDEN = frozenset({"__MACOSX", "@eaDir"})
_STRAY = 0.1  # of the photos that may lie too deep before it looks like a level of its own
_LAYOUT = "expected label/photo.jpg, or train|val|test/label/photo.jpg"


@dataclass(frozen=True, kw_only=True, slots=True)
class Photo:
    """One labelled photo of a dataset.

    Attributes:
        path: where the file is.
        label: id of the landmark it shows; never `unknown`.
        split: train, val or test; None where that is not decided yet.
        category: kind of landmark, where the dataset says so.
        place: city or region, where the dataset says so.
        group: photos of one group (one visit, one visitor) stay on one side of a split.
        source: where the photo comes from.
        licence: what may be done with it.
        author: who took it.
        url: its address.
    """

    path: Path
    label: str
    split: str | None = None
    category: str | None = None
    place: str | None = None
    group: str | None = None
    source: str | None = None
    licence: str | None = None
    author: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or folder that looked like part of the dataset and could not be used."""

    path: str
    reason: str
    file: Path | None = field(default=None, compare=False, repr=False)  # with its own bytes


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Photos with labels.

    Attributes:
        root: the dataset's folder (that of the manifest, where there is one).
        name: for display and for naming runs.
        photos: photos of known landmarks, ordered by path or as in the manifest.
        negatives: photos that show no landmark.
        skipped: what was found and could not be used.
        landmarks: a record for each label; `of_split` keeps all of them, so that class
            indices stay the same on both sides.
        places_from: for each label whose place is known, who says so: `--landmarks`,
            `landmarks.csv`, `gazetteer`, `dataset` or `photos`.
        negative_splits: split of each negative, or empty where none has one.
    """

    root: Path
    name: str
    photos: tuple[Photo, ...]
    negatives: tuple[Path, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    landmarks: dict[str, Landmark] = field(default_factory=dict)
    places_from: dict[str, str] = field(default_factory=dict)
    negative_splits: tuple[str | None, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label, sorted: the class index of a label is its place in here."""
        return tuple(sorted(self.landmarks))

    @property
    def splits(self) -> tuple[str, ...]:
        """Those of train, val and test that have photos, in that order."""
        present = {photo.split for photo in self.photos}
        return tuple(name for name in SPLITS if name in present)

    def counts(self) -> dict[str, int]:
        """Number of photos for each label, 0 included, in the order of `labels`."""
        found = Counter(photo.label for photo in self.photos)
        return {label: found[label] for label in self.labels}

    def of_split(self, split: str) -> Dataset:
        """Return the photos of one split, and the negatives of that split or of none.

        Raises:
            DatasetError: no photo belongs to that split.
        """
        photos = tuple(photo for photo in self.photos if photo.split == split)
        if not photos:
            has = ", ".join(self.splits) or "no splits"
            raise DatasetError(
                f"{self.name} has no photos for {split!r}; it has {has}. "
                "`waymark data split` makes splits."
            )
        splits = self.negative_splits or (None,) * len(self.negatives)
        kept = [i for i, of in enumerate(splits) if of in (split, None)]
        return replace(
            self,
            photos=photos,
            negatives=tuple(self.negatives[i] for i in kept),
            negative_splits=tuple(splits[i] for i in kept) if self.negative_splits else (),
        )

    def with_photos(self, photos: Iterable[Photo]) -> Dataset:
        """Return the dataset with these photos instead, and only their labels."""
        photos = tuple(photos)
        labels = {photo.label for photo in photos}
        known = {
            label: self.landmarks.get(label) or Landmark(id=label, name=display_name(label))
            for label in labels
        }
        origins = {label: origin for label, origin in self.places_from.items() if label in labels}
        return replace(self, photos=photos, landmarks=known, places_from=origins)


def read_dataset(
    path: str | Path,
    *,
    levels: str | None = None,
    negatives: str | Path | None = None,
    landmarks: str | Path | None = None,
) -> Dataset:
    """Read what a folder or a manifest holds, without decoding a photo.

    Args:
        path: folder, or manifest ending in .csv or .parquet.
        levels: names of the folder levels above a photo, outermost first, the last one
            `landmark`: `category,landmark` or `place,landmark`.
        negatives: folder of any depth with photos that show no known landmark; those that
            the dataset has already are left out.
        landmarks: CSV with the places of the landmarks (see `load_gazetteer`).

    Raises:
        DatasetError: the path is missing, has another shape, or no usable photo.
        ConfigError: `levels` is not one of the names above.
        GazetteerError: a landmarks file is wrong.
        MissingExtra: a Parquet manifest, and pyarrow is not installed.
    """
    from waymark.dataset.manifest import read_manifest
    from waymark.dataset.places import with_places

    path = Path(path)
    names = _level_names(levels)
    if path.is_dir():
        dataset = _read_folder(path, names)
    elif path.is_file():
        if levels is not None:
            raise ConfigError(
                f"levels is {levels!r}, but {path} is a manifest; leave --levels out and use the "
                "columns category and place."
            )
        dataset = read_manifest(path)
    else:
        raise DatasetError(
            f"{path} does not exist; expected a folder of photos, a manifest (.csv, .parquet) "
            "or a library (.sqlite)."
        )
    if negatives is not None:
        dataset = add_negatives(dataset, Path(negatives))
    if not dataset.photos:
        raise DatasetError(_nothing_in(path, dataset))
    return with_places(dataset, None if landmarks is None else Path(landmarks))


def add_negatives(dataset: Dataset, folder: Path) -> Dataset:
    """Return the dataset with the photos of a folder of any depth as further negatives.

    Raises:
        DatasetError: there is no photo in it.
    """
    paths, skipped = list_photos(folder)
    if not paths:
        raise DatasetError(f"{folder} has no photos; --negatives wants a folder with some in it.")
    known = {path.resolve() for path in (*dataset.negatives, *(p.path for p in dataset.photos))}
    paths = [path for path in paths if path.resolve() not in known]
    tops = (path.relative_to(folder).parts[0].lower() for path in paths)
    splits = tuple(_SPLIT_OF_FOLDER.get(top) for top in tops)
    before = dataset.negative_splits or (None,) * len(dataset.negatives)
    together = before + splits
    return replace(
        dataset,
        negatives=dataset.negatives + tuple(paths),
        skipped=dataset.skipped + tuple(skipped),
        negative_splits=together if any(together) else (),
    )


def list_photos(folder: str | Path) -> tuple[list[Path], list[Skipped]]:
    """Find the photos in a folder of any depth, by content, sorted by path.

    Hidden files and folders are passed over, and so are files that neither are photos nor
    are named like one. Links are followed, each folder once.

    Raises:
        DatasetError: `folder` is not a folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder; expected a folder with photos in it.")
    photos, skipped, _ = _walk(folder)
    return photos, skipped


def why_not_photo(path: Path) -> str | None:
    """Return why a file cannot be a photo, or None where its first bytes say it is one.

    The reason is empty for a file that is not even named like a photo.
    """
    from waymark.photo import is_photo

    named = path.suffix.lower() in _SUFFIXES
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            return "not a regular file" if named else ""
        if facts.st_size == 0:
            return "an empty file" if named else ""
        if is_photo(path):
            return None
        with path.open("rb"):
            return "named like a photo, but its content is not one" if named else ""
    except FileNotFoundError:
        return "a broken link or no such file" if named else ""
    except (OSError, ValueError) as error:
        return f"cannot be read ({_words(error)})" if named else ""


def printable(name: str | Path) -> str:
    """Return the name of a file or folder as text that can be shown and written anywhere."""
    text = unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "replace"))
    return "".join("\ufffd" if unicodedata.category(c) == "Cc" else c for c in text)


def _walk(folder: Path) -> tuple[list[Path], list[Skipped], list[Path]]:
    """Return the photos, what was skipped, and the folders with nothing in them to use."""
    photos: list[Path] = []
    skipped: list[Skipped] = []
    barren: list[Path] = []
    seen: set[tuple[int, int]] = set()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            facts = here.stat()
            if (facts.st_dev, facts.st_ino) in seen:
                skipped.append(Skipped(printable(here), READ_ALREADY))
                continue
            seen.add((facts.st_dev, facts.st_ino))
            with os.scandir(here) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            skipped.append(Skipped(printable(here), f"cannot be read ({_words(error)})"))
            continue
        before = len(photos) + len(skipped) + len(waiting)
        for entry in inside:
            path = here / entry.name
            if entry.name.startswith(".") or entry.name in _HIDDEN:
                continue
            link = entry.is_symlink()
            if entry.is_dir(follow_symlinks=False) or (link and os.path.isdir(path)):  # noqa: PTH112  # is_dir raises
                waiting.append(path)
            elif (reason := why_not_photo(path)) is None:
                photos.append(path)
            elif reason:
                skipped.append(Skipped(printable(path), reason, path))
            elif link and not os.path.exists(path):  # noqa: PTH110  # perhaps to a folder
                skipped.append(Skipped(printable(path), "a link that leads nowhere"))
        if len(photos) + len(skipped) + len(waiting) == before:
            barren.append(here)
    return sorted(photos), sorted(skipped, key=lambda row: row.path), barren


def _read_folder(root: Path, levels: tuple[str, ...] | None) -> Dataset:
    paths, skipped, barren = _walk(root)
    skipped += [Skipped(printable(b), "a folder without photos") for b in barren if b != root]
    tops = {path.relative_to(root).parts[0] for path in paths if path.parent != root}
    has_splits = any(top.lower() in _SPLIT_OF_FOLDER for top in tops)
    others = sorted(top for top in tops if top.lower() not in _SPLIT_OF_FOLDER and top != UNKNOWN)
    if has_splits and others:
        raise DatasetError(
            f"{root} has folders for splits and, beside them, {others[0]!r}; expected only "
            "train, val and test (and unknown) there. Move or rename the others."
        )
    expected = "/".join(levels or ("label",)) + "/photo.jpg"
    rows: list[tuple[Path, str | None, list[str]]] = []
    negatives: list[Path] = []
    negative_splits: list[str | None] = []
    deeper: list[Path] = []
    misplaced: list[Path] = []
    for path in paths:
        *folders, _ = (printable(part) for part in path.relative_to(root).parts)
        split = None
        if has_splits and folders and folders[0].lower() in _SPLIT_OF_FOLDER:
            split = _SPLIT_OF_FOLDER[folders.pop(0).lower()]
        if UNKNOWN in folders:
            negatives.append(path)
            negative_splits.append(split)
        elif len(folders) == len(levels or ("label",)):
            rows.append((path, split, folders))
        else:
            misplaced.append(path)
            if levels is None and len(folders) == 2:
                deeper.append(path)
    if len(deeper) > _STRAY * len(paths):
        raise DatasetError(
            f"{deeper[0].relative_to(root)} lies in two levels of folders; {_LAYOUT}. Say what the "
            "levels are with --levels category,landmark or --levels place,landmark."
        )
    skipped += [Skipped(printable(path), f"misplaced; expected {expected}") for path in misplaced]
    return Dataset(
        root=root,
        name=_name(root.resolve()),
        photos=_name_photos(rows, levels or ("landmark",)),
        negatives=tuple(negatives),
        skipped=tuple(skipped),
        negative_splits=tuple(negative_splits) if any(negative_splits) else (),
    )


def _name_photos(
    rows: Sequence[tuple[Path, str | None, list[str]]], levels: tuple[str, ...]
) -> tuple[Photo, ...]:
    """Make photos; a landmark's name under two parents becomes `parent/name`."""
    parents: dict[str, set[tuple[str, ...]]] = {}
    for _, _, folders in rows:
        parents.setdefault(folders[-1], set()).add(tuple(folders[:-1]))
    photos = []
    for path, split, folders in rows:
        above = dict(zip(levels[:-1], folders[:-1], strict=True))
        unique = len(parents[folders[-1]]) == 1
        photos.append(
            Photo(
                path=path,
                label=folders[-1] if unique else "/".join(folders),
                split=split,
                category=above.get("category"),
                place=display_name(above["place"]) if "place" in above else None,
            )
        )
    return tuple(photos)


def _level_names(levels: str | None) -> tuple[str, ...] | None:
    if levels is None:
        return None
    names = tuple(name.strip() for name in levels.split(","))
    above = names[:-1]
    if names[-1] != "landmark" or len(set(above)) < len(above) or set(above) - set(_LEVELS):
        raise ConfigError(
            f"levels is {levels!r}; use category,landmark or place,landmark: "
            "outermost folder first, landmark last."
        )
    return names


def _nothing_in(path: Path, dataset: Dataset) -> str:
    reasons = Counter(row.reason for row in dataset.skipped).most_common(1)
    why = (
        f" {len(dataset.skipped)} files were skipped, most of them: {reasons[0][0]}."
        if reasons
        else ""
    )
    if dataset.negatives:
        why += " All photos found are negatives (unknown)."
    return f"{path} has no photos with a label; {_LAYOUT}, or a manifest.{why}"


def _words(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


def _name(root: Path) -> str:
    """Return what a dataset is called: its folder, and the one above if that is a split."""
    inner = root.name in _SPLIT_OF_FOLDER and bool(root.parent.name)
    return printable(f"{root.parent.name}-{root.name}" if inner else root.name) or "dataset"
