"""Name the landmark in a photo, say where it stands, and say honestly when it is unknown.

    import waymark

    prediction = waymark.load().predict("photo.jpg")
    prediction.known, prediction.predictions[0].name

Nothing heavy is imported before a bundle is loaded.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from waymark.errors import WaymarkError
from waymark.version import __version__

if TYPE_CHECKING:
    from waymark.recognise.prediction import PhotoFailure, Prediction
    from waymark.recognise.recogniser import Recogniser
    from waymark.recognise.suggestion import Suggestion

# ONNX Runtime 1.29 and later would report its use to its maker; it looks here as it is loaded
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = [
    "PhotoFailure",
    "Prediction",
    "Recogniser",
    "Suggestion",
    "WaymarkError",
    "__version__",
    "load",
    "predict_landmarks",
    "suggest_locations",
]

_RECORDS = {  # what is imported when first asked for, and from where
    "PhotoFailure": "waymark.recognise.prediction",
    "Prediction": "waymark.recognise.prediction",
    "Recogniser": "waymark.recognise.recogniser",
    "Suggestion": "waymark.recognise.suggestion",
}

_loaded: dict[tuple[str, int], Recogniser] = {}  # the bundle last used by the one-line calls


def load(bundle: str | os.PathLike[str] = "world", **options: Any) -> Recogniser:
    """Load a bundle.

    Args:
        bundle: `world`, the path of a `.waymark` file, or a run folder.
        options: `tta`, `fast`, `unknown_threshold`, `allow_truncated`; see `Recogniser`.

    Raises:
        BundleError: if there is no such bundle, or it is damaged or unsafe.
        ConfigError: if an option is impossible.
    """
    from waymark.recognise.recogniser import Recogniser

    return Recogniser.from_bundle(bundle, **options)


def predict_landmarks(
    path: str | os.PathLike[str], k: int = 5, bundle: str | os.PathLike[str] = "world"
) -> list[str]:
    """Name the k most likely landmarks of a photo, best first, even if it may show none.

    Args:
        path: the photo.
        k: number of names; all of them where the bundle has fewer landmarks.
        bundle: as for `load`.

    Raises:
        PhotoError: if the photo cannot be read.
        BundleError: if the bundle cannot be loaded.
    """
    return [guess.name for guess in _keep(bundle).predict(path, k).predictions]


def suggest_locations(
    path: str | os.PathLike[str], k: int = 3, bundle: str | os.PathLike[str] = "world"
) -> Suggestion:
    """Ask whether a photo shows one of its k most likely landmarks.

    The answer reads `Is this a picture of the A, B, or C?` (or that none is known) in a
    terminal, and is the photo with that question in Jupyter. Arguments and errors as
    `predict_landmarks`.
    """
    from waymark.photo import read_photo
    from waymark.recognise.suggestion import LONGEST, suggest

    recogniser = _keep(bundle)
    image = read_photo(path, min_side=max(LONGEST, recogniser.preprocess.min_side))
    return suggest(recogniser.predict(image, k), image)


def __getattr__(name: str) -> Any:
    """Import a record by its name."""
    if name not in _RECORDS:
        raise AttributeError(f"module 'waymark' has no attribute {name!r}")
    return getattr(import_module(_RECORDS[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)


def _keep(bundle: str | os.PathLike[str]) -> Recogniser:
    """Return the recogniser of a bundle, loaded once as long as its file does not change."""
    from waymark.bundle.format import find_bundle

    file = find_bundle(bundle).resolve()
    key = (str(file), file.stat().st_mtime_ns)
    kept = _loaded.get(key)
    if kept is None:
        kept = load(file)
        _loaded.clear()
        _loaded[key] = kept
    return kept
