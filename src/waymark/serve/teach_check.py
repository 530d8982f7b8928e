"""What is said of photos before they are taught.

In:  pictures that are decoded, and a draft as a dataset.
Out: small JPEGs, and remarks by photo: what `data check` finds, and whether the bundle
     takes a photo for something that it knows.
"""

from __future__ import annotations

import io
from collections import defaultdict
from typing import TYPE_CHECKING

from waymark.bundle.format import Bundle
from waymark.curate.finding import Kind
from waymark.dataset.index import Dataset
from waymark.gazetteer import Landmark
from waymark.progress import Progress
from waymark.recognise.prediction import Prediction
from waymark.serve.teach_draft import Remark

if TYPE_CHECKING:
    from PIL.Image import Image

KINDS: tuple[Kind, ...] = (
    "tiny", "blank", "dark", "blurred", "drawing", "exact-duplicate", "near-duplicate",
    "off-topic", "wrong-label",
)  # fmt: skip
SURE = 0.8  # score from which it is worth saying what a photo looks like
THUMB = 320  # px: the longer side
_COPIES = ("exact-duplicate", "near-duplicate")
_NEEDS = 5  # photos of a landmark, below which none can be told to be off topic


def jpegs(picture: Image) -> tuple[bytes, bytes]:
    """Return a picture as a JPEG to learn from, and as a small one to look at; no EXIF in them."""
    small = picture.copy()
    small.thumbnail((THUMB, THUMB))
    return _jpeg(picture, 92), _jpeg(small, 82)


def _jpeg(picture: Image, quality: int) -> bytes:
    file = io.BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=quality)
    return file.getvalue()


def looks_known(prediction: Prediction, landmark: Landmark | None) -> Remark | None:
    """Return a remark where the bundle is sure that a photo shows another landmark."""
    best = prediction.predictions[0]
    if not prediction.known or best.score < SURE:
        return None
    if landmark is not None and best.landmark == landmark.id:
        return None
    return Remark(kind="looks-known", reason=f"looks like {best.name}, which I know")


def remarks(dataset: Dataset, bundle: Bundle, progress: Progress) -> dict[str, tuple[Remark, ...]]:
    """Return what `data check` says of each photo, by the name of its file without suffix.

    Raises:
        BundleError: if the network cannot be run.
    """
    from threadpoolctl import threadpool_limits

    from waymark.curate.check import check_dataset

    with threadpool_limits(1):  # more threads would fight with those that serve
        check = check_dataset(dataset, bundle=bundle, kinds=KINDS, workers=1, progress=progress)
    said: dict[str, list[Remark]] = defaultdict(list)
    for finding in check.findings:
        about = finding.paths[:-1] if finding.kind in _COPIES else finding.paths
        remark = Remark(
            kind=finding.kind,
            reason=_words(finding.kind, finding.label_suggested, dataset),
            drop=finding.suggest == "drop",
        )
        for path in about:
            said[path.rpartition("/")[2].removesuffix(".jpg")].append(remark)
    return {name: tuple(dict.fromkeys(found)) for name, found in said.items()}


_SAID: dict[str, str] = {
    "tiny": "very small",
    "blank": "almost one single colour",
    "dark": "very dark",
    "blurred": "blurred",
    "drawing": "looks like a drawing, not a photo",
    "exact-duplicate": "the same photo twice",
    "near-duplicate": "nearly the same as another photo",
    "off-topic": "unlike the other photos",
    "wrong-label": "looks like another landmark of the draft",
}


def _words(kind: Kind, suggested: str | None, dataset: Dataset) -> str:
    other = dataset.landmarks.get(suggested or "")
    return f"looks like {other.name}" if other else _SAID[kind]
