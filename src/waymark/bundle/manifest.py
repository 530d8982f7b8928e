"""What a bundle says of itself: the records behind `bundle.json`.

In:  the values of a JSON object, from a file that nobody vouches for.
Out: frozen records whose every field has been checked.

`to_dict` and `from_dict` are each other's inverse.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, TypeGuard, TypeVar

from waymark.errors import BundleError, ConfigError, WaymarkError
from waymark.gazetteer import Landmark
from waymark.models.design import Design
from waymark.preprocess import Preprocess

FORMAT = 1
LANDMARK, CATEGORY = "landmark", "category"
MAX_CLASSES = 200_000
_MAX_TEXT = 1_000
SMALLEST, LARGEST = 1e-6, 1e6  # of a temperature, and of the unknown rule's numbers
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Task:
    """One question that a bundle answers, and its possible answers.

    Attributes:
        name: `landmark`, or `category`.
        classes: the answers in the order of the logits.
    """

    name: str
    classes: tuple[Landmark, ...]

    def __post_init__(self) -> None:
        """Refuse a task without classes, or with the same class twice."""
        if self.name not in (LANDMARK, CATEGORY):
            raise BundleError(f"task is {self.name!a}; expected {LANDMARK} or {CATEGORY}.")
        if not 1 <= len(self.classes) <= MAX_CLASSES:
            raise BundleError(
                f"task {self.name} has {len(self.classes)} classes; "
                f"it needs between 1 and {MAX_CLASSES:,}."
            )
        if len(set(self.ids)) != len(self.classes):
            raise BundleError(f"task {self.name} has two classes of the same id.")

    @property
    def ids(self) -> tuple[str, ...]:
        """The id of each class, in index order."""
        return tuple(landmark.id for landmark in self.classes)


@dataclass(frozen=True, kw_only=True)
class UnknownRule:
    """How sure it is that none of the landmarks is in a photo.

    unknown_score = sigmoid(bias + sum(weights * (features - centre) / scale)); what each
    feature is stands in `recognise/decision.py`.

    Attributes:
        features: names of the F features.
        weights: (F,) logistic weights; positive means more unknown.
        bias: logit of the score of an average photo.
        centre: (F,) what is subtracted from each feature.
        scale: (F,) what each feature is then divided by; above 0.
        threshold: a photo scoring above this, 0 to 1, is called unknown.
        fpr: share of negatives that the rule takes for a landmark, 0 to 1, where measured.
        source: which photos the rule was fitted on.
    """

    features: tuple[str, ...]
    weights: tuple[float, ...]
    bias: float
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    threshold: float
    fpr: float | None
    source: str

    def __post_init__(self) -> None:
        """Refuse lists of unequal length and numbers that cannot be."""
        if not len(self.features) == len(self.weights) == len(self.centre) == len(self.scale):
            raise BundleError("the unknown rule needs a weight, centre and scale a feature.")
        numbers = (*self.weights, *self.centre, *self.scale, self.bias)
        if not all(abs(n) <= LARGEST for n in numbers) or min(self.scale, default=1) < SMALLEST:
            raise BundleError(
                f"the unknown rule has numbers beyond {LARGEST:g}, or a scale under {SMALLEST:g}."
            )
        if not 0 <= self.threshold <= 1 or not (self.fpr is None or 0 <= self.fpr <= 1):
            raise BundleError("the unknown rule's threshold and fpr must be between 0 and 1.")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All that a bundle says beside its arrays.

    Attributes:
        tasks: `landmark` first, `category` perhaps second.
        preprocess: how a photo becomes the network's input.
        temperature: what the logits are divided by before the softmax; above 0.
        unknown: the unknown rule.
        backbone: `timm_name`, `num_features`, `input_size` of the network, and `design`, what
            else it is built of (see `models/design.py`); older bundles lack it.
        head: `normalise`: whether the embedding is scaled to length 1 before the head.
        sizes: other input sizes in pixels by name; `fast` is that of `--fast`.
        metrics: what was measured, each with n and its interval.
        provenance: recipe, data and its licences, seed, command, parent bundle's hash.
    """

    tasks: tuple[Task, ...]
    preprocess: Preprocess
    temperature: float
    unknown: UnknownRule
    backbone: dict[str, Any]
    head: dict[str, Any] = field(default_factory=lambda: {"normalise": False})
    sizes: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no bundle could mean."""
        names = [task.name for task in self.tasks]
        if names not in ([LANDMARK], [LANDMARK, CATEGORY]):
            raise BundleError(f"tasks are {names}; expected {LANDMARK}, then perhaps {CATEGORY}.")
        if not SMALLEST <= self.temperature <= LARGEST:
            raise BundleError(
                f"temperature is {self.temperature}; expected {SMALLEST:g} to {LARGEST:g}."
            )
        width = self.backbone.get("num_features")
        if type(width) is not int or not 1 <= width <= 65_536:
            raise BundleError(f"backbone.num_features is {width!a}; expected 1 to 65,536.")
        self._check_design()
        if type(self.head.get("normalise")) is not bool:
            raise BundleError("head.normalise must be true or false.")
        for name, size in self.sizes.items():
            if type(size) is not int or size % 32 or not 32 <= size <= 1024:
                raise BundleError(f"sizes.{name} is {size!a}; expected a multiple of 32 to 1024.")

    def _check_design(self) -> None:
        """Refuse a design that no network could be built by; having none is fine."""
        design = self.backbone.get("design", {})
        if not isinstance(design, dict):
            raise BundleError(f"backbone.design is {design!a}; expected an object.")
        try:
            Design.from_dict(design)
        except ConfigError as error:
            raise BundleError(f"backbone.design: {error}") from error

    @property
    def landmarks(self) -> tuple[Landmark, ...]:
        """The landmarks in the order of the logits."""
        return self.tasks[0].classes

    @property
    def categories(self) -> tuple[Landmark, ...]:
        """The categories in the order of their logits; empty where there is no such task."""
        return self.tasks[1].classes if len(self.tasks) > 1 else ()

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values of `bundle.json`, without the hashes."""
        return {
            "format": FORMAT,
            "tasks": [
                {"name": task.name, "class_names": [c.to_dict() for c in task.classes]}
                for task in self.tasks
            ],
            "preprocess": self.preprocess.to_dict(),
            "temperature": self.temperature,
            "unknown": {"score": "logistic", **asdict(self.unknown)},
            "backbone": self.backbone,
            "head": self.head,
            "sizes": self.sizes,
            "metrics": self.metrics,
            "provenance": self.provenance,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Manifest:
        """Read what `to_dict` wrote; further keys are ignored.

        Raises:
            BundleError: if the format is another, or a field is missing or impossible.
        """
        version = values.get("format")
        if type(version) is not int or version < 1:
            raise BundleError(f"bundle.json has format {version!a}; expected {FORMAT}.")
        if version > FORMAT:
            raise BundleError(
                f"the bundle has format {version}, this waymark reads up to {FORMAT}; "
                "install a newer waymark."
            )
        try:
            return cls(
                tasks=tuple(_task(task) for task in _get(values, "tasks", list)),
                preprocess=Preprocess.from_dict(_get(values, "preprocess", dict)),
                temperature=_number(values, "temperature"),
                unknown=_unknown(_get(values, "unknown", dict)),
                backbone=_get(values, "backbone", dict),
                head=_get(values, "head", dict),
                sizes=_get(values, "sizes", dict),
                metrics=_get(values, "metrics", dict),
                provenance=_get(values, "provenance", dict),
            )
        except BundleError:
            raise
        except (WaymarkError, TypeError, ValueError, KeyError, AttributeError) as error:
            raise BundleError(f"bundle.json has an impossible value: {error}") from error


def _task(values: Any) -> Task:
    classes = _get(values, "class_names", list)
    return Task(name=_get(values, "name", str), classes=tuple(_landmark(c) for c in classes))


def _landmark(values: Any) -> Landmark:
    if not isinstance(values, dict) or not values.get("id") or not values.get("name"):
        raise BundleError("a class in bundle.json has no id or no name.")
    for key in ("id", "name", "local_name", "place", "country", "category", "wikidata"):
        text = values.get(key)
        if not (text is None or (isinstance(text, str) and len(text) <= _MAX_TEXT)):
            raise BundleError(f"{key} of a class in bundle.json is no text, or is too long.")
    for key, most in (("lat", 90.0), ("lon", 180.0), ("extent_m", 1e8)):
        number = values.get(key)
        if number is not None and not (_is_number(number) and abs(number) <= most):
            raise BundleError(f"{key} of a class in bundle.json is {number!a}.")
    return Landmark.from_dict(values)


def _unknown(values: dict[str, Any]) -> UnknownRule:
    def numbers(key: str) -> tuple[float, ...]:
        row = _get(values, key, list)
        if not all(map(_is_number, row)):
            raise BundleError(f"unknown.{key} in bundle.json must be numbers.")
        return tuple(float(n) for n in row)

    features = _get(values, "features", list)
    if not all(isinstance(name, str) for name in features):
        raise BundleError("unknown.features in bundle.json must be names.")
    return UnknownRule(
        features=tuple(features),
        weights=numbers("weights"),
        bias=_number(values, "bias"),
        centre=numbers("centre"),
        scale=numbers("scale"),
        threshold=_number(values, "threshold"),
        fpr=None if values.get("fpr") is None else _number(values, "fpr"),
        source=_get(values, "source", str),
    )


def _get(values: Any, key: str, kind: type[_T]) -> _T:
    value = values.get(key) if isinstance(values, dict) else None
    if not isinstance(value, kind):
        raise BundleError(f"{key} in bundle.json is missing, or is no {kind.__name__}.")
    return value


def _number(values: dict[str, Any], key: str) -> float:
    value = values.get(key)
    if not _is_number(value):
        raise BundleError(f"{key} in bundle.json is {value!a}; expected a number.")
    return float(value)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
