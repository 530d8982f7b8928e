"""Labels find the landmarks they are named after, with a score that can be trusted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from waymark.dataset.index import Dataset, Photo, read_dataset
from waymark.dataset.match import SURE, match_labels, taken
from waymark.errors import ConfigError, UnknownName
from waymark.gazetteer import Gazetteer, Landmark, load_gazetteer


def dataset(*labels: str, place: str | None = None) -> Dataset:
    """Make a dataset with a photo of each label."""
    return Dataset(
        root=Path("/photos"),
        name="photos",
        photos=tuple(Photo(path=Path(label), label=label, place=place) for label in labels),
        landmarks={label: Landmark(id=label, name=label) for label in labels},
    )


def best(label: str, place: str | None = None) -> tuple[str | None, float]:
    """Return id and score of the best match of one label."""
    (match,) = match_labels(dataset(label, place=place), load_gazetteer())
    return (match.found[0][0].id, match.score) if match.found else (None, 0.0)


@pytest.mark.parametrize("landmark", load_gazetteer().landmarks, ids=lambda entry: entry.id)
def test_a_landmark_is_matched_by_its_names(landmark: Landmark) -> None:
    """The id scores 1; each name, numbered and with underscores, is sure."""
    assert best(landmark.id) == (landmark.id, 1.0)
    for name in filter(None, (landmark.name, landmark.local_name)):
        index = "" if name[0].isdigit() else "07."
        label = index + name.replace(" ", "_").replace("/", "-")
        found, score = best(label)
        assert found == landmark.id or name in ("Pantheon", "Frauenkirche")
        assert score >= SURE


@pytest.mark.parametrize(
    ("label", "wanted"),
    [
        ("04.Wroclaws_Dwarves", "wroclaw_dwarfs"),
        ("11.Mount_Rushmore_National_Memorial", "mount_rushmore"),
        ("43.Gullfoss_Falls", "gullfoss"),
        ("EiffelTower", "eiffel_tower"),
        ("Tour_Eiffel", "eiffel_tower"),
        ("tajmahal", "taj_mahal"),
        ("Tah_Mahal", "taj_mahal"),
        ("collosseum", "colosseum"),
        ("saint_pauls_cathedral", "st_pauls_cathedral"),
        ("ayasofya_camii", "hagia_sophia"),
        ("sultanahmet_camii", "sultan_ahmed_mosque"),
        ("milan_duomo", "milan_cathedral"),
        ("eiffel_tower_paris", "eiffel_tower"),
        ("kule(kiz_kulesi)", "maidens_tower"),
        ("أهرامات_الجيزة", "pyramids_of_giza"),
        ("万里长城", "great_wall_of_china"),
    ],
)
def test_messy_names_find_theirs(label: str, wanted: str) -> None:
    """Numbers, joined words, other languages and slips of the pen do not hide a landmark."""
    assert best(label)[0] == wanted


@pytest.mark.parametrize(
    "label",
    [
        *("London_Bridge", "galata_bridge", "castle", "tower", "eiffel_tower_las_vegas"),
        *("notre_dame", "great_wall", "istanbul_palace", "badshahi_masjid", "opera"),
        *("Grand_mosque", "12", "___"),
    ],
)
def test_what_is_another_or_could_be_is_not_sure(label: str) -> None:
    """A kind of building, half a name, or a neighbour's name is never taken by itself."""
    assert best(label)[1] < 0.75


def test_a_name_in_brackets_is_shown_and_not_taken() -> None:
    """It may be another name, or say that it is another one."""
    for label in ("Eiffel_Tower_(Las_Vegas)", "iron_lady(Eiffel_Tower)"):
        found, score = best(label)
        assert found == "eiffel_tower"
        assert 0.8 < score < SURE


def test_a_place_that_disagrees_halves_the_score() -> None:
    """Notre-Dame in Marseille is not that of Paris; in Paris it stays."""
    (unsaid,) = match_labels(dataset("notre_dame_de_paris_x"), load_gazetteer())
    (paris,) = match_labels(dataset("notre_dame_de_paris_x", place="Paris"), load_gazetteer())
    (far,) = match_labels(dataset("notre_dame_de_paris_x", place="Marseille"), load_gazetteer())

    assert unsaid.score == paris.score > 0.5
    assert not far.found


def test_only_what_is_clear_or_picked_is_taken() -> None:
    """Twins are left to the user; a pick wins over a score, and an empty one leaves out."""
    known = Gazetteer(
        [
            Landmark(id="mill-a", name="Old Mill", place="Ulm"),
            Landmark(id="mill-b", name="Old Mill", place="Bonn"),
            Landmark(id="gate", name="Holsten Gate"),
            Landmark(id="arch", name="Long Arch"),
        ]
    )
    matches = match_labels(dataset("old_mill", "holsten_gate", "long_arch"), known)

    twins = next(match for match in matches if match.label == "old_mill")
    assert not twins.is_clear
    assert set(taken(matches, known)) == {"holsten_gate", "long_arch"}
    picks = {"old_mill": "mill-b", "long_arch": ""}
    chosen = taken(matches, known, picks=picks)
    assert {label: mark.id for label, (mark, _) in chosen.items()} == {
        "old_mill": "mill-b",
        "holsten_gate": "gate",
    }
    assert json.loads(json.dumps(twins.to_dict()))["clear"] is False


def test_wrong_picks_are_said() -> None:
    """A label or a landmark that is not there, and a score out of range."""
    matches = match_labels(dataset("eiffel"), load_gazetteer())

    with pytest.raises(UnknownName, match="no label 'eifel'"):
        taken(matches, load_gazetteer(), picks={"eifel": "eiffel_tower"})
    with pytest.raises(UnknownName, match="did you mean 'eiffel_tower'"):
        taken(matches, load_gazetteer(), picks={"eiffel": "eifel_tower"})
    with pytest.raises(ConfigError, match="at most 1"):
        taken(matches, load_gazetteer(), least=95)


@pytest.mark.shared
def test_the_real_folders(shared: Path) -> None:
    """World's 54 match themselves; nothing of Pakistan's or Provence's is sure."""
    known = load_gazetteer()
    for folder, levels, sure in (
        ("world/test", None, 54),
        ("pakistan", None, 0),
        ("provence", "place,landmark", 0),
    ):
        matches = match_labels(read_dataset(shared / "data" / folder, levels=levels), known)
        chosen = taken(matches, known)
        assert len(chosen) == sure
        assert all(label == landmark.id for label, (landmark, _) in chosen.items())
