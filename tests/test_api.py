"""The public names of waymark, and the three calls most people need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import waymark
from waymark.bundle.format import write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.errors import BundleError, PhotoError

HEAVY = ("numpy", "PIL", "onnxruntime", "onnx", "torch", "sklearn", "scipy", "matplotlib", "rich")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Return the path of a tiny bundle with a landmark's name that is HTML."""
    tiny = tiny_bundle(4)
    write_bundle(tmp_path / "b.waymark", tiny)
    return tmp_path / "b.waymark"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Return a photo of a gradient."""
    across = np.linspace(0, 255, 900, dtype=np.uint8)
    pixels = np.stack([np.tile(across, (600, 1))] * 3, axis=-1)
    Image.fromarray(pixels).save(tmp_path / "p.jpg")
    return tmp_path / "p.jpg"


def test_public_names():
    """What may be imported from waymark; a change here is a change of the contract."""
    assert sorted(waymark.__all__) == [
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
    for name in waymark.__all__:
        assert getattr(waymark, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = waymark.nothing


def test_importing_waymark_imports_nothing_heavy():
    """In a fresh process."""
    code = f"import waymark, sys; print([m for m in {HEAVY} if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_predicting_imports_no_training_library(bundle: Path, photo: Path):
    """A prediction needs NumPy, Pillow and ONNX Runtime only."""
    spare = tuple(name for name in HEAVY if name not in ("numpy", "PIL", "onnxruntime"))
    code = (
        f"import waymark, sys; waymark.load({str(bundle)!r}).predict({str(photo)!r}); "
        f"print([m for m in {spare} if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_nothing_is_kept_for_the_maker_of_onnx_runtime(
    bundle: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its releases since 1.29 number the machine and report what it runs, unless told not to."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "XDG_DATA_HOME", "CI"):
        monkeypatch.delenv(name, raising=False)
    code = f"import waymark; waymark.predict_landmarks({str(photo)!r}, bundle={str(bundle)!r})"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert not [file for file in home.rglob("*") if "onnx" in file.name]


def test_load_makes_a_recogniser(bundle: Path, photo: Path):
    """With the options of the command line."""
    recogniser = waymark.load(bundle, unknown_threshold=1.0)

    assert isinstance(recogniser, waymark.Recogniser)
    assert recogniser.predict(photo).known


def test_predict_landmarks_gives_k_names(bundle: Path, photo: Path):
    """Best first, strings only, the same as the recogniser's."""
    names = waymark.predict_landmarks(photo, k=3, bundle=bundle)

    assert len(names) == 3
    assert names == [g.name for g in waymark.load(bundle).predict(photo, k=3).predictions]


def test_a_changed_bundle_is_loaded_again(bundle: Path, photo: Path):
    """The one-line calls keep a bundle in memory, but not after its file has changed."""
    waymark.predict_landmarks(photo, bundle=bundle)
    write_bundle(bundle, tiny_bundle(2, seed=1))

    assert len(waymark.predict_landmarks(photo, bundle=bundle)) == 2


def test_a_suggestion_asks(bundle: Path, photo: Path):
    """As a sentence in a terminal, and as photo and sentence in Jupyter."""
    suggestion = waymark.suggest_locations(photo, k=3, bundle=bundle)

    names = waymark.predict_landmarks(photo, k=3, bundle=bundle)
    if suggestion.prediction.known:
        assert str(suggestion) == f"Is this a picture of the {names[0]}, {names[1]}, or {names[2]}?"
    else:
        assert str(suggestion).startswith("I do not know this one. The nearest that I know: ")
    page = suggestion._repr_html_()
    assert str(suggestion) in page
    assert 'src="data:image/jpeg;base64,' in page
    assert suggestion._repr_png_().startswith(b"\x89PNG")
    assert max(suggestion.thumbnail.size) == 480


def test_a_suggestion_of_one_is_a_plain_question(bundle: Path, photo: Path):
    """No comma and no `or`."""
    suggestion = waymark.suggest_locations(photo, k=1, bundle=bundle)

    assert "or " not in str(suggestion).replace("for ", "")
    assert suggestion.question in repr(suggestion)


def test_names_of_landmarks_are_escaped_in_html(bundle: Path, photo: Path):
    """A bundle may come from anyone."""
    from dataclasses import replace

    suggestion = waymark.suggest_locations(photo, bundle=bundle)
    hostile = replace(suggestion.prediction.predictions[0], name='<img src=x onerror="x">')
    prediction = replace(suggestion.prediction, predictions=(hostile,))

    page = replace(suggestion, prediction=prediction)._repr_html_()

    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=&quot;x&quot;&gt;" in page


def test_errors_are_waymark_errors(tmp_path: Path, bundle: Path):
    """A missing photo and a missing bundle."""
    with pytest.raises(PhotoError):
        waymark.predict_landmarks(tmp_path / "missing.jpg", bundle=bundle)
    with pytest.raises(BundleError):
        waymark.load(tmp_path / "missing.waymark")
