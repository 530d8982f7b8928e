"""robots.txt as RFC 9309 reads it, and X-Robots-Tag."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waymark.curate.robots import forbids, read_robots

FILE = """\ufeff# rules
Sitemap: https://host/map
User-agent: Other
Disallow: /
User-Agent: *
User-agent: some-bot
Disallow: /private/ # not here
Allow: /private/open/
Disallow: /*.gif$
Disallow: /a*b*c
Disallow:
Crawl-delay: 2.5
nonsense
"""


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", True),
        ("/private", True),
        ("/private/", False),
        ("/private/x.jpg", False),
        ("/private/open/x.jpg", True),
        ("/x.gif", False),
        ("/x.gif?small", True),
        ("/x.gif.jpg", True),
        ("/axxbxxcxx", False),
        ("/acb", True),
        ("/%70rivate/x.jpg", False),
        ("/robots.txt", True),
    ],
)
def test_the_longest_pattern_decides(path: str, allowed: bool) -> None:
    """Wildcards, ends, escapes and exceptions count; another program's rules do not."""
    assert read_robots(FILE).allows(f"http://host{path}") is allowed


def test_rules_for_waymark_replace_those_for_all() -> None:
    """A group of our own is the only one; several of them are one."""
    text = "User-agent: *\nDisallow: /\nUser-agent: Waymark/9\nDisallow: /no\nUser-agent: x\n"
    text += "Disallow: /x\nUser-agent: waymark\nDisallow: /nor\n"
    rules = read_robots(text)

    assert [rules.allows(f"http://h/{p}") for p in ("yes", "no", "nor", "x")] == [
        True,
        False,
        False,
        True,
    ]


def test_the_delay_is_read() -> None:
    """Crawl-delay is a number of seconds, or nothing."""
    assert read_robots(FILE).delay == 2.5
    assert read_robots("User-agent: *\nCrawl-delay: 1e9\nCrawl-delay: soon\n").delay == 0


@given(st.text(max_size=300), st.text(max_size=40))
def test_any_text_is_read(text: str, path: str) -> None:
    """No file is an error, and a file without rules allows everything."""
    rules = read_robots(text)

    assert rules.allows(f"http://host/{path}") or rules.rules


@given(st.text("ab*$", max_size=12), st.text("ab$", max_size=12))
def test_patterns_match_as_the_regular_expression_does(pattern: str, path: str) -> None:
    """`*` is anything, a closing `$` the end: Python's re is the oracle."""
    import re

    body = pattern.removesuffix("$")
    expression = ".*".join(map(re.escape, body.split("*")))
    expression += r"\Z" if pattern.endswith("$") else ""
    rules = read_robots(f"User-agent: *\nDisallow: /{pattern}")

    assert rules.allows(f"http://host/{path}") is not bool(re.match("/" + expression, "/" + path))


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (["noindex"], "noindex"),
        (["NoAI, noimageai"], "noai"),
        (["all", "noimageindex"], "noimageindex"),
        (["none"], "none"),
        (["max-image-preview: large, noai"], "noai"),
        (["waymark: noindex"], "noindex"),
        (["nofollow, noarchive"], None),
        (["googlebot: noindex, noai"], None),
        (["unavailable_after: 25 Jun 2030 15:00:00 PST"], None),
        ([""], None),
        ([], None),
    ],
)
def test_headers_that_forbid(values: list[str], word: str | None) -> None:
    """noai and its kin count when they speak to all, or to waymark."""
    assert forbids(values) == word
