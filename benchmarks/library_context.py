"""What a photo's neighbours are worth: the context rule on simulated trips, with and without.

A library of trips is drawn from photos with known landmarks. A trip visits one to five
landmarks, the next one near the last (or, by plane, anywhere); of each it has a few photos in
bursts, and between them photos that show no landmark. A third of the trips have a phone that
writes GPS into some photos; in a third a second camera runs hours or days wrong. Each photo is
used as often as it is drawn. Then three libraries that ought to gain nothing: every time drawn
at random, all photos of unrelated landmarks minutes apart, and no times at all. And one where
every photo has GPS and no time: photos of landmarks where these stand, photos of none 6 to 40 km
from a landmark that they look like, which nobody sees from there: it must not be named.

The rule's numbers were chosen on `--photos train` (world/train cut and blurred until the world
bundle is wrong about as often as in the wild) and `--photos provence` (out-of-fold scores of a
head on that dataset); `--photos test` measures, once.

    python benchmarks/library_context.py [--photos test] [--libraries 20] [--trips 60]
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

import waymark
from receipt import receipt
from shared import photos_of
from table import publish
from waymark.bundle.format import read_bundle
from waymark.dataset.index import list_photos, read_dataset
from waymark.gazetteer import Landmark
from waymark.library.context import Rule, Shot, Tag, alone, together
from waymark.library.near import compare, metres
from waymark.recognise.recogniser import Recogniser
from waymark.recognise.views import photo_views

GUESSES = 10
HOUR, DAY = 3_600, 86_400
METRES = 111_195  # of a degree of latitude
OUT_OF_REACH = "GPS, what it looks like out of reach"
KINDS = ("trips", "random times", "unrelated photos minutes apart", "no times", OUT_OF_REACH)
PARTS = {
    "all": "right",
    "landmark": "photos of landmarks",
    "none": "photos of none",
    "named": "of those named",
    "gainsaid": "GPS gainsays",
}


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Photos that trips are drawn from.

    Attributes:
        landmarks: of the bundle, in order.
        shots: of each landmark, its photos as the rule sees them; without times.
        others: photos of no landmark.
        threshold: of the unknown score.
    """

    landmarks: tuple[Landmark, ...]
    shots: tuple[tuple[Shot, ...], ...]
    others: tuple[Shot, ...]
    threshold: float


def degrade(image: Image.Image, rng: random.Random) -> Image.Image:
    """Return a blurred part of a photo, as somebody in a hurry would have taken it."""
    width, height = image.size
    share = rng.uniform(0.35, 0.75)
    left, top = rng.uniform(0, 1 - share) * width, rng.uniform(0, 1 - share) * height
    box = tuple(map(round, (left, top, left + share * width, top + share * height)))
    return image.crop(box).filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.5)))


def world_pool(part: str, *, most: int | None) -> Pool:
    """Return the pool of world/train (degraded) or world/test (as it is)."""
    recogniser = waymark.load("world")
    landmarks = recogniser.bundle.manifest.landmarks
    index = {landmark.id: number for number, landmark in enumerate(landmarks)}
    rng = random.Random(0)
    paths: list[tuple[Path, int]] = []
    for photo in read_dataset(photos_of(f"world/{part}")).photos:
        paths.append((photo.path, index[photo.label]))
    rng.shuffle(paths)
    taken = [0] * len(landmarks)
    kept = []
    for path, label in paths:
        taken[label] += 1
        if most is None or taken[label] <= most:
            kept.append((path, label))
    others, _ = list_photos(photos_of(f"negatives/{part}"))
    files = [path for path, _ in kept] + others
    shots = seen(recogniser, files, index, rng if part == "train" else None)
    by_label: list[list[Shot]] = [[] for _ in landmarks]
    for (_, label), shot in zip(kept, shots, strict=False):
        by_label[label].append(shot)
    return Pool(
        landmarks=landmarks,
        shots=tuple(map(tuple, by_label)),
        others=tuple(shots[len(kept) :]),
        threshold=recogniser.threshold,
    )


def seen(
    recogniser: Recogniser, files: Sequence[Path], index: dict[str, int], rng: random.Random | None
) -> list[Shot]:
    """Return what a recogniser makes of photos, degraded where there is a `rng`."""
    shots = []
    for start in range(0, len(files), 16):
        images = [Image.open(path).convert("RGB") for path in files[start : start + 16]]
        if rng is not None:
            images = [degrade(image, rng) for image in images]
        views = np.stack([photo_views(image, recogniser.preprocess) for image in images])
        for said in recogniser.answer_and_embed(views, GUESSES)[0]:
            guesses = [(index[guess.landmark], guess.score) for guess in said.predictions]
            shots.append(Shot(moment=None, guesses=guesses, unknown_score=said.unknown_score))
    return shots


def provence_pool() -> Pool:
    """Return the pool of provence: scores by a head that never saw the photo."""
    from sklearn.linear_model import LogisticRegression

    from waymark.dataset.duplicates import near_duplicate_groups
    from waymark.dataset.split import folds
    from waymark.training.ridge import unit

    dataset = read_dataset(photos_of("provence"), levels="place,landmark")
    recogniser = waymark.load("world")
    paths = [photo.path for photo in dataset.photos]
    embedded = unit(recogniser.embed(paths))
    labels = np.array([dataset.labels.index(photo.label) for photo in dataset.photos])
    others, _ = list_photos(photos_of("negatives/train"))
    outside = unit(recogniser.embed(others))
    fold = np.array(folds(dataset, k=4, seed=0, groups=near_duplicate_groups(paths)))
    scores = np.zeros((len(paths), len(dataset.labels)))
    for part in range(4):
        head = LogisticRegression(C=4.0, max_iter=400).fit(
            embedded[fold != part], labels[fold != part]
        )
        scores[fold == part] = head.predict_proba(embedded[fold == part])
    strange = head.predict_proba(outside)
    measure = np.concatenate([scores.max(1), strange.max(1)])[:, None]
    truth = np.r_[np.zeros(len(paths)), np.ones(len(others))]
    rule = LogisticRegression(class_weight="balanced").fit(np.log(measure), truth)
    unknown = rule.predict_proba(np.log(measure))[:, 1]
    spots = places_of(dataset.landmarks, dataset.labels)
    shots = [shot_of(row, u) for row, u in zip(np.r_[scores, strange], unknown, strict=True)]
    known = [[shots[i] for i in np.flatnonzero(labels == n)] for n in range(len(dataset.labels))]
    return Pool(
        landmarks=spots,
        shots=tuple(map(tuple, known)),
        others=tuple(shots[len(paths) :]),
        threshold=0.5,
    )


def places_of(landmarks: dict[str, Landmark], labels: Sequence[str]) -> tuple[Landmark, ...]:
    """Return the landmarks with positions; those of one city lie some hundred metres apart."""
    cities = {
        "aix-en-provence": (43.529, 5.447), "avignon": (43.949, 4.806),
        "marseille": (43.296, 5.370), "nice": (43.703, 7.266), "orange": (44.138, 4.808),
        "toulon": (43.124, 5.928),
    }  # fmt: skip
    rng = random.Random(1)
    found = []
    for label in labels:
        landmark = landmarks[label]
        city = (landmark.place or "").lower().replace(" ", "-")
        lat, lon = cities.get(city, (43.5, 5.5))
        at = (lat + rng.uniform(-0.008, 0.008), lon + rng.uniform(-0.008, 0.008))
        found.append(replace(landmark, lat=at[0], lon=at[1]))
    return tuple(found)


def shot_of(scores: NDArray[np.floating], unknown: float) -> Shot:
    """Make a photo of its scores."""
    best = np.argsort(-scores)[:GUESSES]
    return Shot(
        moment=None,
        guesses=[(int(i), float(scores[i])) for i in best],
        unknown_score=float(unknown),
    )


def library(pool: Pool, trips: int, rng: random.Random) -> tuple[list[Shot], list[int | None]]:
    """Draw a library of trips; return its photos by time, and what each shows."""
    rows: list[tuple[Shot, int | None]] = []
    start = 0
    for _ in range(trips):
        start += rng.randint(5, 60) * DAY
        rows += trip(pool, start, rng)
    rows.sort(key=lambda row: row[0].moment or 0)
    return [shot for shot, _ in rows], [label for _, label in rows]


def trip(pool: Pool, start: int, rng: random.Random) -> list[tuple[Shot, int | None]]:
    """Draw one trip."""
    usable = [i for i, shots in enumerate(pool.shots) if shots]
    here = rng.choice(usable)
    clock = float(start)
    phone = rng.random() < 1 / 3
    wrong = 0
    if rng.random() < 1 / 3:
        wrong = rng.choice((-1, 1)) * rng.choice((HOUR, 2 * HOUR, 9 * HOUR, 3 * DAY, 400 * DAY))
    rows: list[tuple[Shot, int | None]] = []

    def shoot(shot: Shot, label: int | None, at: Landmark) -> None:
        second = bool(wrong) and rng.random() < 0.5
        gps = None
        if phone and not second and rng.random() < 0.5 and at.lat is not None:
            gps = (at.lat + rng.gauss(0, 0.003), (at.lon or 0) + rng.gauss(0, 0.004))
        moment = round(clock) + (wrong if second else 0)
        rows.append((replace(shot, moment=moment, gps=gps), label))

    for _ in range(rng.randint(1, 5)):
        at = pool.landmarks[here]
        for _ in range(rng.randint(1, 8)):
            if rng.random() < 0.35:
                shoot(rng.choice(pool.others), None, at)
            else:
                shoot(rng.choice(pool.shots[here]), here, at)
            clock += rng.choice((5, 20, 90, 600, 2_400))
        near = sorted(usable, key=lambda i: apart(at, pool.landmarks[i]))[1:6]
        following = rng.choice(near) if rng.random() < 0.85 else rng.choice(usable)
        away = apart(at, pool.landmarks[following])
        clock += rng.uniform(0.3, 2) * HOUR + away / (800_000 if away > 400_000 else 40_000) * HOUR
        if rng.random() < 0.3:
            clock += rng.uniform(8, 16) * HOUR  # a night
        here = following
    return rows


def apart(one: Landmark, two: Landmark) -> float:
    """Return the distance of two landmarks, in metres."""
    return metres((one.lat or 0, one.lon or 0), (two.lat or 0, two.lon or 0))


def idle(
    kind: str, shots: list[Shot], truth: Sequence[int | None], pool: Pool, rng: random.Random
) -> list[Shot]:
    """Return a library that has nothing to gain."""
    if kind == OUT_OF_REACH:
        return [located(shot, label, pool, rng) for shot, label in zip(shots, truth, strict=True)]
    span = [shot.moment or 0 for shot in shots]
    if kind == "random times":
        times = [rng.randint(span[0], span[-1]) for _ in shots]
    elif kind == "unrelated photos minutes apart":
        times = [round(120 * i) for i in rng.sample(range(len(shots)), len(shots))]
    else:
        return [replace(shot, moment=None, gps=None) for shot in shots]
    return [replace(shot, moment=at, gps=None) for shot, at in zip(shots, times, strict=True)]


def located(shot: Shot, label: int | None, pool: Pool, rng: random.Random) -> Shot:
    """Return a photo with the position of its landmark, or of a place where none is in sight."""
    if label is not None:
        at, away = pool.landmarks[label], abs(rng.gauss(0, 400))
    else:
        at, away = pool.landmarks[rng.choice(shot.guesses[:3])[0]], rng.uniform(6_000, 40_000)
        away += at.extent_m or 0
    if at.lat is None or at.lon is None:
        return replace(shot, moment=None, gps=None)
    turn = rng.uniform(0, 2 * math.pi)
    north, east = (away / METRES * part for part in (math.cos(turn), math.sin(turn)))
    lon = at.lon + east / math.cos(math.radians(at.lat))
    return replace(shot, moment=None, gps=(at.lat + north, lon))


def right(tags: Sequence[Tag], truth: Sequence[int | None]) -> dict[str, list[bool]]:
    """Return, photo by photo, what is right: all, those of landmarks, those of none."""
    good = [tag.landmark == label for tag, label in zip(tags, truth, strict=True)]
    return {
        "all": good,
        "landmark": [g for g, label in zip(good, truth, strict=True) if label is not None],
        "none": [g for g, label in zip(good, truth, strict=True) if label is None],
        "named": [g for g, tag in zip(good, tags, strict=True) if tag.landmark is not None],
    }


def gainsaid(tags: Sequence[Tag], shots: Sequence[Shot], pool: Pool) -> list[bool]:
    """Return of each photo with GPS whether it is named against it."""
    return [
        tag.landmark is not None and compare(shot.gps, pool.landmarks[tag.landmark]) == "disagree"
        for tag, shot in zip(tags, shots, strict=True)
        if shot.gps is not None
    ]


def measure(
    pool: Pool, libraries: int, trips: int, rule: Rule, *, seed: int = 0
) -> dict[str, dict[str, list[float]]]:
    """Return for each kind of library: shares right without and with context, a library each."""
    landmarks = dict(enumerate(pool.landmarks))
    found: dict[str, dict[str, list[float]]] = {kind: {} for kind in KINDS}
    for number in range(libraries):
        rng = random.Random(seed + number)
        shots, truth = library(pool, trips, rng)
        for kind in KINDS:
            drawn = shots if kind == "trips" else idle(kind, shots, truth, pool, rng)
            before = [alone(shot.guesses, shot.unknown_score, pool.threshold) for shot in drawn]
            after = together(drawn, landmarks, threshold=pool.threshold, rule=rule)
            for what, tags in (("without", before), ("with", after)):
                parts = right(tags, truth) | {"gainsaid": gainsaid(tags, drawn, pool)}
                for part, good in parts.items():
                    if good:
                        found[kind].setdefault(f"{part} {what}", []).append(float(np.mean(good)))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", choices=("test", "train", "provence"), default="test")
    parser.add_argument("--libraries", type=int, default=20)
    parser.add_argument("--trips", type=int, default=60)
    wanted = parser.parse_args()
    if wanted.photos == "provence":
        pool = provence_pool()
    else:
        pool = world_pool(wanted.photos, most=20 if wanted.photos == "train" else None)
    found = measure(pool, wanted.libraries, wanted.trips, Rule())
    rows = []
    for kind, shares in found.items():
        row = [kind]
        for part in PARTS:
            if f"{part} with" not in shares:
                row.append("")
                continue
            without, given = (np.array(shares[f"{part} {what}"]) for what in ("without", "with"))
            gain = given - without
            error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else float("nan")
            cell = f"{without.mean():.1%} → {given.mean():.1%}"
            row.append(f"{cell} ({100 * gain.mean():+.1f} ± {196 * error:.1f})")
        rows.append(row)
    if wanted.photos != "test":
        for row in rows:
            print(*row, sep=" | ")
        sys.exit()
    publish(
        "library_context",
        columns=["library", *PARTS.values()],
        rows=rows,
        note=f"{wanted.libraries} libraries of {wanted.trips} trips each, drawn from world/test "
        "and negatives/test; without → with context, in brackets the gain in points with the 95 % "
        "interval of its mean over the libraries. Of photos with GPS, the last column is the share "
        "that is named a landmark more than 5 km beyond.",
        shares=found,
        **receipt(read_bundle("world")),
    )


if __name__ == "__main__":
    main()
