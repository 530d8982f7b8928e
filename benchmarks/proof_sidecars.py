"""Sidecars of the world's shapes survive a merge, an undo, and other programs in between.

    python benchmarks/proof_sidecars.py --sidecars 500

A third is made by exiftool, the others by hand (`sidecar_shapes.py`). For each:

- merged: exiftool says all that it said before, with ours beside it; exiv2 reads it;
- the text of before is all there, in its order (but for the few lists that had to be opened),
  and so is its canonical XML, tag by tag; without ours the canonical XML is that of before;
- the same again changes nothing; undo gives the very bytes of before;
- edited by exiftool or exiv2 in between, what undo leaves is what that program makes of the
  sidecar that waymark never touched, by exiftool's full output.

Prints a table; fails at the first thing lost.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lxml import etree

from sidecar_shapes import by_exiftool, by_hand, exiftool_says
from waymark.errors import SidecarError
from waymark.gazetteer import Landmark
from waymark.library.sidecar import Merged, merge, take_back
from waymark.library.sidecar_forms import HIERARCHY, SUBJECT, TAGS
from waymark.library.sidecar_mark import Mark, mark_of
from waymark.library.sidecar_parse import RDF
from waymark.library.sidecar_text import decode_sidecar
from waymark.library.tagged import Tagged

EIFFEL = Landmark(
    id="eiffel_tower", name="Eiffel Tower", local_name="Tour Eiffel", place="Paris", country="FR",
    category="tower", lat=48.8584, lon=2.2945, extent_m=150, wikidata="Q243",
)  # fmt: skip
LISTED = (SUBJECT, TAGS, HIERARCHY)  # what may have to be opened
OURS = ("XMP-waymark", "XMP-exif:GPS")
LISTS = {
    "XMP-dc:Subject": "subject",
    "XMP-digiKam:TagsList": "tags",
    "XMP-lr:HierarchicalSubject": "hierarchy",
}
SHOWN = "XMP-iptcExt:LocationShown"
# what other programs write of themselves, and of when
THEIRS = ("XMP-x:XMPToolkit", "XMP-xmp:MetadataDate", "XMP-xmp:ModifyDate")


def tagged() -> Tagged:
    return Tagged(
        path=Path("photo.jpg"), sha256="0" * 64, landmark=EIFFEL, score=0.97, confidence=0.97,
        unknown_score=0.02,
        evidence="photo", state="approved", bundle="0123456789ab",
        tagged_at=datetime(2026, 5, 17, 12, 30, tzinfo=UTC),
    )  # fmt: skip


def as_list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if value is None or not str(value).strip() else [value]


def plain(word: object, narrow: bool) -> str:
    """Return a word for comparing; of eight-bit sidecars its ASCII, as programs read only that."""
    return re.sub(r"[^!-~]|\?", "", str(word)) if narrow else str(word).strip()


def lost(
    before: Mapping[str, Any], after: Mapping[str, Any], added: Mark, narrow: bool
) -> list[str]:
    """Return what exiftool said before and says no more, or says now and should not."""
    faults = []
    for key in {**before, **after}:
        was, now = before.get(key), after.get(key)
        if key in LISTS:
            theirs = added.mirrored if LISTS[key] == "tags" else ()
            wanted = [*as_list(was), *theirs, *getattr(added, LISTS[key])]
            blurred = narrow or "?" in str(now)  # half a pair of UTF-16 is unknown to exiftool
            same = [plain(w, blurred) for w in as_list(now)] == [plain(w, blurred) for w in wanted]
        elif key == SHOWN:
            same = as_list(now)[: len(as_list(was))] == as_list(was)
            same &= len(as_list(now)) - len(as_list(was)) == bool(added.shown)
        elif key.startswith(OURS) and was is None:
            same = bool(added.facts if "waymark" in key else added.estimate)
        else:
            same = was == now
        if not same:
            faults.append(f"{key}: {was!r} -> {now!r}")
    return faults


def holds(long: Iterable[str], short: Iterable[str]) -> bool:
    """Say whether all of a sequence is in another, in order."""
    rest = iter(long)
    return all(piece in rest for piece in short)


def _remove(element: Any) -> None:
    """Take an element out; only space may follow it."""
    assert not (element.tail or "").strip()
    element.getparent().remove(element)


def canonical(data: bytes, *, less: Collection[str] = ()) -> list[str]:
    """Return a sidecar's canonical XML (C14N 2.0) in pieces: tags, texts, comments, instructions.

    White space between tags is left out, and so are properties of the names `less`.
    """
    text = re.sub(r"^\s*<\?xml\s.*?\?>", "", decode_sidecar(data).text, flags=re.DOTALL)
    root = etree.fromstring(text.encode(), etree.XMLParser(encoding="utf-8", strip_cdata=False))
    for top in list(root.iter(f"{{{RDF}}}Description")):
        for name in less:
            top.attrib.pop(name, None)
            for element in top.findall(name):
                _remove(element)
        if less and not len(top) and not set(top.attrib) - {f"{{{RDF}}}about"}:
            _remove(top)  # such a list, taken out of an attribute, has a description of its own
    whole = etree.tostring(root.getroottree(), method="c14n2", with_comments=True).decode()
    pieces = re.findall(r"<!--.*?-->|<\?.*?\?>|<[^>]*>|[^<]+", whole, re.DOTALL)
    return [piece.strip() for piece in pieces if piece.strip()]


def exiv2_says(file: Path, narrow: bool) -> dict[str, str]:
    """Return all that exiv2 reads: key -> value."""
    done = subprocess.run(["exiv2", "-PXkv", str(file)], capture_output=True, check=False)
    rows = done.stdout.decode("utf-8", "replace").splitlines()
    return {
        row.split()[0]: plain(row.partition(" ")[2], narrow)
        for row in rows
        if row.startswith("Xmp.")
    }


def without(said: Mapping[str, Any], narrow: bool) -> dict[str, Any]:
    """Return what was said, as lists without empty items; not what programs say of themselves."""
    return {
        key: [plain(one, narrow) for one in as_list(value) if one != ""]
        for key, value in said.items()
        if key not in THEIRS and any(one != "" for one in as_list(value))
    }


def edited(files: Sequence[Path], tool: str) -> None:
    """Have another program write a rating and a keyword into sidecars, in place."""
    if tool == "exiftool":
        orders = [
            "-q", "-q", "-m", "-overwrite_original", "-charset", "UTF8", "-XMP-xmp:Label=edited",
            "-XMP-dc:Subject+=after", *map(str, files),
        ]  # fmt: skip
        subprocess.run(["exiftool", "-@", "-"], input="\n".join(orders).encode(), check=False)
        return
    for file in files:
        subprocess.run(
            [
                "exiv2",
                "-k",
                "-Mset Xmp.xmp.Label edited",
                "-Mset Xmp.dc.publisher after",
                str(file),
            ],
            check=False,
            capture_output=True,
        )


def prove(folder: Path, shapes: Sequence[bytes]) -> Counter[str]:
    """Take every sidecar through all of it; return counts.

    Raises:
        AssertionError: something of theirs was lost.
    """
    counts: Counter[str] = Counter(sidecars=len(shapes))
    mark = mark_of(tagged(), gps=True)
    merged: list[Merged] = [merge(data, mark) for data in shapes]
    files: dict[str, list[Path]] = {}
    for kind in ("before", "after", "back"):
        (folder / kind).mkdir()
        files[kind] = [folder / kind / f"{n:04}.xmp" for n in range(len(shapes))]
    for n, (data, one) in enumerate(zip(shapes, merged, strict=True)):
        back = take_back(one.data, one.added)
        text, theirs = decode_sidecar(one.data).text, decode_sidecar(data).text
        opened = () if back.data == data else LISTED
        was, now, again = (canonical(each, less=opened) for each in (data, one.data, back.data))
        assert holds(now, was), f"{n}: its canonical XML is not all there"
        assert again == was, f"{n}: canonical XML of before, and without ours: {was} {again}"
        counts["canonical XML: all there, and again without ours"] += 1
        if back.data == data:
            counts["text alone gives the bytes of before"] += 1
            assert holds(text, theirs), f"{n}: its text is not all there"
        else:
            counts["a list was opened"] += 1
        assert merge(one.data, mark).data == one.data, f"{n}: the same again changes it"
        counts["with a note"] += bool(one.notes)
        for kind, content in (("before", data), ("after", one.data), ("back", back.data)):
            files[kind][n].write_bytes(content)
    said = {kind: exiftool_says(paths) for kind, paths in files.items()}
    for n, one in enumerate(merged):
        narrow = decode_sidecar(shapes[n]).is_narrow
        before, after, back_said = (said[kind][n] for kind in ("before", "after", "back"))
        faults = lost(before, after, one.added, narrow)
        assert not faults, f"{n}: {faults}"
        assert without(before, narrow) == without(back_said, narrow), f"{n}: {before} {back_said}"
        counts["exiftool: all there, and ours"] += 1
        counts["position added"] += "XMP-exif:GPSProcessingMethod" in after
        was, now = (exiv2_says(files[kind][n], narrow) for kind in ("before", "after"))
        gone = [key for key, value in was.items() if not now.get(key, "").startswith(value)]
        assert not gone, f"{n}: exiv2 misses {gone}"
        if any(key.startswith("Xmp.waymark") for key in now):
            counts["exiv2: all there, and ours"] += 1
        else:
            assert not was, f"{n}: exiv2 does not find ours"
            counts["exiv2 reads neither before nor after"] += 1
    for tool in ("exiftool", "exiv2"):
        counts.update(_between(folder / tool, shapes, merged, tool))
    return counts


def spoilt(data: bytes) -> bool:
    """Say whether a sidecar is no longer one that can be read."""
    try:
        merge(data, Mark())
    except SidecarError:
        return True
    return False


def _between(
    folder: Path, shapes: Sequence[bytes], merged: Sequence[Merged], tool: str
) -> Counter[str]:
    """Have a program edit both the merged and the untouched sidecars; undo; compare."""
    counts: Counter[str] = Counter()
    undone: list[int] = []
    folder.mkdir()
    ours = [folder / f"{n:04}-ours.xmp" for n in range(len(shapes))]
    never = [folder / f"{n:04}-never.xmp" for n in range(len(shapes))]
    for n, (data, one) in enumerate(zip(shapes, merged, strict=True)):
        ours[n].write_bytes(one.data)
        never[n].write_bytes(data)
    edited([*ours, *never], tool)
    for n, (data, one) in enumerate(zip(shapes, merged, strict=True)):
        now = ours[n].read_bytes()
        if now == one.data or never[n].read_bytes() == data:
            counts[f"{tool} refused to edit"] += 1
            continue
        try:
            cleared = take_back(now, one.added)
        except SidecarError:  # what the program makes of an encoding it does not know
            assert spoilt(never[n].read_bytes()), f"{n}: {tool}"
            counts[f"{tool} spoilt it, left alone"] += 1
            continue
        counts[f"{tool} edited in between, only ours went"] += 1
        assert not cleared.notes, f"{n}: {tool}: {cleared.notes}"
        ours[n].write_bytes(cleared.data)
        undone.append(n)
    said, other = exiftool_says(ours), exiftool_says(never)
    for n in undone:
        narrow = decode_sidecar(shapes[n]).is_narrow
        one, two = without(said[n], narrow), without(other[n], narrow)
        assert one == two, f"{n}: after {tool}:\n{one}\n{two}"
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sidecars", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "made").mkdir()
        third = range(options.seed, options.seed + options.sidecars // 3)
        shapes = list(by_exiftool(folder / "made", third))
        shapes += [by_hand(options.seed + n) for n in range(options.sidecars - len(shapes))]
        for what, count in prove(folder, shapes).items():
            print(f"{count:6,}  {what}")


if __name__ == "__main__":
    main()
