"""What a check's findings mean for the photos of a dataset."""

from __future__ import annotations

import os
import time
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from waymark.curate.clean import Plan, parse_kinds, plan_clean
from waymark.curate.finding import Check, Finding, Kind
from waymark.dataset.index import Dataset, read_dataset
from waymark.errors import ConfigError, DatasetError, UnknownName
from waymark.samples import SAMPLES, render

LETTERS = "abcdef"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Return photos one/a.jpg to one/f.jpg, two/a.jpg to two/c.jpg, and unknown/a.jpg."""
    root = tmp_path_factory.mktemp("photos")
    for folder, letters in (("one", LETTERS), ("two", "abc"), ("unknown", "a")):
        (root / folder).mkdir()
        for seed, letter in enumerate(letters):
            render(SAMPLES[0], seed=seed, size=(24, 16)).save(root / folder / f"{letter}.jpg")
    return read_dataset(root)


def finding(kind: Kind, *paths: str, suggest: Any = "drop", label: str | None = None) -> Finding:
    """Return a finding; `a` stands for one/a.jpg."""
    names = tuple(f"one/{path}.jpg" if path in LETTERS and path else path for path in paths)
    return Finding(kind=kind, paths=names, severity=1, suggest=suggest, label_suggested=label)


def plan(dataset: Dataset, *findings: Finding, **options: Any) -> Plan:
    """Plan for some findings."""
    check = Check(dataset=str(dataset.root), photos=10, findings=findings)
    return plan_clean(check, dataset, **options)


def dropped(dataset: Dataset, *findings: Finding, **options: Any) -> str:
    """Return the letters of the photos of `one` that are dropped."""
    return "".join(sorted(Path(path).stem for path in plan(dataset, *findings, **options).drop))


def test_only_what_is_said_to_drop_goes(dataset: Dataset) -> None:
    """By default; what suggests otherwise stays, and of duplicates the last."""
    findings = (
        finding("blurred", "a"),
        finding("dark", "b", suggest="review"),
        finding("exact-duplicate", "c", "d"),
        finding("wrong-label", "e", suggest="relabel", label="two"),
        finding("off-topic", "f", suggest="keep"),
    )
    made = plan(dataset, *findings)

    assert made.drop == {"one/a.jpg": "blurred", "one/c.jpg": "exact-duplicate"}
    assert made.counts() == {"blurred": 1, "exact-duplicate": 1}
    assert not made.relabel
    assert made.waiting == 1
    assert len(made.kept().photos) == 7
    assert len(made.kept().negatives) == 1


def test_only_takes_all_of_its_kinds(dataset: Dataset) -> None:
    """Whatever they suggest, and nothing of other kinds."""
    findings = (finding("blurred", "a"), finding("dark", "b", suggest="review"))

    assert dropped(dataset, *findings, only=("dark",)) == "b"
    assert dropped(dataset, *findings, only=("tiny",)) == ""


def test_copies_under_two_labels_wait_for_somebody(dataset: Dataset) -> None:
    """`--only duplicates` leaves those of which nobody knows which label is right."""
    sure = finding("near-duplicate", "a", "b")
    unsure = finding("near-duplicate", "c", "d", suggest="review")

    assert dropped(dataset, sure, unsure, only=("near-duplicate",)) == "a"


def test_words_of_kinds() -> None:
    """`duplicates` is two kinds; a word that is none is told the nearest."""
    assert parse_kinds(None) is None
    assert parse_kinds("off-topic, duplicates,near-duplicate") == (
        "off-topic",
        "exact-duplicate",
        "near-duplicate",
    )
    with pytest.raises(UnknownName, match="did you mean 'blurred'"):
        parse_kinds("blured")
    with pytest.raises(ConfigError, match="names no kind"):
        parse_kinds(" , ")


def test_a_copy_stays_where_the_best_one_is_bad(dataset: Dataset) -> None:
    """The last of the duplicates is truncated: the next best is spared."""
    findings = (finding("near-duplicate", "a", "b", "c"), finding("truncated", "c"))
    made = plan(dataset, *findings)

    assert list(made.drop) == ["one/a.jpg", "one/c.jpg"]
    assert made.spared == ("one/b.jpg",)


def test_copies_of_copies_leave_one(dataset: Dataset) -> None:
    """Chains and circles of findings, in any order, never take every photo."""
    pairs = [("a", "b"), ("b", "c"), ("c", "a")]
    for order in permutations(pairs):
        findings = [finding("near-duplicate", *pair) for pair in order]
        assert len(dropped(dataset, *findings)) == 2
        assert dropped(dataset, *findings, finding("blurred", "b")) in ("ab", "bc")
        everything = [finding("blurred", letter) for letter in "abc"]
        assert dropped(dataset, *findings, *everything) == "abc"  # each is at fault itself


@given(data=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_picture_is_lost(data: st.DataObject, dataset: Dataset) -> None:
    """A photo that goes as a copy has a sound one, linked to it by findings, that stays."""
    letters = st.sampled_from(LETTERS)
    groups = data.draw(st.lists(st.lists(letters, min_size=2, max_size=4, unique=True), max_size=5))
    bad = data.draw(st.sets(letters))
    kinds = st.sampled_from(("exact-duplicate", "near-duplicate", "leakage"))
    findings = [finding(data.draw(kinds), *group) for group in groups]
    findings += [finding("blurred", letter) for letter in bad]
    gone = set(dropped(dataset, *findings))

    assert bad <= gone
    for letter in gone - bad:
        reached = {letter}
        for _ in LETTERS:
            reached |= {k for group in groups if reached & set(group) for k in group}
        assert reached - gone
    for group in groups:
        if set(group) - bad:  # a group that is linked to no other keeps one of its own
            alone = not any(set(group) & set(other) for other in groups if other is not group)
            assert set(group) - gone or not alone


def test_a_copy_stays_where_the_best_one_is_gone(dataset: Dataset) -> None:
    """The photo to keep was deleted, or lies elsewhere, since the check."""
    for last in ("one/gone.jpg", "/elsewhere/photo.jpg"):
        made = plan(dataset, finding("exact-duplicate", "a", "b", last))
        assert list(made.drop) == ["one/a.jpg"]
        assert made.spared == ("one/b.jpg",)


def test_what_changed_since_is_left(dataset: Dataset) -> None:
    """Photos that are gone, were changed, or are none are counted and not dropped."""
    changed = dataset.root / "two" / "c.jpg"
    facts = changed.stat()
    made = facts.st_mtime + 10
    os.utime(changed, (made + 1, made + 1))
    (dataset.root / "notes.txt").write_text("mine")
    names = ("two/c.jpg", "two/gone.jpg", "notes.txt", "two", "one/a.jpg")
    found = plan(dataset, *(finding("blurred", name) for name in names), made=made)
    os.utime(changed, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    assert list(found.drop) == ["one/a.jpg"]
    reasons = {row.path: row.reason for row in found.stale}
    assert reasons == {
        "two/c.jpg": "was changed since the check",
        "two/gone.jpg": "is gone",
        "notes.txt": "is no photo",
        "two": "is no photo",
    }


@pytest.mark.parametrize("path", ["../secret.jpg", "one/../../x.jpg", "", ".", "/../x", "a\0b"])
def test_paths_that_lead_out_are_refused(dataset: Dataset, path: str) -> None:
    """`data check` writes none of these: the file is not from there."""
    with pytest.raises(DatasetError, match="never writes"):
        plan(dataset, finding("blurred", path))


def test_photos_elsewhere_are_left_alone(dataset: Dataset) -> None:
    """An absolute path is fine in the dataset; outside, it is only told."""
    inside = str(dataset.root.resolve() / "one" / "b.jpg")
    made = plan(dataset, finding("blurred", inside), finding("blurred", "/elsewhere/photo.jpg"))

    assert list(made.drop) == ["one/b.jpg"]
    assert made.outside == ("/elsewhere/photo.jpg",)


def test_the_check_of_another_dataset(dataset: Dataset, tmp_path: Path) -> None:
    """Is refused while that is there; a dataset that was moved since is the same."""
    here = Check(dataset=str(tmp_path), photos=1, findings=(finding("blurred", "a"),))
    with pytest.raises(DatasetError, match="not of"):
        plan_clean(here, dataset)
    moved = Check(dataset=str(tmp_path / "gone"), photos=1, findings=here.findings)
    assert list(plan_clean(moved, dataset).drop) == ["one/a.jpg"]


def test_labels_are_changed_where_asked(dataset: Dataset) -> None:
    """Those that suggest it; with `only`, all of its kind; a dropped photo has no label."""
    findings = (
        finding("wrong-label", "a", suggest="relabel", label="two"),
        finding("wrong-label", "b", suggest="review", label="two"),
        finding("wrong-label", "c", suggest="relabel", label="two"),
        finding("blurred", "c"),
    )
    made = plan(dataset, *findings, relabel=True)

    assert made.relabel == {"one/a.jpg": "two"}
    assert list(made.drop) == ["one/c.jpg"]
    assert made.kept().counts() == {"one": 4, "two": 4}
    both = plan(dataset, *findings, relabel=True, only=("wrong-label",))
    assert list(both.relabel) == ["one/a.jpg", "one/b.jpg", "one/c.jpg"]
    assert dropped(dataset, *findings, only=("wrong-label",)) == "abc"
    with pytest.raises(DatasetError, match="does not have"):
        plan(dataset, finding("wrong-label", "a", suggest="relabel", label="x"), relabel=True)


def test_classes_are_merged_where_asked(dataset: Dataset) -> None:
    """Two names of one landmark become one, with the photos that no finding names."""
    same = finding("similar-classes", "a", "two/a.jpg", suggest="relabel", label="two")
    back = finding("similar-classes", "a", "two/a.jpg", suggest="relabel", label="one")
    merged = plan(dataset, same, relabel=True)

    assert merged.kept().counts() == {"two": 9}
    assert not merged.emptied
    assert not plan(dataset, same).relabel
    assert sum(plan(dataset, same, back, relabel=True).kept().counts().values()) == 9
    with pytest.raises(ConfigError, match="--relabel"):
        plan(dataset, same, only=("similar-classes",))
    with pytest.raises(ConfigError, match="add photos"):
        plan(dataset, same, only=("few-photos",), relabel=True)


def test_a_landmark_that_loses_its_last_photo_is_told(dataset: Dataset) -> None:
    """And negatives can be dropped as well."""
    made = plan(dataset, finding("dark", "two/a.jpg", "two/b.jpg", "two/c.jpg", "unknown/a.jpg"))

    assert made.emptied == ("two",)
    assert made.kept().labels == ("one",)
    assert not made.kept().negatives


def test_a_time_in_the_future_is_no_change(dataset: Dataset) -> None:
    """A camera whose clock is wrong gives times that lie after every check."""
    file = dataset.root / "two" / "c.jpg"
    facts = file.stat()
    for ahead, dropped in ((-5, []), (400 * 86_400, ["two/c.jpg"])):
        os.utime(file, (time.time() + ahead,) * 2)
        found = plan(dataset, finding("blurred", "two/c.jpg"), made=time.time() - 60)
        assert list(found.drop) == dropped
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
