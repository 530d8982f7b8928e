"""Which input size, which precision: accuracy, speed and size of each, measured in one run.

Candidates are the bundle's network at several input sizes, in float and in int8 (calibrated
on photos of world/train), and with the four views of --tta. Accuracy is that on the photos
kept for validation, as they are and under the change that each candidate likes least; speed
that of the network alone and of `predict_many` on 12-megapixel JPEGs, in rounds that take
turns; `cv_top1` that of the fast path on ../shared/data/provence.

    python benchmarks/frontier.py [--sizes 96 128 160 192] [--photos 500] [--without int8 ...]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from predict_speed import exhaust, write_photos
from receipt import receipt
from robustness import CLEAN, SPLIT_FILE, changes, count_right, spread, world_split
from shared import photos_of
from table import publish
from waymark.bundle.format import Bundle, encode, read_bundle
from waymark.bundle.quantise import quantise
from waymark.dataset.index import Photo, read_dataset
from waymark.evaluation.metrics import wilson_interval
from waymark.photo import cores, decode_many, read_photo
from waymark.preprocess import prepare
from waymark.recognise.recogniser import BATCH, Recogniser
from waymark.recognise.session import open_session
from waymark.training.linear import fit_linear

HARSH = ("softened, radius 1", "sharpened, unsharp 1/150/0", "JPEG 30", "800 px")
HARSH_FILTERS = ("Pillow nearest", "OpenCV linear")
KINDS = ("int8", "tta", "provence", "speed")


@dataclass(kw_only=True)
class Candidate:
    """One way to run the bundle, and what was measured of it.

    Attributes:
        size: side of the input, pixels.
        bundle: with that size and precision.
        tta: whether four views of a photo are averaged.
        right: photos named right, by change.
        n: photos that each change was made of.
        network: photos/s of the network alone, a value a round.
        photos: photos/s of `predict_many`, a value a round.
        decoding: photos/s of decoding for this size alone, a value a round.
        cv_top1: of the fast path on provence.
    """

    size: int
    bundle: Bundle
    tta: bool = False
    right: dict[str, int] = field(default_factory=dict)
    n: int = 0
    network: list[float] = field(default_factory=list)
    photos: list[float] = field(default_factory=list)
    decoding: list[float] = field(default_factory=list)
    cv_top1: float | None = None

    @property
    def worst(self) -> str:
        """The change under which the fewest photos were named right."""
        return min(self.right, key=lambda name: self.right[name])


def candidates(
    bundle: Bundle, sizes: Sequence[int], calibration: Sequence[Photo], without: Sequence[str]
) -> dict[str, Candidate]:
    """Return every candidate by its name; the bundle as it is comes first."""
    default = bundle.manifest.preprocess.size
    networks = {"": bundle.model}
    if "int8" not in without:
        networks[", int8"] = quantise(bundle.model, _batches(bundle, calibration))
    made = {
        f"{size} px{suffix}": Candidate(size=size, bundle=_at(bundle, size, network))
        for size in (default, *(size for size in sizes if size != default))
        for suffix, network in networks.items()
    }
    if "tta" not in without:
        made[f"{default} px, four views"] = Candidate(size=default, bundle=bundle, tta=True)
    return made


def _at(bundle: Bundle, size: int, network: bytes) -> Bundle:
    manifest = bundle.manifest
    manifest = replace(manifest, preprocess=manifest.preprocess.at(size))
    return replace(bundle, model=network, manifest=manifest)


def _batches(bundle: Bundle, photos: Sequence[Photo]) -> Iterator[NDArray[np.float32]]:
    preprocess = bundle.manifest.preprocess
    for start in range(0, len(photos), 16):
        chosen = photos[start : start + 16]
        yield np.stack([prepare(read_photo(photo.path), preprocess) for photo in chosen])


def harsh(size: int) -> list[str]:
    """Name the changes that are put before every candidate of a size, the clean one first."""
    filters = [name for name in changes(size) if name.endswith(HARSH_FILTERS)]
    return [CLEAN, *HARSH, *filters]


def judge(candidate: Candidate, photos: Sequence[Photo]) -> None:
    """Count the photos that a candidate names right, as they are and changed."""
    every = changes(candidate.size)
    made = {name: every[name] for name in harsh(candidate.size)}
    recogniser = Recogniser(candidate.bundle, tta=candidate.tta)
    candidate.right, candidate.n = count_right(recogniser, photos, made)


def measure_speed(made: dict[str, Candidate], *, files: int, rounds: int) -> None:
    """Fill in the speeds of all candidates, in rounds that take turns."""
    with tempfile.TemporaryDirectory() as folder:
        paths = write_photos(Path(folder), files)
        ways = {name: _ways(candidate, paths) for name, candidate in made.items()}
        for turn in range(rounds + 1):
            for name, candidate in made.items():
                kept = (candidate.network, candidate.photos, candidate.decoding)
                for (run, count), speeds in zip(ways[name], kept, strict=True):
                    started = time.perf_counter()
                    run()
                    if turn:  # the first turn fills the caches
                        speeds.append(count / (time.perf_counter() - started))


def _ways(
    candidate: Candidate, paths: Sequence[Path], *, batches: int = 8
) -> tuple[tuple[Callable[[], None], int], ...]:
    """Return, for network, `predict_many` and decoding: a call, and how many photos it does."""
    session = open_session(candidate.bundle.model, threads=1)
    recogniser = Recogniser(candidate.bundle, tta=candidate.tta)
    views = 4 if candidate.tta else 1
    shape = (BATCH * views, 3, candidate.size, candidate.size)
    batch = np.random.default_rng(0).normal(size=shape).astype(np.float32)

    def network() -> None:
        with ThreadPoolExecutor(cores()) as pool:
            exhaust(pool.map(session.run, [batch] * batches))

    def predict() -> None:
        exhaust(recogniser.predict_many(paths))

    def decode() -> None:
        exhaust(decode_many(paths, lambda _: None, min_side=recogniser.preprocess.min_side))

    return (network, BATCH * batches), (predict, len(paths)), (decode, len(paths))


def row(name: str, candidate: Candidate, default: Candidate) -> list[str]:
    """Return a candidate as cells of the table."""
    shares = []
    for change in (CLEAN, candidate.worst):
        share = candidate.right[change] / candidate.n
        low, high = wilson_interval(candidate.right[change], candidate.n)
        shares.append(f"{share:.1%} ({low:.1%} to {high:.1%})")
    speeds = [
        f"{here:.0f} ({here / there:.2f})" if there else "–"
        for here, there in (
            (_median(candidate.network), _median(default.network)),
            (_median(candidate.photos), _median(default.photos)),
        )
    ]
    decoding = _median(candidate.decoding)
    part = f"{_median(candidate.photos) / decoding:.0%}" if decoding else "–"
    megabytes = len(encode(candidate.bundle)) / 1e6
    cv_top1 = "–" if candidate.cv_top1 is None else f"{candidate.cv_top1:.1%}"
    return [name, *shares, *speeds, part, f"{megabytes:.1f}", cv_top1]


def _median(values: Iterable[float]) -> float:
    return statistics.median(list(values) or [0.0])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="world")
    parser.add_argument("--sizes", type=int, nargs="+", default=[96, 128, 160, 192])
    parser.add_argument("--without", nargs="+", choices=KINDS, default=[], help="leave out")
    parser.add_argument("--photos", type=int, default=500, help="of validation")
    parser.add_argument("--split-csv", type=Path, default=SPLIT_FILE, help="says what is val")
    parser.add_argument("--calibration", type=int, default=128, help="photos of world/train")
    parser.add_argument("--files", type=int, default=24, help="12-megapixel JPEGs")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    bundle = read_bundle(arguments.bundle)
    learnt = world_split(arguments.split_csv)
    calibration = spread(learnt.of_split("train").photos, arguments.calibration)
    photos = spread(learnt.of_split("val").photos, arguments.photos)
    made = candidates(bundle, arguments.sizes, calibration, arguments.without)
    for candidate in made.values():
        judge(candidate, photos)
    if "speed" not in arguments.without:
        measure_speed(made, files=arguments.files, rounds=arguments.rounds)
    if "provence" not in arguments.without:
        provence = read_dataset(photos_of("provence"), levels="place,landmark")
        for candidate in made.values():
            if not candidate.tta:
                fitted = fit_linear(provence, candidate.bundle, cached=False)
                candidate.cv_top1 = fitted.metrics["cv_top1"]
    default = next(iter(made.values()))
    publish(
        "frontier",
        columns=[
            "input",
            "top-1",
            "top-1, worst change",
            "network, photos/s (ratio)",
            "12-MP JPEGs, photos/s (ratio)",
            "of decoding alone",
            "bundle, MB",
            "provence cv_top1",
        ],
        rows=[row(name, candidate, default) for name, candidate in made.items()],
        note=f"{default.n} validation photos, as they are and under {len(default.right) - 1} "
        f"changes; medians of {arguments.rounds} rounds over {arguments.files} rendered JPEGs, "
        f"{cores()} threads. Ratios are to the first row, the default.",
        figures={
            name: {
                "right": candidate.right,
                "worst": candidate.worst,
                "n": candidate.n,
                "network_photos_per_second": candidate.network,
                "photos_per_second": candidate.photos,
                "decoding_photos_per_second": candidate.decoding,
                "provence_cv_top1": candidate.cv_top1,
            }
            for name, candidate in made.items()
        },
        **receipt(bundle),
    )


if __name__ == "__main__":
    main()
