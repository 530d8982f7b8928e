"""A bundle in the formats that other programs read.

    onnx         the network in float32, its classes and preparation in the file's metadata
    onnx-int8    the same with convolutions in int8, for speed on a CPU
    torchscript  photo in, probabilities out; `torch.jit.load` needs no waymark
    pt2          the same by `torch.export`

Every file is loaded again and compared with the bundle's own network before it is written;
int8, which is not meant to be equal, is compared by the landmarks that it names.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from waymark.bundle import calibrate
from waymark.bundle.format import Bundle, find_bundle, read_bundle
from waymark.bundle.onnx_check import INPUT
from waymark.bundle.quantise import expand, quantise_within
from waymark.errors import BundleError, ConfigError, MissingExtra
from waymark.gazetteer import Landmark
from waymark.preprocess import prepare
from waymark.progress import Progress, silent
from waymark.version import __version__

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("onnx", "onnx-int8", "pt2", "torchscript")
TOLERANCE = 1e-3
"""The most that a logit may differ from the bundle's, on the same input."""
_RELATIVE = 1e-5  # more, where logits are so large that float32 cannot hold it
_SAMPLES = 4

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A file that was written, and how near it is to the bundle.

    Attributes:
        file: where it is.
        format: one of `FORMATS`.
        size: in bytes.
        difference: largest difference of a logit on rendered samples; None for int8.
        agreement: share of `photos` for which int8 names the same landmark; else None.
        photos: number of photos compared.
    """

    file: Path
    format: str
    size: int
    difference: float | None
    agreement: float | None
    photos: int


def export(
    source: str | os.PathLike[str],
    out: Path,
    *,
    format: str,
    photos: Path | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Exported:
    """Write a bundle in another format.

    Args:
        source: a run's folder, a bundle file, or the name of a packaged bundle.
        out: the new file.
        format: one of `FORMATS`.
        photos: folder that int8's scales are measured on; a run has its training photos.
        overwrite: whether `out` may be there already.
        progress: told of photos read.

    Raises:
        ConfigError: if there is no such format, or int8 has no photos.
        BundleError: if the bundle lacks what the format needs, if `out` exists, or if what
            was made does not agree with the bundle; then nothing is written.
        DatasetError: if the photos cannot be found or read.
        MissingExtra: if the format needs torch and it is not installed.
    """
    if format not in FORMATS:
        raise ConfigError(f"format is {format!a}; use {', '.join(FORMATS[:-1])} or {FORMATS[-1]}.")
    check_vacant(out, overwrite=overwrite)
    bundle = read_bundle(source)
    difference: float | None = None
    agreement: float | None = None
    count = _SAMPLES
    if format == "onnx-int8":
        _check_float(bundle)
        paths = _calibration(find_bundle(source), bundle, photos)
        batches = calibrate.prepared(paths, bundle.manifest.preprocess, progress=progress)
        data = to_int8(bundle, batches)
        agreement, count = agreement_of(bundle.model, data, batches), sum(map(len, batches))
    elif format == "onnx":
        data = to_onnx(bundle)
        views = np.stack([prepare(image, bundle.manifest.preprocess) for image in _samples()])
        difference = compare(bundle, views, _opened(data)(views, _outputs(bundle)))
    else:
        _check_float(bundle)
        data, difference = to_torch(bundle, format)
    write(out, data)
    return Exported(
        file=out,
        format=format,
        size=len(data),
        difference=difference,
        agreement=agreement,
        photos=count,
    )


def class_names(landmarks: Sequence[Landmark]) -> list[str]:
    """Return the name of each landmark; the id of those that share a name."""
    seen = Counter(landmark.name for landmark in landmarks)
    return [one.name if seen[one.name] == 1 else one.id for one in landmarks]


def describe(bundle: Bundle) -> dict[str, str]:
    """Return what an exported file says of itself; lists and objects are JSON."""
    manifest = bundle.manifest

    def packed(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)

    about = {
        "class_names": packed(class_names(manifest.landmarks)),
        "class_ids": packed(list(manifest.tasks[0].ids)),
        "preprocess": packed(manifest.preprocess.to_dict()),
        "temperature": repr(manifest.temperature),
        "waymark_version": __version__,
        "bundle_sha256": bundle.sha256,
    }
    if manifest.categories:
        about["category_names"] = packed([category.name for category in manifest.categories])
    if bundle.notice:
        about["notice"] = bundle.notice
    return about


def to_onnx(bundle: Bundle) -> bytes:
    """Return the network as float32 ONNX in one file, with `describe` in its metadata."""
    return _with_metadata(expand(bundle.model), describe(bundle))


def to_int8(bundle: Bundle, calibration: Sequence[Floats]) -> bytes:
    """Return the network as ONNX with convolutions in int8; see `quantise_within`.

    Args:
        bundle: with a float network.
        calibration: batches (N, 3, H, W) of prepared photos.
    """
    small, _ = quantise_within(bundle.model, calibration)
    return _with_metadata(small, describe(bundle))


def compare(bundle: Bundle, views: Floats, got: Mapping[str, Floats]) -> float:
    """Compare what was exported with the bundle's own network, on the same input.

    Args:
        bundle: what it was made from.
        views: (N, 3, size, size) prepared photos.
        got: logits (N, C) that the exported network gives for them, by output.

    Returns:
        The largest difference of a logit.

    Raises:
        BundleError: if it is over `TOLERANCE`, or not a number.
    """
    worst = 0.0
    for name, logits in _opened(bundle.model)(views, _outputs(bundle)).items():
        far = float(np.abs(got[name] - logits).max())
        allowed = max(TOLERANCE, _RELATIVE * float(np.abs(logits).max()))
        if not far <= allowed:  # not a number is too far, too
            raise BundleError(
                f"what was exported differs from the bundle by {far:.2g} in {name}; at most "
                f"{allowed:.2g} is allowed, so nothing was written. The bundle's model.onnx and "
                "backbone.safetensors may be of different networks: train or teach it again."
            )
        worst = max(worst, far)
    return worst


def agreement_of(before: bytes, after: bytes, batches: Sequence[Floats]) -> float:
    """Return the share of photos for which two ONNX models name the same landmark."""
    one, other = _opened(before), _opened(after)
    best = [
        [run(views, ["logits"])["logits"].argmax(1) for run in (one, other)] for views in batches
    ]
    return float(np.concatenate([first == second for first, second in best]).mean())


def check_vacant(out: Path, *, overwrite: bool) -> None:
    """Refuse a file that exists, unless it may be replaced, and a folder in any case.

    Raises:
        BundleError: if it is in the way.
    """
    if out.is_dir():
        raise BundleError(f"{out} is a folder; give --out the name of a file.")
    if out.exists() and not overwrite:
        raise BundleError(f"{out} exists; give --out another name, or add --overwrite.")


def write(out: Path, data: bytes) -> None:
    """Write a file in one step: a reader sees all of it or what was there before."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=out.parent, prefix=f".{out.name}.", delete=False) as draft:
        try:
            draft.write(data)
            draft.flush()
            os.fsync(draft.fileno())
            Path(draft.name).chmod(0o644)
            Path(draft.name).replace(out)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(draft.name).unlink()
            raise


def _calibration(file: Path, bundle: Bundle, photos: Path | None) -> list[Path]:
    if photos is not None:
        return calibrate.photos_of_folder(photos)
    if (file.parent / calibrate.SPLIT).is_file():
        return calibrate.photos_of_run(file.parent, bundle.manifest)
    raise ConfigError(
        f"onnx-int8 measures its scales on photos, and {file} is a bundle without any. Add "
        "--photos FOLDER, with a few hundred photos like those to come, or export a run's folder."
    )


def to_torch(bundle: Bundle, format: str) -> tuple[bytes, float]:
    """Return a bundle as a torch file, and the largest difference of a logit.

    Args:
        bundle: with `backbone.safetensors`.
        format: `pt2` or `torchscript`; see `export_torch`.

    Raises:
        BundleError: if the bundle is slim, or the file's logits differ from the bundle's.
        MissingExtra: if torch is not installed.
    """
    try:
        from waymark.bundle import export_torch as made
    except ImportError as error:
        raise MissingExtra(
            f"{format} is made by torch, which cannot be imported ({error}). Install it with: "
            'pip install "waymark[train]"; or export as onnx.'
        ) from error
    to, run = {
        "pt2": (made.to_pt2, made.run_pt2),
        "torchscript": (made.to_torchscript, made.run_torchscript),
    }[format]
    data = to(bundle, describe(bundle), class_names(bundle.manifest.landmarks))
    images = list(_samples())
    pixels = [
        np.asarray(image, np.float32).transpose(2, 0, 1) / np.float32(255) for image in images
    ]
    raw = np.stack(pixels)
    got = run(data, raw)
    by_task = {"logits": "logits_landmark", "category_logits": "logits_category"}
    logits = {by_task[name]: array for name, array in got.items() if name in by_task}
    return data, compare(bundle, made.prepared(images, bundle.manifest.preprocess), logits)


def _samples() -> Iterator[Image]:
    """Render photos of some landmarks, of a shape that is not the network's."""
    from waymark.samples import SAMPLES, render

    return (render(name, seed=0) for name in SAMPLES[:_SAMPLES])


def _outputs(bundle: Bundle) -> list[str]:
    return [f"logits_{task.name}" for task in bundle.manifest.tasks]


def _opened(model: bytes) -> Callable[[Floats, Sequence[str]], dict[str, Floats]]:
    """Load an ONNX model; return what runs it on (N, 3, H, W) and gives outputs by name."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(views: Floats, outputs: Sequence[str]) -> dict[str, Floats]:
        return dict(zip(outputs, session.run(list(outputs), {INPUT: views}), strict=True))

    return run


def _check_float(bundle: Bundle) -> None:
    import onnx

    graph = onnx.load_model_from_string(bundle.model).graph
    if any(node.op_type == "QuantizeLinear" for node in graph.node):
        raise BundleError(
            "the bundle's network is int8 already; only onnx can be made of it. Export the "
            "float bundle that it was made from."
        )


def _with_metadata(model: bytes, about: dict[str, str]) -> bytes:
    import onnx

    proto = onnx.load_model_from_string(model)
    onnx.helper.set_model_props(proto, about)
    proto.producer_name, proto.producer_version = "waymark", __version__
    return bytes(proto.SerializeToString(deterministic=True))
