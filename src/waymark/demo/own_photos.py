"""Name the landmarks in somebody's own photos, on a page with a map."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from waymark.demo.folder import claim_folder
from waymark.demo.page import COARSE, FINE, Card, compose, thumbnail
from waymark.demo.world_map import world_map
from waymark.errors import DatasetError, PhotoError
from waymark.progress import Progress
from waymark.recognise.prediction import Guess, PhotoFailure
from waymark.recognise.recogniser import Recogniser

MANY = 200  # photos; a page of more has smaller pictures


@dataclass(frozen=True, kw_only=True)
class Found:
    """A landmark and the photos that show it.

    Attributes:
        number: its number on the page and the map, from 1.
        guess: what is known of the landmark.
        cards: its photos, surest first.
    """

    number: int
    guess: Guess
    cards: tuple[Card, ...]


def demo_photos(
    photos: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str] = "demo-out",
    *,
    recogniser: Recogniser | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write a page that names the landmarks in photos.

    Args:
        photos: files, and folders that are searched to any depth.
        out: folder for `index.html`; an earlier demo's is replaced.
        recogniser: what names them; the world model where None.
        progress: told how many photos are done.

    Returns:
        The page.

    Raises:
        DatasetError: if there is no photo at all.
        RunError: if `out` holds something that no demo wrote, or one of the photos.
    """
    paths, failures = gather(photos)
    if not paths:
        raise DatasetError(
            f"no photos in {', '.join(map(str, photos))}; name photos or a folder of them."
        )
    recogniser = recogniser or Recogniser.from_bundle("world")
    folder = claim_folder(out, keep=paths)
    started = time.perf_counter()
    cards, failed = _recognise(recogniser, paths, progress)
    found, unknown = group(cards)
    places = [
        (f.number, f.guess.name, f.guess.lat, f.guess.lon)
        for f in found
        if f.guess.lat is not None and f.guess.lon is not None
    ]
    page = compose(
        "photos.html",
        found=found,
        unknown=unknown,
        failures=failures + failed,
        map=world_map(places),
        photos=len(paths),
        named=sum(len(f.cards) for f in found),
        landmarks=len(recogniser.bundle.manifest.landmarks),
        seconds=time.perf_counter() - started,
    )
    target = folder / "index.html"
    target.write_text(page, encoding="utf-8", errors="replace")  # names need not be UTF-8
    return target


def gather(photos: Sequence[str | os.PathLike[str]]) -> tuple[list[Path], list[tuple[str, str]]]:
    """List photos in files and folders; the (file, reason) of what cannot be one."""
    from waymark.dataset.index import list_photos

    paths: list[Path] = []
    failures: list[tuple[str, str]] = []
    for source in map(Path, photos):
        if source.is_dir():
            inside, skipped = list_photos(source)
            paths += inside
            failures += [(Path(s.path).name, s.reason) for s in skipped]
        else:
            paths.append(source)  # a file that is no photo fails, with a reason, when it is read
    return paths, failures


def _recognise(
    recogniser: Recogniser, paths: list[Path], progress: Progress | None
) -> tuple[list[Card], list[tuple[str, str]]]:
    """Predict, and make thumbnails: a card for each photo that can be read."""
    from waymark.photo import cores, decode_many

    cards: list[Card] = []
    failures: list[tuple[str, str]] = []
    side = FINE if len(paths) <= MANY else COARSE
    pictures = decode_many(paths, partial(thumbnail, side=side), min_side=side, workers=cores())
    predictions = recogniser.predict_many(paths, k=3)
    for done, (path, prediction, picture) in enumerate(
        zip(paths, predictions, pictures, strict=True), start=1
    ):
        if isinstance(prediction, PhotoFailure):
            failures.append((path.name, _reason(path, prediction.error)))
        elif isinstance(picture, PhotoError):
            failures.append((path.name, _reason(path, picture)))
        else:
            cards.append(
                Card(
                    picture=picture,
                    file=path.name,
                    guesses=prediction.predictions,
                    verdict="known" if prediction.known else "unknown",
                    unknown_score=prediction.unknown_score,
                )
            )
        if progress:
            progress(done, len(paths), "naming landmarks")
    return cards, failures


def _reason(path: Path, error: PhotoError) -> str:
    """Say what is wrong, without the folders that the photo lies in."""
    return str(error).replace(str(path), path.name)


def group(cards: Sequence[Card]) -> tuple[list[Found], list[Card]]:
    """Put photos of the same landmark together, most photos first; the unknown apart."""
    by_landmark: dict[str, list[Card]] = {}
    for card in cards:
        if card.verdict == "known":
            by_landmark.setdefault(card.guesses[0].landmark, []).append(card)
    groups = sorted(by_landmark.values(), key=lambda g: (-len(g), g[0].guesses[0].name))
    found = [
        Found(
            number=number,
            guess=members[0].guesses[0],
            cards=tuple(sorted(members, key=lambda c: -c.guesses[0].score)),
        )
        for number, members in enumerate(groups, start=1)
    ]
    return found, [card for card in cards if card.verdict == "unknown"]
