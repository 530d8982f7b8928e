"""What a network learns: the landmark, its category, or both, in one of five orders.

    parallel             both outputs at once
    category-first       category; then the landmark's output on the same features
    landmark-first       landmark; then the category's output on the same features
    category-as-feature  category; then the landmark's output, which also sees its prediction
    landmark-as-feature  landmark; then the category's output, which also sees its prediction

"Then" is a stage with `trains = "output"`: everything but that output stays as it is.
Source: the five strategies of `usc-efficientnet-b0` (docs/seeds.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from waymark.dataset.index import Dataset
from waymark.dataset.loader import NEGATIVE
from waymark.models.build import Outputs
from waymark.training.loop_loss import ClassLoss
from waymark.training.recipe import Recipe, Stage

LANDMARK, CATEGORY = "landmark", "category"
_ORDERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "landmark": ((LANDMARK,), (LANDMARK,)),
    "parallel": ((LANDMARK, CATEGORY), ()),  # nothing is left for a stage of its own
    "category-first": ((CATEGORY,), (LANDMARK,)),
    "category-as-feature": ((CATEGORY,), (LANDMARK,)),
    "landmark-first": ((LANDMARK,), (CATEGORY,)),
    "landmark-as-feature": ((LANDMARK,), (CATEGORY,)),
}
"""What is learnt in the stages of a strategy, and in those that train an output only."""


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """The questions a network answers.

    Attributes:
        classes: number of classes a task; the landmark's first.
        category_of: (C,) the category's index of each landmark; empty where there is no such
            task.
        categories: K category ids, in index order.
    """

    classes: Mapping[str, int]
    category_of: tuple[int, ...] = ()
    categories: tuple[str, ...] = ()

    @classmethod
    def of(cls, dataset: Dataset, recipe: Recipe) -> Tasks:
        """Return the tasks that a recipe learns on a dataset.

        Raises:
            DatasetError: if categories are to be learnt and a landmark has none.
        """
        if recipe.task == "landmark":
            return cls(classes={LANDMARK: len(dataset.labels)})
        from waymark.dataset.categories import categories_of

        names, index = categories_of(dataset)
        return cls(
            classes={LANDMARK: len(dataset.labels), CATEGORY: len(names)},
            category_of=tuple(int(i) for i in index),
            categories=names,
        )


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stage, and what is learnt in it.

    Attributes:
        number: of the stage in the recipe, from 0.
        stage: how.
        learns: the tasks whose losses are minimised, and which the best epoch is chosen by.
    """

    number: int
    stage: Stage
    learns: tuple[str, ...]


def phases(recipe: Recipe) -> tuple[Phase, ...]:
    """Return what a recipe does, one after the other."""
    first, then = _ORDERS[recipe.task]
    found = [
        Phase(number=number, stage=stage, learns=then if stage.trains == "output" else first)
        for number, stage in enumerate(recipe.stages)
    ]
    return tuple(phase for phase in found if phase.learns)


class TaskLosses(nn.Module):
    """The loss of each task, from the landmark's label alone."""

    def __init__(self, recipe: Recipe, labels: Sequence[int], tasks: Tasks) -> None:
        super().__init__()
        self.classes = dict(tasks.classes)
        # one row more: what a negative, -1, is of
        self.register_buffer("category_of", torch.tensor([*tasks.category_of, NEGATIVE]))
        given = self.labels(torch.tensor(labels))
        self.losses = nn.ModuleDict(
            {
                task: ClassLoss(
                    recipe, given[task].tolist(), classes=classes, margin=task == LANDMARK
                )
                for task, classes in tasks.classes.items()
            }
        )

    def labels(self, labels: Tensor) -> dict[str, Tensor]:
        """Return the (N,) labels of each task, of (N,) landmark labels."""
        found = {LANDMARK: labels}
        if CATEGORY in self.classes:
            found[CATEGORY] = self.get_buffer("category_of")[labels]
        return found

    def targets(self, labels: Tensor) -> Tensor:
        """Return (N, all classes) target distributions, the tasks side by side."""
        of = self.labels(labels)
        return torch.cat([self._loss(task).targets(of[task]) for task in self.classes], 1)

    def forward(
        self, out: Outputs, targets: Tensor, labels: Tensor, learns: Sequence[str]
    ) -> dict[str, Tensor]:
        """Return the mean loss of each task in `learns`."""
        of = self.labels(labels)
        parts = dict(
            zip(self.classes, torch.split(targets, list(self.classes.values()), 1), strict=True)
        )
        return {
            task: self._loss(task)(out.logits[task].float(), parts[task], of[task])
            for task in learns
        }

    def _loss(self, task: str) -> ClassLoss:
        loss = self.losses[task]
        assert isinstance(loss, ClassLoss)  # narrows the type
        return loss
