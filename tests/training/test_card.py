"""The card says what a bundle is, where it comes from and how good it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from waymark.bundle.manifest import Manifest
from waymark.bundle.tiny import tiny_bundle
from waymark.training.card import model_card

FIGURES: dict[str, Any] = {
    "n": 40,
    "top1": 0.9,
    "top1_interval": (0.769, 0.96),
    "top3": 1.0,
    "top3_interval": None,
    "macro_f1": 0.88,
    "ece": 0.02,
    "n_unknown": 12,
    "unknown_auroc": 0.955,
    "per_class": {
        f"landmark-{i}": {"precision": 1.0, "recall": i / 10, "f1": i / 10, "n": 4}
        for i in range(11)
    },
}


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    """Return the manifest of a bundle with a history."""
    origin = {
        "recipe_name": "finetune",
        "command": "waymark train photos --set a|b",
        "terms": "CC BY 4.0",
        "photos": 321,
        "seed": 7,
        "parent": "0123456789abcdef",
    }
    return replace(tiny_bundle(3).manifest, provenance=origin)


def test_it_has_name_origin_and_figures(manifest: Manifest) -> None:
    """Each stands in its table, with the interval where there is one."""
    card = model_card("Photos", manifest, FIGURES, measured_on="validation photos")

    assert card.startswith("# Photos\n")
    assert "## How good it is: validation photos" in card
    for row in (
        "| recipe | finetune |",
        "| terms of the data | CC BY 4.0 |",
        "| seed | 7 |",
        "| parent | 0123456789ab |",
        "| top-1 | 90.0% (76.9% to 96.0%, 95 %) |",
        "| top-3 | 100.0% |",
        "| unknown AUROC | 95.5% |",
    ):
        assert row in card.splitlines()


def test_it_names_the_weakest_landmarks_first(manifest: Manifest) -> None:
    """Eight rows, the lowest F1 on top."""
    card = model_card("Photos", manifest, FIGURES, measured_on="photos")
    rows = [line for line in card.splitlines() if line.startswith("| landmark-")]

    assert [row.split()[1] for row in rows] == [f"landmark-{i}" for i in range(8)]


def test_names_cannot_break_its_tables(manifest: Manifest) -> None:
    """A bar or a line break in a name stays inside its cell."""
    odd = {"a|b\nc": {"precision": None, "recall": 0.5, "f1": None, "n": 2}}
    card = model_card("P", manifest, {**FIGURES, "per_class": odd}, measured_on="photos")

    assert "| a\\|b c | 0% | 50% | 0% | 2 |" in card.splitlines()
    assert "| command | `waymark train photos --set a\\|b` |" in card.splitlines()


def test_names_are_no_markup(manifest: Manifest) -> None:
    """A page that shows the card runs nothing of what a folder is called."""
    odd = {"<script>": {"precision": 1.0, "recall": 0.5, "f1": 0.5, "n": 2}}
    card = model_card("<b>P", manifest, {**FIGURES, "per_class": odd}, measured_on="photos")

    assert "<script>" not in card
    assert card.startswith("# &lt;b>P\n")


def test_what_was_not_measured_is_left_out(manifest: Manifest) -> None:
    """No row says None."""
    nothing = {**dict.fromkeys(FIGURES), "n": 0, "per_class": {}}
    card = model_card("P", manifest, nothing, measured_on="photos")

    assert "None" not in card
    assert "Not measured." in card
    assert "top-1" not in card


@pytest.mark.parametrize("fpr", [0.0, 0.125, None])
def test_the_unknown_rule_says_how_often_it_errs(manifest: Manifest, fpr: float | None) -> None:
    """Also where it never did; only what was not measured stays unsaid."""
    rule = replace(manifest.unknown, fpr=fpr)
    card = model_card("P", replace(manifest, unknown=rule), FIGURES, measured_on="photos")

    assert ("of held-out negatives for a landmark" in card) == (fpr is not None)
    if fpr is not None:
        assert f"It takes {fpr:.1%}" in card


def test_it_says_where_places_come_from(manifest: Manifest) -> None:
    """One row in words; none where nothing was counted."""
    counted = {**manifest.provenance, "places": {"gazetteer": 12, "photos": 3, "unknown": 2}}
    card = model_card("P", replace(manifest, provenance=counted), FIGURES, measured_on="photos")

    row = "| places | 12 from the gazetteer, 3 estimated from photos, 2 unknown |"
    assert row in card.splitlines()
    assert "| places |" not in model_card("P", manifest, FIGURES, measured_on="photos")
