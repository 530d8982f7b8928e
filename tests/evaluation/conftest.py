"""A recogniser that says what a test wants it to say, and photos to say it of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from waymark.bundle.manifest import Task
from waymark.bundle.tiny import tiny_bundle
from waymark.errors import UnreadablePhoto
from waymark.gazetteer import Landmark
from waymark.recognise.decision import Decision
from waymark.recognise.prediction import PhotoFailure, Seen


class Oracle:
    """A `Classifier` whose logits are those of `say`, and whose unknown scores too."""

    def __init__(self, names: Sequence[str], say: Callable[[Path], Any], threshold: float) -> None:
        bundle = tiny_bundle(len(names), features=2)
        task = Task(
            name="landmark",
            classes=tuple(Landmark(id=name, name=name.upper()) for name in names),
        )
        self.bundle = replace(
            bundle, manifest=replace(bundle.manifest, tasks=(task,)), sha256="0123456789abcdef"
        )
        self.decision = Told(self.bundle.manifest, self.bundle.statistics)
        self.threshold = threshold
        self._say = say

    def classify(self, photos: Sequence[Path]) -> Iterator[Seen | PhotoFailure]:
        """Yield what `say` gives: (logits, unknown score), or None for a broken photo."""
        for photo in photos:
            said = self._say(photo)
            if said is None:
                yield PhotoFailure(str(photo), UnreadablePhoto(f"{photo} is broken."))
                continue
            logits, unknown = said
            embedding = np.array([unknown, 0], np.float32)
            yield Seen(str(photo), np.asarray(logits, np.float32), embedding, None)


class Told(Decision):
    """A decision that finds the unknown score in the embedding."""

    def unknown(self, logits: Any, embedding: Any) -> Any:  # noqa: ARG002 (as in Decision)
        """Return what was told."""
        return embedding[:, 0]


@pytest.fixture
def oracle() -> type[Oracle]:
    """Return the class of recognisers that say what they are told."""
    return Oracle


@pytest.fixture
def photos(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes a folder of tiny photos from {relative folder: count}."""

    def make(counts: dict[str, int], root: str = "photos") -> Path:
        rng = np.random.default_rng(0)
        for folder, count in counts.items():
            (tmp_path / root / folder).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / root / folder / f"{i}.png")
        return tmp_path / root

    return make
