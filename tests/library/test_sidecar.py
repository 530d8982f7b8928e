"""Marks go into sidecars of any form, and come out again without a trace."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waymark.errors import SidecarError
from waymark.gazetteer import Landmark
from waymark.library.sidecar import merge, take_back
from waymark.library.sidecar_mark import Mark, mark_of
from waymark.library.tagged import Tagged
from waymark.library.write_change import Change

EIFFEL = Landmark(
    id="eiffel_tower", name="Eiffel Tower", local_name="Tour Eiffel", place="Paris", country="FR",
    category="tower", lat=48.8584, lon=2.2945, extent_m=150, wikidata="Q243",
)  # fmt: skip
TAGGED = Tagged(
    path=Path("photo.jpg"), sha256="0" * 64, landmark=EIFFEL, score=0.97312, confidence=0.97312,
    unknown_score=0.02,
    evidence="photo", state="approved", bundle="0123456789ab",
    tagged_at=datetime(2026, 5, 17, 12, 30, tzinfo=UTC),
)  # fmt: skip
MARK = mark_of(TAGGED)
ESTIMATED = mark_of(TAGGED, gps=True)
HEAD = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:exif="http://ns.adobe.com/exif/1.0/">'
)
TAIL = "</rdf:RDF></x:xmpmeta>"


def packet(inside: str, attributes: str = "") -> bytes:
    """Return a sidecar with one description."""
    return (
        f'{HEAD}\n <rdf:Description rdf:about=""{attributes}>\n{inside}\n'
        f" </rdf:Description>\n{TAIL}"
    ).encode()


def keywords(*words: str, kind: str = "Bag") -> str:
    """Return dc:subject as a list."""
    items = "".join(f"\n   <rdf:li>{word}</rdf:li>" for word in words)
    return f"  <dc:subject>\n   <rdf:{kind}>{items}\n   </rdf:{kind}>\n  </dc:subject>"


def test_a_new_sidecar_says_everything() -> None:
    """Where there was none, all of the mark is added, and taking it back leaves nothing."""
    merged = merge(None, ESTIMATED)

    assert merged.added == ESTIMATED
    assert take_back(merged.data, merged.added).empty


def test_the_same_again_changes_nothing() -> None:
    """A mark that is there already is not added a second time."""
    once = merge(packet(keywords("Holiday")), ESTIMATED).data
    again = merge(once, ESTIMATED)

    assert again.data == once
    assert not again.added


@pytest.mark.parametrize("kind", ["Bag", "Seq", "Alt"])
def test_a_list_grows_in_its_own_form(kind: str) -> None:
    """Keywords go behind those that are there, whatever kind of list it is."""
    data = packet(keywords("Holiday", "Paris", kind=kind))
    merged = merge(data, MARK)

    assert merged.added.subject == ("Eiffel Tower", "France")
    assert f"<rdf:{kind}>".encode() in merged.data
    assert merged.data.index(b"Holiday") < merged.data.index(b"Eiffel Tower")
    assert take_back(merged.data, merged.added).data == data


@pytest.mark.parametrize(
    "inside",
    [
        "  <dc:subject>Holiday</dc:subject>",
        "  <dc:subject><![CDATA[Holiday]]></dc:subject>",
        "  <dc:subject/>",
        "  <dc:subject></dc:subject>",
        "  <dc:subject><rdf:Bag/></dc:subject>",
        "  <dc:subject>\n   <rdf:Seq>\n   </rdf:Seq>\n  </dc:subject>",
    ],
)
def test_what_is_no_list_yet_becomes_one(inside: str) -> None:
    """A keyword that stands alone, or none, is opened to a list, and its own word stays."""
    merged = merge(packet(inside), MARK)
    back = take_back(merged.data, merged.added)

    assert merged.added.subject == MARK.subject
    assert (b"Holiday" in merged.data) == ("Holiday" in inside)
    assert b"Eiffel" not in back.data
    assert (b"Holiday" in back.data) == ("Holiday" in inside)
    assert b"dc:subject" in back.data


def test_a_keyword_written_as_an_attribute_is_kept() -> None:
    """An attribute cannot hold two words: it becomes a list with the old one first."""
    data = packet("  <dc:title>x</dc:title>", ' dc:subject="Tom &amp; Jerry"')
    merged = merge(data, MARK)

    assert b'dc:subject="' not in merged.data
    assert b"<rdf:li>Tom &amp; Jerry</rdf:li>" in merged.data
    assert merged.added.subject == MARK.subject


@pytest.mark.parametrize(
    "inside",
    [
        '  <dc:subject rdf:resource="urn:x"/>',
        '  <dc:subject rdf:parseType="Resource"><dc:x>1</dc:x></dc:subject>',
        '  <dc:subject xml:lang="de">Urlaub</dc:subject>',
    ],
)
def test_a_form_that_cannot_be_extended_is_left_and_noted(inside: str) -> None:
    """What is no list and no bare text stays as it is; everything else is still added."""
    merged = merge(packet(inside), MARK)

    assert inside.strip().encode() in merged.data
    assert merged.added.subject == ()
    assert merged.added.tags == MARK.tags
    assert "subject" in merged.notes[0]


def test_keywords_of_another_spelling_are_not_doubled() -> None:
    """`paris` is `Paris`, and a composed letter is its decomposed one."""
    data = packet(keywords("paris", "FRANCE"))

    assert merge(data, MARK).added.subject == ("Eiffel Tower",)


@pytest.mark.parametrize(
    "there",
    [
        "  <exif:GPSLatitude>1,2N</exif:GPSLatitude>",
        "  <exif:GPSLongitude>1,2E</exif:GPSLongitude>",
        "  <exif:GPSProcessingMethod>GPS</exif:GPSProcessingMethod>",
    ],
)
def test_a_position_is_never_added_to_another(there: str) -> None:
    """Whatever there is of a position keeps an estimate out."""
    merged = merge(packet(there), ESTIMATED)

    assert merged.added.estimate is None
    assert merged.notes == ("has a position already, which stays",)


def test_a_position_as_attribute_counts_too() -> None:
    """The short form of XMP is a position as well."""
    data = packet("", ' exif:GPSLatitude="1,2N" exif:GPSLongitude="3,4E"')

    assert merge(data, ESTIMATED).added.estimate is None


def test_a_place_that_is_named_already_is_not_named_again() -> None:
    """LocationShown of the same name or Wikidata item, by any program, is enough."""
    once = merge(None, MARK).data
    other = mark_of(replace(TAGGED, landmark=replace(EIFFEL, name="La tour", local_name=None)))

    assert merge(once, other).added.shown is None


def test_prefixes_that_stand_for_something_else_are_left_alone() -> None:
    """Where `waymark` is somebody's prefix already, ours is another one."""
    data = packet("  <waymark:a>1</waymark:a>", ' xmlns:waymark="urn:not:us"')
    merged = merge(data, MARK)

    assert b"<waymark1:Score>" in merged.data
    assert take_back(merged.data, merged.added).data == data


def test_rdf_as_the_default_namespace() -> None:
    """RDF without a prefix gets items with one, and they go again."""
    data = (
        b'<RDF xmlns="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n<Description '
        b'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:subject><Bag><li>a</li></Bag>'
        b"</dc:subject></Description>\n</RDF>"
    )
    merged = merge(data, MARK)

    assert merged.added == replace(MARK, mirrored=("a",))
    assert take_back(merged.data, merged.added).data == data


def test_a_packet_without_rdf_gets_one() -> None:
    """An empty x:xmpmeta is a sidecar too."""
    data = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'

    assert merge(data, MARK).added == MARK


def test_line_ends_and_indents_are_the_sidecars_own() -> None:
    """No line feed alone gets into a file of another system, nor a line into a file of one."""
    merged = merge(packet(keywords("a")).replace(b"\n", b"\r\n"), MARK).data
    single = merge(packet(keywords("a")).replace(b"\n", b" "), MARK).data

    assert merged.count(b"\n") == merged.count(b"\r\n")
    assert b"\n" not in single


def test_letters_that_the_encoding_lacks_are_written_as_references() -> None:
    """A Latin-1 sidecar can hold İstanbul, as `&#304;stanbul`."""
    text = packet(keywords("\xfc")).decode()
    data = b'<?xml version="1.0" encoding="ISO-8859-1"?>' + text.encode("latin-1")
    mark = Mark(subject=("İstanbul",))
    merged = merge(data, mark)

    assert b"&#304;stanbul" in merged.data
    assert take_back(merged.data, mark).data == data


def test_what_was_edited_since_stays() -> None:
    """A keyword that the user respelt and a pin that the user moved are the user's."""
    merged = merge(packet(keywords("Holiday")), ESTIMATED)
    edited = (
        merged.data.replace(b"<rdf:li>Paris</rdf:li>", b"<rdf:li>Paris 7e</rdf:li>")
        .replace(b"   <exif:GPSLatitude>48,51.504N", b"   <exif:GPSLatitude>48,52.0N")
        .replace(b"<waymark:Score>0.9731", b"<waymark:Score>1")
    )
    back = take_back(edited, merged.added)

    assert b"Paris 7e" in back.data
    assert b"Holiday" in back.data
    assert b"48,52.0N" in back.data
    assert b"waymark estimate" not in back.data
    assert b"Eiffel" not in back.data or b"LocationShown" in back.data
    assert b"France</rdf:li>" not in back.data
    assert len(back.notes) >= 2


def test_a_word_of_before_stays_though_waymark_says_it_too() -> None:
    """Only what was added goes: France was there."""
    data = packet(keywords("France"))
    merged = merge(data, MARK)

    assert b"France" in take_back(merged.data, merged.added).data


def test_tags_that_a_new_list_would_hide_are_repeated_in_it() -> None:
    """Immich reads TagsList alone where there is one: it begins with what it would hide."""
    lr = ' xmlns:lr="http://ns.adobe.com/lightroom/1.0/"'
    items = "<rdf:li>People|Ann</rdf:li><rdf:li>a/b</rdf:li>"
    data = packet(
        f"<lr:hierarchicalSubject><rdf:Bag>{items}</rdf:Bag></lr:hierarchicalSubject>", lr
    )
    merged = merge(data, replace(MARK, mirrored=("Holiday", *MARK.tags)))

    assert merged.added.mirrored == ("Holiday", "People/Ann", "a|b")
    assert merge(merged.data, MARK).data == merged.data
    assert take_back(merged.data, merged.added).data == data


def test_an_empty_description_of_somebody_else_stays() -> None:
    """Only what our own going leaves empty is tidied away."""
    data = packet("").replace(b"\n\n", b"\n")
    merged = merge(data, MARK)

    assert take_back(merged.data, merged.added).data == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not xml",
        b"<a/>",
        b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
        b"<?x <!-- ?><!DOCTYPE a><x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
        packet("&undefined;"),
        packet(keywords("\x01")),
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'>ü</x:xmpmeta>".encode("latin-1"),
        b"<?xml version='1.0' encoding='EBCDIC-CP-US'?><x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
        b"\xff\xfe\x00",
        b" " * (16 * 2**20 + 1),
        packet("<a>" * 300 + "</a>" * 300),
    ],
)
def test_what_cannot_be_read_is_refused(data: bytes) -> None:
    """Damaged, foreign, hostile or huge: an error that says so, and no guess."""
    with pytest.raises(SidecarError):
        merge(data, MARK)


words = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffe\uffff"),
    min_size=1,
    max_size=12,
).filter(str.strip)


@settings(max_examples=120, deadline=None)
@given(
    theirs=st.lists(words, max_size=4),
    ours=st.lists(words, max_size=4),
    encoding=st.sampled_from(("utf-8", "utf-8-sig", "utf-16", "utf-16-be")),
    newline=st.sampled_from(("\n", "\r\n", " ")),
)
def test_in_and_out_again(theirs: list[str], ours: list[str], encoding: str, newline: str) -> None:
    """Whatever words: what goes in comes out, and the bytes are those of before."""
    from xml.sax.saxutils import escape

    inside = keywords(*map(escape, theirs)) if theirs else "  <dc:title>x</dc:title>"
    text = packet(inside).decode().replace("\n", newline)
    data = text.encode(encoding) if encoding != "utf-16-be" else b"\xfe\xff" + text.encode(encoding)
    mark = Mark(subject=tuple(dict.fromkeys(word.strip() for word in ours)))
    merged = merge(data, mark)

    assert merge(merged.data, mark).data == merged.data
    assert take_back(merged.data, merged.added).data == data


OURS = ' xmlns:waymark="https://github.com/waymark/waymark/ns/1.0/"'


@pytest.mark.parametrize(
    "text",
    [
        lambda n: b"<!--" * n,
        lambda n: b"<!-- > " * n,
        lambda n: b"<?" * n,
        lambda n: b"<![CDATA[" * n,
        lambda n: b'<a "' * n,
        lambda n: packet("", " " * 4 * n + OURS + ' waymark:Score="1"'),
        lambda n: packet("<waymark:Score>1</waymark:Score>" * n, OURS),
        lambda n: packet(keywords(*map(str, range(n)))),
        lambda n: packet(
            "<dc:a/>" * n, "".join(f' xmlns:p{i}="u:{i}" p{i}:Score="{i}"' for i in range(n)) + OURS
        ),
        lambda n: packet("").replace(
            b"</rdf:RDF>",
            f'<rdf:Description{OURS} waymark:Score="1"/>'.encode() * n + b"</rdf:RDF>",
        ),
    ],
    ids=["comments", "half comments", "instructions", "data", "quotes", "spaces", "facts",
         "keywords", "namespaces", "descriptions"],
)  # fmt: skip
def test_no_text_takes_long(text: Callable[[int], bytes]) -> None:
    """Ten times the text takes some ten times as long, not a hundred times."""

    def seconds(data: bytes) -> float:
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            with suppress(SidecarError):
                merged = merge(data, MARK)
                take_back(merged.data, merged.added)
            best = min(best, time.process_time() - start)
        return best

    assert seconds(text(3000)) < 40 * max(seconds(text(300)), 0.001)


def test_none_grows_too_large_to_be_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither another write nor an undo could touch it then."""
    data = packet(keywords("Ann"))
    monkeypatch.setattr("waymark.library.sidecar.MAX_BYTES", len(merge(data, MARK).data))
    merge(data, MARK)

    with pytest.raises(SidecarError, match="grow"):
        merge(data + b"\n", MARK)


def test_a_very_long_sidecar_is_not_compared_line_by_line() -> None:
    """That would take long where its lines are alike; it is said how many there are."""
    before = packet(keywords(*("Ann",) * 30_000))
    change = Change(
        photo=Path("a"), file=Path("a"), action="change", before=before, after=before + b"\n\n"
    )

    assert list(change.difference())[2:] == [
        "@@ 30,008 lines become 30,010: too many to compare @@"
    ]
