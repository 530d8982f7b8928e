"""Wikimedia Commons, or any MediaWiki of 1.39 and later: a category, a search, an item.

In:  a category (and those below it), words to search, or a Wikidata item.
Out: `Find` records with author, licence and page; thumbnails at one of the allowed widths.

Source: https://www.mediawiki.org/wiki/API:Imageinfo, .../API:Categorymembers,
.../API:Search, https://www.mediawiki.org/wiki/Extension:CommonsMetadata,
https://www.wikidata.org/wiki/Help:Sitelinks (P18 image, P180 depicts, P373 category).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from waymark.curate.licence import refusal
from waymark.curate.sources import Desk, Find
from waymark.curate.sources.mediawiki import ask, plain, query
from waymark.errors import CollectError, ConfigError

API = "https://commons.wikimedia.org/w/api.php"
WIKIDATA = "https://www.wikidata.org/w/api.php"
WIDTHS = (20, 40, 60, 120, 250, 330, 500, 960, 1280, 1920, 3840)
"""The widths of thumbnails that Wikimedia gives; others are answered with 429."""

_BATCH = 50  # files a query; MediaWiki scales no more than 50 thumbnails at once
_PHOTOS = frozenset(("image/jpeg", "image/png", "image/webp", "image/tiff", "image/gif"))
_FACTS = (
    "License|LicenseShortName|UsageTerms|LicenseUrl|Artist|Credit|Attribution|"
    "AttributionRequired|NonFree|Restrictions"
)


@dataclass(frozen=True, kw_only=True)
class Commons:
    """What is wanted from Commons: exactly one of `category`, `search` and `item`.

    Attributes:
        label: what the photos show.
        category: name of a category, with or without `Category:`.
        search: words, as Commons' own search takes them.
        item: a Wikidata id: its picture (P18), its category (P373), and where it has none,
            the files that say they depict it (P180).
        depth: how many levels of subcategories to go down.
        width: of the thumbnails, pixels, one of `WIDTHS`; None: the files as they are.
        licences: families of licences that are wanted; empty: any.
        api: address of the wiki's api.php.
        wikidata: address of the api.php that knows the items.
    """

    label: str
    category: str | None = None
    search: str | None = None
    item: str | None = None
    depth: int = 0
    width: int | None = 960
    licences: frozenset[str] = frozenset()
    api: str = API
    wikidata: str = WIKIDATA

    def __post_init__(self) -> None:
        given = [name for name in (self.category, self.search, self.item) if name]
        if len(given) != 1:
            raise ConfigError("give exactly one of --category, --search and --item.")
        if self.item and not re.fullmatch(r"Q[1-9]\d{0,11}", self.item):
            raise ConfigError(f"--item is {self.item!r}; expected a Wikidata id such as Q243.")
        if self.width is not None and self.width not in WIDTHS:
            raise ConfigError(
                f"--width is {self.width}; Wikimedia gives thumbnails of "
                f"{', '.join(map(str, WIDTHS))} pixels, or 0 for the files as they are."
            )
        if not 0 <= self.depth <= 20:
            raise ConfigError(f"--depth is {self.depth}; use 0 (this category only) to 20.")
        if not self.label.strip():
            raise ConfigError("--label is empty; say what the photos show.")

    @property
    def source(self) -> str:
        """What the manifest's column `source` says."""
        return "Wikimedia Commons" if self.api == API else urlsplit(self.api).netloc

    def find(self, desk: Desk) -> Iterator[Find]:
        """Yield the files, in the wiki's order, as long as more are wanted."""
        for asked in self._questions(desk):
            for batch in query(desk.web, self.api, {**asked, **self._properties()}):
                pages = [page for page in batch["pages"] if page.get("imageinfo")]
                for page in sorted(pages, key=lambda page: page.get("index", 0)):
                    yield self._one(page)
                if not desk.wants(self.label):
                    return

    def _questions(self, desk: Desk) -> Iterator[Mapping[str, str]]:
        """Yield the parameters that name files."""
        if self.search:
            yield _searching(f"filetype:bitmap {self.search}")
        elif self.category:
            yield from self._below(self.category, desk)
        else:
            item = self.item or ""
            answer = ask(
                desk.web,
                self.wikidata,
                {"action": "wbgetentities", "ids": item, "props": "claims", "redirects": "yes"},
            )
            entity: dict[str, Any] = next(iter(answer.get("entities", {}).values()), {})
            if not entity or "missing" in entity:
                raise CollectError(f"{item} is not in Wikidata; look its id up on its page there.")
            pictures = _values(entity, "P18")
            for start in range(0, len(pictures), _BATCH):
                titles = (f"File:{name}" for name in pictures[start : start + _BATCH])
                yield {"titles": "|".join(titles)}
            categories = _values(entity, "P373")
            for name in categories:
                yield from self._below(name, desk)
            if not categories:
                yield _searching(f"filetype:bitmap haswbstatement:P180={entity.get('id', item)}")

    def _below(self, category: str, desk: Desk) -> Iterator[Mapping[str, str]]:
        """Yield a category and those below it, each once, nearest first."""
        first = category if category.lower().startswith("category:") else f"Category:{category}"
        waiting, seen = deque([(first, 0)]), {first}
        while waiting:
            name, level = waiting.popleft()
            yield {
                "generator": "categorymembers",
                "gcmtitle": name,
                "gcmtype": "file",
                "gcmlimit": str(_BATCH),
            }
            if level >= self.depth:
                continue
            below = {
                "list": "categorymembers",
                "cmtitle": name,
                "cmtype": "subcat",
                "cmlimit": "500",
            }
            for batch in query(desk.web, self.api, below):
                for member in batch.get("categorymembers", ()):
                    if member["title"] not in seen:
                        seen.add(member["title"])
                        waiting.append((member["title"], level + 1))

    def _properties(self) -> dict[str, str]:
        wanted = {
            "prop": "imageinfo",
            "iiprop": "url|size|mime|sha1|user|extmetadata",
            "iiextmetadatafilter": _FACTS,
            "iiextmetadatalanguage": "en",
        }
        return wanted if self.width is None else {**wanted, "iiurlwidth": str(self.width)}

    def _one(self, page: Mapping[str, Any]) -> Find:
        info = page["imageinfo"][0]
        facts = {
            name: plain(str(fact.get("value", "")))
            for name, fact in (info.get("extmetadata") or {}).items()
        }
        licence = facts.get("LicenseShortName") or facts.get("License") or facts.get("UsageTerms")
        title = str(page.get("title", "")).partition(":")[2]
        url = str((info.get("thumburl") if self.width else None) or info.get("url") or "")
        mime = str(info.get("mime", ""))
        refused = refusal(facts.get("License") or licence, self.licences)
        if refused and licence:
            refused = refusal(licence, self.licences)  # License may be a template's own name
        if facts.get("NonFree", "").lower() in ("true", "1", "yes"):
            refused = "not free, by its page"
        if mime not in _PHOTOS:
            refused = f"a file of type {mime}, not a photo"
        if "filemissing" in info or not url:
            refused = "its file is missing"
        return Find(
            name=str(info.get("descriptionurl") or url),
            label=self.label,
            title=title.rpartition(".")[0] or title,
            url=url,
            page=info.get("descriptionurl"),
            author=next(
                filter(None, (facts.get(key) for key in ("Artist", "Attribution", "Credit"))),
                info.get("user"),
            ),
            licence=licence,
            refused=refused,
        )


def _searching(words: str) -> dict[str, str]:
    """Return the parameters of a search among files."""
    return {
        "generator": "search",
        "gsrsearch": words,
        "gsrnamespace": "6",
        "gsrlimit": str(_BATCH),
    }


def _values(entity: Mapping[str, Any], name: str) -> list[str]:
    """Return the text values of an item's statements, the preferred ones first."""
    rows = [row for row in entity.get("claims", {}).get(name, ()) if row["rank"] != "deprecated"]
    rows.sort(key=lambda row: row["rank"] != "preferred")
    values = (row.get("mainsnak", {}).get("datavalue", {}).get("value") for row in rows)
    return [value for value in values if isinstance(value, str)]
