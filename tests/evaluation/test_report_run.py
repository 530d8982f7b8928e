"""The facts of a run: from a history's cells to a row a stage."""

from pathlib import Path

import numpy as np
import pytest

from waymark.dataset.index import Dataset, Photo
from waymark.evaluation.report_run import RunFacts, curves_of, has_two_tasks, stage_rows, totals
from waymark.gazetteer import Landmark


def row(epoch, stage=0, **cells):
    """Return a row of `history.csv` as it is read: text."""
    plain = {"epoch": epoch, "stage": stage, "train_loss": 1.5, "val_loss": 1.0, "is_best": False}
    return {key: str(value) for key, value in (plain | cells).items()}


def run(*rows, **facts):
    """Return facts with these rows."""
    return RunFacts(history=rows, **facts)


def test_a_stage_shows_its_epoch_of_the_lowest_validation_loss():
    """Not the last one, nor that of another stage."""
    facts = run(
        row(1, val_loss=0.9, val_top1=0.6),
        row(2, val_loss=0.5, val_top1=0.7, train_top1=0.8, is_best=True),
        row(3, val_loss=0.6, val_top1=0.9),
        row(4, stage=1, val_loss=0.4, val_top1=0.95, is_best=True),
        stages=("the head", "everything"),
    )

    first, second = stage_rows(facts)

    assert (first["best"], first["val_loss"], first["landmark_val"]) == (2, 0.5, 0.7)
    assert (first["landmark_train"], first["epochs"], first["about"]) == (0.8, 3, "the head")
    assert (second["stage"], second["best"], second["kept"]) == (2, 4, True)
    assert not first["kept"]
    assert facts.kept == 4


@pytest.mark.parametrize("cell", ["", "nan", None, "soon"])
def test_a_cell_that_was_not_measured_is_a_gap(cell):
    """Empty, NaN, absent or no number at all."""
    facts = run(row(1) | {"val_loss": cell}, row(2) | {"val_loss": cell})

    assert np.isnan(facts.column("val_loss")).all()
    assert stage_rows(facts)[0]["best"] == 2
    assert stage_rows(facts)[0]["val_loss"] is None


def test_an_old_history_lacks_columns_and_is_told_all_the_same():
    """What is not there is None; what is there is drawn."""
    facts = run(row(1, val_top1=0.5), row(2, val_top1=0.6))

    assert [curves.name for curves in curves_of(facts)] == ["loss", "accuracy"]
    assert totals(facts)["seconds"] is None
    assert totals(facts)["memory_mb"] is None
    assert not has_two_tasks(facts)


def test_one_task_draws_its_loss_once():
    """Even where the history also has it under the task's name."""
    facts = run(row(1, landmark_val_loss=1.0, category_val_loss="", val_top1=0.5))

    assert [curves.name for curves in curves_of(facts)] == ["loss", "accuracy"]


def test_two_tasks_have_curves_and_columns_of_their_own():
    """Loss and accuracy of each, beside the loss that the stage minimised."""
    cells = {"landmark_val_loss": 0.7, "category_val_loss": 0.3, "val_top1": 0.5}
    facts = run(row(1, **cells, category_val_top1=0.9, category_train_top1=0.95))

    names = [curves.name for curves in curves_of(facts)]
    assert names == [
        *("loss", "loss-landmark", "loss-category"),
        *("accuracy-landmark", "accuracy-category"),
    ]
    only = stage_rows(facts)[0]
    assert (only["landmark_val"], only["category_val"], only["category_train"]) == (0.5, 0.9, 0.95)


def test_times_add_up_and_memory_peaks():
    """Photos a second is all photos over all seconds, not a mean of means."""
    facts = run(
        row(1, photos=100, seconds=1, memory_mb=700),
        row(2, photos=100, seconds=4, memory_mb=900),
        row(3, stage=1, photos=50, seconds=5, memory_mb=800),
    )

    every = totals(facts)

    assert (every["epochs"], every["photos"], every["seconds"]) == (3, 250, 10)
    assert every["photos_per_s"] == pytest.approx(25)
    assert every["seconds_an_epoch"] == pytest.approx(10 / 3)
    assert every["memory_mb"] == 900
    assert [r["photos"] for r in stage_rows(facts)] == [200, 50]
    assert sum(r["seconds"] for r in stage_rows(facts)) == every["seconds"]
    np.testing.assert_allclose(facts.photos_per_s(), [100, 25, 10])


def test_facts_are_taken_from_a_dataset():
    """Counts of each split and label, 0 included; photos without a split are for training."""
    photos = tuple(
        Photo(path=Path(f"{i}.jpg"), label=label, split=split)
        for i, (label, split) in enumerate([("a", "train"), ("b", None), ("a", "val")])
    )
    marks = {label: Landmark(id=label, name=label.upper()) for label in "abc"}
    negatives = (Path("n0"), Path("n1"), Path("n2"))
    dataset = Dataset(
        root=Path(),
        name="mine",
        photos=photos,
        landmarks=marks,
        negatives=negatives,
        negative_splits=("train", "val", None),
    )

    facts = RunFacts.of(dataset, recipe="finetune")

    assert facts.counts == {
        "train": {"a": 1, "b": 1, "c": 0},
        "val": {"a": 1, "b": 0, "c": 0},
    }
    assert facts.photos == ((Path("0.jpg"), "a"), (Path("1.jpg"), "b"))
    assert (facts.data, facts.recipe, facts.negatives) == ("mine", "finetune", 2)


def test_no_history_is_no_training():
    """The fast path has no epochs; its time and memory are told apart."""
    facts = RunFacts(seconds=4.5, memory_mb=800)

    assert curves_of(facts) == []
    assert stage_rows(facts) == []
    assert facts.kept is None
    every = totals(facts)
    assert (every["epochs"], every["seconds"], every["memory_mb"]) == (0, 4.5, 800)
