"""A whole bundle of a few kilobytes, for tests and proofs.

In:  how many landmarks, and a seed.
Out: a `Bundle` that reads, runs and predicts like any other, and knows nothing.
"""

from __future__ import annotations

import numpy as np

from waymark.bundle.format import Bundle
from waymark.bundle.graph import tiny_model
from waymark.bundle.manifest import CATEGORY, LANDMARK, Manifest, Task, UnknownRule
from waymark.bundle.statistics import MIN_CENTROID, Statistics
from waymark.gazetteer import Landmark
from waymark.preprocess import Preprocess

SIZE, FAST = 64, 32  # px


def tiny_bundle(
    classes: int = 3,
    *,
    features: int = 16,
    categories: int = 0,
    negatives: int = 2,
    normalise: bool = False,
    seed: int = 0,
) -> Bundle:
    """Make a bundle around `graph.tiny_model`.

    Args:
        classes: number of landmarks.
        features: length of an embedding.
        categories: number of categories; 0 leaves that task out.
        negatives: number of centroids of negatives; 0 leaves them out.
        normalise: whether the heads see the embedding at unit length.
        seed: of all that is random.
    """
    rng = np.random.default_rng(seed)
    model = tiny_model(
        classes, features=features, normalise=normalise, categories=categories, seed=seed
    )
    weights = _initialisers(model)
    statistics: Statistics = {
        "counts": np.full(classes, 20, np.float32),
        "means": rng.random((classes, features), np.float32),
        "covariance": np.float32(0.1) * np.eye(features, dtype=np.float32),
        "head_weight": weights["head_landmark_weight"],
        "head_bias": weights["head_landmark_bias"],
    }
    if negatives:
        statistics["negative_means"] = rng.random((negatives, features), np.float32)
        statistics["negative_counts"] = np.full(negatives, MIN_CENTROID, np.float32)
    tasks = [Task(name=LANDMARK, classes=tuple(_landmark(i) for i in range(classes)))]
    if categories:
        statistics["head_weight_category"] = weights["head_category_weight"]
        statistics["head_bias_category"] = weights["head_category_bias"]
        kinds = tuple(Landmark(id=f"kind-{i}", name=f"Kind {i}") for i in range(categories))
        tasks.append(Task(name=CATEGORY, classes=kinds))
    manifest = Manifest(
        tasks=tuple(tasks),
        preprocess=Preprocess(size=SIZE),
        temperature=1.5,
        unknown=UnknownRule(
            features=("logsumexp", "cosine", "relative_distance"),
            weights=(-0.5, -1.0, 0.5),
            bias=0.0,
            centre=(1.0, 0.0, 0.0),
            scale=(2.0, 1.0, 1.0),
            threshold=0.5,
            fpr=None,
            source="nothing; this bundle is for tests",
        ),
        backbone={"timm_name": "tiny", "num_features": features, "input_size": SIZE},
        head={"normalise": normalise},
        sizes={"fast": FAST},
        provenance={"recipe": "tiny", "seed": seed},
    )
    return Bundle(manifest=manifest, model=model, statistics=statistics, card="# A tiny bundle\n")


def _landmark(index: int) -> Landmark:
    return Landmark(
        id=f"landmark-{index}",
        name=f"Landmark {index}",
        local_name=f"Wahrzeichen {index}",
        place="Testville",
        country="AQ",
        category="tower",
        lat=-80.0 + index / 1000,
        lon=10.0,
        extent_m=50.0,
    )


def _initialisers(model: bytes) -> Statistics:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_model_from_string(model).graph
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
