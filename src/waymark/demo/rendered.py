"""Teach rendered landmarks by the fast path and put the result to the test, on a page."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from waymark.bundle.format import Bundle, find_bundle, read_bundle, write_bundle
from waymark.dataset.index import UNKNOWN, read_dataset
from waymark.demo.folder import claim_folder
from waymark.demo.page import Card, compose, thumbnail
from waymark.evaluation.evaluate import Evaluation, evaluate
from waymark.progress import Progress, silent
from waymark.recognise.prediction import Guess
from waymark.recognise.recogniser import Recogniser
from waymark.samples import DISTRACTORS, SAMPLES, render
from waymark.training.linear import fit_linear

PER_LANDMARK, HELD_OUT, PER_SCENE = 16, 6, 6  # pictures
SHOWN = 20  # held-out views on the page, beside those that went wrong
ORDINARY = ("city_blocks", "houses", "street")  # shown as `unknown`; the rest is never shown
STRANGERS = tuple(name for name in DISTRACTORS if name not in ORDINARY)
SIZE = (320, 240)


@dataclass(frozen=True, kw_only=True)
class Taught:
    """One landmark, and how well it was learnt.

    Attributes:
        name: for display.
        picture: data URI of one of its pictures.
        right: how many of its held-out views were named right.
        n: number of its held-out views.
        precision: of those given its name, the share that are it.
        mistaken: what the others were taken for, the most frequent first.
    """

    name: str
    picture: str
    right: int
    n: int
    precision: float
    mistaken: tuple[str, ...]


def demo_samples(
    out: str | os.PathLike[str] = "demo-out",
    *,
    parent: Bundle | None = None,
    per_landmark: int = PER_LANDMARK,
    held_out: int = HELD_OUT,
    per_scene: int = PER_SCENE,
    progress: Progress | None = None,
) -> Path:
    """Write a page on landmarks that were rendered, taught and tested just now.

    Args:
        out: folder for `index.html`, `photos/` and `model.waymark`; an earlier demo's is
            replaced.
        parent: bundle whose network sees for the new one; the world model where None.
        per_landmark: pictures to learn from, of each landmark.
        held_out: pictures to test on, of each landmark.
        per_scene: pictures of each scene that is no landmark; twice as many of those that are
            shown as `unknown`.
        progress: told of each stage.

    Returns:
        The page.

    Raises:
        RunError: if `out` holds something that no demo wrote.
    """
    progress = progress or silent
    folder = claim_folder(out)
    photos = folder / "photos"
    begun = time.perf_counter()
    sets = [
        ("taught", SAMPLES, per_landmark),
        (f"taught/{UNKNOWN}", ORDINARY, 2 * per_scene),
        ("held-out", SAMPLES, held_out),
        ("never-taught", STRANGERS, per_scene),
    ]
    pictures = _render(photos, sets, progress)
    names = "".join(f"{name},{name.replace('_', ' ').title()}\n" for name in SAMPLES)
    (photos / "taught" / "landmarks.csv").write_text("id,name\n" + names, encoding="utf-8")
    rendered = time.perf_counter()
    parent = parent or read_bundle(find_bundle("world"))
    lessons = read_dataset(photos / "taught")
    learnt = fit_linear(lessons, parent, cached=False, slim=True, progress=progress).bundle
    model = write_bundle(folder / "model.waymark", learnt)
    taught = time.perf_counter()
    tests = read_dataset(photos / "held-out", negatives=photos / "never-taught")
    said = evaluate(Recogniser(model), tests, progress=progress)
    tested = time.perf_counter()
    cards = [_card(said, row, pictures[path]) for row, path in enumerate(said.paths)]
    views = [card for card, known in zip(cards, said.known, strict=True) if known]
    page = compose(
        "samples.html",
        taught=_by_landmark(said, photos / "taught", pictures),
        per_landmark=per_landmark,
        scores=said.to_dict(),
        views=_pick(views, SHOWN),
        mistakes=[card for card in views if card.verdict != "right"],
        ordinary=len(lessons.negatives),
        wrongly_unknown=sum(card.unknown_score > said.threshold for card in views),
        strangers=[card for card, known in zip(cards, said.known, strict=True) if not known],
        said_unknown=int((said.unknown[~said.known] > said.threshold).sum()),
        bundle_bytes=(folder / "model.waymark").stat().st_size,
        render_seconds=rendered - begun,
        seconds=taught - rendered,
        test_seconds=tested - taught,
        example=str(said.paths[0]),
        model=str(folder / "model.waymark"),
    )
    target = folder / "index.html"
    target.write_text(page, encoding="utf-8")
    return target


def _render(
    photos: Path, sets: list[tuple[str, tuple[str, ...], int]], progress: Progress
) -> dict[Path, str]:
    """Write SET/NAME/NNN.jpg; return a thumbnail of each, by path."""
    total = sum(len(names) * each for _, names, each in sets)
    pictures: dict[Path, str] = {}
    for part, (kind, names, each) in enumerate(sets):
        for name in names:
            folder = photos / kind / name
            folder.mkdir(parents=True)
            for number in range(each):
                size = SIZE if number % 4 else SIZE[::-1]
                image = render(name, seed=1000 * part + number, size=size)
                path = folder / f"{number:03d}.jpg"
                image.save(path, quality=90)
                pictures[path] = thumbnail(image)
                progress(len(pictures), total, "rendering samples")
    return pictures


def _card(said: Evaluation, row: int, picture: str) -> Card:
    """Describe what was said of one photo."""
    best = np.argsort(-said.scores[row], kind="stable")[:3]
    unknown = bool(said.unknown[row] > said.threshold)
    path = said.paths[row]
    right = best[0] == said.labels[row]
    return Card(
        picture=picture,
        file=path.name,
        verdict="unknown" if unknown else "right" if right else "wrong",
        guesses=tuple(Guess.of(said.landmarks[i], float(said.scores[row, i])) for i in best),
        unknown_score=float(said.unknown[row]),
        truth=said.landmarks[said.labels[row]].name
        if said.known[row]
        else path.parent.name.replace("_", " ").capitalize(),
    )


def _pick(views: list[Card], most: int) -> list[Card]:
    """Choose views that went right, some of each landmark in turn."""
    turns: Counter[str | None] = Counter()
    right: list[tuple[int, int, Card]] = []
    for card in views:
        if card.verdict == "right":
            right.append((turns[card.truth], len(right), card))
            turns[card.truth] += 1
    return [card for _, _, card in sorted(right, key=lambda item: item[:2])[:most]]


def _by_landmark(said: Evaluation, folder: Path, pictures: dict[Path, str]) -> list[Taught]:
    """Sum up each landmark."""
    figures: dict[str, dict[str, Any]] = said.figures["per_class"]
    rows = []
    for index, landmark in enumerate(said.landmarks):
        confused = said.counts[index].copy()
        right, n = int(confused[index]), int(confused.sum())
        confused[index] = 0
        order = [i for i in np.argsort(-confused, kind="stable") if confused[i]]
        rows.append(
            Taught(
                name=landmark.name,
                picture=next(pictures[path] for path in _clearest(folder / landmark.id)),
                right=right,
                n=n,
                precision=figures[landmark.id]["precision"],
                mistaken=tuple(said.landmarks[i].name for i in order),
            )
        )
    return rows


def _clearest(folder: Path) -> list[Path]:
    """Order the pictures of a folder, the brightest and most vivid first."""
    from PIL import Image

    def vivid(path: Path) -> float:
        with Image.open(path) as image:
            value = np.asarray(image.convert("HSV").resize((32, 24)), dtype=np.float64)
        upright = image.height > image.width
        return float(value[..., 1].mean() + value[..., 2].mean()) - 1000 * upright

    return sorted(folder.glob("*.jpg"), key=lambda path: -vivid(path))
