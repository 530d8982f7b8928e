"""Teaching the world model 23 landmarks of ../shared/data/provence, and training on them alone.

Half of each landmark's photos are held out, near-duplicates kept on one side. Each command
runs by itself, from cold, with an empty cache, and must not have loaded torch.

    python benchmarks/teach_provence.py [--bundle world]
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from receipt import receipt
from shared import link, photos_of
from table import publish
from waymark.bundle.format import Bundle, read_bundle
from waymark.dataset.duplicates import near_duplicate_groups
from waymark.dataset.index import Dataset, Photo, read_dataset
from waymark.dataset.split import folds
from waymark.evaluation.metrics import auroc
from waymark.recognise.decision import Decision
from waymark.training.features import embed_photos
from waymark.training.ridge import unit

COMMAND = """
import sys
from waymark.cli import main
try:
    main()
finally:
    print("torch" in sys.modules, file=sys.stderr)
"""
LEVELS = "--levels=place,landmark"


@dataclass(frozen=True)
class Figures:
    """What a bundle makes of the held-out photos, of world/test and of negatives/test."""

    new: float
    old: float
    unknown: float


def cold(*arguments: str) -> tuple[float, str]:
    """Run a command of waymark with an empty cache; return seconds and what it printed."""
    with tempfile.TemporaryDirectory() as cache:
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, *arguments],
            env={**os.environ, "XDG_CACHE_HOME": cache},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - started
    if done.returncode or done.stderr.split()[-1] != "False":
        sys.exit(f"waymark {shlex.join(arguments)}: torch was loaded, or it failed\n{done.stderr}")
    return seconds, done.stdout


class Judge:
    """Measures bundles that share one network; each photo is embedded once."""

    def __init__(self, bundle: Bundle, held_out: Iterable[Photo]) -> None:
        world = read_dataset(photos_of("world/test"))
        negatives = [p for p in sorted(photos_of("negatives/test").rglob("*")) if p.is_file()]
        self.new, self.new_ids = self._embed(bundle, list(held_out))
        self.old, self.old_ids = self._embed(bundle, list(world.photos))
        self.negatives = embed_photos(bundle, negatives, views=1).whole

    @staticmethod
    def _embed(bundle: Bundle, photos: list[Photo]) -> tuple[NDArray[np.float32], list[str]]:
        found = embed_photos(bundle, [photo.path for photo in photos], views=1)
        return found.whole, [photos[row].label for row in found.rows]

    def __call__(self, bundle: Bundle) -> Figures:
        """Apply a bundle's head and unknown rule to the embeddings."""
        ids = np.array(bundle.manifest.tasks[0].ids)
        decision = Decision(bundle.manifest, bundle.statistics)
        weight, bias = bundle.statistics["head_weight"], bundle.statistics["head_bias"]

        def logits(embedding: NDArray[np.float32]) -> NDArray[np.float32]:
            seen = unit(embedding) if bundle.manifest.head["normalise"] else embedding
            return np.asarray(seen @ weight.T + bias)

        def right(embedding: NDArray[np.float32], labels: list[str]) -> float:
            return float((ids[logits(embedding).argmax(axis=1)] == labels).mean())

        known, unknown = (decision.unknown(logits(e), e) for e in (self.old, self.negatives))
        return Figures(
            new=right(self.new, self.new_ids),
            old=right(self.old, self.old_ids),
            unknown=auroc(known, unknown),
        )


def chosen(photos: Iterable[Photo], most: int | None) -> list[Path]:
    """Return the paths of at most so many photos of each landmark, drawn by a fixed seed."""
    rng = np.random.default_rng(0)
    by_label: dict[str, list[Path]] = {}
    for photo in photos:
        by_label.setdefault(photo.label, []).append(photo.path)
    return [rows[i] for rows in by_label.values() for i in rng.permutation(len(rows))[:most]]


def halves(dataset: Dataset) -> tuple[tuple[Photo, ...], tuple[Photo, ...]]:
    """Part a dataset into what is taught and what is held out."""
    groups = near_duplicate_groups([photo.path for photo in dataset.photos])
    fold = folds(dataset, k=2, seed=0, groups=groups)
    first, second = (
        tuple(p for p, side in zip(dataset.photos, fold, strict=True) if side == wanted)
        for wanted in (0, 1)
    )
    return first, second


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="world", help="what is taught")
    wanted = parser.parse_args()
    root = photos_of("provence")
    world = read_bundle(wanted.bundle)
    provence = read_dataset(root, levels="place,landmark")
    taught, held_out = halves(provence)
    judge = Judge(world, held_out)
    before = judge(world)
    rows = [["world as it is", "", "", f"{before.old:.4f}", f"{before.unknown:.4f}"]]
    figures: dict[str, object] = {"before": vars(before)}

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def run(what: str, photos: Iterable[Path], parent: str, out: str) -> Figures:
            dataset = link(photos, root=root, into=folder / f"{out}-photos")
            file = folder / f"{out}.waymark"
            seconds, _ = cold("teach", parent, str(dataset), LEVELS, "--out", str(file))
            after = judge(read_bundle(file))
            cells = [f"{seconds:.1f}", f"{after.new:.4f}", f"{after.old:.4f}"]
            rows.append([what, *cells, f"{after.unknown:.4f}"])
            figures[out] = {"seconds": seconds, **vars(after)}
            return after

        for most in (5, 20, None):
            of = f"{most} photos" if most else "all photos"
            run(f"taught {of} a landmark", chosen(taught, most), wanted.bundle, f"taught-{most}")
        labels = provence.labels[::2]
        one = [photo.path for photo in taught if photo.label in labels]
        two = [photo.path for photo in taught if photo.label not in labels]
        run("first half of the landmarks", one, wanted.bundle, "one")
        run("then the second half", two, str(folder / "one.waymark"), "one-two")
        run("second half of the landmarks", two, wanted.bundle, "two")
        run("then the first half", one, str(folder / "two.waymark"), "two-one")

        out = folder / "run"
        seconds, _ = cold("train", str(root), LEVELS, "--bundle", wanted.bundle, "--out", str(out))
        metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
        trained = f"trained alone (cv_top1, n = {metrics['cv_n']})"
        rows.append([trained, f"{seconds:.1f}", f"{metrics['cv_top1']:.4f}", "", ""])
        figures["trained"] = {"seconds": seconds, "cv_top1": metrics["cv_top1"]}
    publish(
        "teach",
        columns=["", "seconds", "new top-1", "world/test top-1", "unknown AUROC"],
        rows=rows,
        note=f"{len(held_out)} photos of 23 landmarks held out; commands from cold, no torch.",
        figures=figures,
        **receipt(world),
    )


if __name__ == "__main__":
    main()
