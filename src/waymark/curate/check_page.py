"""What `data check` found, as a page to look at: check.html.

In:  a `Check`, and the folder that its paths start from.
Out: one HTML text, self-contained: small pictures are in it, no script, no network. Findings
     stand by kind in the order of `KINDS`, the worst first.

Names of files and labels are hostile: the template escapes them, and the page's policy allows
no script and no style but its own, named by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waymark.curate.check_words import ABOUT, About
from waymark.curate.finding import Check, Finding, Kind
from waymark.dataset.index import SPLITS, printable
from waymark.gazetteer import display_name
from waymark.progress import Progress, silent
from waymark.version import __version__

if TYPE_CHECKING:
    from PIL.Image import Image

SHOWN = 60
"""Most findings of a kind on the page; check.json has all."""
PICTURES = 96
"""Most pictures of a kind: of kinds with several a finding, fewer findings are shown."""
A_FINDING = 4
"""Most pictures of one finding."""
SIDE = 160
"""Longer side of a picture, in pixels."""
_QUALITY = 72
_OF_PAIRS: frozenset[Kind] = frozenset({"exact-duplicate", "near-duplicate", "leakage"})
_DOING = {"drop": "leave out", "keep": "keep", "relabel": "relabel", "review": "look at"}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One photo of a card.

    Attributes:
        path: as in the finding.
        label: what it is filed as; empty where that is not known.
        split: train, val or test, where its folder says so.
        uri: the picture itself; None where it cannot be read.
        link: address of the photo, for a click.
        is_kept: whether it is the one to keep of several.
    """

    path: str
    label: str
    split: str
    uri: str | None
    link: str | None
    is_kept: bool


@dataclass(frozen=True, kw_only=True)
class Card:
    """One finding on the page.

    Attributes:
        pictures: at most `A_FINDING`.
        more: photos of the finding that are not shown.
        percent: severity, 0 to 100.
        todo: what is suggested.
        looks_like: name of the label that fits better; empty where there is none.
        example: a picture of that label; None where there is none.
        reason: what was seen.
    """

    pictures: tuple[Picture, ...]
    more: int
    percent: int
    todo: str
    looks_like: str
    example: str | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """All that the page shows of one kind.

    Attributes:
        kind: which.
        about: what it means.
        found: number of findings.
        photos: number of photos in them.
        todo: what is suggested, and how often.
        cards: the worst of them.
        commands: what a command does with all of them, and the command.
        wide: whether cards have more than one picture.
    """

    kind: Kind
    about: About
    found: int
    photos: int
    todo: str
    cards: tuple[Card, ...]
    commands: tuple[tuple[str, str], ...]
    wide: bool


def check_page(
    check: Check,
    root: Path,
    *,
    labels: Mapping[str, str] | None = None,
    levels: str | None = None,
    progress: Progress = silent,
) -> str:
    """Draw the page.

    Args:
        check: what was found.
        root: folder that relative paths of the findings start from.
        labels: label of each photo, by its path as in the findings. Those of photos that are
            in no finding give an example beside "looks like". Default: the names of folders.
        levels: what the dataset was read with, for the commands.
        progress: told of each picture.

    Returns:
        HTML, to be written in UTF-8.
    """
    shown = {kind: _fitting(found, labels) for kind, found in _by_kind(check.findings)}
    examples = _examples(shown.get("wrong-label", ()), check.findings, labels or {})
    wanted = [path for found in shown.values() for f in found for path in _pictured(f, labels)]
    uris = _pictures(root, [*wanted, *examples.values()], progress)
    clean = _command(check, levels)
    sections = [
        _section(kind, found, shown[kind], clean, root=root, uris=uris, labels=labels, of=examples)
        for kind, found in _by_kind(check.findings)
    ]
    style = _style()
    page: str = _template().render(
        check=check,
        name=Path(check.dataset).name or check.dataset,
        sections=sections,
        touched=len({path for finding in check.findings for path in finding.paths}),
        command=clean,
        style=style,
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        version=__version__,
    )
    return page.encode("utf-8", "replace").decode("utf-8")


def _by_kind(findings: Iterable[Finding]) -> Iterator[tuple[Kind, list[Finding]]]:
    """Yield the findings of each kind; `Check` has them in order."""
    for kind, found in groupby(findings, key=lambda finding: finding.kind):
        yield kind, list(found)


def _fitting(found: Sequence[Finding], labels: Mapping[str, str] | None) -> list[Finding]:
    """Take the first findings for which there is room on the page."""
    taken: list[Finding] = []
    pictures = 0
    for finding in found[:SHOWN]:
        pictures += len(_pictured(finding, labels))
        if taken and pictures > PICTURES:
            break
        taken.append(finding)
    return taken


def _pictured(finding: Finding, labels: Mapping[str, str] | None) -> tuple[str, ...]:
    """Choose the photos that are shown: of duplicates the one to keep first, of classes both."""
    paths = finding.paths
    if finding.kind in _OF_PAIRS and len(paths) > 1:
        paths = (paths[-1], *paths[:-1])
    if finding.kind == "similar-classes":
        of: dict[str, list[str]] = {}
        for path in paths:
            of.setdefault(_label(path, labels), []).append(path)
        each = A_FINDING // max(1, len(of)) or 1
        paths = tuple(path for own in of.values() for path in own[:each])
    return paths[:A_FINDING]


def _examples(
    shown: Iterable[Finding], findings: Iterable[Finding], labels: Mapping[str, str]
) -> dict[str, str]:
    """Choose a photo for each suggested label, one that nothing was found about."""
    wanted = {finding.label_suggested for finding in shown} - {None}
    if not wanted:
        return {}
    doubtful = {path for finding in findings for path in finding.paths}
    chosen: dict[str, str] = {}
    for path, label in labels.items():
        if label in wanted and label not in chosen and path not in doubtful:
            chosen[label] = path
    return chosen


def _section(
    kind: Kind,
    found: Sequence[Finding],
    shown: Sequence[Finding],
    clean: str,
    *,
    root: Path,
    uris: Mapping[str, str],
    labels: Mapping[str, str] | None,
    of: Mapping[str, str],
) -> Section:
    todo = Counter(finding.suggest for finding in found)
    said = [_DOING[word] if len(todo) == 1 else f"{_DOING[word]} {n:,}" for word, n in todo.items()]
    return Section(
        kind=kind,
        about=ABOUT[kind],
        found=len(found),
        photos=len({path for finding in found for path in finding.paths}),
        todo=", ".join(said),
        cards=tuple(_card(finding, root, uris, labels, of) for finding in shown),
        commands=tuple(_commands(kind, found, clean)),
        wide=any(len(finding.paths) > 1 for finding in shown)
        or (kind == "wrong-label" and bool(of)),
    )


def _card(
    finding: Finding,
    root: Path,
    uris: Mapping[str, str],
    labels: Mapping[str, str] | None,
    of: Mapping[str, str],
) -> Card:
    paths = _pictured(finding, labels)
    pairs = finding.kind in _OF_PAIRS and len(paths) > 1
    suggested = finding.label_suggested or ""
    return Card(
        pictures=tuple(
            Picture(
                path=path,
                label=_label(path, labels),
                split=_split(path),
                uri=uris.get(path),
                link=_link(root, path),
                is_kept=pairs and number == 0,
            )
            for number, path in enumerate(paths)
        ),
        more=len(finding.paths) - len(paths),
        percent=round(100 * finding.severity),
        todo=_DOING[finding.suggest],
        looks_like=display_name(printable(suggested)) if suggested else "",
        example=uris.get(of[suggested]) if suggested in of else None,
        reason=finding.reason,
    )


def _label(path: str, labels: Mapping[str, str] | None) -> str:
    """Return the shown name of what a photo is filed as."""
    label = labels.get(path) if labels is not None else None
    if label is None and labels is None:
        label = Path(path).parent.name
    return display_name(printable(label)) if label else ""


def _split(path: str) -> str:
    first = Path(path).parts[0] if Path(path).parts else ""
    return first if first in SPLITS else ""


def _link(root: Path, path: str) -> str | None:
    try:
        return (root.resolve() / path).as_uri()
    except ValueError:  # a NUL in it
        return None


def _command(check: Check, levels: str | None) -> str:
    """Return the command that acts on what was found."""
    read = f" --levels {shlex.quote(levels)}" if levels else ""
    return f"waymark data clean {shlex.quote(printable(check.dataset))}{read} --from check.json"


def _commands(kind: Kind, found: Sequence[Finding], clean: str) -> Iterator[tuple[str, str]]:
    """Yield what `data clean` can do with all findings of a kind, and how to ask for it."""
    only = f"{clean} --only {kind}"
    suggested = {finding.suggest for finding in found}
    if any(finding.label_suggested for finding in found):
        if kind == "wrong-label":
            yield "To give them the labels suggested:", f"{only} --relabel"
        if kind == "similar-classes":
            yield "If each of these pairs is one landmark:", f"{only} --relabel"
    if kind in ("few-photos", "similar-classes") or suggested == {"keep"}:
        return
    if suggested == {"drop"}:
        yield "To leave them out:", only
    elif "drop" in suggested:
        yield "To leave all of them out, those to look at first as well:", only
    elif kind != "leakage":
        yield "If you would rather have none of them:", only


def _pictures(root: Path, paths: Iterable[str], progress: Progress) -> dict[str, str]:
    """Return a small picture of each photo that can be read, as a data: address."""
    from waymark.photo import decode_many

    unique = list(dict.fromkeys(paths))
    made = decode_many(
        (root / path for path in unique), _small, min_side=SIDE, allow_truncated=True
    )
    uris = {}
    for done, (path, jpeg) in enumerate(zip(unique, made, strict=True), start=1):
        if isinstance(jpeg, bytes):
            uris[path] = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
        progress(done, len(unique), "drawing the page")
    return uris


def _small(photo: Image) -> bytes:
    import io

    photo.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue()


def _style() -> str:
    from importlib.resources import files

    ours = files("waymark.curate") / "templates" / "check.css"
    return "\n" + ours.read_text(encoding="utf-8")


def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("waymark.curate"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {"printable": printable, "count": lambda value: f"{value:,}"}
    return pages.get_template("check.html")
