"""The bundle: one safe file that holds a whole recogniser.

In:  NAME.waymark, a ZIP of bundle.json, model.onnx, statistics.safetensors and, mostly,
     backbone.safetensors, README.md (the card) and NOTICE. No pickle anywhere.
Out: a checked `Bundle`.

Whatever is wrong with a file (no ZIP, strange members, a bomb, a changed byte, a newer
format, a model that reaches outside itself) is a `BundleError` that says what to do.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from waymark.bundle import archive, statistics
from waymark.bundle.manifest import FORMAT, Manifest, Task, UnknownRule
from waymark.bundle.onnx_check import check_model
from waymark.bundle.statistics import Statistics
from waymark.errors import BundleError

__all__ = [
    "FORMAT",
    "SUFFIX",
    "Bundle",
    "Manifest",
    "Task",
    "UnknownRule",
    "find_bundle",
    "read_bundle",
    "write_bundle",
]

SUFFIX = ".waymark"
PACKAGED = Path(__file__).parent
MANIFEST, MODEL, STATISTICS = "bundle.json", "model.onnx", "statistics.safetensors"
BACKBONE, CARD, NOTICE = "backbone.safetensors", "README.md", "NOTICE"
MAX_FILE = archive.MAX_TOTAL


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A recogniser at rest.

    Attributes:
        manifest: what the bundle says of itself.
        model: an ONNX file: `photos` (N, 3, H, W) float32 in; `logits_<task>` and `logits`
            (N, C), `embedding` (N, D) and `feature_map` (N, D, h, w) out.
        statistics: aggregates of the photos it learnt from; see `bundle/statistics.py`.
        backbone: weights of the network in safetensors, for deep training; None if slim.
        card: the model card, Markdown.
        notice: notices that the licences of its parts ask for.
        sha256: of the whole file, in hex; "" if it was never saved.
    """

    manifest: Manifest
    model: bytes = field(repr=False)
    statistics: Statistics = field(repr=False)
    backbone: bytes | None = field(default=None, repr=False)
    card: str = field(default="", repr=False)
    notice: str = field(default="", repr=False)
    sha256: str = ""

    @property
    def short_hash(self) -> str:
        """First 12 hex digits of the file's SHA-256, as predictions quote it."""
        return self.sha256[:12]


def find_bundle(name_or_path: str | os.PathLike[str]) -> Path:
    """Find a bundle by the name of a packaged one, its path, or its run folder.

    Raises:
        BundleError: if there is none.
    """
    text = os.fspath(name_or_path)
    path = Path(text)
    if path.is_dir() and (path / f"model{SUFFIX}").is_file():
        return path / f"model{SUFFIX}"
    if path.is_file():
        return path
    packaged = {p.stem: p for p in sorted(PACKAGED.glob(f"*{SUFFIX}"))}
    if text in packaged:
        return packaged[text]
    raise BundleError(
        f"no bundle {text!a}: expected a {SUFFIX} file, a run folder with model{SUFFIX}, "
        f"or one of the names that come with waymark ({', '.join(packaged) or 'none'})."
    )


def name_bundle(file: Path) -> str:
    """Return what `find_bundle` finds a bundle by from anywhere: its name, or its whole path."""
    return file.stem if file.parent == PACKAGED else str(file.absolute())


def read_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Read a bundle and check all of it.

    Args:
        path: the file, or what else `find_bundle` finds one by.

    Raises:
        BundleError: if the file is missing, damaged, unsafe or of a newer format.
    """
    file = find_bundle(path)
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE + 1)
    except OSError as error:
        raise BundleError(f"{file} cannot be read: {error.strerror or error}.") from error
    if len(data) > MAX_FILE:
        raise BundleError(f"{file} is over {MAX_FILE >> 20} MiB, larger than a bundle may be.")
    try:
        return decode(data, str(file))
    except BundleError as error:
        text = str(error)
        raise BundleError(text if str(file) in text else f"{file}: {text}") from error


def decode(data: bytes, where: str = "the bundle") -> Bundle:
    """Make a bundle from the bytes of its file; see `read_bundle`."""
    members = archive.unpack(data, where)
    if missing := [name for name in (MANIFEST, MODEL, STATISTICS) if name not in members]:
        raise BundleError(f"{where} lacks {', '.join(missing)}: it is no bundle.")
    values = _parse(members[MANIFEST])
    manifest = Manifest.from_dict(values)
    _check_hashes(values.get("sha256"), members)
    classes = {task.name: len(task.classes) for task in manifest.tasks}
    check_model(members[MODEL], classes)
    width = int(manifest.backbone["num_features"])
    return Bundle(
        manifest=manifest,
        model=members[MODEL],
        statistics=statistics.decode(members[STATISTICS], classes=classes, width=width),
        backbone=members.get(BACKBONE),
        card=members.get(CARD, b"").decode("utf-8", "replace"),
        notice=members.get(NOTICE, b"").decode("utf-8", "replace"),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def encode(bundle: Bundle) -> bytes:
    """Return the file of a bundle; equal bundles give equal bytes.

    Raises:
        BundleError: if the model or the statistics could not be read back.
    """
    classes = {task.name: len(task.classes) for task in bundle.manifest.tasks}
    check_model(bundle.model, classes)
    width = int(bundle.manifest.backbone["num_features"])
    statistics.check(bundle.statistics, classes=classes, width=width)
    members = {MODEL: bundle.model, STATISTICS: statistics.encode(bundle.statistics)}
    if bundle.backbone is not None:
        members[BACKBONE] = bundle.backbone
    for name, text in ((CARD, bundle.card), (NOTICE, bundle.notice)):
        if text:
            members[name] = text.encode("utf-8")
    hashes = {name: hashlib.sha256(member).hexdigest() for name, member in members.items()}
    values = bundle.manifest.to_dict() | {"sha256": hashes}
    try:
        text = json.dumps(values, ensure_ascii=False, indent=1, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BundleError(f"the manifest holds a value that JSON cannot: {error}.") from error
    return archive.pack({MANIFEST: text.encode("utf-8"), **members})


def write_bundle(path: str | os.PathLike[str], bundle: Bundle) -> Bundle:
    """Write a bundle in one step: a reader sees the old file or the new one, never half.

    Returns:
        The bundle as it reads back, with its hash.

    Raises:
        BundleError: if what was written would not be read again.
    """
    file = Path(path)
    data = encode(bundle)
    written = decode(data, str(file))
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        dir=file.parent, prefix=f".{file.name}.", delete=False
    ) as draft:
        try:
            draft.write(data)
            draft.flush()
            os.fsync(draft.fileno())
            Path(draft.name).chmod(0o644)
            Path(draft.name).replace(file)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(draft.name).unlink()
            raise
    return replace(bundle, statistics=written.statistics, sha256=written.sha256)


def _parse(text: bytes) -> dict[str, Any]:
    def refuse(name: str) -> float:
        raise ValueError(f"{name} is no JSON number")

    try:
        values = json.loads(text.decode("utf-8"), parse_constant=refuse)
        json.dumps(values, ensure_ascii=False).encode("utf-8")  # refuses half a character
    except (ValueError, RecursionError) as error:
        raise BundleError(f"bundle.json is no JSON ({error}); the file is damaged.") from error
    if not isinstance(values, dict):
        raise BundleError("bundle.json is no JSON object; the file is damaged.")
    return values


def _check_hashes(hashes: Any, members: dict[str, bytes]) -> None:
    expected = set(members) - {MANIFEST}
    if not isinstance(hashes, dict) or set(hashes) != expected:
        raise BundleError("bundle.json does not list the SHA-256 of each member, or of others.")
    for name in sorted(expected):
        if hashlib.sha256(members[name]).hexdigest() != hashes[name]:
            raise BundleError(
                f"{name} is not what bundle.json says it is (SHA-256 differs): the file was "
                "damaged or changed. Get it again from where it came from."
            )
