"""Landmarks of a library: the same where what is known agrees, another where it does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waymark.gazetteer import Landmark
from waymark.library.store import Store
from waymark.library.store_landmark import is_same
from waymark.library.store_query import Filter, landmarks_of, page
from waymark.library.store_schema import _LANDMARKS, migrations

FOIX = Landmark(id="castle", name="Castle", place="Foix", country="FR", lat=42.965, lon=1.605)
CONWY = Landmark(id="castle", name="Castle", place="Conwy", country="GB", lat=53.28, lon=-3.826)
BARE = Landmark(id="castle", name="Castle")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return an empty library."""
    with Store.open(tmp_path / "library.sqlite") as opened:
        yield opened


def number_of(store: Store, landmark: Landmark) -> int:
    """Return the library's number of a landmark."""
    with store.transaction():
        return store.landmark_ids([landmark])[0]


def test_one_id_may_be_two_landmarks(store: Store) -> None:
    """What the library says of the first is as it was; both are found by their id."""
    first, second = number_of(store, FOIX), number_of(store, CONWY)

    assert first != second
    assert landmarks_of(store) == {first: FOIX, second: CONWY}
    assert (number_of(store, CONWY), number_of(store, FOIX)) == (second, first)
    assert store.landmark("castle") == CONWY
    with store.transaction() as connection:
        for number in (first, second):
            connection.execute(
                "INSERT INTO photo (path, size, mtime_ns, inode, beside, moment, landmark, "
                "tagged_at) VALUES (?, 1, 1, 1, '', 0, ?, '2024-05-17T18:30:00+02:00')",
                [b"/%d.jpg" % number, number],
            )
    for wanted, count in (
        ({"landmark": "castle"}, 2),
        ({"text": "castle"}, 2),
        ({"place": "Foix"}, 1),
    ):
        assert len(page(store, Filter(**wanted))) == count


def test_what_nobody_knew_is_filled_in(store: Store) -> None:
    """But nothing that is known is changed, nor taken for granted of a record that lacks it."""
    number = number_of(store, BARE)
    known = replace(FOIX, local_name="Château", extent_m=80.0, estimated=True)

    assert number_of(store, known) == number
    assert landmarks_of(store)[number] == known
    moved = replace(known, lat=42.966, extent_m=90.0, estimated=False)
    assert number_of(store, moved) == number
    assert landmarks_of(store)[number] == known
    assert number_of(store, BARE) != number


at = st.sampled_from([None, 1.0, 1.002, 2.0])
records = st.builds(
    lambda lat, **facts: Landmark(id="a", lat=lat, lon=lat, **facts), at,
    name=st.sampled_from(["A", "B"]), place=st.sampled_from([None, "P", "Q"]),
    country=st.sampled_from([None, "FR", "GB"]), wikidata=st.sampled_from([None, "Q1", "Q2"]),
)  # fmt: skip


@given(st.lists(records, max_size=8))
@settings(deadline=None)
def test_no_record_changes_what_another_said(
    tmp_path_factory: pytest.TempPathFactory, landmarks: list[Landmark]
) -> None:
    """Whatever comes in whatever order: what is known of a landmark stays, and is all there is."""
    with Store.open(tmp_path_factory.mktemp("library") / "l.sqlite") as store:
        before: dict[int, Landmark] = {}
        for landmark in landmarks:
            number = number_of(store, landmark)
            after = landmarks_of(store)
            for kept, record in before.items():
                now = after[kept].to_dict()
                assert record.to_dict().items() <= {**now, **_unknown(record)}.items()
            for name in ("name", "place", "country", "wikidata"):
                assert getattr(after[number], name) == getattr(landmark, name)
            assert number_of(store, landmark) == number
            before = after


def _unknown(landmark: Landmark) -> dict[str, None]:
    return {name: None for name, value in landmark.to_dict().items() if value is None}


def test_the_same_landmark_may_be_described_otherwise() -> None:
    """Wikidata says so first, then the position, then the place."""
    tower = Landmark(id="t", name="T", place="Paris", country="FR", lat=48.858, lon=2.294)
    same, other = replace(tower, wikidata="Q243"), replace(tower, wikidata="Q1")

    assert is_same(tower, replace(tower, name="Tower", place="Parigi", lat=48.86))
    assert is_same(same, replace(same, lat=0.0))
    assert not is_same(same, other)
    assert not is_same(FOIX, CONWY)
    assert is_same(FOIX, BARE)
    assert not is_same(replace(BARE, place="Foix"), replace(BARE, place="Conwy"))


def test_a_library_of_before_keeps_its_landmarks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Photos refer to the same numbers, and from then on an id may be another landmark too."""
    path = tmp_path / "l.sqlite"
    monkeypatch.setattr(
        "waymark.library.store_schema.migrations",
        lambda: migrations()[: migrations().index(_LANDMARKS)],
    )
    with Store.open(path) as store, store.transaction() as connection:
        connection.execute(
            "INSERT INTO landmark (id, key, name, place, country, lat, lon, estimated) "
            "VALUES (7, 'castle', 'Castle', 'Foix', 'FR', 42.965, 1.605, 0)"
        )
        connection.execute(
            "INSERT INTO photo (path, size, mtime_ns, inode, beside, moment, landmark, tagged_at) "
            "VALUES (x'2f61', 1, 1, 1, '', 0, 7, '2024-05-17T18:30:00+02:00')"
        )
    monkeypatch.undo()
    with Store.open(path) as store:
        assert [photo.landmark for photo in page(store)] == [FOIX]
        assert number_of(store, CONWY) == 8
        assert store.connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert store.connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
