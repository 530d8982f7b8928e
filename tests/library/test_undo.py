"""Taking back when things are no longer as they were."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from waymark.gazetteer import Landmark
from waymark.library import undo
from waymark.library.journal import Journal
from waymark.library.store import Store
from waymark.library.tagged import Tagged
from waymark.library.undo import apply_undo, plan_undo
from waymark.library.write import apply_writes
from waymark.library.write_plan import WriteOptions, plan_writes

EIFFEL = Landmark(id="eiffel_tower", name="Eiffel Tower", place="Paris", country="FR")


@pytest.fixture
def sidecar(tmp_path: Path) -> Path:
    """Return where the sidecar of a photo will be."""
    (tmp_path / "a.jpg").write_bytes(b"photo")
    return tmp_path / "a.jpg.xmp"


@pytest.fixture
def journal(tmp_path: Path, sidecar: Path) -> Journal:
    """Return a journal with one write that made the sidecar."""
    journal = Journal(Store.open(tmp_path / "library.sqlite").connection)
    tagged = Tagged(
        path=sidecar.with_suffix(""), sha256=hashlib.sha256(b"photo").hexdigest(),
        landmark=EIFFEL, score=0.9, confidence=0.9, unknown_score=0.1, evidence="photo",
        state="approved", bundle="0", tagged_at=datetime(2026, 5, 17, tzinfo=UTC),
    )  # fmt: skip
    changes = list(plan_writes([tagged], WriteOptions(), journal))
    apply_writes(changes, journal, command="", options={})
    return journal


def test_a_plan_touches_nothing(journal: Journal, sidecar: Path) -> None:
    """A dry run shows what would go."""
    before = sidecar.read_bytes()
    (change,) = plan_undo(journal, 1)

    assert change.action == "remove"
    assert all(not line.startswith("+") or line == "+++ /dev/null" for line in change.difference())
    assert sidecar.read_bytes() == before


def test_a_sidecar_that_somebody_adds_to_stays(journal: Journal, sidecar: Path) -> None:
    """A file that waymark made is not removed once it holds another's words."""
    text = sidecar.read_text("utf-8")
    sidecar.write_text(text.replace("<dc:subject>", "<dc:title>Mine</dc:title><dc:subject>"))
    outcome = apply_undo(journal, 1)

    assert outcome.changed == 1
    text = sidecar.read_text("utf-8")
    assert "Mine" in text
    assert "Eiffel" not in text


@pytest.mark.parametrize("what", ["gone", "link", "broken"])
def test_what_cannot_be_taken_back_is_left_and_waits(
    journal: Journal, sidecar: Path, what: str
) -> None:
    """A sidecar that is gone, a link or damaged is named; when it is back, undo works."""
    saved = sidecar.read_bytes()
    sidecar.unlink()
    if what == "link":
        other = sidecar.with_name("other")
        other.write_bytes(saved)
        sidecar.symlink_to(other)
    elif what == "broken":
        sidecar.write_bytes(b"<broken")
    outcome = apply_undo(journal, 1)

    assert len(outcome.left) == 1
    assert journal.count(1) == 1
    sidecar.unlink(missing_ok=True)
    sidecar.write_bytes(saved)
    assert apply_undo(journal, 1).removed == 1
    assert not sidecar.exists()


def test_a_save_at_the_last_moment_wins(
    journal: Journal, sidecar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between plan and undo another program saves: nothing is removed."""
    real = undo.remove_file

    def late(path: Path, *, expected: bytes | None) -> None:
        sidecar.write_bytes(b"just saved")
        real(path, expected=expected)

    monkeypatch.setattr(undo, "remove_file", late)
    outcome = apply_undo(journal, 1)

    assert "meantime" in outcome.left[0].reason
    assert sidecar.read_bytes() == b"just saved"


def test_nothing_of_ours_left_is_done(journal: Journal, sidecar: Path) -> None:
    """Where the user has taken everything out, the write counts as taken back."""
    sidecar.write_bytes(
        b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        b'rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:title="x"/></rdf:RDF>'
    )
    outcome = apply_undo(journal, 1)

    assert outcome.same == 1
    assert journal.count(1) == 0
