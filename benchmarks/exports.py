"""What each export costs: accuracy, speed, size, and how far its logits are off.

For every family of networks a head is fitted by ridge regression on the network's embedding
of ../shared/data/provence, in two folds, near-duplicates kept together. The network comes
with ImageNet weights where ../shared/weights has them, whole or in part, and with random
ones elsewhere. int8's scales are measured on 300 of the photos; top-1 is that of the others.

    python benchmarks/exports.py [--only NAME ...] [--photos N]
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from receipt import receipt
from robustness import SPLIT_FILE, spread, val_photos
from shared import SHARED, photos_of
from table import publish
from waymark.bundle import convert
from waymark.bundle.calibrate import COUNT, even, photos_of_run, prepared
from waymark.bundle.export import backbone_bytes, export_onnx
from waymark.bundle.format import Bundle, read_bundle
from waymark.bundle.graph import replace_head
from waymark.bundle.manifest import Task
from waymark.bundle.quantise import shrink
from waymark.bundle.tiny import tiny_bundle
from waymark.dataset.duplicates import near_duplicate_groups
from waymark.dataset.index import Dataset, read_dataset
from waymark.dataset.split import folds
from waymark.models.build import build, read_weights
from waymark.models.design import Design
from waymark.photo import decode_many
from waymark.preprocess import Preprocess, prepare
from waymark.training.ridge import Moments, ridge_heads, unit

PENALTY = 0.1
BATCH = 16
ROUNDS = 5  # of measuring speed; the best counts
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Family:
    """A network to export: its name, the file of its weights, and the side of its input, px."""

    name: str
    weights: str = ""
    size: int = 96

    @property
    def start(self) -> str:
        """What its weights are."""
        if not self.weights:
            return "random"
        return "ImageNet, in part" if "partial" in self.weights else "ImageNet"


FAMILIES = (
    Family("tf_efficientnetv2_b0", "tf_efficientnetv2_b0.safetensors", 128),
    Family("mobilenetv2_100", "mobilenetv2_100.safetensors", 128),
    Family("tf_efficientnet_b0", "tf_efficientnet_b0.partial.safetensors", 128),
    Family("resnet18", "resnet18.partial.safetensors"),
    Family("resnet50_v1", "resnet50.partial.safetensors"),
    Family("vgg19", "vgg19.partial.safetensors", 64),
    Family("scratch_resnet"),
    Family("scratch_cnn5"),
    Family("sequential"),
    Family("vgg_like", size=64),
)


class Photos:
    """Photos of provence with labels, folds, and those that int8's scales are measured on."""

    def __init__(self, dataset: Dataset, most: int | None) -> None:
        order = even((p.path, p.label) for p in dataset.photos)[:most]
        label = {p.path: dataset.labels.index(p.label) for p in dataset.photos}
        kept = dataset.with_photos(p for p in dataset.photos if p.path in set(order))
        groups = near_duplicate_groups([p.path for p in kept.photos])
        fold = dict(
            zip((p.path for p in kept.photos), folds(kept, k=2, groups=groups), strict=True)
        )
        self.paths = order
        self.names = dataset.labels
        self.labels = np.array([label[path] for path in order])
        self.fold = np.array([fold[path] for path in order])
        self.judged = np.arange(len(order)) >= min(COUNT, len(order) // 2)

    def views(self, preprocess: Preprocess) -> Floats:
        """Return all photos, prepared."""
        found = decode_many(
            self.paths, lambda image: prepare(image, preprocess), min_side=preprocess.min_side
        )
        return np.stack([view for view in found if isinstance(view, np.ndarray)])


def embed(model: bytes, views: Floats) -> Floats:
    """Return the embeddings (N, D) that an ONNX model gives."""
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.concatenate(
        [
            session.run(["embedding"], {"photos": views[i : i + BATCH]})[0]
            for i in range(0, len(views), BATCH)
        ]
    )


def speed(models: Sequence[bytes], views: Floats) -> list[float]:
    """Return photos/s of each model on one thread, measured in turns."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    sessions = [ort.InferenceSession(m, options, ["CPUExecutionProvider"]) for m in models]
    best = [float("inf")] * len(models)
    for _ in range(ROUNDS):
        for i, session in enumerate(sessions):
            started = time.perf_counter()
            session.run(["logits"], {"photos": views[:BATCH]})
            best[i] = min(best[i], time.perf_counter() - started)
    return [len(views[:BATCH]) / seconds for seconds in best]


def fit(embedding: Floats, labels: NDArray[np.integer], classes: int) -> tuple[Floats, Floats]:
    """Return weight and bias of a head on unit embeddings."""
    moments = Moments.of(unit(embedding), labels, classes)
    (head,) = ridge_heads(moments.means, moments.covariance, [PENALTY])
    return head[0].astype(np.float32), head[1].astype(np.float32)


def right(embedding: Floats, of: Floats, photos: Photos) -> NDArray[np.bool_]:
    """Say for each photo whether a head fitted on the other fold's `of` names it right."""
    found = np.zeros(len(photos.labels), bool)
    for fold in (0, 1):
        here = photos.fold == fold
        weight, bias = fit(of[~here], photos.labels[~here], len(photos.names))
        best = (unit(embedding[here]) @ weight.T + bias).argmax(1)
        found[here] = best == photos.labels[here]
    return found


def bundle_of(family: Family, photos: Photos) -> tuple[Bundle, Floats]:
    """Return a bundle of the family's network with a head for provence, and the views."""
    design = Design(backbone=family.name, size=family.size)
    weights = read_weights(SHARED / "weights" / family.weights) if family.weights else None
    tasks = {"landmark": len(photos.names)}
    network = build(design, tasks, weights=weights, partial=True, seed=0).eval()
    draft = tiny_bundle(len(photos.names), features=network.num_features)
    preprocess = Preprocess(size=family.size, mean=network.spec.mean, std=network.spec.std)
    views = photos.views(preprocess)
    model = export_onnx(network, size=family.size)
    weight, bias = fit(embed(model, views), photos.labels, len(photos.names))
    known = zip(draft.manifest.landmarks, photos.names, strict=True)
    landmarks = tuple(replace(landmark, id=name, name=name) for landmark, name in known)
    manifest = replace(
        draft.manifest,
        tasks=(Task(name="landmark", classes=landmarks),),
        preprocess=preprocess,
        temperature=1.0,
        backbone={
            "timm_name": family.name,
            "num_features": network.num_features,
            "input_size": family.size,
            "design": design.to_dict(),
        },
        head={"normalise": True},
    )
    bundle = replace(
        draft,
        manifest=manifest,
        model=shrink(replace_head(model, weight, bias, normalise=True)),
        statistics={**draft.statistics, "head_weight": weight, "head_bias": bias},
        backbone=backbone_bytes(network),
    )
    return bundle, views


def measure(family: Family, bundle: Bundle, views: Floats, photos: Photos) -> dict[str, Any]:
    """Export a bundle in every format and compare."""
    calibration = views[~photos.judged]
    batches = [calibration[i : i + BATCH] for i in range(0, len(calibration), BATCH)]
    full, small = convert.to_onnx(bundle), convert.to_int8(bundle, batches)
    of, quick = embed(full, views), embed(small, views)
    before, after = (right(e, of, photos)[photos.judged] for e in (of, quick))
    files = {f: convert.to_torch(bundle, f) for f in ("torchscript", "pt2")}
    return figures(family.name, family.start, family.size, before, after) | {
        "cosine": float(np.median((unit(of) * unit(quick)).sum(1)[photos.judged])),
        **cost([full, small], files, views),
    }


def measure_world(run: Path, most: int | None) -> dict[str, Any]:
    """Compare the world bundle with its int8 export on photos kept from its training.

    Scales are measured on photos that it was trained on.
    """
    bundle = read_bundle(run)
    preprocess = bundle.manifest.preprocess
    trained = photos_of_run(run, bundle.manifest)
    small = convert.to_int8(bundle, prepared(trained, preprocess))
    full = convert.to_onnx(bundle)
    kept = spread(val_photos(run / "split.csv"), most)
    views = np.concatenate(prepared([p.path for p in kept], preprocess, count=len(kept)))
    labels = np.array([bundle.manifest.tasks[0].ids.index(photo.label) for photo in kept])
    weight, bias = bundle.statistics["head_weight"], bundle.statistics["head_bias"]
    of, quick = embed(full, views), embed(small, views)
    before, after = ((e @ weight.T + bias).argmax(1) == labels for e in (of, quick))
    files = {f: convert.to_torch(bundle, f) for f in ("torchscript", "pt2")}
    return figures("world bundle", "trained", preprocess.size, before, after) | {
        "cosine": float(np.median((unit(of) * unit(quick)).sum(1))),
        **cost([full, small], files, views),
    }


def figures(
    name: str, weights: str, size: int, before: NDArray[np.bool_], after: NDArray[np.bool_]
) -> dict[str, Any]:
    """Return how often float and int8 are right, and the difference with its interval."""
    change = after.astype(float) - before.astype(float)
    return {
        "network": name,
        "weights": weights,
        "px": size,
        "n": len(before),
        "float_top1": float(before.mean()),
        "int8_top1": float(after.mean()),
        "points": 100 * float(change.mean()),
        "points_error": 100 * float(change.std() / np.sqrt(len(change))),
    }


def cost(
    models: list[bytes], files: Mapping[str, tuple[bytes, float]], views: Floats
) -> dict[str, Any]:
    """Return speed and size of float and int8, and what the torch files differ by."""
    per_s = speed(models, views)
    return {
        "float_per_s": per_s[0],
        "int8_per_s": per_s[1],
        "bytes": {
            "onnx": len(models[0]),
            "onnx-int8": len(models[1]),
            **{name: len(data) for name, (data, _) in files.items()},
        },
        "difference": {name: far for name, (_, far) in files.items()},
    }


def row(found: dict[str, Any]) -> list[str]:
    """Return the cells of a network."""
    size = found["bytes"]
    return [
        found["network"],
        found["weights"],
        f"{found['px']}",
        f"{found['float_top1']:.1%}",
        f"{found['int8_top1']:.1%}",
        f"{found['points']:+.2f} ± {1.96 * found['points_error']:.2f}",
        f"{found['float_per_s']:.0f} → {found['int8_per_s']:.0f}",
        f"{size['onnx'] / 1e6:.1f} → {size['onnx-int8'] / 1e6:.1f}",
        f"{max(found['difference'].values()):.0e}",
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", help="names of networks; `world` is the bundle")
    parser.add_argument("--photos", type=int, help="only so many, evenly over the landmarks")
    parser.add_argument("--run", type=Path, default=SPLIT_FILE.parent, help="of the world bundle")
    wanted = parser.parse_args()
    logging.disable(logging.WARNING)  # ONNX Runtime's tools advise what is done here already
    dataset = read_dataset(photos_of("provence"), levels="place,landmark")
    photos = Photos(dataset, wanted.photos)
    found = []
    for family in FAMILIES:
        if wanted.only is None or family.name in wanted.only:
            bundle, views = bundle_of(family, photos)
            found.append(measure(family, bundle, views, photos))
            print(" | ".join(row(found[-1])), flush=True)
    if wanted.only is None or "world" in wanted.only:
        found.append(measure_world(wanted.run, wanted.photos))
    publish(
        "exports",
        columns=[
            "network",
            "weights",
            "px",
            "float top-1",
            "int8 top-1",
            "points (95 %)",
            "photos/s",
            "MB",
            "logit difference",
        ],
        rows=[row(one) for one in found],
        note=f"top-1 on {found[0]['n']} photos of provence (the world bundle: "
        f"{found[-1]['n']} validation photos of world/train); photos/s of the network alone on "
        "one thread, float → int8; MB of the ONNX file, likewise; the largest logit difference "
        "of TorchScript and pt2 to the bundle.",
        figures=found,
        **receipt(read_bundle("world")),
    )


if __name__ == "__main__":
    main()
