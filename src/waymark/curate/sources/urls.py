"""Photos of a list of addresses: what an export of a hashtag or an image search gives.

In:  a CSV table with a column of addresses and one of labels; or a text with an address a
     line, each with its label behind it or one label for all.
Out: `Find` records.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from waymark.curate.licence import refusal
from waymark.curate.sources import Desk, Find
from waymark.errors import CollectError, ConfigError

_COLUMNS = ("category", "place", "split", "group", "author", "licence", "page")
_MAX_BYTES = 1 << 30
_SPLITS = (None, "train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class Urls:
    """A list of addresses.

    Attributes:
        file: CSV (UTF-8, with a header) or text.
        label: the label of all; None: each row has its own.
        url_column: the column of addresses.
        label_column: the column of labels.
        licences: families of licences that are wanted; empty: any, and none stated.
        source: what the manifest's column `source` says.
    """

    file: Path
    label: str | None = None
    url_column: str = "url"
    label_column: str = "label"
    licences: frozenset[str] = frozenset()
    source: str = "urls"

    def find(self, desk: Desk) -> Iterator[Find]:
        """Yield the addresses of the list, in its order.

        Raises:
            CollectError: the file cannot be read, or has no such columns.
        """
        try:
            if self.file.stat().st_size > _MAX_BYTES:
                raise CollectError(f"{self.file} is over 1 GB; expected a list of addresses.")
            with self.file.open(encoding="utf-8-sig", newline="") as file:
                desk.expected = sum(1 for line in file if line.strip())
            with self.file.open(encoding="utf-8-sig", newline="") as file:
                first = next((line for line in file if line.strip()), "")
                file.seek(0)
                table = bool(first) and not re.match(
                    r"\s*(#|[a-z][a-z0-9+.-]*:)", first, re.IGNORECASE
                )
                desk.expected -= table  # its header
                rows = self._table(csv.reader(file)) if table else self._lines(file)
                for row in rows:
                    yield self._one(row)
        except OSError as error:
            raise CollectError(f"{self.file} cannot be read ({error.strerror}).") from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise CollectError(
                f"{self.file} is not a text or CSV file in UTF-8 ({error}); save it as one."
            ) from error

    def _one(self, row: dict[str, str | None]) -> Find:
        url, licence = row.get("url") or "", row.get("licence")
        label = self.label or row.get("label") or ""
        split = row.get("split")
        refused = refusal(licence, self.licences)
        if split not in _SPLITS:
            refused = f"its split is {split!r}; expected train, val, test or nothing"
        if not label:
            refused = "no label"
        return Find(
            name=url,
            label=label,
            title=_title(url),
            url=url,
            refused=refused if url else "no address",
            **{name: row.get(name) for name in _COLUMNS},  # type: ignore[arg-type]
        )

    def _lines(self, lines: Iterator[str]) -> Iterator[dict[str, str | None]]:
        """Read an address a line; a blank, a tab or a comma parts it from its label."""
        parting = r"[\s,]+" if self.label is None else r"\s+"
        for line in lines:
            url, *label = re.split(parting, line.lstrip("\ufeff").strip(), maxsplit=1)
            if url and not url.startswith("#"):
                yield {"url": url, "label": "".join(label)}

    def _table(self, rows: Iterator[list[str]]) -> Iterator[dict[str, str | None]]:
        header = [name.strip() for name in next(rows, [])]
        needed = [self.url_column] + ([self.label_column] if self.label is None else [])
        absent = [name for name in needed if name not in header]
        if absent:
            raise ConfigError(
                f"{self.file} has the columns {', '.join(header)[:300]}; {' and '.join(absent)} "
                "is not among them. Name them with --url-column and --label-column, or give "
                "--label."
            )
        for cells in rows:
            row = {k: v.strip() or None for k, v in zip(header, cells, strict=False)}
            if any(row.values()):
                url, label = row.get(self.url_column), row.get(self.label_column)
                yield {**row, "url": url, "label": label}


def _title(url: str) -> str:
    try:
        path = urlsplit(url).path
    except ValueError:
        return "photo"
    return unquote(path.rsplit("/", 1)[-1]).rsplit(".", 1)[0]
