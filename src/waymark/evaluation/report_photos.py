"""The photos of a report: samples, confused pairs, the ones that went wrong, and heatmaps.

In:  an `Evaluation`, perhaps a loaded bundle to draw heatmaps with.
Out: records that name photos, and small JPEGs of them.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from waymark.dataset.stats import colour_shares
from waymark.errors import WaymarkError
from waymark.evaluation import metrics
from waymark.evaluation.evaluate import Evaluation
from waymark.progress import Progress
from waymark.recognise.explain import is_averaged

if TYPE_CHECKING:
    from PIL.Image import Image

    from waymark.bundle.format import Bundle

THUMBNAIL = 160  # px
GUESSES = 3
HEATMAPS, COSTLY_HEATMAPS = 24, 8
SAMPLES, SAMPLES_A_CLASS = 48, 6
PAIRS = 12
MEASURED = 500  # photos for the histograms
_HISTOGRAM_SIDE = 64  # px


class Explainer(Protocol):
    """What heatmaps need of a `Recogniser`."""

    bundle: Bundle

    def explain(self, photo: Path, landmark: str | None = None) -> Image:
        """Draw where the network sees a landmark in a photo."""


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A photo that went wrong.

    Attributes:
        path: where it is.
        truth: name of the landmark it shows; where it comes from, for an unknown photo.
        known: whether it shows a landmark of the bundle.
        score: calibrated score of the first guess.
        unknown_score: 0 to 1.
        guesses: names of the best guesses and their scores.
        guess: id of the first guess.
    """

    path: Path
    truth: str
    known: bool
    score: float
    unknown_score: float
    guesses: tuple[tuple[str, float], ...]
    guess: str


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two landmarks of which one was taken for the other.

    Attributes:
        truth: name of the one in the photos.
        guess: name of the one that was guessed.
        n: photos that were confused.
        of: photos of the first one.
        confused: one of those photos, the most confident mistake.
        example: a photo of the guessed landmark; None where there is none.
    """

    truth: str
    guess: str
    n: int
    of: int
    confused: Path
    example: Path | None


def wrong_photos(evaluation: Evaluation) -> list[Wrong]:
    """List the photos that went wrong, the most confident mistakes first.

    A photo of a known landmark is wrong where the first guess is; an unknown photo where
    it is called known.
    """
    said = evaluation
    is_wrong = np.where(said.known, said.guesses != said.labels, said.unknown <= said.threshold)
    rows = np.flatnonzero(is_wrong)
    best = metrics.ranking(said.scores[rows], GUESSES)
    found = [
        Wrong(
            path=said.paths[row],
            truth=said.landmarks[said.labels[row]].name if said.known[row] else said.sources[row],
            known=bool(said.known[row]),
            score=float(said.scores[row].max()),
            unknown_score=float(said.unknown[row]),
            guesses=tuple((said.landmarks[i].name, float(said.scores[row, i])) for i in top),
            guess=said.landmarks[top[0]].id,
        )
        for row, top in zip(rows, best, strict=True)
    ]
    confidence = said.confidence[rows]
    return [found[i] for i in np.argsort(-confidence, kind="stable")]


def confused_pairs(
    said: Evaluation, known_photos: Iterable[tuple[Path, str]] = (), *, most: int = PAIRS
) -> list[Pair]:
    """List the pairs that were confused most often, each with a photo of both.

    Args:
        said: the evaluation.
        known_photos: (path, label) of further photos, such as those trained on, for
            landmarks of which the evaluation has no photo.
        most: how many pairs.
    """
    counts = said.counts
    mistakes = counts - np.diag(np.diag(counts))
    share = mistakes / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    order = np.lexsort((-share.ravel(), -mistakes.ravel()))[:most]
    further: dict[str, Path] = {}
    for path, label in known_photos:
        further.setdefault(label, path)
    pairs = []
    for truth, guess in (divmod(int(place), len(said.landmarks)) for place in order):
        if mistakes[truth, guess]:
            confused = _surest(said, (said.labels == truth) & (said.guesses == guess))
            own = said.labels == guess
            example = _surest(said, own & (said.guesses == guess))
            example = _surest(said, own) if example is None else example
            assert confused is not None
            pairs.append(
                Pair(
                    truth=said.landmarks[truth].name,
                    guess=said.landmarks[guess].name,
                    n=int(mistakes[truth, guess]),
                    of=int(counts[truth].sum()),
                    confused=said.paths[confused],
                    example=further.get(said.landmarks[guess].id)
                    if example is None
                    else said.paths[example],
                )
            )
    return pairs


def sample_photos(
    photos: Sequence[tuple[Path, str]], *, most: int = SAMPLES, seed: int = 0
) -> list[tuple[Path, str]]:
    """Choose photos of as many labels as there is room for, those of a label side by side.

    Args:
        photos: (path, label) of each photo.
        most: how many to choose; no more than six of a label.
        seed: of the choice.
    """
    rng = np.random.default_rng(seed)
    of: dict[str, list[Path]] = {}
    for path, label in photos:
        of.setdefault(label, []).append(path)
    labels = sorted(of)
    if len(labels) > most:
        labels = [labels[i] for i in np.linspace(0, len(labels) - 1, most).round().astype(int)]
    each = min(SAMPLES_A_CLASS, max(1, most // max(len(labels), 1)))
    return [
        (of[label][i], label)
        for label in labels
        for i in sorted(rng.permutation(len(of[label]))[:each])
    ]


def thumbnails(paths: Iterable[Path], progress: Progress) -> dict[Path, bytes]:
    """Return a small JPEG of each photo that can still be read."""
    from waymark.photo import decode_many

    unique = list(dict.fromkeys(paths))
    made = decode_many(unique, thumbnail, min_side=THUMBNAIL, allow_truncated=True)
    jpegs = {}
    for done, (path, jpeg) in enumerate(zip(unique, made, strict=True), start=1):
        if isinstance(jpeg, bytes):
            jpegs[path] = jpeg
        progress(done, len(unique), "drawing photos")
    return jpegs


def thumbnail(image: Image) -> bytes:
    """Return a JPEG of at most `THUMBNAIL` px a side; the image is made smaller in place."""
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def heatmaps(
    wrong: Sequence[Wrong], recogniser: Explainer | None, progress: Progress
) -> dict[Path, bytes]:
    """Return a small JPEG of each of the first photos with what spoke for its first guess.

    Networks that have to be run fifty times for one get fewer of them. A photo that cannot
    be read any more has none.
    """
    if recogniser is None:
        return {}
    cheap = is_averaged(recogniser.bundle.manifest.backbone)
    chosen = wrong[: HEATMAPS if cheap else COSTLY_HEATMAPS]
    drawn = {}
    for done, one in enumerate(chosen, start=1):
        try:
            drawn[one.path] = thumbnail(recogniser.explain(one.path, one.guess))
        except WaymarkError:
            continue
        finally:
            progress(done, len(chosen), "drawing heatmaps")
    return drawn


def channel_shares(
    photos: Sequence[tuple[Path, str]], progress: Progress
) -> tuple[NDArray[np.float64] | None, int]:
    """Measure the colours of at most 500 photos, taken evenly from all.

    Returns:
        (3, 256) share of pixels with each value of red, green and blue, each photo weighing
        the same; None where no photo can be read. And the number of photos measured.
    """
    from waymark.photo import decode_many

    count = min(len(photos), MEASURED)
    chosen = [photos[i][0] for i in np.linspace(0, len(photos) - 1, count).astype(int)]
    total, read = np.zeros((3, 256)), 0
    made: Any = decode_many(chosen, colour_shares, min_side=_HISTOGRAM_SIDE, allow_truncated=True)
    for done, shares in enumerate(made, start=1):
        if isinstance(shares, np.ndarray):
            total += shares
            read += 1
        progress(done, count, "measuring colours")
    return (total / read if read else None), read


def _surest(said: Evaluation, rows: NDArray[np.bool_]) -> int | None:
    """Return the row of the highest first score among `rows`; None where there is none."""
    chosen = np.flatnonzero(rows)
    return int(chosen[said.scores[chosen].max(axis=1).argmax()]) if len(chosen) else None
