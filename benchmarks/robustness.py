"""Does a change that nobody minds change what the recogniser says?

The photos of a split of ../shared/data/world are softened, sharpened, recompressed, and
enlarged and shrunk again as other programs would; each change of each photo goes through
the recogniser like any photo file. One pass, every photo decoded once, nothing kept.

    python benchmarks/robustness.py                  photos held out of world/train: to choose by
    python benchmarks/robustness.py --split test     world/test: once, at the end
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from receipt import HERE, receipt
from shared import photos_of
from table import publish
from waymark.bundle.format import read_bundle
from waymark.dataset.index import Dataset, Photo, read_dataset
from waymark.dataset.split import read_split
from waymark.errors import PhotoError
from waymark.evaluation.metrics import wilson_interval
from waymark.photo import decode_many
from waymark.recognise.prediction import PhotoFailure
from waymark.recognise.recogniser import Recogniser

Change = Callable[[Image.Image, Image.Image], bytes]

CLEAN = "as they are"
SPLIT_FILE = HERE.parent / "runs" / "world" / "split.csv"
LARGE = 800  # px, the longer side of an enlarged photo
LARGE_QUALITY = 95  # of the enlarged JPEG: enough not to be what is measured
SOFTEST = "softened, radius 1"
ALLOWED, ALLOWED_SOFTEST = 2.0, 4.0  # points below the best
PILLOW = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
OPENCV = ("nearest", "linear", "area", "cubic")


def changes(size: int) -> dict[str, Change]:
    """Return every change by its name: from a photo, and the same enlarged, to a file's bytes.

    Args:
        size: side in pixels of the square to which other programs shrink. At the network's
            own input size, waymark's preparation leaves what they made as it is.
    """
    blur, large = ImageFilter.GaussianBlur, f"{LARGE} px"
    made: dict[str, Change] = {
        CLEAN: lambda photo, _: bitmap(photo),
        "softened, radius 0.5": _of_photo(Image.Image.filter, blur(0.5)),
        SOFTEST: _of_photo(Image.Image.filter, blur(1)),
        "sharpened, unsharp 1/150/0": _of_photo(
            Image.Image.filter, ImageFilter.UnsharpMask(radius=1, percent=150, threshold=0)
        ),
        **{f"JPEG {q}": _as_jpeg(q) for q in (30, 50, 75)},
        large: lambda _, enlarged: bitmap(enlarged),
        f"{large}, JPEG {LARGE_QUALITY}": lambda _, enlarged: jpeg(enlarged, LARGE_QUALITY),
    }
    for name in PILLOW:
        made[f"{LARGE} to {size} px, Pillow {name}"] = _of_large(pillow_shrunk, size, name)
    for name in OPENCV:
        made[f"{LARGE} to {size} px, OpenCV {name}"] = _of_large(opencv_shrunk, size, name)
    return made


def _of_photo(make: Callable[..., Image.Image], *settings: object) -> Change:
    return lambda photo, _: bitmap(make(photo, *settings))


def _of_large(make: Callable[..., Image.Image], *settings: object) -> Change:
    return lambda _, large: bitmap(make(large, *settings))


def _as_jpeg(quality: int) -> Change:
    return lambda photo, _: jpeg(photo, quality)


def bitmap(photo: Image.Image) -> bytes:
    """Return a BMP: every pixel as it is, and quick to write and to read."""
    file = io.BytesIO()
    photo.save(file, "BMP")
    return file.getvalue()


def jpeg(photo: Image.Image, quality: int) -> bytes:
    """Return a JPEG of Pillow's usual kind (colour at half resolution)."""
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=quality)
    return file.getvalue()


def enlarged(photo: Image.Image) -> Image.Image:
    """Return a photo whose longer side is `LARGE`, made by Pillow's bicubic filter."""
    scale = LARGE / max(photo.size)
    width, height = (max(1, round(length * scale)) for length in photo.size)
    return photo.resize((width, height), Image.Resampling.BICUBIC)


def pillow_shrunk(photo: Image.Image, size: int, method: str) -> Image.Image:
    """Squash a photo to a square by one of Pillow's filters (all but nearest anti-alias)."""
    return photo.resize((size, size), Image.Resampling[method.upper()])


def opencv_shrunk(photo: Image.Image, size: int, method: str) -> Image.Image:
    """Squash a photo to a square by one of OpenCV's filters (only area anti-aliases)."""
    import cv2

    cv2.setNumThreads(1)
    way = getattr(cv2, f"INTER_{method.upper()}")
    return Image.fromarray(cv2.resize(np.asarray(photo), (size, size), interpolation=way))


def count_right(
    recogniser: Recogniser, photos: Sequence[Photo], made: Mapping[str, Change]
) -> tuple[dict[str, int], int]:
    """Put every change of every photo before the recogniser.

    Args:
        recogniser: with whatever options.
        photos: with labels that the recogniser knows.
        made: what `changes` returns, or some of it.

    Returns:
        How many photos were named right under each change, and how many could be read.
    """
    ids = recogniser.bundle.manifest.tasks[0].ids
    truth: list[int] = []

    def changed(photo: Image.Image) -> list[bytes]:
        large = enlarged(photo)
        return [change(photo, large) for change in made.values()]

    def stream() -> Iterator[bytes]:
        decoded = decode_many(
            [photo.path for photo in photos], changed, min_side=recogniser.preprocess.min_side
        )
        for photo, files in zip(photos, decoded, strict=True):
            if not isinstance(files, PhotoError):
                truth.append(ids.index(photo.label))
                yield from files

    right: NDArray[np.int64] = np.zeros(len(made), np.int64)
    for number, seen in enumerate(recogniser.classify(stream())):
        if isinstance(seen, PhotoFailure):
            raise seen.error
        photo, change = divmod(number, len(made))
        right[change] += seen.logits.argmax() == truth[photo]
    return dict(zip(made, right.tolist(), strict=True)), len(truth)


def world_split(split_file: Path) -> Dataset:
    """Return world/train as a training split it; stop quietly where that was elsewhere."""
    whole = read_dataset(photos_of("world/train"))
    if not split_file.is_file():
        print("skipped: no split.csv of a training on world/train; name one with --split-csv")
        sys.exit(0)
    return read_split(split_file, whole)


def val_photos(split_file: Path) -> tuple[Photo, ...]:
    """Return the photos of world/train that a training kept for validation."""
    return world_split(split_file).of_split("val").photos


def spread(photos: Sequence[Photo], most: int | None) -> Sequence[Photo]:
    """Return at most so many photos, evenly over all of them (and so over the landmarks)."""
    if most is None or most >= len(photos):
        return photos
    return [photos[i * len(photos) // most] for i in range(most)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="world")
    parser.add_argument("--split", choices=("val", "test"), default="val")
    parser.add_argument("--split-csv", type=Path, default=SPLIT_FILE, help="says what is val")
    parser.add_argument("--photos", type=int, help="only so many, evenly over the landmarks")
    parser.add_argument("--to", type=int, help="px others shrink to; the input size by default")
    arguments = parser.parse_args()
    if arguments.split == "test":
        photos: Sequence[Photo] = read_dataset(photos_of("world/test")).photos
    else:
        photos = val_photos(arguments.split_csv)
    bundle = read_bundle(arguments.bundle)
    recogniser = Recogniser(bundle)
    size = recogniser.preprocess.size
    made = changes(arguments.to or size)
    right, n = count_right(recogniser, spread(photos, arguments.photos), made)
    best = max(right.values())
    below = {name: 100 * (best - value) / n for name, value in right.items()}
    allowed = {name: ALLOWED_SOFTEST if name == SOFTEST else ALLOWED for name in below}
    met = all(points <= allowed[name] for name, points in below.items())
    worst = max(below, key=lambda name: below[name])
    publish(
        f"robustness-{arguments.split}",
        columns=["photos", "top-1", "95 % interval", "points below the best"],
        rows=[[name, *share(value, n), f"{below[name]:.1f}"] for name, value in right.items()],
        note=f"{n} photos of world ({arguments.split}) in {len(right)} variants at "
        f"{size} px; the worst is “{worst}”, {below[worst]:.1f} points below the best. Wanted: "
        f"at most {ALLOWED:g} points (radius 1: {ALLOWED_SOFTEST:g}), which is "
        f"{'met' if met else 'not met'}.",
        right=right,
        n=n,
        **receipt(bundle),
    )


def share(right: int, n: int) -> tuple[str, str]:
    """Return a share and its 95 % interval as a table shows them."""
    low, high = wilson_interval(right, n)
    return f"{right / n:.1%}", f"{low:.1%} to {high:.1%}"


if __name__ == "__main__":
    main()
