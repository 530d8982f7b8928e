"""Plant faults in a dataset, so that one knows what a check should find.

In:  a dataset of photos with labels, and photos that belong to none of them.
Out: a folder `label/photo.jpg` outside the checkout (links to the photos that stay as they
     are), and a record of each fault: what, where, how strong, made from which photo.

The same seed plants the same faults. No photo has two of them, nor is the photo that a copy
was made of at fault itself.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from shared import SHARED, photos_of
from waymark.dataset.index import Dataset, Photo, list_photos, read_dataset
from waymark.photo import read_photo

KINDS = (
    "exact-duplicate",
    "near-duplicate",
    "mirrored",
    "wrong-label",
    "off-topic",
    "truncated",
    "wrong-extension",
    "blurred",
)
COPIES = ("exact-duplicate", "near-duplicate", "mirrored")
OTHER_CLASS = 0.25  # of the copies lie under another landmark than their original
SCALE, QUALITY, CROP = (0.5, 0.8), (40, 70), (0.0, 0.08)  # crop: of the width, of the height
KEPT = (0.30, 0.95)  # of the bytes of a truncated file
RADIUS, AT = (2.0, 4.0), 96  # px of blur, for a photo whose shorter side is this many px
BLURRED_QUALITY = 90
ENDINGS = (".png", ".webp", ".gif", ".bmp", ".tif")
FILTERS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)

WHICH = {"provence": "train", "world-test": "test"}
"""The datasets that faults are planted in, and whose split of the negatives is off topic."""


@dataclass(frozen=True, kw_only=True)
class Planted:
    """One fault.

    Attributes:
        kind: one of `KINDS`.
        path: of the photo at fault, below the planted folder.
        label: the landmark that it lies under.
        shows: the landmark that it shows; None of an off-topic photo.
        original: of a copy, the photo that it is a copy of, below the planted folder.
        strength: what was done, in numbers.
    """

    kind: str
    path: str
    label: str
    shows: str | None
    original: str | None = None
    strength: dict[str, float] = field(default_factory=dict)

    @property
    def mislabelled(self) -> bool:
        """Whether the photo lies under a landmark that it does not show."""
        return self.label != self.shows


def plant_in(name: str, out: Path, *, seed: int = 0, n: int = 100) -> list[Planted]:
    """Plant faults in `provence` or `world-test` of ../shared/data; see `plant`."""
    if name == "provence":
        dataset = read_dataset(photos_of("provence"), levels="place,landmark")
    else:
        dataset = read_dataset(photos_of("world/test"))
    negatives = photos_of("negatives") / WHICH[name]
    strangers = [list_photos(negatives / kind)[0] for kind in ("objects", "travel")]
    return plant(dataset, strangers, out, seed=seed, n=n)


def plant(
    dataset: Dataset,
    strangers: Sequence[Sequence[Path]],
    out: Path,
    *,
    seed: int = 0,
    n: int = 100,
) -> list[Planted]:
    """Lay a dataset out in a folder, with `n` faults of each kind.

    Args:
        dataset: at least 7 n photos, of two landmarks or more.
        strangers: sorts of photos that are off topic; each gives an equal share.
        out: a new folder, outside the checkout: photos are written there.
        seed: of everything that is drawn.
        n: faults of each kind.

    Returns:
        A record of each fault, in the order of `KINDS`.

    Raises:
        ValueError: `out` lies in the checkout, or there are too few photos.
    """
    here = Path(__file__).resolve().parent.parent
    if any(out.resolve().is_relative_to(folder) for folder in (here, SHARED)):
        raise ValueError(f"{out} lies in the checkout or in ../shared; plant elsewhere")
    kinds = [kind for kind in KINDS if kind != "off-topic"]
    wanted = [n // len(strangers) + (i < n % len(strangers)) for i in range(len(strangers))]
    enough = all(len(sort) >= most for sort, most in zip(strangers, wanted, strict=True))
    if len(dataset.photos) < n * len(kinds) or len(dataset.labels) < 2 or not enough:
        raise ValueError(f"{dataset.name} or the strangers are too few for {n} faults of each kind")
    rng = np.random.default_rng(seed)
    labels = sorted(_folder(label) for label in dataset.labels)
    drawn = rng.permutation(len(dataset.photos))[: n * len(kinds)].reshape(len(kinds), n)
    faults = {int(i): kind for kind, row in zip(kinds, drawn, strict=True) for i in row}
    planted = []
    for i, photo in enumerate(dataset.photos):
        kind = faults.get(i)
        if kind is None or kind in COPIES:
            _link(photo.path, out / _folder(photo.label) / photo.path.name)
        if kind is not None:
            planted.append(_plant(kind, photo, labels, out, rng))
    for sort, most in zip(strangers, wanted, strict=True):
        for i in rng.permutation(len(sort))[:most]:
            label = labels[rng.integers(len(labels))]
            path = f"{label}/{_name(rng)}{sort[i].suffix}"
            _link(sort[i], out / path)
            planted.append(Planted(kind="off-topic", path=path, label=label, shows=None))
    return sorted(planted, key=lambda record: KINDS.index(record.kind))


def _plant(
    kind: str, photo: Photo, labels: Sequence[str], out: Path, rng: np.random.Generator
) -> Planted:
    """Put one fault into the folder."""
    shows = label = _folder(photo.label)
    elsewhere = kind == "wrong-label" or (kind in COPIES and rng.random() < OTHER_CLASS)
    if elsewhere:
        others = [other for other in labels if other != shows]
        label = others[rng.integers(len(others))]
    ending, strength = ".jpg", {}
    if kind in ("near-duplicate", "mirrored"):
        data, strength = altered(read_photo(photo.path), rng, mirrored=kind == "mirrored")
    elif kind == "blurred":
        data, strength = blurred(read_photo(photo.path), rng)
    else:
        data = photo.path.read_bytes()
    if kind == "truncated":
        strength = {"kept": rng.uniform(*KEPT)}
        data = data[: int(strength["kept"] * len(data))]
    if kind == "wrong-extension":
        ending = ENDINGS[rng.integers(len(ENDINGS))]
    path = f"{label}/{_name(rng)}{ending}"
    (out / label).mkdir(parents=True, exist_ok=True)
    if kind == "wrong-label":
        _link(photo.path, out / path)
    else:
        (out / path).write_bytes(data)
    return Planted(
        kind=kind,
        path=path,
        label=label,
        shows=shows,
        original=f"{shows}/{photo.path.name}" if kind in COPIES else None,
        strength=strength,
    )


def altered(
    photo: Image.Image, rng: np.random.Generator, *, mirrored: bool = False
) -> tuple[bytes, dict[str, float]]:
    """Crop, shrink and recompress a photo; return the file, and how much of each."""
    crop = rng.uniform(*CROP, size=2)
    scale = rng.uniform(*SCALE)
    quality = int(rng.integers(QUALITY[0], QUALITY[1] + 1))
    lost = crop * photo.size
    left, top = lost * rng.random(2)
    box = (left, top, photo.width - (lost[0] - left), photo.height - (lost[1] - top))
    size = [max(1, round(scale * length)) for length in (box[2] - box[0], box[3] - box[1])]
    made = photo.crop(tuple(round(edge) for edge in box))  # type: ignore[arg-type]
    made = made.resize((size[0], size[1]), FILTERS[rng.integers(len(FILTERS))])
    strength = {"scale": scale, "quality": float(quality), "crop": float(crop.max())}
    return _jpeg(ImageOps.mirror(made) if mirrored else made, quality), strength


def blurred(photo: Image.Image, rng: np.random.Generator) -> tuple[bytes, dict[str, float]]:
    """Blur a photo, a larger one by more pixels; return the file, and the radius at 96 px."""
    radius = rng.uniform(*RADIUS)
    made = photo.filter(ImageFilter.GaussianBlur(radius * min(photo.size) / AT))
    return _jpeg(made, BLURRED_QUALITY), {"radius": radius}


def _jpeg(photo: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=quality)
    return file.getvalue()


def _link(photo: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(photo.resolve())


def _folder(label: str) -> str:
    return label.replace("/", "-")


def _name(rng: np.random.Generator) -> str:
    """Return a file name that tells nothing, and that no other has."""
    return rng.bytes(8).hex()
