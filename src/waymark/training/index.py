"""The photos that a bundle learnt from, by what they look like to it.

In:  training photos and their embeddings.
Out: `NAME.index.safetensors` beside `NAME.waymark`, and the nearest photos of another.

It stays on the machine where the bundle was made: a bundle holds aggregates only. It names
photos by path, holds at most `LARGEST`, evenly over the landmarks, and fits every bundle of
the same network, such as one that was taught more.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from waymark.bundle.format import Bundle
from waymark.bundle.graph import backbone_of
from waymark.dataset.index import Photo
from waymark.training.examples import Examples

LARGEST = 20_000
_CHUNK = 4096

Floats = NDArray[np.float32]


class Near(NamedTuple):
    """A training photo that looks like another photo.

    Attributes:
        path: where it was when it was learnt from.
        label: what it shows.
        similarity: cosine of the two embeddings, -1 to 1.
    """

    path: Path
    label: str
    similarity: float


@dataclass(kw_only=True)
class PhotoIndex:
    """Photos in the order they were added.

    Attributes:
        network: hash of the network that embedded them.
        classes: how many landmarks share `LARGEST`.
    """

    network: str
    classes: int
    _rows: list[tuple[str, str]] = field(default_factory=list)
    _vectors: list[NDArray[np.float16]] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, photos: Sequence[Photo], embeddings: Floats) -> None:
        """Add photos and their embeddings (N, D); a label that has its share gets no more."""
        most = max(1, LARGEST // self.classes)
        kept = []
        for i, photo in enumerate(photos):
            if self._counts[photo.label] < most:
                self._counts[photo.label] += 1
                self._rows.append((str(photo.path.absolute()), photo.label))
                kept.append(i)
        length = np.linalg.norm(embeddings[kept], axis=1, keepdims=True)
        self._vectors.append((embeddings[kept] / np.maximum(length, 1e-12)).astype(np.float16))

    def include(self, other: PhotoIndex) -> None:
        """Add the photos of another index of the same network, after one's own."""
        self._rows += other._rows
        self._vectors.append(other._together())
        self._counts += other._counts

    def nearest(self, embedding: Floats, k: int = 3) -> list[Near]:
        """Return the `k` photos most like one with this embedding (D,), the likest first."""
        if not self._rows:
            return []
        vectors = self._together()
        wanted = (embedding / max(1e-12, float(np.linalg.norm(embedding)))).astype(np.float32)
        likeness = np.concatenate(
            [
                vectors[start : start + _CHUNK].astype(np.float32) @ wanted
                for start in range(0, len(vectors), _CHUNK)
            ]
        )
        best = np.argsort(-likeness, kind="stable")[:k]
        return [
            Near(Path(self._rows[i][0]), self._rows[i][1], float(likeness[i]))
            for i in best.tolist()
        ]

    def write(self, bundle: Path) -> Path:
        """Write the index beside a bundle's file, readable by its owner only."""
        from safetensors.numpy import save

        file = index_file(bundle)
        data = save(
            {"embedding": self._together()},
            {"network": self.network, "photos": json.dumps(self._rows)},
        )
        part = file.with_name(f"{file.name}.part")
        part.touch(mode=0o600)
        part.write_bytes(data)
        part.replace(file)
        return file

    def _together(self) -> NDArray[np.float16]:
        if len(self._vectors) != 1:
            self._vectors = [np.concatenate(self._vectors or [np.zeros((0, 0), np.float16)])]
        return self._vectors[0]


def index_file(bundle: Path) -> Path:
    """Return where the index of a bundle's file is."""
    return bundle.with_name(f"{bundle.stem}.index.safetensors")


def new_index(bundle: Bundle, classes: int) -> PhotoIndex:
    """Return an empty index for photos of a number of landmarks."""
    return PhotoIndex(network=network_of(bundle), classes=max(1, classes))


def index_examples(bundle: Bundle, examples: Examples) -> PhotoIndex:
    """Return the index of the photos that a head was fitted on."""
    index = new_index(bundle, len(examples.names))
    learnt = [i for i, learns in enumerate(examples.learns) if learns]
    index.add([examples.photos[i] for i in learnt], examples.features.whole[learnt])
    return index


def network_of(bundle: Bundle) -> str:
    """Return the hash of a bundle's network without its heads, and of its preparation."""
    prepared = json.dumps(bundle.manifest.preprocess.to_dict(), sort_keys=True).encode()
    return hashlib.sha256(backbone_of(bundle.model) + prepared).hexdigest()


def read_index(file: Path, bundle: Bundle) -> PhotoIndex | None:
    """Return the index beside a bundle's file; None if there is none that fits the bundle."""
    from safetensors import SafetensorError, safe_open

    path = index_file(file)
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as opened:
            facts = opened.metadata() or {}
            vectors = opened.get_tensor("embedding")
        rows = [(str(place), str(label)) for place, label in json.loads(facts["photos"])]
    except (SafetensorError, OSError, KeyError, ValueError, TypeError):
        return None  # it only illustrates: a bundle does without
    fits = (
        facts.get("network") == network_of(bundle)
        and vectors.ndim == 2
        and vectors.dtype == np.float16
        and len(vectors) == len(rows)
        and vectors.shape[1] == int(bundle.manifest.backbone["num_features"])
    )
    if not fits:
        return None
    index = new_index(bundle, len({label for _, label in rows}))
    index._rows, index._vectors = rows, [vectors]
    index._counts = Counter(label for _, label in rows)
    return index
