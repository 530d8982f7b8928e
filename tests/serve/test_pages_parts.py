"""What pages are made of: cards, places in words, the outline of the world."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html

from waymark.bundle.tiny import tiny_bundle
from waymark.gazetteer import load_gazetteer, outline
from waymark.gazetteer_country import country_name, country_table, local_language
from waymark.serve.outline import SCALE, SOUTH, WORLD, around, around_all, land_path, project, towns
from waymark.serve.pages_card import card_html
from waymark.serve.pages_form import picture
from waymark.serve.pages_place import coordinates, percent, say_distance
from waymark.serve.pages_report import rows, tiles
from waymark.training.card import model_card
from waymark.training.card_text import code, plain

TAGS = {"p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "code", "strong", "div"}
TAGS |= {f"h{level}" for level in range(1, 7)}
PLACES = st.tuples(st.floats(-85, 85), st.floats(-180, 180))
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1)


def fragment(text: str) -> html.HtmlElement:
    return html.fragment_fromstring(str(card_html(text)), create_parent="main")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_a_card_can_add_no_tag_of_its_own(text: str) -> None:
    """Whatever the Markdown, only our tags come out, and only our attributes."""
    for node in re.findall(r"<(/?)(\w+)([^>]*)>", str(card_html(text))):
        assert node[1] in TAGS
        assert node[2] in ("", ' scope="col"', ' scope="row"', ' class="scroll" tabindex="0"')


@given(WORDS)
def test_plain_text_comes_out_as_it_went_in(text: str) -> None:
    """What `plain` escaped for Markdown, a card shows unescaped."""
    (cell,) = fragment(f"| a | {plain(text)} |").iter("td")
    on_a_line = re.sub(r"[\u202a-\u202e\u2066-\u2069]", "\ufffd", " ".join(text.split()))

    assert " ".join(cell.text_content().split()) == " ".join(on_a_line.split())


@pytest.mark.parametrize("text", ["a `b` c", "``", "x", "<script>", "a|b", "-- x `` y"])
def test_code_comes_out_as_it_went_in(text: str) -> None:
    """What `code` fenced, a card shows as code."""
    (found,) = fragment(code(text)).iter("code")

    assert found.text_content() == text


def test_a_card_of_ours_keeps_its_shape() -> None:
    """Headings, tables and paragraphs of `model_card` become their tags."""
    card = model_card("Mine", tiny_bundle().manifest, {"n": 5, "top1": 0.8}, measured_on="tests")
    root = fragment(card)

    assert root.find("h2").text_content() == "Mine"
    assert len(root.findall("h3")) == card.count("\n## ")
    assert any("80.0%" in cell.text_content() for cell in root.iter("td"))
    assert "**" not in root.text_content()


def test_every_country_of_the_gazetteer_has_a_name() -> None:
    """No page shows a bare code for a landmark of ours."""
    codes = {one.country for one in load_gazetteer().landmarks if one.country}

    assert codes <= country_table().keys()
    assert all(re.fullmatch("[A-Z]{2}", each) for each in country_table())
    assert country_name("TR") == "Türkiye"
    assert (country_name("ZZ"), country_name(None)) == ("ZZ", None)


@pytest.mark.parametrize(
    ("text", "country", "language"),
    [
        ("Tour Eiffel", "FR", "fr"), ("البتراء", "JO", "ar"), ("ताज महल", "IN", "hi"),
        ("万里长城", "CN", "zh-Hans"), ("Great Wall", "CN", None), ("Спас на Крови", "RU", "ru"),
        ("15 Temmuz Köprüsü", "TR", "tr"), ("Palais", "CH", None), ("Palais", None, None),
        ("123", "FR", None),
    ],
)  # fmt: skip
def test_a_language_is_said_only_where_the_script_fits(
    text: str, country: str | None, language: str | None
) -> None:
    """A reader aloud is told the language of a local name, or nothing."""
    assert local_language(text, country) == language


@pytest.mark.parametrize(
    ("share", "text"),
    [
        *[(1, "100 %"), (0.9996, ">99 %"), (0.989, "98 %"), (0.29, "29 %")],
        *[(0.009, "<1 %"), (0.0001, "<1 %"), (0, "0 %")],
    ],
)
def test_percent_claims_no_certainty(share: float, text: str) -> None:
    """Only 1 is 100 %, and only 0 is 0 %."""
    assert percent(share) == text


@pytest.mark.parametrize(
    ("metres", "text"),
    [(0, "10 m"), (44, "40 m"), (999.9, "1,000 m"), (1234, "1.2 km"), (5_800_123, "5,800 km")],
)
def test_distances_as_one_says_them(metres: float, text: str) -> None:
    """No metre more than a photo's GPS can tell."""
    assert say_distance(metres).replace("1000", "1,000") == text


def test_positions_name_their_halves_of_the_world() -> None:
    """South and west are words, not signs."""
    assert coordinates(-13.1631, -72.545) == "13.1631° S, 72.5450° W"


@given(PLACES)
def test_places_lie_on_the_map_and_in_their_view(place: tuple[float, float]) -> None:
    """Every place is inside the world, and inside the view around it."""
    x, y = project(*place)
    view = around(*place)

    assert 0 <= x <= WORLD.width
    assert 0 <= y <= WORLD.height
    assert view.x - 1e-6 <= x <= view.x + view.width + 1e-6
    assert view.y - 1e-6 <= y <= view.y + view.height + 1e-6
    assert 0 <= view.x <= WORLD.width - view.width
    assert 0 <= view.y <= WORLD.height - view.height


@given(st.lists(PLACES, max_size=5))
def test_one_view_holds_all_places(places: list[tuple[float, float]]) -> None:
    """Whatever is listed is seen."""
    view = around_all(places)
    for x, y in (project(*place) for place in places):
        assert view.x - 1e-6 <= x <= view.x + view.width + 1e-6
        assert view.y - 1e-6 <= y <= view.y + view.height + 1e-6


def test_steps_of_the_path_lead_round_the_coast() -> None:
    """Decoded, each ring of the path is the outline, projected, to half a unit."""
    rings = [ring for ring in outline() if max(lat for _, lat in ring) > SOUTH]
    decoded = []
    for text in re.findall(r"M([^z]+)z", land_path()):
        start, steps = text.split("l")
        x, y = map(int, start.split())
        points = [(x, y)]
        numbers = list(map(int, steps.split()))
        for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
            x, y = x + dx, y + dy
            points.append((x, y))
        decoded.append(points)

    assert len(decoded) == len(rings)
    for points, ring in zip(decoded, rings, strict=True):
        for lon, lat in ring:
            if SOUTH < lat < 78 and -170 <= lon < 190:
                at = (round((lon + 170) * SCALE), project(lat, lon)[1])
                assert any(abs(at[0] - x) <= 1 and abs(at[1] - y) <= 1 for x, y in points)


def on_land(x: float, y: float) -> bool:
    """Say whether a point of the map lies within the outline; the even-odd rule."""
    crossings = 0
    for ring in outline():
        points = [((lon + 170) * SCALE, project(lat, 0)[1]) for lon, lat in ring]
        for (ax, ay), (bx, by) in zip(points, [*points[1:], points[0]], strict=True):
            if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
                crossings += 1
    return crossings % 2 == 1


def test_towns_come_once_and_lie_on_land() -> None:
    """A name is there once; every city is on the land, or on its coast, which is drawn roughly."""
    names = [name for name, _, _ in towns(load_gazetteer().landmarks)]
    found = towns([])
    steps = (-12, -6, 0, 6, 12)  # units: a degree and a bit
    at_sea = [
        name for name, x, y in found if not any(on_land(x + a, y + b) for a in steps for b in steps)
    ]

    assert len(set(names)) == len(names)
    assert at_sea == []


def test_cities_are_where_the_gazetteer_has_their_landmarks() -> None:
    """The two lists of places agree to half a degree."""
    cities = {name: (x, y) for name, x, y in towns([])}
    for one in load_gazetteer().landmarks:
        if one.place in cities and one.lat is not None and one.lon is not None:
            assert cities[one.place] == pytest.approx(project(one.lat, one.lon), abs=5), one.name


def test_only_kinds_that_browsers_draw_are_sent_back() -> None:
    """An upload is shown as a picture, never as a document."""
    assert picture(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>") is None
    assert picture(b"") is None
    assert str(picture(b"\x89PNG\r\n\x1a\n....")).startswith("data:image/png;base64,")


def test_rows_and_tiles_say_what_was_measured() -> None:
    """Each figure keeps its interval and its n; a landmark without figures has none."""
    manifest = tiny_bundle().manifest
    figures = {"landmark-1": {"recall": 0.5, "precision": 1.0, "f1": 0.67, "n": 8}}
    manifest.metrics.update(n=8, top1=0.5, top1_interval=[0.2, 0.8], per_class=figures)
    found = {row.landmark["id"]: (row.n, row.recall, row.precision) for row in rows(manifest)}
    (tile,) = tiles(manifest.metrics)

    assert found["landmark-1"] == (8, 0.5, 1.0)
    assert found["landmark-0"] == (None, None, None)
    assert (tile.value, tile.span, tile.n) == ("50.0 %", "20.0 % to 80.0 %", 8)
