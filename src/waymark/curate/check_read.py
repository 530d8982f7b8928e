"""Go through all photos of a dataset once: files, pixels and the network's embeddings.

In:  a `Dataset` and a bundle.
Out: `Reading`: what is known of each photo, and arrays of those that can be read.

Each thread takes a few photos at a time, looks at them, and runs the network on them, which
lets other threads work meanwhile. Only small things are kept: memory does not depend on the
size of the photos.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from waymark.bundle.format import Bundle
from waymark.bundle.graph import EMBEDDING, backbone_of
from waymark.curate.check_photo import MIN_SIDE, Examined, examine
from waymark.dataset.alike_near import LOOK_SIDE
from waymark.dataset.index import Dataset
from waymark.errors import BundleError, ConfigError
from waymark.gazetteer import Landmark
from waymark.photo import cores
from waymark.preprocess import prepare
from waymark.progress import Progress, silent
from waymark.recognise.session import open_session

if TYPE_CHECKING:
    from PIL.Image import Image

BATCH = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One photo to look at.

    Attributes:
        path: the file.
        name: the path as findings say it.
        label: None for a negative.
        split: train, val, test or None.
        group: photos of one group belong together.
    """

    path: Path
    name: str
    label: str | None
    split: str | None = None
    group: str | None = None


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one pass over a dataset found.

    Attributes:
        entries: the N photos, negatives last.
        examined: of each, without `look` and `view`.
        rows: (R,), place among `entries` of each photo that can be read, ascending.
        looks: (R, LOOK_SIDE, LOOK_SIDE), small grey pictures.
        embeddings: (R, D); None where no network was asked for.
    """

    entries: tuple[Entry, ...]
    examined: tuple[Examined, ...]
    rows: NDArray[np.intp]
    looks: NDArray[np.uint8]
    embeddings: NDArray[np.float32] | None

    def entry(self, row: int) -> Entry:
        """Return the entry of a readable photo."""
        return self.entries[int(self.rows[row])]

    def seen(self, row: int) -> Examined:
        """Return what is known of a readable photo."""
        return self.examined[int(self.rows[row])]


def entries_of(dataset: Dataset) -> tuple[Entry, ...]:
    """List the photos and the negatives of a dataset."""
    splits = dataset.negative_splits or (None,) * len(dataset.negatives)
    return (
        *(
            Entry(
                path=photo.path,
                name=name_in(photo.path, dataset.root),
                label=photo.label,
                split=photo.split,
                group=photo.group,
            )
            for photo in dataset.photos
        ),
        *(
            Entry(path=path, name=name_in(path, dataset.root), label=None, split=split)
            for path, split in zip(dataset.negatives, splits, strict=True)
        ),
    )


def name_in(path: Path, root: Path) -> str:
    """Return a path as findings say it: relative to the root, if it lies below, else absolute."""
    if path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    path, root = path.absolute(), root.absolute()
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def read_all(
    dataset: Dataset,
    bundle: Bundle | None,
    *,
    workers: int | None = None,
    progress: Progress = silent,
) -> Reading:
    """Look at every photo once.

    Args:
        dataset: whose photos and negatives to look at.
        bundle: whose network makes the embeddings; None for none.
        workers: threads; default: one for each CPU this process may use.
        progress: told of photos as they are finished.

    Raises:
        ConfigError: if `workers` is below 1.
        BundleError: if the network cannot be run.
    """
    threads = cores() if workers is None else workers
    if threads < 1:
        raise ConfigError(f"workers is {workers}; it starts at 1.")
    entries = entries_of(dataset)
    placed = {label for label, known in dataset.landmarks.items() if is_placed(known)}
    width = 0 if bundle is None else int(bundle.manifest.backbone["num_features"])
    looks = np.zeros((len(entries), LOOK_SIDE, LOOK_SIDE), np.uint8)
    embeddings = np.zeros((len(entries), width), np.float32)
    work = partial(_look_at, network=None if bundle is None else _Network(bundle), placed=placed)
    batches = [entries[at : at + BATCH] for at in range(0, len(entries), BATCH)]
    examined: list[Examined] = []
    rows: list[int] = []
    for seen, vectors in _in_order(batches, work, threads):
        first = len(rows)
        for one in seen:
            if one.look is not None:
                looks[len(rows)] = one.look
                rows.append(len(examined))
            examined.append(replace(one, look=None, view=None))
        if len(rows) > first:
            embeddings[first : len(rows)] = vectors
        progress(len(examined), len(entries), "looking at photos")
    return Reading(
        entries=entries,
        examined=tuple(examined),
        rows=np.array(rows, np.intp),
        looks=looks[: len(rows)],
        embeddings=None if bundle is None else embeddings[: len(rows)],
    )


def is_placed(landmark: Landmark) -> bool:
    """Say whether somebody has checked where a landmark stands."""
    return landmark.lat is not None and not landmark.estimated


class _Network:
    """A bundle's network without its heads, and the preparation of its photos."""

    def __init__(self, bundle: Bundle) -> None:
        self.preprocess = bundle.manifest.preprocess
        self._session = open_session(backbone_of(bundle.model), threads=1)

    def view(self, image: Image) -> NDArray[np.float32]:
        """Return (3, size, size), what the network sees of a photo."""
        return prepare(image, self.preprocess)

    def embed(self, views: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return (n, D) for n views."""
        found = self._session.run(np.stack(views), (EMBEDDING,))[EMBEDDING]
        if not np.isfinite(found).all():
            raise BundleError(
                "the network gives numbers that are not finite; the bundle is damaged."
            )
        return found


Looked = tuple[list[Examined], NDArray[np.float32]]


def _look_at(batch: Sequence[Entry], *, network: _Network | None, placed: set[str]) -> Looked:
    """Look at some photos; return the embeddings (n, D) of the readable ones beside them."""
    seen = [
        examine(
            entry.path,
            view=None if network is None else network.view,
            min_side=MIN_SIDE if network is None else network.preprocess.min_side,
            gps=entry.label in placed,
        )
        for entry in batch
    ]
    views = [one.view for one in seen if one.view is not None]
    if network is None or not views:
        return seen, np.zeros((sum(one.look is not None for one in seen), 0), np.float32)
    return [replace(one, view=None) for one in seen], network.embed(views)


def _in_order(
    batches: Sequence[Sequence[Entry]], work: Callable[[Sequence[Entry]], Looked], threads: int
) -> Iterator[Looked]:
    """Map `work` over batches in threads, two batches a thread ahead of the caller."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="waymark-check")
    try:
        left = iter(batches)
        waiting: deque[Future[Looked]] = deque(
            pool.submit(work, batch) for batch in islice(left, 3 * threads)
        )
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(work, batch) for batch in islice(left, 1))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
