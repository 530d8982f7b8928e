"""A MediaWiki that answers as 1.39 does, and knows no parameter that 1.39 does not."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

# from the parameter tables of https://www.mediawiki.org/wiki/API:Query and its modules
_COMMON = {"action", "format", "formatversion", "maxlag", "continue"}
_PARAMETERS = {
    "query": {"titles", "prop", "list", "generator", "redirects"},
    "imageinfo": {
        "iiprop",
        "iilimit",
        "iiurlwidth",
        "iiextmetadatafilter",
        "iiextmetadatalanguage",
        "iicontinue",
    },
    "categorymembers": {"cmtitle", "cmtype", "cmlimit", "cmnamespace", "cmcontinue"},
    "search": {"srsearch", "srnamespace", "srlimit", "sroffset"},
    "wbgetentities": {"ids", "props", "redirects"},
}
_IIPROP = {"timestamp", "user", "url", "size", "sha1", "mime", "mediatype", "extmetadata"}
_PROPS = {"info", "sitelinks", "aliases", "labels", "descriptions", "claims", "datatype"}
_CONTINUED = ("gcmcontinue", "gsroffset", "cmcontinue")
ALLOWED = (20, 40, 60, 120, 250, 330, 500, 960, 1280, 1920, 3840)


class Wiki:
    """Files, categories and items; answers queries of the Action API, formatversion 2."""

    def __init__(self, proof: Any) -> None:
        self.proof = proof
        self.files: dict[str, dict[str, Any]] = {}
        self.categories: dict[str, list[str]] = {}
        self.items: dict[str, dict[str, Any]] = {}
        self.asked: list[dict[str, str]] = []
        self.lagging = 0
        self.address = ""

    def add(self, name: str, *categories: str, **facts: Any) -> None:
        """Add a file, with `licence`, `artist` (HTML), `mime`, `width`."""
        self.files[f"File:{name}"] = {"seed": len(self.files), **facts}
        for category in categories:
            self.categories.setdefault(f"Category:{category}", []).append(f"File:{name}")

    def below(self, category: str, *subcategories: str) -> None:
        """Put categories into a category."""
        members = self.categories.setdefault(f"Category:{category}", [])
        members += [f"Category:{name}" for name in subcategories]
        for name in subcategories:
            self.categories.setdefault(f"Category:{name}", [])

    def behave(self, _: str, handler: Any) -> None:
        """Answer an API call, or send a file."""
        self.address = f"http://{handler.headers['Host']}"
        parts = urlsplit(handler.path)
        if parts.path.startswith("/thumb/"):
            title, width = parts.path.removeprefix("/thumb/").split("/")
            if int(width) not in ALLOWED:
                handler.send(b"", status=429)
                return
            handler.send(self.proof.photo(int(title)))
            return
        if parts.path.startswith("/file/"):
            handler.send(self.proof.photo(int(parts.path.rpartition("/")[2])))
            return
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.asked.append(asked)
        body, more = self.answer(asked)
        text = json.dumps(body, ensure_ascii=False).encode()
        handler.send(text, Content_Type="application/json; charset=utf-8", **more)

    def answer(self, asked: dict[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the JSON of an answer, and headers."""
        if self.lagging:
            self.lagging -= 1
            info = "Waiting for 10.0.0.1: 6.1 seconds lagged."
            error = {"code": "maxlag", "info": info, "host": "10.0.0.1", "lag": 6.1, "type": "db"}
            return {"error": error, "servedby": "mw1"}, {"Retry_After": "5", "X_Database_Lag": "6"}
        if asked.get("action") == "wbgetentities":
            self.check(asked, "wbgetentities")
            assert set(asked["props"].split("|")) <= _PROPS
            entity = self.items.get(asked["ids"], {"id": asked["ids"], "missing": ""})
            return {"entities": {asked["ids"]: entity}, "success": 1}, {}
        if asked.get("action") != "query":
            info = f'Unrecognized value for parameter "action": {asked.get("action")}.'
            return {"error": {"code": "badvalue", "info": info}, "servedby": "mw1"}, {}
        return self.query(asked), {}

    def check(self, asked: dict[str, str], *modules: str) -> None:
        """Fail on a parameter that no module of the query knows."""
        known = _COMMON | {name for module in modules for name in _PARAMETERS[module]}
        generator = asked.get("generator")
        if generator:
            known |= {f"g{name}" for name in _PARAMETERS[generator]}
        assert set(asked) <= known, f"Unrecognized parameters: {set(asked) - known}"
        assert asked["formatversion"] == "2"

    def query(self, asked: dict[str, str]) -> dict[str, Any]:
        """Answer `action=query`."""
        modules = [name for name in (asked.get("prop"), asked.get("list")) if name]
        self.check(asked, "query", *modules)
        going: dict[str, str] = {}
        result: dict[str, Any] = {}
        if asked.get("list") == "categorymembers":
            found = [
                m for m in self.categories.get(asked["cmtitle"], ()) if _is(m, asked["cmtype"])
            ]
            start = int(asked.get("cmcontinue", "0"))
            size = min(2, int(asked["cmlimit"]))
            result["categorymembers"] = [
                {"pageid": _id(title), "ns": 14, "title": title}
                for title in found[start : start + size]
            ]
            if start + size < len(found):
                going = {"cmcontinue": str(start + size), "continue": "-||"}
        titles = asked["titles"].split("|") if "titles" in asked else []
        index: dict[str, int] = {}
        if asked.get("generator") == "categorymembers":
            assert asked["gcmtype"] == "file"
            found = [m for m in self.categories.get(asked["gcmtitle"], ()) if _is(m, "file")]
            start = int(asked.get("gcmcontinue", "0"))
            size = min(3, int(asked["gcmlimit"]))
            titles = found[start : start + size]
            if start + size < len(found):
                going = {"gcmcontinue": str(start + size), "continue": "gcmcontinue||"}
        if asked.get("generator") == "search":
            assert asked["gsrnamespace"] == "6"
            words = asked["gsrsearch"].removeprefix("filetype:bitmap ").lower()
            found = [t for t in self.files if words in t.lower() or self.files[t].get(words)]
            start = int(asked.get("gsroffset", "0"))
            titles = found[start : start + 3]
            index = {title: start + i + 1 for i, title in enumerate(titles)}
            titles = titles[::-1]  # pages come in the order of their ids, not of the search
            if start + 3 < len(found):
                going = {"gsroffset": str(start + 3), "continue": "gsroffset||"}
        if titles:
            assert len(titles) <= 50
            # half of a batch has its imageinfo in a second answer, as big batches have
            part = asked.get("iicontinue")
            half = titles[2:] if part else titles[:2]
            result["pages"] = [
                self.page(t, asked, with_info=t in half, index=index) for t in titles
            ]
            if not part and len(titles) > 2:
                here = {name: value for name, value in asked.items() if name in _CONTINUED}
                more = {**here, "iicontinue": "x|1", "continue": "||"}
                return {"continue": more, "query": result}
        answer: dict[str, Any] = {"batchcomplete": True, "query": result}
        if not result:
            del answer["query"]
        return answer | ({"continue": going} if going else {})

    def page(
        self, title: str, asked: dict[str, str], *, with_info: bool, index: dict[str, int]
    ) -> dict[str, Any]:
        """Return one page as prop=imageinfo gives it."""
        page: dict[str, Any] = {"pageid": _id(title), "ns": 6, "title": title}
        if title in index:
            page["index"] = index[title]
        if title not in self.files:
            return {"ns": 6, "title": title, "missing": True, "imagerepository": ""}
        page["imagerepository"] = "local"
        if not with_info:
            return page
        assert set(asked["iiprop"].split("|")) <= _IIPROP
        file = self.files[title]
        width = file.get("width", 4000)
        info: dict[str, Any] = {
            "user": "Uploader",
            "size": 1000,
            "width": width,
            "height": width * 3 // 4,
            "url": f"{self.address}/file/{file['seed']}",
            "descriptionurl": f"https://wiki.example/wiki/{quote(title.replace(' ', '_'))}",
            "descriptionshorturl": f"{self.address}/w/index.php?curid={_id(title)}",
            "sha1": hashlib.sha1(title.encode()).hexdigest(),
            "mime": file.get("mime", "image/jpeg"),
            "extmetadata": self.facts(file, asked["iiextmetadatafilter"].split("|")),
        }
        if "iiurlwidth" in asked:
            wanted = int(asked["iiurlwidth"])
            small = wanted < width
            info["thumburl"] = (
                f"{self.address}/thumb/{file['seed']}/{wanted}" if small else info["url"]
            )
            info["thumbwidth"] = min(wanted, width)
            info["thumbheight"] = info["thumbwidth"] * 3 // 4
        page["imageinfo"] = [info]
        return page

    @staticmethod
    def facts(file: dict[str, Any], wanted: list[str]) -> dict[str, Any]:
        """Return extmetadata as the CommonsMetadata extension gives it."""
        licence = file.get("licence", "CC BY-SA 4.0")
        facts = {
            "Artist": file.get(
                "artist",
                '<a href="//commons.wikimedia.org/wiki/User:Ann" title="User:Ann">Ann &amp; Bo</a>',
            ),
            "LicenseShortName": licence,
            "License": licence and licence.lower().replace(" ", "-"),
            "NonFree": file.get("nonfree"),
            "Categories": "Towers|Paris",
        }
        return {
            name: {"value": value, "source": "commons-desc-page", "hidden": ""}
            for name, value in facts.items()
            if value is not None and name in wanted
        }


def _is(title: str, kind: str) -> bool:
    return title.startswith({"file": "File:", "subcat": "Category:"}[kind])


def _id(title: str) -> int:
    return int(hashlib.sha1(title.encode()).hexdigest()[:7], 16)


@pytest.fixture
def wiki(proof: Any) -> Wiki:
    """Return an empty wiki."""
    return Wiki(proof)
