"""The columns of the leaderboard: what each is called, means, and how it is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Group = Literal["figures", "experiment"]


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _count(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {letter}"
    return f"{value:.0f}"


def _brief(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the leaderboard.

    Attributes:
        key: its name in CSV and JSON.
        title: its heading.
        about: what it means.
        group: the table of the page that it is in: how good a run is, or the experiment with
            the columns that the Korean landmarks project's table has.
        form: how a number is written; texts stay as they are.
        best: whether the highest or the lowest number is the best; "" if neither is.
        brief: whether it is among the few that a narrow terminal shows.
    """

    key: str
    title: str
    about: str
    group: Group
    form: Callable[[float], str] = _brief
    best: Literal["high", "low", ""] = ""
    brief: bool = False


def _loss(value: float) -> str:
    return f"{value:.3f}"


def _figure(key: str, title: str, about: str, **options: Any) -> Column:
    return Column(key=key, title=title, about=about, group="figures", **options)


def _field(key: str, title: str, about: str, **options: Any) -> Column:
    return Column(key=key, title=title, about=about, group="experiment", **options)


COLUMNS: tuple[Column, ...] = (
    _figure("top1", "top-1", "photos named right, %", form=_percent, best="high", brief=True),
    _figure("top1_low", "from", "95 % interval of top-1, %", form=_percent, brief=True),
    _figure("top1_high", "to", "95 % interval of top-1, %", form=_percent, brief=True),
    _figure("top3", "top-3", "right name among three, %", form=_percent, best="high", brief=True),
    _figure("macro_f1", "F1", "mean over the landmarks, %", form=_percent, best="high", brief=True),
    _figure("loss", "loss", "mean -log score of the truth", form=_loss, best="low", brief=True),
    _figure("ece", "ECE", "gap of score and accuracy, %", form=_percent, best="low", brief=True),
    _figure("category_f1", "category F1", "of the category, %", form=_percent, best="high"),
    _figure("parameters", "parameters", "numbers the network learns", form=_count),
    _figure("minutes", "minutes", "of training", brief=True),
    _figure("photos_per_s", "photos/s", "in training"),
    _figure("megabytes", "MB", "size of the bundle"),
    _figure("start", "start", "where the weights come from"),
    _figure("seen", "labels seen before", "landmarks the start weights know"),
    _figure("n", "n", "photos measured on", form=lambda n: f"{n:.0f}", brief=True),
    _field("accuracy", "accuracy", "top-1, %", form=_percent, best="high"),
    _field("theirs_loss", "loss, theirs", "as published"),
    _field("theirs_accuracy", "accuracy, theirs", "as published, %", form=_percent),
    _field("theirs_top3", "top-3, theirs", "as published, %", form=_percent),
    _field("recipe", "recipe", "what it was trained by"),
    _field("layers", "layers", "with weights"),
    _field("size", "image size", "side of the input, px"),
    _field("epochs", "epochs", "of all stages"),
    _field("batch", "batch", "photos a step"),
    _field("first_conv", "1st conv", "filters and kernel"),
    _field("first_activation", "1st activation", "after the first convolution"),
    _field("pool", "max-pool", "side of the pooling"),
    _field("dropout", "dropout", "after pooling, or before the head"),
    _field("activation", "later activations", "after later layers"),
    _field("optimiser", "optimiser", "of each stage"),
)
