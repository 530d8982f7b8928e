"""Run a network by ONNX Runtime.

In:  (N, 3, H, W) float32, as `preprocess` makes it.
Out: the model's outputs by name.

`Session` is a protocol, so that a test can stand in for a network in a few lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from waymark.bundle.onnx_check import INPUT
from waymark.errors import BundleError

LOGITS, EMBEDDING, FEATURE_MAP = "logits_landmark", "embedding", "feature_map"


class Session(Protocol):
    """Something that turns prepared photos into the outputs of a bundle's model."""

    def run(
        self, photos: NDArray[np.float32], outputs: Sequence[str] = (LOGITS, EMBEDDING)
    ) -> dict[str, NDArray[np.float32]]:
        """Run the network once.

        Args:
            photos: (N, 3, H, W) float32; H and W multiples of 32.
            outputs: which outputs to return; what only others need is not computed.

        Returns:
            An array for each name in `outputs`: logits (N, C), embedding (N, D),
            feature_map (N, D, h, w).
        """
        ...


class _OnnxSession:
    """A `Session` on ONNX Runtime; `run` may be called from several threads at once."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime

    def run(
        self, photos: NDArray[np.float32], outputs: Sequence[str] = (LOGITS, EMBEDDING)
    ) -> dict[str, NDArray[np.float32]]:
        """Run the network once; see `Session`."""
        try:
            arrays = self._runtime.run(list(outputs), {INPUT: photos})
        except Exception as error:  # ONNX Runtime's errors share no base but this
            raise BundleError(f"the bundle's model cannot be run: {_first_line(error)}") from error
        return dict(zip(outputs, arrays, strict=True))


def open_session(model: bytes, *, threads: int | None = None) -> Session:
    """Load a model on the CPU.

    Args:
        model: an ONNX file.
        threads: threads that share one run; None takes one for each core. Threads wait
            asleep, not spinning, so that decoding can have the cores meanwhile.

    Raises:
        BundleError: if ONNX Runtime cannot load the model.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        runtime = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no base but this
        raise BundleError(f"the bundle's model cannot be loaded: {_first_line(error)}") from error
    return _OnnxSession(runtime)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
