"""A bundle's card as HTML: the Markdown that waymark's own cards are written in, no more.

In:  Markdown of a file that nobody vouches for.
Out: HTML of headings, paragraphs, lists, tables, code and strong text; every other
     character is text, so there is no link, no picture and no tag that the card could add.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from markupsafe import Markup, escape

_PIECE = re.compile(r"(?P<code>(`+)(?P<inside>.+?)(?<!`)\2(?!`))|\*\*(?P<strong>.+?)\*\*")
_ESCAPED = re.compile(r"\\([\\`*\[\]|_#])")
_BAR = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r"\|?[\s:|-]+\|?")
MAX_TEXT = 200_000  # characters


def card_html(text: str, *, level: int = 2) -> Markup:
    """Turn a card into HTML.

    Args:
        text: Markdown.
        level: of the heading that `#` becomes, 1 to 6; deeper ones follow.
    """
    lines = text[:MAX_TEXT].splitlines()
    return Markup("\n").join(_blocks(lines, level))


def _blocks(lines: list[str], level: int) -> Iterator[Markup]:
    position = 0
    while position < len(lines):
        line = lines[position].strip()
        if not line:
            position += 1
            continue
        kind = _kind(line)
        end = position + 1
        while kind != "heading" and end < len(lines) and _kind(lines[end].strip()) == kind:
            end += 1
        block = [one.strip() for one in lines[position:end]]
        if kind == "heading":
            marks = len(line) - len(line.lstrip("#"))
            depth = min(level + marks - 1, 6)
            yield Markup("<h{0}>{1}</h{0}>").format(depth, _inline(line.lstrip("# ")))
        elif kind == "table":
            yield _table(block)
        elif kind == "list":
            items = Markup("").join(Markup("<li>{}</li>").format(_inline(one[2:])) for one in block)
            yield Markup("<ul>{}</ul>").format(items)
        else:
            yield Markup("<p>{}</p>").format(_inline(" ".join(block)))
        position = end


def _kind(line: str) -> str:
    if not line:
        return "nothing"
    if re.match(r"#{1,6} ", line):
        return "heading"
    if line.startswith("|"):
        return "table"
    return "list" if line.startswith(("- ", "* ")) else "text"


def _table(lines: list[str]) -> Markup:
    rows = [[cell.strip() for cell in _BAR.split(line)[1:-1]] for line in lines]
    ruled = len(lines) > 1 and _RULE.fullmatch(lines[1])
    head, body = (rows[0], rows[2:]) if ruled else ([], rows)
    parts = []
    if any(head):
        cells = Markup("").join(Markup('<th scope="col">{}</th>').format(_inline(c)) for c in head)
        parts.append(Markup("<thead><tr>{}</tr></thead>").format(cells))
    parts += [_row(row) for row in body]
    return Markup('<div class="scroll" tabindex="0"><table>{}</table></div>').format(
        Markup("").join(parts)
    )


def _row(cells: list[str]) -> Markup:
    first, *others = cells or [""]
    return Markup('<tr><th scope="row">{}</th>{}</tr>').format(
        _inline(first), Markup("").join(Markup("<td>{}</td>").format(_inline(c)) for c in others)
    )


def _inline(text: str) -> Markup:
    """Escape a line, but for its code and its strong words."""
    out, after = Markup(""), 0
    for piece in _PIECE.finditer(text):
        out += _text(text[after : piece.start()])
        if piece["code"]:
            out += Markup("<code>{}</code>").format(
                html.unescape(piece["inside"].strip().replace("\\|", "|"))
            )
        else:
            out += Markup("<strong>{}</strong>").format(_text(piece["strong"]))
        after = piece.end()
    return out + _text(text[after:])


def _text(text: str) -> Markup:
    return escape(html.unescape(_ESCAPED.sub(r"\1", text)))
