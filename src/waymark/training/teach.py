"""Teach a bundle more landmarks, or more of those it knows, in seconds and without torch.

In:  a bundle, and a dataset of landmarks that may be new to it or not.
Out: another bundle that knows all of them.

None of the photos that the bundle learnt from are needed: their counts, means and shared
covariance are in its statistics. Sums of old and new photos add up, the head follows from
the sums alone (`ridge.py`), and so it does not matter what was taught first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waymark.bundle.format import Bundle, write_bundle
from waymark.bundle.graph import FIRST_TASK, replace_head
from waymark.bundle.manifest import Manifest, Task
from waymark.bundle.statistics import Statistics
from waymark.dataset.index import Dataset
from waymark.errors import BundleError, RunError
from waymark.evaluation.metrics import top_k_accuracy, wilson_interval
from waymark.evaluation.statistics import centroids
from waymark.gazetteer import Landmark
from waymark.progress import Progress, silent
from waymark.training.examples import Examples, gather_examples
from waymark.training.ridge import Head, Moments, ridge_heads

PENALTY = 0.1

Floats = NDArray[np.floating]
