"""Ask a MediaWiki's Action API: query, continue, wait when it is busy.

In:  parameters of `action=query`, as MediaWiki 1.39 and later takes them.
Out: pages, each with what all the answers of its batch said of it.

Source: https://www.mediawiki.org/wiki/API:Etiquette, .../API:Continue
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

from waymark.curate.answer import FetchFailed
from waymark.curate.fetch import Web
from waymark.errors import CollectError

MAX_LAG = 5  # seconds a replica may lag; MediaWiki's own advice for programs
_BUSY = frozenset(("maxlag", "ratelimited", "readonly"))


def ask(web: Web, api: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Ask once, waiting while the servers are busy.

    Raises:
        CollectError: the API cannot be reached or says that something is wrong.
    """
    fixed = {"format": "json", "formatversion": "2", "maxlag": str(MAX_LAG)}
    url = f"{api}?{urlencode({**parameters, **fixed})}"
    for turn in range(web.manners.tries):
        try:
            answer = web.get(url)
            found = json.loads(answer.body)
            error = found.get("error")
            if error and error.get("code") in _BUSY and turn + 1 < web.manners.tries:
                asked = answer.headers.get("retry-after", "")
                web.wait(float(asked) if asked.isdecimal() else float(MAX_LAG))
                continue
        except FetchFailed as failed:
            raise CollectError(f"{api}: {failed}. Run the same command again later.") from failed
        except (ValueError, AttributeError) as failed:
            raise CollectError(
                f"{api} did not answer as a MediaWiki does; expected the address of its api.php."
            ) from failed
        if error:
            raise CollectError(f"{api}: {error.get('code')}: {error.get('info')}")
        return found if isinstance(found, dict) else {}
    raise CollectError(f"{api} is busy. Run the same command again later.")


def query(web: Web, api: str, parameters: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the `query` part of each whole batch of an answer, pages merged, to its end."""
    going: dict[str, str] = {}
    pages: dict[Any, dict[str, Any]] = {}
    places: set[tuple[tuple[str, str], ...]] = set()
    while True:
        found = ask(web, api, {"action": "query", **parameters, **going})
        part = found.get("query", {})
        for page in part.get("pages", ()):
            known = pages.setdefault(page.get("pageid", page.get("title")), {})
            known.update({key: value for key, value in page.items() if value or key not in known})
        if found.get("batchcomplete", not found.get("continue")):
            yield {**part, "pages": list(pages.values())}
            pages = {}
        if not found.get("continue"):
            return
        going = {key: str(value) for key, value in found["continue"].items()}
        place = tuple(sorted(going.items()))
        if place in places:
            raise CollectError(f"{api} continues in a circle. Run the same command again later.")
        places.add(place)


class _Text(HTMLParser):
    """Collects what a reader of a piece of HTML sees."""

    _VOID = frozenset(("br", "img", "wbr", "hr", "input", "meta", "link"))

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        style = "".join((dict(attrs).get("style") or "").split()).lower()
        if tag in self._VOID:
            self.parts.append(" ")
        else:
            self._hidden.append(tag in ("style", "script") or "display:none" in style)

    def handle_endtag(self, tag: str) -> None:
        if self._hidden and tag not in self._VOID:
            self._hidden.pop()
        if tag in ("p", "div", "li", "td", "tr"):
            self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if not any(self._hidden):
            self.parts.append(data)


def plain(html: str) -> str:
    """Return the text of a piece of HTML on one line, without what is hidden."""
    reader = _Text()
    reader.feed(html[:100_000])
    reader.close()
    return " ".join("".join(reader.parts).split())
