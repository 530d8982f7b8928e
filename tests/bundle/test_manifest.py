"""A manifest checks itself, made in code or read from a file that nobody vouches for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from waymark.bundle.manifest import CATEGORY, LANDMARK, Manifest, Task, UnknownRule
from waymark.errors import BundleError
from waymark.gazetteer import Landmark
from waymark.models.design import Design
from waymark.preprocess import Preprocess

RULE = UnknownRule(
    features=("margin",),
    weights=(-1.0,),
    bias=0.5,
    centre=(2.0,),
    scale=(3.0,),
    threshold=0.5,
    fpr=0.05,
    source="a test",
)
MILL, TOWER = Landmark(id="mill", name="Mühle", lat=1.0, lon=2.0), Landmark(id="t", name="T")
MANIFEST = Manifest(
    tasks=(
        Task(name=LANDMARK, classes=(MILL, TOWER)),
        Task(name=CATEGORY, classes=(Landmark(id="tower", name="Tower"),)),
    ),
    preprocess=Preprocess(size=64, fit="crop"),
    temperature=1.5,
    unknown=RULE,
    backbone={"timm_name": "tiny", "num_features": 8, "input_size": 64},
    head={"normalise": True},
    sizes={"fast": 32},
    metrics={"top1": 0.9, "n": 10},
    provenance={"recipe": "test", "places": {"gazetteer": 1}},
)


def test_it_survives_json() -> None:
    """to_dict and from_dict are inverse, through text, and keys of later versions do no harm."""
    values = json.loads(json.dumps(MANIFEST.to_dict()))

    assert Manifest.from_dict(values) == MANIFEST
    assert Manifest.from_dict({**values, "later": 1}) == MANIFEST


def test_the_design_of_the_network_is_kept() -> None:
    """It comes back equal through JSON; a bundle without one is as good as before."""
    design = Design(pool="grid", hidden=(64, 32), dropout=0.5, link="category")
    kept = replace(MANIFEST, backbone={**MANIFEST.backbone, "design": design.to_dict()})

    read = Manifest.from_dict(json.loads(json.dumps(kept.to_dict())))

    assert Design.from_dict(read.backbone["design"]) == design
    assert "design" not in MANIFEST.backbone


@pytest.mark.parametrize(
    ("design", "message"),
    [
        (None, "design is None"),
        ([], "expected an object"),
        ({"pool": "median"}, "pool is 'median'"),
        ({"hidden": [64, 0]}, "hidden layers"),
        ({"hidden": "64"}, "hidden is '64'"),
        ({"dropout": "much"}, "dropout is 'much'"),
        ({"code": "import os"}, "no field 'code'"),
    ],
)
def test_a_design_that_cannot_be_is_refused(design: Any, message: str) -> None:
    """Before anything is built by it."""
    values = json.loads(json.dumps(MANIFEST.to_dict()))
    values["backbone"]["design"] = design

    with pytest.raises(BundleError, match=message):
        Manifest.from_dict(values)


def test_landmarks_and_categories_are_in_the_order_of_the_logits() -> None:
    """The first task names landmarks; without a second there are no categories."""
    assert MANIFEST.tasks[0].ids == ("mill", "t")
    assert MANIFEST.landmarks == (MILL, TOWER)
    assert [kind.id for kind in MANIFEST.categories] == ["tower"]
    assert replace(MANIFEST, tasks=MANIFEST.tasks[:1]).categories == ()


@pytest.mark.parametrize("key", sorted(MANIFEST.to_dict()))
@pytest.mark.parametrize("value", [None, "words", [], 1e400, True])
def test_another_kind_of_value_is_refused(key: str, value: Any) -> None:
    """Whatever stands where something else belongs ends in a BundleError, nothing else."""
    with pytest.raises(BundleError):
        Manifest.from_dict({**MANIFEST.to_dict(), key: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tasks": MANIFEST.tasks[::-1]}, "expected landmark, then perhaps category"),
        ({"tasks": ()}, "tasks are"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"backbone": {"num_features": 8.0}}, "num_features is 8.0; expected 1 to 65,536"),
        ({"backbone": {}}, "num_features is None"),
        ({"head": {"normalise": 1}}, "must be true or false"),
        ({"sizes": {"fast": 48}}, "sizes.fast is 48; expected a multiple of 32"),
    ],
)
def test_a_manifest_made_in_code_checks_itself(change: dict[str, Any], message: str) -> None:
    """The message names the value and what was expected."""
    with pytest.raises(BundleError, match=message):
        replace(MANIFEST, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": ()}, "a weight, centre and scale"),
        ({"scale": (0.0,)}, "a scale under"),
        ({"bias": float("inf")}, "numbers beyond"),
        ({"centre": (float("nan"),)}, "numbers beyond"),
        ({"threshold": 1.5}, "between 0 and 1"),
        ({"fpr": -0.1}, "between 0 and 1"),
    ],
)
def test_an_unknown_rule_checks_itself(change: dict[str, Any], message: str) -> None:
    """A rule made in code is held to the same as one that was read."""
    with pytest.raises(BundleError, match=message):
        replace(RULE, **change)


@pytest.mark.parametrize(
    ("name", "classes", "message"),
    [
        ("colour", (MILL,), "task is 'colour'"),
        (LANDMARK, (), "has 0 classes"),
        (LANDMARK, (MILL, MILL), "two classes of the same id"),
    ],
)
def test_a_task_checks_itself(name: str, classes: tuple[Landmark, ...], message: str) -> None:
    """It has a known name, and each of its classes once."""
    with pytest.raises(BundleError, match=message):
        Task(name=name, classes=classes)


def test_a_newer_format_says_what_to_do() -> None:
    """An old waymark does not guess at what a new one wrote."""
    with pytest.raises(BundleError, match="install a newer waymark"):
        Manifest.from_dict({**MANIFEST.to_dict(), "format": 2})
