"""The card says what a bundle is, where it comes from and how good it is."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

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


FULL: dict[str, Any] = {
    **FIGURES,
    "loss": 0.3512,
    "known_called_unknown": 0.04,
    "unknown_called_known": 0.125,
    "unknown_by_source": {
        "objects": {"n": 8, "auroc": 0.99, "auroc_interval": (0.9, 1.0)},
        "travel": {"n": 4, "auroc": 0.71, "auroc_interval": (0.5, 0.85)},
    },
    "confused": [{"truth": "landmark-0", "guess": "landmark-2", "n": 3, "of": 9}],
    "category": {
        "n": 40,
        "top1": 0.95,
        "top1_interval": (0.835, 0.986),
        "macro_f1": 0.94,
        "ece": 0.03,
        "per_class": {"kind-1": {"precision": 1.0, "recall": 0.8, "f1": 0.889, "n": 10}},
    },
}
TRAINING: dict[str, Any] = {
    "minutes": 12.34,
    "photos": 48_000,
    "photos_per_s": 64.8,
    "memory_mb": 2048.0,
    "epochs": 15,
    "best_epoch": 11,
    "hardware": "2 cores",
}
HOSTILE = (
    "![x](http://evil/t.png)",
    "[click](javascript:alert(1))",
    "<img src=x onerror=y>",
    "&lt;b&gt;",
    "a|b\nc\r\n# d",
    "`code`",
    "```\n<b>",
    "\\",
    "**bold**",
    "a\u202eb\x1b[2J",
    "\udcff",
)


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


def two_tasks(manifest: Manifest, kinds: tuple[str, ...]) -> Manifest:
    """Return a manifest that tells two categories, whose landmarks are of `kinds`."""
    both = tiny_bundle(len(kinds), categories=2).manifest.tasks
    classes = tuple(
        replace(known, category=kind) for known, kind in zip(both[0].classes, kinds, strict=True)
    )
    return replace(manifest, tasks=(replace(both[0], classes=classes), both[1]))


def test_failures_are_named(manifest: Manifest) -> None:
    """Confused pairs by name, rates of unknown, and the sources of it that are caught worst."""
    lines = model_card("P", manifest, FULL, measured_on="photos").splitlines()

    assert "- Landmark 0 taken for Landmark 2: 3 of 9 photos" in lines
    assert "Here 4.0% of the photos of its landmarks are called unknown." in lines
    assert "Here 12.5% of the photos of none are taken for a landmark." in lines
    sources = [line for line in lines if line.startswith(("| objects", "| travel"))]
    assert sources == [
        "| travel | 4 | 71.0% (50.0% to 85.0%, 95 %) |",
        "| objects | 8 | 99.0% (90.0% to 100.0%, 95 %) |",
    ]
    assert "| loss (nats) | 0.351 |" in lines
    assert "Photos changed on purpose:" not in lines


def test_changed_photos_are_told_of_where_they_were_measured(manifest: Manifest) -> None:
    """Each change in words, with its accuracy."""
    changes = {"half as bright": {"top1": 0.8}, "turned by 90 degrees": {"top1": None}}
    card = model_card("P", manifest, {**FULL, "robustness": changes}, measured_on="photos")

    assert "- half as bright: 80.0%\n" in card
    assert "turned" not in card


def test_both_tasks_have_their_figures(manifest: Manifest) -> None:
    """What the category is, how well it is told, and which is told worst."""
    card = model_card(
        "P", two_tasks(manifest, ("kind-0", "kind-1")), FULL, measured_on="validation photos"
    )

    assert "Names 2 landmarks in photos and tells 2 categories." in card
    assert "(kind-0, kind-1)" in card
    after = card.split("### Categories")[1]
    assert "| top-1 | 95.0% (83.5% to 98.6%, 95 %) |" in after
    assert "| kind-1 | 100% | 80% | 89% | 10 |" in after
    assert "do not cover" not in card
    assert "### Categories" not in model_card("P", manifest, FIGURES, measured_on="photos")


def test_landmarks_of_no_learnt_category_are_admitted(manifest: Manifest) -> None:
    """Teaching adds landmarks, and the second task cannot know of which kind they are."""
    taught = two_tasks(manifest, ("kind-0", "windmill", "kind-1", None))  # type: ignore[arg-type]
    card = model_card("P", taught, FULL, measured_on="photos")

    assert "do not cover 2 of the landmarks" in card
    assert "Landmark 1, Landmark 3" in card


def test_size_and_speed_are_told(manifest: Manifest) -> None:
    """Of the network and of its training; nothing of what nobody measured."""
    sizes = {"parameters": 5_288_548, "bundle_mb": 21.04}
    card = model_card("P", manifest, FIGURES, measured_on="photos", training=TRAINING, sizes=sizes)

    for row in (
        "| parameters | 5,288,548 |",
        "| bundle | 21.0 MB |",
        "| input | 64 px (32 px with --fast) |",
        "| training | 12.3 minutes |",
        "| epochs | 15, the best was number 11 |",
        "| photos trained on | 48,000 |",
        "| speed in training | 65 photos a second |",
        "| memory in training | 2,048 MB at most |",
        "| hardware | 2 cores |",
    ):
        assert row in card.splitlines()
    bare = model_card("P", manifest, FIGURES, measured_on="photos")
    assert "| input |" in bare
    assert "minutes" not in bare


@pytest.mark.parametrize(
    ("chosen", "measured_on", "said"),
    [
        ("lowest validation loss", "validation photos", True),
        ("validation", "validation photos", True),
        ("cross-validation", "photos held out in turn", False),
        ("lowest validation loss", "test photos", False),
        (None, "validation photos", False),
    ],
)
def test_figures_that_were_chosen_by_say_so(
    manifest: Manifest, chosen: str | None, measured_on: str, said: bool
) -> None:
    """The same photos for choosing and measuring flatter; a reader is told."""
    origin = {**manifest.provenance, "chosen_by": chosen}
    card = model_card("P", replace(manifest, provenance=origin), FIGURES, measured_on=measured_on)

    assert ("The same photos chose" in card) == said


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text_wherever_it_stands(manifest: Manifest, text: str) -> None:
    """Rendered, the card has no link, picture, tag or line that its text brought along."""
    origin = {**dict.fromkeys(manifest.provenance, text), "data": text, "start": text}
    rule = replace(manifest.unknown, source=text)
    row = {"precision": 1.0, "recall": 0.5, "f1": 0.5, "n": 2}
    figures: dict[str, Any] = {
        **FULL,
        "per_class": {text: row},
        "confused": [{"truth": text, "guess": text, "n": 1, "of": 2}],
        "unknown_by_source": {text: {"n": 3, "auroc": 0.5}},
        "robustness": {text: {"top1": 0.5}},
        "category": {**FULL["category"], "per_class": {text: row}},
    }
    training = {**TRAINING, "hardware": text}

    def rendered(of: Manifest, words: str) -> list[Token]:
        card = model_card(words, of, figures, measured_on=words, training=training)
        assert card.encode("utf-8").decode() == card
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x09\x0b-\x1f]", card)
        tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(card)
        return [inner for token in tokens for inner in [token, *(token.children or [])]]

    hostile = rendered(replace(manifest, provenance=origin, unknown=rule), text)
    kinds = {token.type for token in hostile}
    assert not kinds & {"link_open", "image", "html_inline", "html_block", "fence", "em_open"}
    shape = [token.tag for token in hostile if token.tag and token.level < 4]
    figures = json.loads(json.dumps(figures).replace(json.dumps(text), '"word"'))
    training = TRAINING
    mild = replace(manifest, provenance=dict.fromkeys(origin, "word"))
    assert shape == [token.tag for token in rendered(mild, "word") if token.tag and token.level < 4]
