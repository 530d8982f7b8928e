"""Turn photos into embeddings with a bundle's network, once.

In:  a bundle and paths of photos.
Out: `Features`: an embedding (D,) for each view of each photo that can be read.

The network runs in ONNX Runtime. What it gave is kept in $XDG_CACHE_HOME/waymark by the
photo's content, the network without its heads, the preparation and the view: neither a
renamed photo nor a bundle that was taught something since is embedded twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from waymark.bundle.format import Bundle
from waymark.bundle.graph import EMBEDDING, backbone_of
from waymark.dataset.index import Skipped, printable
from waymark.errors import BundleError, ConfigError, PhotoError
from waymark.photo import cores
from waymark.preprocess import Preprocess, prepare
from waymark.progress import Progress, silent
from waymark.recognise.session import open_session

if TYPE_CHECKING:
    from PIL.Image import Image

    from waymark.recognise.session import Session

VIEWS = ("whole", "centre", "mirrored")
CENTRE = 0.8  # of each side; worth more than the mirror image (docs/decisions.md)
BATCH = 16
KEEP = 200_000  # embeddings in the cache: about 1 GB

Vectors = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Features:
    """Embeddings of photos.

    Attributes:
        vectors: (N, V, D), V views of each of N photos.
        rows: (N,), place of each photo in the paths that were asked for, ascending.
        skipped: the photos that could not be read.
    """

    vectors: Vectors
    rows: NDArray[np.intp]
    skipped: tuple[Skipped, ...] = ()

    @property
    def whole(self) -> Vectors:
        """(N, D): the view that prediction sees."""
        return self.vectors[:, 0]

    def take(self, index: NDArray[np.intp]) -> Features:
        """Return some of the photos."""
        return replace(self, vectors=self.vectors[index], rows=self.rows[index])


def embed_photos(
    bundle: Bundle,
    paths: Sequence[Path],
    *,
    views: int = 2,
    cached: bool = True,
    workers: int | None = None,
    progress: Progress = silent,
) -> Features:
    """Embed photos, reading from the cache what was embedded before.

    Args:
        bundle: whose network and preparation to use.
        paths: N files.
        views: 1 is the photo as prediction sees it; 2 adds its centre, 3 its mirror image.
        cached: whether to use the cache; where it cannot be used, everything is embedded.
        workers: threads; default: one for each CPU this process may use.
        progress: told of photos as they are finished.

    Returns:
        Features in the order of `paths`, without the photos that cannot be read.

    Raises:
        ConfigError: if `views` is not 1, 2 or 3.
        BundleError: if the network cannot be run.
    """
    if not 1 <= views <= len(VIEWS):
        raise ConfigError(
            f"views is {views}; use 1, 2 to add the centre, or 3 to add the mirror image."
        )
    network = backbone_of(bundle.model)
    preprocess = bundle.manifest.preprocess
    found: list[Vectors | None] = [None] * len(paths)
    skipped = []
    with _open_cache(_cache_file() if cached else None) as cache:
        keys = _keys(paths, network, preprocess, workers) if cached else [b""] * len(paths)
        if cached:
            found = [cache.get(key, views) for key in keys]
        missing = [i for i, vectors in enumerate(found) if vectors is None]
        done = len(paths) - len(missing)
        stream = _embed(network, preprocess, [paths[i] for i in missing], views, workers)
        for i, result in zip(missing, stream, strict=True):
            if isinstance(result, PhotoError):
                skipped.append(Skipped(printable(paths[i]), str(result)))
            else:
                found[i] = result
                cache.put(keys[i], result)
            done += 1
            progress(done, len(paths), "embedding photos")
    kept = [(i, vectors) for i, vectors in enumerate(found) if vectors is not None]
    width = int(bundle.manifest.backbone["num_features"])
    return Features(
        vectors=np.stack([vectors for _, vectors in kept])
        if kept
        else np.zeros((0, views, width), np.float32),
        rows=np.array([i for i, _ in kept], dtype=np.intp),
        skipped=tuple(skipped),
    )


def _embed(
    network: bytes,
    preprocess: Preprocess,
    paths: Sequence[Path],
    views: int,
    workers: int | None,
) -> Iterator[Vectors | PhotoError]:
    """Yield (views, D) for each path, or its error; decoding and network overlap."""
    if not paths:
        return
    from waymark.photo import decode_many

    threads = workers or cores()
    session = open_session(network, threads=1)
    decoded = decode_many(
        paths, _preparer(preprocess, views), min_side=preprocess.min_side, workers=workers
    )
    waiting: deque[Future[list[Vectors | PhotoError]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="waymark-network") as pool:
        try:
            while batch := list(islice(decoded, BATCH)):
                waiting.append(pool.submit(_run, session, batch))
                while len(waiting) > threads:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _preparer(preprocess: Preprocess, views: int) -> Callable[[Image], Vectors]:
    def stack(image: Image) -> Vectors:
        stacked = [prepare(image, preprocess)]
        if views > 1:
            x, y = (length * (1 - CENTRE) / 2 for length in image.size)
            centre = image.crop(
                (round(x), round(y), image.width - round(x), image.height - round(y))
            )
            stacked.append(prepare(centre, preprocess))
        if views > 2:
            stacked.append(stacked[0][:, :, ::-1])
        return np.stack(stacked)

    return stack


def _run(session: Session, batch: list[Vectors | PhotoError]) -> list[Vectors | PhotoError]:
    views = [item for item in batch if not isinstance(item, PhotoError)]
    if not views:
        return batch
    out = session.run(np.concatenate(views), (EMBEDDING,))[EMBEDDING]
    if not np.isfinite(out).all():
        raise BundleError("the network gives numbers that are not finite; the bundle is damaged.")
    vectors = iter(out.reshape(len(views), -1, out.shape[-1]))
    return [item if isinstance(item, PhotoError) else next(vectors) for item in batch]


def _keys(
    paths: Sequence[Path], network: bytes, preprocess: Preprocess, workers: int | None
) -> list[bytes]:
    """Return a key for each photo's content under this network; b"" where it cannot be read."""
    prepared = json.dumps(preprocess.to_dict(), sort_keys=True).encode()
    context = hashlib.sha256(network + prepared).digest()

    def key(path: Path) -> bytes:
        try:
            with path.open("rb") as file:
                return hashlib.sha256(
                    context + hashlib.file_digest(file, "sha256").digest()
                ).digest()
        except (OSError, ValueError):
            return b""

    with ThreadPoolExecutor(workers or cores()) as pool:
        return list(pool.map(key, paths))


class _Cache:
    """Embeddings by key in one SQLite file; without a file it remembers nothing."""

    def __init__(self, connection: sqlite3.Connection | None) -> None:
        self._connection = connection

    def get(self, key: bytes, views: int) -> Vectors | None:
        """Return the (views, D) embeddings kept under `key`."""
        if self._connection is None or not key:
            return None
        with contextlib.suppress(sqlite3.Error, ValueError):
            rows = self._connection.execute(
                "SELECT vector FROM embedding WHERE key = ? AND view < ? ORDER BY view",
                (key, views),
            ).fetchall()
            if len(rows) == views:
                return np.stack([np.frombuffer(row[0], np.float32) for row in rows])
        return None

    def put(self, key: bytes, vectors: Vectors) -> None:
        """Keep (V, D) embeddings under `key`."""
        if self._connection is None or not key:
            return
        with contextlib.suppress(sqlite3.Error):
            self._connection.executemany(
                "INSERT OR REPLACE INTO embedding (key, view, vector) VALUES (?, ?, ?)",
                [(key, view, vector.tobytes()) for view, vector in enumerate(vectors)],
            )


@contextlib.contextmanager
def _open_cache(file: Path | None) -> Iterator[_Cache]:
    """Open the cache; one that is locked, damaged or not writable counts as none."""
    connection = None
    if file is not None:
        with contextlib.suppress(sqlite3.Error, OSError):
            connection = _connect(file)
    try:
        yield _Cache(connection)
    finally:
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.execute(
                    "DELETE FROM embedding WHERE rowid <= (SELECT max(rowid) FROM embedding) - ?",
                    (KEEP,),
                )
                connection.commit()
            connection.close()


def _connect(file: Path) -> sqlite3.Connection:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = sqlite3.connect(file, timeout=2.0)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS embedding "
            "(key BLOB, view INTEGER, vector BLOB, UNIQUE (key, view))"
        )
        file.chmod(0o600)
    except sqlite3.DatabaseError as error:
        connection.close()
        if not isinstance(error, sqlite3.OperationalError):  # damaged, not merely busy
            for end in ("", "-wal", "-shm"):
                Path(f"{file}{end}").unlink(missing_ok=True)
        raise
    return connection


def _cache_file() -> Path:
    """Return where the cache is: $XDG_CACHE_HOME/waymark, or ~/.cache/waymark."""
    home = os.environ.get("XDG_CACHE_HOME") or ""
    base = Path(home) if Path(home).is_absolute() else Path("~/.cache").expanduser()
    return base / "waymark" / "embeddings.sqlite"
