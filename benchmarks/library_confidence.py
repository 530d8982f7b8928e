"""What `--min-score` lets through: by a tag's confidence, and by its score alone.

A library of photos with known landmarks (world/test) and of photos with none of the bundle's:
negatives/test (objects, and European towns) and provence (French landmarks that the bundle does
not know, which is the hardest case there is). For each bar: how many of the photos that show a
landmark are written rightly, and how many of all that are written are wrong. Nothing was chosen
by these photos.

    python benchmarks/library_confidence.py
"""

from __future__ import annotations

import argparse

import waymark
from receipt import receipt
from shared import photos_of
from table import publish
from waymark.bundle.format import read_bundle
from waymark.dataset.index import list_photos, read_dataset
from waymark.evaluation.metrics import wilson_interval
from waymark.library.context import alone
from waymark.recognise.prediction import Prediction

BARS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99)
MEASURES = ("score", "confidence")


def main() -> None:
    """Measure and print."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    recogniser = waymark.load("world")
    known = read_dataset(photos_of("world/test")).photos
    others = [
        path
        for folder in ("negatives/test", "provence")
        for path in list_photos(photos_of(folder))[0]
    ]
    paths = [photo.path for photo in known] + others
    truth = [photo.label for photo in known] + [None] * len(others)
    tags = []
    for label, said in zip(truth, recogniser.predict_many(paths), strict=True):
        assert isinstance(said, Prediction)
        guesses = [(i, guess.score) for i, guess in enumerate(said.predictions)]
        tag = alone(guesses, said.unknown_score, recogniser.threshold)
        if tag.landmark is not None:
            right = said.predictions[tag.landmark].landmark == label
            tags.append((right, {"score": tag.score or 0.0, "confidence": tag.confidence or 0.0}))
    rows, records = [], []
    for bar in BARS:
        row = [f"{bar:.2f}" if bar else "all that are named"]
        for measure in MEASURES:
            written = [right for right, sure in tags if sure[measure] >= bar]
            good, bad = sum(written), len(written) - sum(written)
            low, high = wilson_interval(bad, len(written))
            row += [
                f"{good / len(known):.1%}",
                f"{bad:,} of {len(written):,} ({bad / len(written):.1%}, {low:.1%} to {high:.1%})",
            ]
            records.append({"bar": bar, "by": measure, "right": good, "wrong": bad})
        rows.append(row)
    publish(
        "library_confidence",
        columns=[
            "at least",
            "by score: landmarks found",
            "wrong among what is written",
            "by confidence: landmarks found",
            "wrong among what is written ",
        ],
        rows=rows,
        note=f"{len(known):,} photos of 54 landmarks (world/test) and {len(others):,} of none of "
        "them (negatives/test, provence), each by itself; 95 % intervals.",
        records=records,
        **receipt(read_bundle("world")),
    )


if __name__ == "__main__":
    main()
