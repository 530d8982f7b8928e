"""Networks run by ONNX Runtime, and what goes wrong is a BundleError."""

from __future__ import annotations

import numpy as np
import pytest

from waymark.bundle.graph import tiny_model
from waymark.errors import BundleError
from waymark.recognise.session import open_session


def test_only_the_outputs_asked_for_are_returned():
    """Their shapes are those of a bundle's model, for any number of photos."""
    session = open_session(tiny_model(4, features=8), threads=1)
    photos = np.zeros((5, 3, 64, 96), np.float32)

    assert {k: v.shape for k, v in session.run(photos).items()} == {
        "logits_landmark": (5, 4),
        "embedding": (5, 8),
    }
    assert session.run(photos, ["feature_map"])["feature_map"].shape == (5, 8, 2, 3)


def test_what_is_no_model_is_refused_on_one_line():
    """ONNX Runtime's own error would be of no known class and many lines."""
    with pytest.raises(BundleError, match="cannot be loaded") as caught:
        open_session(b"no model")

    assert "\n" not in str(caught.value)


def test_an_input_that_does_not_fit_is_refused():
    """Four channels are not what the network takes."""
    session = open_session(tiny_model(), threads=1)

    with pytest.raises(BundleError, match="cannot be run"):
        session.run(np.zeros((1, 4, 64, 64), np.float32))
