"""Photos of a MediaWiki, through the parameters that MediaWiki documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from waymark.curate.collect import Caps, Report, collect
from waymark.curate.sources.commons import WIDTHS, Commons
from waymark.dataset.index import read_dataset
from waymark.errors import CollectError, ConfigError


@pytest.fixture
def run(wiki: Any, proof: Any, tmp_path: Path) -> Any:
    """Return a function that collects from the wiki into tmp_path/out."""

    def collecting(*, caps: Caps | None = None, time: Any = None, **wanted: Any) -> Report:
        with proof.serving(wiki.behave) as server:
            api = f"http://wiki.test:{server.port}/w/api.php"
            source = Commons(label="tower", api=api, wikidata=api, **wanted)
            web = proof.web(time or proof.Time())
            report = collect(source, tmp_path / "out", web=web, caps=caps)
        wiki.server = server
        return report

    return collecting


def photos(folder: Path) -> list[Any]:
    """Return the photos of the collection."""
    return list(read_dataset(folder / "out" / "manifest.csv").photos)


def test_a_category_to_its_end(wiki: Any, run: Any, tmp_path: Path) -> None:
    """Every file comes once, over all continuations, with author, licence and page."""
    for number in range(8):
        wiki.add(f"Tower {number}.jpg", "Eiffel Tower")
    report = run(category="Eiffel Tower")
    found = photos(tmp_path)

    assert report.taken == len(found) == 8
    assert {p.author for p in found} == {"Ann & Bo"}
    assert {p.licence for p in found} == {"CC BY-SA 4.0"}
    assert all("/wiki/File%3ATower_" in (p.url or "") for p in found)
    assert all(p.path.name.startswith("Tower_") for p in found)
    assert {asked["maxlag"] for asked in wiki.asked} == {"5"}


def test_a_second_run_asks_for_no_photo(wiki: Any, run: Any) -> None:
    """What is there is known by its page, whatever its address or width."""
    wiki.add("A.jpg", "T")
    wiki.add("B.jpg", "T")
    run(category="T")
    report = run(category="Category:T", width=500)

    assert (report.taken, report.known) == (0, 2)
    assert not [path for _, path in wiki.server.counts if path.startswith(("/thumb", "/file"))]


def test_subcategories_to_a_depth_and_in_circles(wiki: Any, run: Any) -> None:
    """Each level is one more; a category in itself ends."""
    wiki.below("T", "T1", "T2", "T3")
    wiki.below("T1", "T11")
    wiki.below("T11", "T")
    for name in ("T", "T1", "T3", "T11"):
        wiki.add(f"{name}.jpg", name)
    wiki.add("T.jpg", "T3")

    assert [run(category="T", depth=depth).counts["tower"] for depth in (0, 1, 9)] == [1, 3, 4]


def test_a_search_in_its_order(wiki: Any, run: Any, tmp_path: Path) -> None:
    """The best come first: with a limit, these are the ones that are taken."""
    for number in range(7):
        wiki.add(f"Eiffel {number}.jpg")
    wiki.add("Other.jpg")
    report = run(search="eiffel", caps=Caps(per_label=2))

    assert report.taken == 2
    assert sorted(p.path.name[:8] for p in photos(tmp_path)) == ["Eiffel_0", "Eiffel_1"]
    assert run(search="eiffel").counts["tower"] == 7


def statement(value: Any, rank: str = "normal") -> dict[str, Any]:
    """Return a statement of a Wikidata item."""
    snak = {"snaktype": "value", "property": "P", "datavalue": {"value": value, "type": "string"}}
    return {"mainsnak": snak, "type": "statement", "rank": rank}


def test_an_item_gives_picture_and_category(wiki: Any, run: Any, tmp_path: Path) -> None:
    """P18 first, then the category of P373; deprecated statements do not count."""
    wiki.add("Best.jpg")
    wiki.add("In.jpg", "Eiffel")
    wiki.add("Wrong.jpg", "Old")
    claims = {
        "P18": [statement("Best.jpg"), statement("Gone.jpg")],
        "P373": [statement("Old", "deprecated"), statement("Eiffel", "preferred")],
    }
    wiki.items["Q243"] = {"type": "item", "id": "Q243", "claims": claims}

    assert run(item="Q243").taken == 2
    assert sorted(p.path.name.partition("-")[0] for p in photos(tmp_path)) == ["Best", "In"]


def test_an_item_without_a_category_is_searched_for(wiki: Any, run: Any) -> None:
    """Files that say they depict it (P180) take the category's place."""
    wiki.add("Some.jpg", **{"haswbstatement:p180=q1": True})
    wiki.items["Q1"] = {"type": "item", "id": "Q1", "claims": {}}

    assert run(item="Q1").taken == 1
    assert wiki.asked[-1]["gsrsearch"] == "filetype:bitmap haswbstatement:P180=Q1"
    with pytest.raises(CollectError, match="Q2 is not in Wikidata"):
        run(item="Q2")


def test_licences_are_filtered_and_kept(wiki: Any, run: Any, proof: Any, tmp_path: Path) -> None:
    """Only those asked for are fetched; the others are listed, and asked for at will."""
    for number, licence in enumerate(
        ("CC BY 2.0", "CC0", "CC BY-SA 3.0", "GFDL", "Fair use", None)
    ):
        wiki.add(f"{number}.jpg", "T", licence=licence)
    wiki.add("non-free.jpg", "T", licence="CC BY 4.0", nonfree="true")
    report = run(category="T", licences=frozenset(("cc0", "cc-by")))
    reasons = {miss.reason for miss in report.refused}

    assert report.taken == 2
    assert "licence CC BY-SA 3.0 is not asked for" in reasons
    assert {"no licence is stated", "not free, by its page"} <= reasons
    assert {p.licence for p in photos(tmp_path)} == {"CC BY 2.0", "CC0"}
    assert run(category="T", licences=frozenset(("cc-by-sa",))).taken == 1


def test_drawings_and_films_are_not_photos(wiki: Any, run: Any) -> None:
    """By their type, before they are fetched."""
    for mime in ("image/svg+xml", "video/webm", "application/pdf"):
        wiki.add(f"{mime[-3:]}.x", "T", mime=mime)
    report = run(category="T")

    assert report.taken == 0
    assert {miss.reason for miss in report.refused} >= {"a file of type video/webm, not a photo"}
    assert not [path for _, path in wiki.server.counts if path.startswith(("/thumb", "/file"))]


def test_thumbnails_only_at_allowed_widths(wiki: Any, run: Any) -> None:
    """An allowed width is asked for as it is, a smaller file comes whole, others are refused."""
    wiki.add("Large.jpg", "T")
    wiki.add("Small.jpg", "T", width=400)
    run(category="T")

    paths = {path for _, path in wiki.server.counts if path.startswith(("/thumb", "/file"))}
    assert paths == {"/thumb/0/960", "/file/1"}
    with pytest.raises(ConfigError, match="960"):
        Commons(label="x", category="T", width=800)
    assert all(Commons(label="x", category="T", width=width).width for width in WIDTHS)


def test_the_files_themselves(wiki: Any, run: Any) -> None:
    """Without a width, no thumbnail is asked for."""
    wiki.add("Large.jpg", "T")
    run(category="T", width=None)

    assert "/file/0" in {path for _, path in wiki.server.counts}
    assert all("iiurlwidth" not in asked for asked in wiki.asked)


def test_a_lagging_wiki_is_waited_for(wiki: Any, run: Any, proof: Any) -> None:
    """maxlag's answer says how long; after some tries, the run ends and says so."""
    wiki.add("A.jpg", "T")
    wiki.lagging = 1
    time = proof.Time()
    assert run(category="T", time=time).taken == 1
    assert 5.0 in time.slept

    wiki.lagging = 99
    with pytest.raises(CollectError, match="maxlag"):
        run(category="T")


def test_no_wiki_at_that_address(proof: Any, tmp_path: Path) -> None:
    """A page, an error and something else in JSON: each says what was expected."""
    for body, status in ((b"<html>", 200), (b"[1]", 200), (b"", 404)):
        with proof.serving(lambda _, h, b=body, s=status: h.send(b, status=s)) as server:
            source = Commons(label="x", search="x", api=f"http://no.test:{server.port}/api.php")
            with pytest.raises(CollectError, match=r"api\.php"):
                collect(source, tmp_path / "out", web=proof.web(proof.Time()))


@pytest.mark.parametrize(
    "wanted",
    [
        *({}, {"category": "a", "search": "b"}, {"item": "243"}, {"item": "Q1|Q2"}),
        *({"category": "a", "depth": -1}, {"category": "a", "label": " "}),
    ],
)
def test_impossible_wishes(wanted: dict[str, Any]) -> None:
    """Exactly one of three, an item as Wikidata writes it, a label."""
    with pytest.raises(ConfigError, match="--"):
        Commons(**{"label": "x", **wanted})
