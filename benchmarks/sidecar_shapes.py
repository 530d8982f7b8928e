"""Sidecars as programs in the world shape them, made by hand from parts, and by exiftool.

Each is a random choice of everything that XMP leaves open: encoding and byte order mark, line
ends, what is wrapped around rdf:RDF, prefixes, one description or many, attributes or elements,
the form of each keyword list, and a dozen kinds of content that no program but its own knows.
"""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
SPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "stEvt": "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
    "crs": "http://ns.adobe.com/camera-raw-settings/1.0/",
    "darktable": "http://darktable.sf.net/",
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "stArea": "http://ns.adobe.com/xmp/sType/Area#",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "mine": "urn:example:somebody/",
}
# other prefixes for the same namespaces; `exif` and `dc` for others are the mean ones
ODD = {"dc": "d", "exif": "ex", "lr": "lightroom", "digiKam": "dk", "Iptc4xmpExt": "iptcExt"}
WORDS = (
    "Holiday", "family", "Paris", "été 2019", "Tom & Jerry", "a < b", "東京", 'the "best"',
    "Eiffel", "Places", "mother's", "İstanbul", "x|y", "a/b", "emoji 🗼", "a ]]> b", "  spaced  ",
)  # fmt: skip
TREES = ("People/Ann", "Places/France", "Events/Wedding/2019", "Places/Türkiye/Ankara", "A/B/C/D")
BARS = tuple(tree.replace("/", "|") for tree in TREES)
FORMS = (
    "Bag", "Seq", "Alt", "text", "attribute", "empty", "hollow", "qualified", "cdata", "resource",
)  # fmt: skip


class Shape:
    """One sidecar under way: the choices that hold for all of it."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.pretty = rng.random() < 0.85
        self.unit = rng.choice((" ", "  ", "   ", "\t", "    "))
        self.odd = rng.random() < 0.25
        self.rdf = rng.choice(("rdf",) * 8 + ("r", "RDF1"))
        self.attributes: list[tuple[str, str]] = []

    def prefix(self, space: str) -> str:
        return ODD.get(space, space) if self.odd else space

    def name(self, space: str, local: str) -> str:
        return f"{self.prefix(space)}:{local}"

    def items(self, kind: str, values: Sequence[str]) -> str:
        r = self.rdf
        return f"<{r}:{kind}>\n" + "".join(f"{value}\n" for value in values) + f"</{r}:{kind}>\n"

    def li(self, text: str, extra: str = "") -> str:
        return f"<{self.rdf}:li{extra}>{text}</{self.rdf}:li>"


def keywords(shape: Shape, space: str, local: str, words: Sequence[str]) -> str:
    """Write a keyword list in one of the forms that are met."""
    rng, r, name = shape.rng, shape.rdf, shape.name(space, local)
    form = rng.choice(("Bag",) * 6 + ("Seq",) * 3 + FORMS)
    some = rng.sample(words, rng.randint(1, min(4, len(words))))
    inside = {
        "text": lambda: escape(some[0]),
        "hollow": lambda: f"<{r}:Bag" + rng.choice(("/>", f"></{r}:Bag>", f">\n</{r}:Bag>")),
        "qualified": lambda: "\n" + shape.items("Bag", [_qualified(shape, some[0]), *plain[1:]]),
        "cdata": lambda: "\n" + shape.items("Bag", ["<!-- mine -->", *map(cdata, some)]),
        "empty": lambda: "",
    }

    def cdata(word: str) -> str:
        return shape.li(f"<![CDATA[{word.replace(']]>', '')}]]>")

    plain = [shape.li(escape(word)) for word in some]
    if form == "attribute":
        shape.attributes.append((name, some[0]))
        return ""
    if form == "resource":
        return f'<{name} {r}:resource="urn:x:{rng.randint(1, 9)}"/>\n'
    if form == "empty" and rng.random() < 0.5:
        return f"<{name}/>\n"
    content = inside[form]() if form in inside else "\n" + shape.items(form, plain)
    return f"<{name}>{content}</{name}>\n"


def _qualified(shape: Shape, word: str) -> str:
    """Return an item that says more than its word."""
    inner = f"<{shape.rdf}:value>{escape(word)}</{shape.rdf}:value><mine:by>Ann</mine:by>"
    return shape.li(inner, f' {shape.rdf}:parseType="Resource"')


def lightroom(shape: Shape) -> str:
    """Write what a raw developer keeps: settings as attributes, curves, history."""
    r, rng = shape.rdf, shape.rng
    shape.attributes += [
        ("crs:Version", "15.1"),
        ("crs:Exposure2012", f"{rng.uniform(-2, 2):+.2f}"),
    ]
    curve = shape.items("Seq", [shape.li("0, 0"), shape.li("255, 255")])
    event = (
        f'<{r}:li stEvt:action="saved" stEvt:when="2019-07-01T10:00:00+02:00" '
        'stEvt:changed="/metadata"/>'
    )
    return (
        f"<crs:ToneCurvePV2012>\n{curve}</crs:ToneCurvePV2012>\n"
        f"<xmpMM:History>\n{shape.items('Seq', [event])}</xmpMM:History>\n"
    )


def darktable(shape: Shape) -> str:
    """Write an edit history as blobs."""
    shape.attributes += [("darktable:xmp_version", "5"), ("darktable:raw_params", "0")]
    item = (
        f'<{shape.rdf}:li darktable:num="0" darktable:operation="exposure" '
        'darktable:params="gz04eJxjYGBgYAFiCQYYcOJgwAoa7CF45LPBxYYdK2bmA=="/>'
    )
    return f"<darktable:history>\n{shape.items('Seq', [item])}</darktable:history>\n"


def faces(shape: Shape) -> str:
    """Write regions with names, as structures in a structure."""
    r = shape.rdf
    area = '<mwg-rs:Area stArea:x="0.5" stArea:y="0.4" stArea:w="0.1" stArea:unit="normalized"/>'
    item = (
        f'<{r}:li>\n<{r}:Description mwg-rs:Name="Ann" mwg-rs:Type="Face">\n{area}\n'
        f"</{r}:Description>\n</{r}:li>"
    )
    return (
        f'<mwg-rs:Regions {r}:parseType="Resource">\n<mwg-rs:RegionList>\n'
        f"{shape.items('Bag', [item])}</mwg-rs:RegionList>\n</mwg-rs:Regions>\n"
    )


def caption(shape: Shape) -> str:
    """Write a title in languages, a creator, and core facts."""
    words = [
        shape.li("A day &amp; a night", ' xml:lang="x-default"'),
        shape.li("Ein Tag", ' xml:lang="de-DE"'),
    ]
    title, creator = shape.name("dc", "title"), shape.name("dc", "creator")
    return (
        f"<{title}>\n{shape.items('Alt', words)}</{title}>\n"
        f"<{creator}>\n{shape.items('Seq', [shape.li('Ann O&apos;Nym')])}</{creator}>\n"
        f"<xmp:Rating>{shape.rng.randint(-1, 5)}</xmp:Rating>\n"
        "<photoshop:City>K&#xF6;ln</photoshop:City>\n"
    )


def somewhere(shape: Shape) -> str:
    """Write a place: shown, created, or of the camera."""
    r, choice = shape.rdf, shape.rng.randint(0, 3)
    ext, exif = shape.prefix("Iptc4xmpExt"), shape.prefix("exif")
    lat, lon = f"{exif}:GPSLatitude", f"{exif}:GPSLongitude"
    if choice == 0:
        shape.attributes += [(lat, "48,8.25N"), (lon, "11,34.5E")]
        return ""
    if choice == 1:
        return f"<{lat}>1,2,3S</{lat}>\n<{lon}>1,2W</{lon}>\n"
    name = ("LocationShown", "LocationCreated")[choice - 2]
    item = shape.li(f"<{ext}:City>Köln</{ext}:City>", f' {r}:parseType="Resource"')
    if shape.rng.random() < 0.5:
        item = f'<{r}:li {ext}:City="Köln" {ext}:CountryCode="DE"/>'
    return f"<{ext}:{name}>\n{shape.items('Bag', [item])}</{ext}:{name}>\n"


def own(shape: Shape) -> str:
    """Write a namespace that nobody else has, with all that XML offers."""
    return (
        "<!-- hands off: <dc:subject> &amp; --><mine:note>a&#x9;b"
        "<![CDATA[ <dc:subject><rdf:Bag> & ]]></mine:note>\n<?mine keep='this > that'?>\n"
        f'<mine:link {shape.rdf}:resource="https://example.com/?a=1&amp;b=2"/>\n'
        "<mine:quote mine:who='O\"Nym' mine:what=\"it's > 3\"/>\n"
    )


PARTS: tuple[Callable[[Shape], str], ...] = (
    lightroom, darktable, faces, caption, somewhere, own,
    lambda shape: keywords(shape, "dc", "subject", WORDS),
    lambda shape: keywords(shape, "digiKam", "TagsList", TREES),
    lambda shape: keywords(shape, "lr", "hierarchicalSubject", BARS),
)  # fmt: skip


def by_hand(seed: int) -> bytes:
    """Return one sidecar of parts."""
    rng = random.Random(seed)
    shape = Shape(rng)
    r = shape.rdf
    parts = [part for part in PARTS if rng.random() < 0.6]
    rng.shuffle(parts)
    cuts = sorted(rng.sample(range(len(parts) + 1), rng.randint(0, min(2, len(parts)))))
    about = rng.choice(("", "", "uuid:faf5bdd5-ba3d-11da-ad31-d33d75182f1b"))
    body = ""
    for start, end in zip([0, *cuts], [*cuts, len(parts)], strict=True):
        shape.attributes = []
        inside = "".join(part(shape) for part in parts[start:end])
        attributes = "".join(
            f"\n{name}={quoteattr(value)}" for name, value in dict(shape.attributes).items()
        )
        opening = f'<{r}:Description {r}:about="{about}"{attributes}'
        body += f"{opening}>\n{inside}</{r}:Description>\n" if inside else f"{opening}/>\n"
    declared = "".join(
        f'\n xmlns:{shape.prefix(space)}="{escape(uri)}"' for space, uri in SPACES.items()
    )
    if shape.odd and rng.random() < 0.5:
        declared += '\n xmlns:dc="urn:not:dublin/core/"\n xmlns:waymark="urn:not:us/"'
    text = f'<{r}:RDF xmlns:{r}="{RDF}"{declared}>\n{body}</{r}:RDF>\n'
    if rng.random() < 0.8:
        meta = rng.choice(("xmpmeta",) * 4 + ("xapmeta",))
        toolkit = rng.choice(
            ("Adobe XMP Core 5.6", "XMP Core 4.4.0-Exiv2", "Image::ExifTool 12.57")
        )
        text = f'<x:{meta} xmlns:x="adobe:ns:meta/" x:xmptk="{toolkit}">\n{text}</x:{meta}>\n'
    text = _laid_out(text, shape)
    if rng.random() < 0.6:
        begin = rng.choice(("\ufeff", "", "\ufeff"))
        padding = "\n".join([" " * 100] * rng.randint(0, 20))
        mode = rng.choice("wr")
        text = (
            f'<?xpacket begin="{begin}" id="W5M0MpCehiHzreSzNTczkc9d"?>\n{text}{padding}'
            f"<?xpacket end='{mode}'?>{rng.choice(('', chr(10)))}"
        )
    return _encoded(text, rng)


def _laid_out(text: str, shape: Shape) -> str:
    """Indent lines, or put all on one."""
    if not shape.pretty:
        return "".join(
            (" " + line if line.startswith("xmlns:") or not line.startswith("<") else line)
            for line in (row.strip() for row in text.splitlines())
        )
    depth, rows = 0, []
    for row in text.splitlines():
        line = row.strip()
        if line.startswith("</"):
            depth = max(0, depth - 1)
        rows.append(shape.unit * depth + line)
        if line.startswith("<") and not line.startswith(("</", "<!", "<?")):
            depth += line.count("<") - 2 * line.count("</") - line.count("/>") > 0
    return "\n".join(rows) + "\n"


def _encoded(text: str, rng: random.Random) -> bytes:
    """Return text as bytes: line ends, declaration, encoding and mark."""
    if rng.random() < 0.3:
        text = text.replace("\n", "\r\n")
    kind = rng.choice(
        ("plain",) * 5 + ("declared", "marked", "utf-16-le", "utf-16-be", "latin", "utf-16-bare")
    )
    if kind == "plain":
        return text.encode()
    if kind == "declared":
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
    if kind == "marked":
        return b"\xef\xbb\xbf" + text.encode()
    if kind == "latin":
        text = text.replace("\ufeff", "")
        whole = f'<?xml version="1.0" encoding="ISO-8859-1" standalone="yes"?>\n{text}'
        return whole.encode("latin-1", "xmlcharrefreplace" if "CDATA" not in text else "replace")
    whole = f'<?xml version="1.0" encoding="UTF-16"?>\n{text}'
    if kind == "utf-16-bare":
        return whole.encode("utf-16-le")
    return ("\ufeff" + whole).encode(kind)


def by_exiftool(folder: Path, seeds: Sequence[int], exiftool: str = "exiftool") -> Iterator[bytes]:
    """Yield sidecars that exiftool wrote, one a seed; all in one run of it."""
    orders: list[str] = []
    for seed in seeds:
        rng = random.Random(seed)
        file = folder / f"made-{seed}.xmp"
        wanted: list[str] = []
        pool = [
            *(f"-XMP-dc:Subject={word}" for word in rng.sample(WORDS, 3)),
            *(f"-XMP-digiKam:TagsList={tree}" for tree in rng.sample(TREES, 2)),
            *(f"-XMP-lr:HierarchicalSubject={tree.replace('/', '|')}" for tree in TREES[:2]),
            "-XMP-dc:Title=One & two", "-XMP-dc:Title-de=Eins", "-XMP-xmp:Rating=3",
            "-XMP-crs:Exposure2012=+0.5", "-XMP-xmpMM:DocumentID=xmp.did:1", "-XMP-dc:Rights=me",
            "-XMP-iptcExt:LocationCreated={City=Bonn,CountryCode=DE}",
            "-XMP-iptcExt:LocationShown={City=Bonn,LocationName=Rhine}",
            "-XMP-exif:GPSLatitude=50.7", "-XMP-exif:GPSLongitude=-7.1",
            "-XMP-mwg-rs:RegionInfo={RegionList=[{Name=Ann,Type=Face,Area={X=0.1,Y=0.2,W=0.1,"
            "H=0.1,Unit=normalized}}]}",
            "-XMP-photoshop:City=Köln", "-XMP-iptcCore:CountryCode=DE", "-XMP-acdsee:Keywords=a",
            "-XMP-microsoft:LastKeywordXMP=Places/France", "-XMP-mediapro:CatalogSets=Places|Rome",
        ]  # fmt: skip
        wanted = [order for order in pool if rng.random() < 0.5] or pool[:1]
        if rng.random() < 0.3:
            wanted += ["-api", "Compress=" if rng.random() < 0.5 else "Compact=Shorthand"]
        if "Compress=" in wanted:
            wanted = [*wanted[:-2], "-api", "Compact=OneDesc"]
        orders += [*wanted, "-q", "-charset", "UTF8", str(file), "-execute"]
    subprocess.run(
        [exiftool, "-@", "-"], input="\n".join(orders).encode(), check=True, capture_output=True
    )
    for seed in seeds:
        yield (folder / f"made-{seed}.xmp").read_bytes()


def exiftool_says(files: Sequence[Path], exiftool: str = "exiftool") -> list[dict[str, object]]:
    """Return all that exiftool reads in each file: group and name -> value, structures whole."""
    done = subprocess.run(
        [exiftool, "-@", "-"],
        input="\n".join(
            ["-a", "-G1", "-j", "-struct", "-n", "-charset", "UTF8", "-u", *map(str, files)]
        ).encode(),
        check=False,
        capture_output=True,
    )
    return [
        {
            key: value
            for key, value in one.items()
            if ":" in key and key.split(":")[0] not in ("System", "File", "ExifTool", "Composite")
        }
        for one in json.loads(done.stdout)
    ]
