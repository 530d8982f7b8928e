"""What a site lets programs take: robots.txt, and the X-Robots-Tag of an answer.

In:  the text of a robots.txt; the values of a header.
Out: whether a path may be fetched, how long to wait between requests, what is forbidden.

Standard library only. Source: RFC 9309 (https://www.rfc-editor.org/rfc/rfc9309).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

PRODUCT = "waymark"
MAX_BYTES = 500 * 1024  # RFC 9309, 2.5: at least this much is to be read
_FORBIDDING = frozenset(("noai", "noimageai", "noindex", "noimageindex", "none"))
_VALUED = frozenset(("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Robots:
    """The rules of one robots.txt for waymark.

    Attributes:
        rules: (path pattern, allowed), as they stand in the file.
        delay: seconds between two requests, where the file asks for some.
    """

    rules: tuple[tuple[str, bool], ...] = ()
    delay: float = 0.0

    def allows(self, url: str) -> bool:
        """Say whether a URL of this site may be fetched: the longest pattern decides."""
        parts = urlsplit(url)
        path = _plain(parts.path or "/") + (f"?{_plain(parts.query)}" if parts.query else "")
        if path == "/robots.txt":
            return True
        matching = [
            (len(pattern), allowed) for pattern, allowed in self.rules if _matches(pattern, path)
        ]
        return max(matching, default=(0, True))[1]  # on a tie, allowed: True is the greater


OPEN = Robots()
CLOSED = Robots(rules=(("/", False),))


def read_robots(text: str, product: str = PRODUCT) -> Robots:
    """Read a robots.txt; lines that are not rules are passed over."""
    groups: dict[str, list[tuple[str, str]]] = {}
    agents: list[str] = []
    among_agents = False
    for line in text.removeprefix("\ufeff").splitlines():
        key, colon, value = line.partition("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if not colon:
            continue
        if key == "user-agent":
            if not among_agents:
                agents = []
            among_agents = True
            # `Waymark/1.0` and `waymark` name the same program
            agents.append(re.split(r"[/\s]", value.lower(), maxsplit=1)[0])
            groups.setdefault(agents[-1], [])
        elif key in ("allow", "disallow", "crawl-delay"):
            among_agents = False
            for agent in agents:
                groups[agent].append((key, value))
    lines = groups.get(product.lower(), groups.get("*", []))
    rules = tuple(
        (_plain(value), key == "allow") for key, value in lines if key != "crawl-delay" and value
    )
    return Robots(rules=rules, delay=max(map(_seconds, lines), default=0.0))


def forbids(values: Iterable[str]) -> str | None:
    """Return the word of an X-Robots-Tag header that keeps a photo from being collected.

    `googlebot: noindex` speaks to another program and does not count.
    """
    for value in values:
        for part in value.lower().split(","):
            agent, colon, rest = part.partition(":")
            word = part.strip()
            if colon:
                if agent.strip() in _VALUED:
                    continue
                if agent.strip() != PRODUCT:
                    break  # what follows in this value speaks to that agent, too
                word = rest.strip()
            if word in _FORBIDDING:
                return word
    return None


def _matches(pattern: str, path: str) -> bool:
    """Match `*` (anything) and a closing `$` (the end), without backtracking for ever."""
    anchored = pattern.endswith("$")
    first, *others = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    if anchored and not others:
        return path == first
    at = len(first)
    for number, piece in enumerate(others):
        if anchored and number == len(others) - 1:
            return path.endswith(piece) and len(path) - len(piece) >= at
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def _plain(path: str) -> str:
    """Write what needs no escape unescaped and the rest escaped in one way."""
    whole = quote(path, safe="/%*$?=&:;,+!@'()~[]")
    return re.sub(r"%([0-9A-Fa-f]{2})", lambda m: _letter(int(m[1], 16)), whole)


def _letter(code: int) -> str:
    return chr(code) if re.match(r"[\w.~-]", chr(code), re.ASCII) else f"%{code:02X}"


def _seconds(line: tuple[str, str]) -> float:
    if line[0] != "crawl-delay" or not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", line[1]):
        return 0.0
    return float(line[1])
