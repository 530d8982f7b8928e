"""The world bundle on photos that nothing was chosen by, and beside the torch model it was.

Reads ../shared/data/world/test with negatives/test (once, at the end), and provence and
pakistan, whose landmarks the bundle does not know. With --checkpoint, the network as torch
ran it in training is put beside the shipped one on validation photos.

    python benchmarks/world.py [--checkpoint runs/world/checkpoint/best.safetensors]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from receipt import receipt
from robustness import SPLIT_FILE, share, spread, val_photos
from shared import SHARED
from table import publish
from waymark.bundle.format import Bundle, read_bundle
from waymark.dataset.index import Photo, read_dataset
from waymark.evaluation import metrics
from waymark.evaluation.evaluate import Evaluation, evaluate
from waymark.photo import decode_many
from waymark.preprocess import prepare
from waymark.recognise.recogniser import Recogniser
from waymark.recognise.session import LOGITS, open_session

DATA = SHARED / "data"
WAYS: dict[str, dict[str, bool]] = {"default": {}, "--fast": {"fast": True}, "--tta": {"tta": True}}
BATCH = 64


def known_table(bundle: Bundle, said: dict[str, Evaluation]) -> None:
    """Publish accuracy, calibration and honesty of each way to predict."""
    figures = {way: evaluation.to_dict() for way, evaluation in said.items()}
    n, n_unknown = (figures["default"][key] for key in ("n", "n_unknown"))
    publish(
        "world",
        columns=["", "top-1", "top-3", "ECE", "unknown AUROC", "FPR at 95 % recall", "GAP"],
        rows=[
            [
                way,
                _with_interval(found, "top1"),
                _with_interval(found, "top3"),
                f"{found['ece']:.3f}",
                _with_interval(found, "unknown_auroc", ".3f"),
                _with_interval(found, "unknown_fpr95"),
                f"{found['gap']:.3f}",
            ]
            for way, found in figures.items()
        ],
        note=f"{n} photos of {len(bundle.manifest.landmarks)} landmarks and {n_unknown} of none; "
        "95 % intervals.",
        figures=figures,
        **receipt(bundle),
    )


def unknown_table(bundle: Bundle, said: Evaluation, strangers: dict[str, Evaluation]) -> None:
    """Publish how well each kind of unknown photo is told from the known ones."""
    known = said.unknown[said.known]
    sources = np.array(said.sources)
    kinds = {f"negatives: {name}": said.unknown[sources == name] for name in _named(said)}
    for name, evaluation in strangers.items():
        kinds[f"{name}, landmarks not taught"] = evaluation.unknown[~evaluation.known]
    figures = {name: _apart(known, unknown, said.threshold) for name, unknown in kinds.items()}
    publish(
        "unknown",
        columns=["photos of", "photos", "AUROC", "FPR at 95 % recall", "called unknown"],
        rows=[
            [
                name,
                str(found["n"]),
                _with_interval(found, "auroc", ".3f"),
                _with_interval(found, "fpr95"),
                f"{found['called_unknown']:.1%}",
            ]
            for name, found in figures.items()
        ],
        note=f"Against {len(known)} photos of known landmarks, of which "
        f"{(known > said.threshold).mean():.1%} are called unknown; 95 % intervals.",
        figures=figures,
        **receipt(bundle),
    )


def _named(said: Evaluation) -> list[str]:
    return sorted(set(said.sources) - {""})


def _apart(
    known: NDArray[np.float32], unknown: NDArray[np.float32], threshold: float
) -> dict[str, Any]:
    area, fpr, m = (
        metrics.auroc(known, unknown),
        metrics.fpr_at_recall(known, unknown),
        len(unknown),
    )
    return {
        "n": m,
        "auroc": area,
        "auroc_interval": metrics.auroc_interval(area, len(known), m),
        "fpr95": fpr,
        "fpr95_interval": metrics.wilson_interval(round(fpr * m), m),
        "called_unknown": float((unknown > threshold).mean()),
    }


def _with_interval(found: dict[str, Any], key: str, form: str = ".1%") -> str:
    low, high = found[f"{key}_interval"]
    return f"{found[key]:{form}} ({low:{form}} to {high:{form}})"


def parity_table(bundle: Bundle, checkpoint: Path, photos: Sequence[Photo]) -> None:
    """Publish how far the shipped network is from the torch one it was exported from."""
    import torch
    from safetensors.torch import load_file

    from waymark.models.build import build
    from waymark.models.design import Design

    ids = bundle.manifest.tasks[0].ids
    design = Design(backbone=bundle.manifest.backbone["timm_name"])
    model = build(design, {"landmark": len(ids)})
    model.load_state_dict(load_file(checkpoint))
    model.eval()
    session = open_session(bundle.model)
    right = {"torch": 0, "shipped": 0}
    n, same, furthest, total = 0, 0, 0.0, 0.0
    for batch, labels in _batches(bundle, photos):
        with torch.inference_mode():
            wanted = model(torch.from_numpy(batch)).logits["landmark"].numpy()
        found = session.run(batch, (LOGITS,))[LOGITS]
        truth = [ids.index(label) for label in labels]
        right["torch"] += int((wanted.argmax(axis=1) == truth).sum())
        right["shipped"] += int((found.argmax(axis=1) == truth).sum())
        same += int((found.argmax(axis=1) == wanted.argmax(axis=1)).sum())
        furthest = max(furthest, float(np.abs(found - wanted).max()))
        total += float(np.abs(found - wanted).sum())
        n += len(labels)
    points = 100 * (right["shipped"] - right["torch"]) / n
    publish(
        "parity",
        columns=["network", "top-1", "95 % interval"],
        rows=[[name, *share(count, n)] for name, count in right.items()],
        note=f"{n} validation photos; the first guess is the same on {same / n:.2%}, top-1 differs "
        f"by {points:+.2f} points. Logits differ by {total / n / len(ids):.1e} in the mean and "
        f"{furthest:.1e} at most.",
        n=n,
        right=right,
        same_guess=same,
        logits_max_difference=furthest,
        logits_mean_difference=total / n / len(ids),
        top1_points=points,
        checkpoint=checkpoint.name,
        **receipt(bundle),
    )


def _batches(
    bundle: Bundle, photos: Sequence[Photo]
) -> Iterator[tuple[NDArray[np.float32], list[str]]]:
    """Yield prepared photos (N, 3, size, size) with their labels."""
    preprocess = bundle.manifest.preprocess
    for start in range(0, len(photos), BATCH):
        chosen = photos[start : start + BATCH]
        decoded = decode_many(
            [photo.path for photo in chosen],
            lambda image: prepare(image, preprocess),
            min_side=preprocess.min_side,
        )
        rows = [
            (array, photo.label)
            for photo, array in zip(chosen, decoded, strict=True)
            if isinstance(array, np.ndarray)
        ]
        if rows:
            yield np.stack([array for array, _ in rows]), [label for _, label in rows]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="world")
    parser.add_argument("--world", type=Path, default=DATA / "world" / "test")
    parser.add_argument("--negatives", type=Path, default=DATA / "negatives" / "test")
    parser.add_argument("--provence", type=Path, default=DATA / "provence")
    parser.add_argument("--pakistan", type=Path, default=DATA / "pakistan")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--checkpoint", type=Path, help="of the torch model: measures parity")
    parser.add_argument("--split-csv", type=Path, default=SPLIT_FILE, help="says what is val")
    parser.add_argument("--parity-photos", type=int, help="of validation; default: all")
    parser.add_argument("--parity-only", action="store_true", help="read no test photo")
    arguments = parser.parse_args()
    bundle = read_bundle(arguments.bundle)
    if arguments.checkpoint:
        photos = val_photos(arguments.split_csv)
        parity_table(bundle, arguments.checkpoint, spread(photos, arguments.parity_photos))
    if arguments.parity_only:
        return
    world = read_dataset(arguments.world, negatives=arguments.negatives)
    said = {
        way: evaluate(Recogniser.from_bundle(bundle, **WAYS[way]), world)
        for way in dict.fromkeys(["default", *arguments.ways])
    }
    recogniser = Recogniser(bundle)
    strangers = {
        name: evaluate(recogniser, read_dataset(folder, levels=levels), absent_as_unknown=True)
        for name, folder, levels in (
            ("Provence", arguments.provence, "place,landmark"),
            ("Pakistan", arguments.pakistan, None),
        )
    }
    known_table(bundle, said)
    unknown_table(bundle, said["default"], strangers)


if __name__ == "__main__":
    main()
