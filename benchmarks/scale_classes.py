"""200,000 landmarks: the dense head against an index over the embedding, in memory and time.

Simulated: class vectors of the world model's width, drawn around families of landmarks that
look alike, and photos drawn around classes. Compared are a dense head in float32, one kept in
float16 and widened block by block, and the indexes of usearch (in memory, and as a file that is
mapped), hnswlib and faiss, as far as they are installed (none is a dependency). An index hands
over 100 candidates, whose scores are computed exactly from vectors in a mapped float16 file, as
docs/scale.md plans it; that is in its time. Time is that of one photo's scores alone, on all
cores, and of photos in batches; found is how often the first answer is the dense head's. What
the vectors of real landmarks would do is not measured here.

    python benchmarks/scale_classes.py [--classes 200000] [--photos 256] [--indexes usearch ...]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from receipt import receipt
from table import publish

WIDTH = 1280  # of the world model's embedding
ALIKE = 50  # classes of a family
BLOCK = 8192  # classes widened at a time
BATCH = 64
K = 100  # candidates

WAYS = {
    "float32": "dense, float32",
    "float16": "dense, float16",
    "usearch": "usearch: graph, float16",
    "usearch-mapped": "usearch, its file mapped",
    "hnswlib": "hnswlib: graph, float32",
    "faiss": "faiss: cells, 8 bits a number",
}

Vectors = NDArray[np.float32]
Search = Callable[[Vectors], NDArray[np.intp]]


def simulate(classes: int, photos: int, seed: int = 0) -> tuple[Vectors, Vectors]:
    """Return (classes, WIDTH) and (photos, WIDTH) float32, rows of length 1."""
    rng = np.random.default_rng(seed)
    families = rng.standard_normal((-(-classes // ALIKE), WIDTH), dtype=np.float32)
    vectors = np.empty((classes, WIDTH), np.float32)
    for start in range(0, classes, BLOCK):
        end = min(start + BLOCK, classes)
        own = rng.standard_normal((end - start, WIDTH), dtype=np.float32)
        vectors[start:end] = unit(families[np.arange(start, end) // ALIKE] + 0.7 * own)
    shown = rng.integers(0, classes, photos)
    noise = rng.standard_normal((photos, WIDTH), dtype=np.float32) / WIDTH**0.5
    return vectors, unit(vectors[shown] + 0.9 * noise)


def unit(rows: Vectors) -> Vectors:
    """Return rows at length 1."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def dense(head: Vectors) -> Search:
    """Return a search by all scores."""

    return lambda photos: first(photos @ head.T)


def first(scores: Vectors) -> NDArray[np.intp]:
    """Return the columns of the K largest scores of each row, best first."""
    some = np.argpartition(-scores, K, axis=1)[:, :K]
    order = np.argsort(-np.take_along_axis(scores, some, 1), axis=1)
    return np.take_along_axis(some, order, 1)


def narrow(head: NDArray[np.float16]) -> Search:
    """Return a search by all scores of a head in float16."""

    def search(photos: Vectors) -> NDArray[np.intp]:
        scores = np.empty((len(photos), len(head)), np.float32)
        for start in range(0, len(head), BLOCK):
            block = head[start : start + BLOCK].astype(np.float32)
            scores[:, start : start + BLOCK] = photos @ block.T
        return first(scores)

    return search


def usearch(vectors: Vectors, cores: int, file: Path) -> Search:
    """Return a search by usearch: a graph, vectors kept in float16; leave it in a file."""
    from usearch.index import Index

    index = Index(ndim=WIDTH, metric="ip", dtype="f16", connectivity=16, expansion_search=128)
    index.add(np.arange(len(vectors)), vectors, threads=cores)
    index.save(file)
    return lambda photos: np.atleast_2d(index.search(photos, K, threads=cores).keys).astype(np.intp)


def usearch_mapped(_: Vectors, cores: int, file: Path) -> Search:
    """Return a search in the file that `usearch` left, mapped into memory."""
    from usearch.index import Index

    index = Index.restore(file, view=True)
    return lambda photos: np.atleast_2d(index.search(photos, K, threads=cores).keys).astype(np.intp)


def hnswlib(vectors: Vectors, cores: int, _: Path) -> Search:
    """Return a search by hnswlib: a graph, vectors kept in float32."""
    import hnswlib as library

    index = library.Index(space="ip", dim=WIDTH)
    index.init_index(max_elements=len(vectors), M=16, ef_construction=128)
    index.set_num_threads(cores)
    index.add_items(vectors)
    index.set_ef(128)
    return lambda photos: index.knn_query(photos, K)[0].astype(np.intp)


def faiss(vectors: Vectors, cores: int, _: Path) -> Search:
    """Return a search by faiss: 1,024 cells of which 32 are looked into, 8 bits a number."""
    import faiss as library

    library.omp_set_num_threads(cores)
    cells = min(1024, len(vectors) // 40)
    index = library.index_factory(WIDTH, f"IVF{cells},SQ8", library.METRIC_INNER_PRODUCT)
    index.train(vectors[:: max(1, len(vectors) // (cells * 40))])
    index.add(vectors)
    index.nprobe = 32
    return lambda photos: index.search(photos, K)[1]


INDEXES = {
    "usearch": usearch,
    "usearch-mapped": usearch_mapped,
    "hnswlib": hnswlib,
    "faiss": faiss,
}


def exact(search: Search, rows: NDArray[np.float16]) -> Search:
    """Return a search whose candidates are put in order by their exact scores."""

    def again(photos: Vectors) -> NDArray[np.intp]:
        found = search(photos)
        kept = np.maximum(found, 0)  # an index may have fewer than K
        scores = np.einsum("nkd,nd->nk", rows[kept].astype(np.float32), photos)
        order = np.argsort(-np.where(found < 0, -np.inf, scores), axis=1)
        return np.take_along_axis(found, order, 1)

    return again


def timed(search: Search, photos: Vectors) -> tuple[float, float, NDArray[np.intp]]:
    """Return ms of a photo alone, ms a photo in batches, and what was found first."""
    for start in range(0, len(photos), BATCH):  # what is mapped is read in
        search(photos[start : start + BATCH])
    alone = []
    for row in photos[:32]:
        started = time.perf_counter()
        search(row[None])
        alone.append(time.perf_counter() - started)
    started = time.perf_counter()
    found = [search(photos[i : i + BATCH])[:, 0] for i in range(0, len(photos), BATCH)]
    together = (time.perf_counter() - started) / len(photos)
    return float(np.median(alone)) * 1000, together * 1000, np.concatenate(found)


def resident() -> tuple[float, float]:
    """Return MB of memory of this process alone, and MB that it shares: mapped from files."""
    whole = psutil.Process().memory_info()
    return (whole.rss - whole.shared) / 1e6, whole.shared / 1e6


def measure(way: str, classes: int, count: int, folder: Path) -> dict[str, Any]:
    """Return the record of one way; in a process of its own, so that memory can be told."""
    cores = len(os.sched_getaffinity(0))
    vectors, photos = simulate(classes, count)
    truth = dense(vectors)(photos)[:, 0]
    built = shared = 0.0
    if way == "float32":
        own, search = vectors.nbytes / 1e6, dense(vectors)
    elif way == "float16":
        half = vectors.astype(np.float16)
        own, search = half.nbytes / 1e6, narrow(half)
    else:
        rows = folder / "vectors.f16"
        if not rows.exists():
            vectors.astype(np.float16).tofile(rows)
        before, started = resident(), time.perf_counter()
        candidates = INDEXES[way](vectors, cores, folder / "usearch.index")
        built = time.perf_counter() - started
        search = exact(candidates, np.memmap(rows, np.float16, "r", shape=vectors.shape))
    alone, together, found = timed(search, photos)
    if way in INDEXES:
        own, shared = (now - was for now, was in zip(resident(), before, strict=True))
    return {
        "way": WAYS[way],
        "own_mb": max(own, 0.0),
        "shared_mb": shared,
        "build_s": 0.0 if way == "usearch-mapped" else built,
        "ms": alone,
        "ms_batch": together,
        "found": float((found == truth).mean()),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, default=200_000)
    parser.add_argument("--photos", type=int, default=256)
    parser.add_argument("--indexes", nargs="*", default=list(INDEXES))
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        found = measure(arguments.only, arguments.classes, arguments.photos, arguments.folder)
        print(json.dumps(found))
        return
    records = []
    with tempfile.TemporaryDirectory() as name:
        for way in ["float32", "float16", *arguments.indexes]:
            library = way.partition("-")[0]
            if way in INDEXES and importlib.util.find_spec(library) is None:
                print(f"{library} is not installed: left out")
                continue
            command = [sys.executable, __file__, "--only", way, "--folder", name]
            command += ["--classes", str(arguments.classes), "--photos", str(arguments.photos)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            records.append(json.loads(done.stdout.splitlines()[-1]))
            print(records[-1], flush=True)
    publish(
        "scale_classes",
        columns=["way", "memory", "mapped", "built in", "one photo", "one of 64", "as dense"],
        rows=[
            [
                each["way"],
                f"{each['own_mb']:,.0f} MB",
                f"{each['shared_mb']:,.0f} MB" if each["shared_mb"] > 1 else "–",
                f"{each['build_s']:,.0f} s" if each["build_s"] else "–",
                f"{each['ms']:.1f} ms",
                f"{each['ms_batch']:.2f} ms",
                f"{each['found']:.1%}",
            ]
            for each in records
        ],
        note=f"{arguments.classes:,} simulated classes of {WIDTH} numbers, {arguments.photos} "
        f"simulated photos, alone and in batches of {BATCH}. Memory of an index is what the "
        "process grew by, mapped is what several processes share; the last column is how often "
        "the first answer is the dense head's.",
        records=records,
        **receipt(),
    )


if __name__ == "__main__":
    main()
