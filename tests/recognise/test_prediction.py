"""What is said of a photo has the shape that design and guide promise."""

from __future__ import annotations

import json
from dataclasses import replace

from waymark.errors import UnreadablePhoto
from waymark.gazetteer import Landmark
from waymark.recognise.prediction import CategoryGuess, Guess, PhotoFailure, Prediction

PROMISED = """
{"photo": "a.jpg", "known": true, "unknown_score": 0.04, "predictions": [{"landmark":
"eiffel_tower", "name": "Eiffel Tower", "local_name": "Tour Eiffel", "score": 0.97, "place":
"Paris", "country": "FR", "category": "tower", "lat": 48.8584, "lon": 2.2945, "extent_m": 150,
"wikidata": "Q243"}], "category_predictions": null, "bundle": "0123456789ab"}
"""
TOWER = Landmark(
    id="eiffel_tower",
    name="Eiffel Tower",
    local_name="Tour Eiffel",
    place="Paris",
    country="FR",
    category="tower",
    lat=48.8584,
    lon=2.2945,
    extent_m=150,
    wikidata="Q243",
)
SAID = Prediction(
    photo="a.jpg",
    known=True,
    unknown_score=0.04,
    predictions=(Guess.of(TOWER, 0.97),),
    category_predictions=None,
    bundle="0123456789ab",
)


def test_the_object_is_the_promised_one() -> None:
    """Every key and value of the example, in its order."""
    assert json.dumps(SAID.to_dict()) == json.dumps(json.loads(PROMISED))


def test_keys_stay_where_nothing_is_known() -> None:
    """A landmark of which only the name is known has null for all else."""
    bare = Guess.of(Landmark(id="mill", name="Mill"), 0.5).to_dict()

    assert bare.keys() == SAID.to_dict()["predictions"][0].keys()
    assert {key for key, value in bare.items() if value is not None} == {
        "landmark",
        "name",
        "score",
    }


def test_categories_are_listed_where_the_bundle_has_any() -> None:
    """Each with its score; the list is not null any more."""
    said = replace(SAID, category_predictions=(CategoryGuess(category="tower", score=0.9),))

    assert said.to_dict()["category_predictions"] == [{"category": "tower", "score": 0.9}]


def test_scores_are_rounded_to_six_places() -> None:
    """Numbers are short enough to read, and exact enough to sort by."""
    said = replace(SAID, unknown_score=1 / 3, predictions=(Guess.of(TOWER, 2 / 3),)).to_dict()

    assert (said["unknown_score"], said["predictions"][0]["score"]) == (0.333333, 0.666667)


def test_a_failure_has_the_photo_and_the_reason_only() -> None:
    """Nothing else is known of a photo that cannot be read."""
    failure = PhotoFailure("bad.jpg", UnreadablePhoto("bad.jpg: not a photo"))

    assert failure.to_dict() == {"photo": "bad.jpg", "error": "bad.jpg: not a photo"}
