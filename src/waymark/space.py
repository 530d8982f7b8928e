"""A bundle as a folder that is ready to become a Hugging Face Space.

In:  a bundle, and photos to show as examples.
Out: a folder with app.py (Gradio), README.md with the Space's header, requirements.txt, the
     bundle, the examples, and the part of waymark that predicts.

A Space installs requirements.txt before it has the folder's other files, so waymark comes
as source, not as a wheel. app.py is the same text for every bundle, but for its title: the
names of landmarks reach it as data only. Gradio is imported nowhere here.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from waymark.bundle.format import Bundle, find_bundle, read_bundle
from waymark.errors import ConfigError, RunError
from waymark.photo import read_photo
from waymark.samples import DISTRACTORS, SAMPLES, render
from waymark.space_source import read_sources
from waymark.version import __version__

if TYPE_CHECKING:
    from PIL.Image import Image

GRADIO = "6.31.0"  # the version that the app was last tried with
PYTHON = "3.11"
TITLE = "Which landmark is this?"
RENDERED = 5  # example photos where none are given
LONGEST = 1024  # px: side of an example photo
_MARKDOWN = re.compile(r"[\\`*_{}\[\]<>()#+!|~$&-]")  # signs that mean something there
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.-]{0,60}")


def write_space(
    bundle: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    title: str = TITLE,
    examples: Sequence[str | os.PathLike[str]] = (),
    licence: str = "other",
) -> Path:
    """Write a bundle's Space; the same arguments give the same files.

    Args:
        bundle: as for `waymark.load`.
        out: the folder; new, or empty.
        title: of the page.
        examples: photos to try the app with; they are published, upright, at most 1,024 px
            and without their metadata. Rendered ones where there are none.
        licence: identifier for the Space's header, as Hugging Face lists them.

    Returns:
        The folder.

    Raises:
        RunError: if `out` holds something already.
        BundleError: if the bundle cannot be read.
        PhotoError: if an example cannot be read.
        ConfigError: if the title or the licence cannot be one.
    """
    if not title.strip() or not title.isprintable():
        raise ConfigError(f"the title is {title!a}; give one in printable characters.")
    if not _LICENCE.fullmatch(licence):
        raise ConfigError(
            f"the licence is {licence!a}; it must be an identifier such as mit or cc-by-4.0."
        )
    file = find_bundle(bundle)
    read = read_bundle(file)
    texts = _texts(read, title, licence, given=bool(examples))
    photos = [_jpeg(path) for path in examples] or _rendered(read)
    folder = _claim(out)
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / "examples").mkdir()
    for number, photo in enumerate(photos, start=1):
        (folder / "examples" / f"{number}.jpg").write_bytes(photo)
    (folder / "model.waymark").write_bytes(file.read_bytes())
    return folder


def _texts(bundle: Bundle, title: str, licence: str, *, given: bool) -> dict[str, str]:
    """Return every file of the Space that is text, by its path."""
    templates = files("waymark").joinpath("space_app")

    def template(name: str) -> str:
        return templates.joinpath(name).read_text(encoding="utf-8")

    readme = template("README.md.txt").format(
        title=json.dumps(title, ensure_ascii=False),  # a JSON string is a YAML string
        heading=_MARKDOWN.sub(r"\\\g<0>", title),
        licence=json.dumps(licence),
        gradio=GRADIO,
        python=PYTHON,
        count=len(bundle.manifest.landmarks),
        version=__version__,
        sha256=bundle.sha256,
        examples="photos to try it with" if given else "rendered pictures to try it with",
    )
    texts = {
        "README.md": readme,
        "app.py": template("app.py.txt").replace('TITLE = ""', f"TITLE = {title!r}", 1),
        "requirements.txt": template("requirements.txt"),
        ".gitattributes": template("gitattributes.txt"),
        ".gitignore": "__pycache__/\n.venv/\n",
        "LICENSE": _licence_text(),
        "model-card.md": bundle.card or "This model came without a card.\n",
        "NOTICE": bundle.notice,
        **read_sources(),
    }
    return {name: text for name, text in texts.items() if text or name.endswith(".py")}


def _licence_text() -> str:
    """Return waymark's own licence, which goes where its source goes."""
    try:
        text = distribution("waymark").read_text("licenses/LICENSE")
    except PackageNotFoundError:
        text = None
    if not text:
        raise RunError("waymark's own LICENSE is missing; install waymark again, with pip.")
    return text


def _rendered(bundle: Bundle) -> list[bytes]:
    """Render examples: landmarks that the bundle knows first, a scene of none last."""
    known = {landmark.id for landmark in bundle.manifest.landmarks}
    names = sorted(SAMPLES, key=lambda name: name not in known)[: RENDERED - 1]
    return [_encode(render(name, seed=7, size=(640, 480))) for name in (*names, DISTRACTORS[0])]


def _jpeg(path: str | os.PathLike[str]) -> bytes:
    image = read_photo(path, min_side=LONGEST)
    image.thumbnail((LONGEST, LONGEST))
    return _encode(image)


def _encode(image: Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _claim(out: str | os.PathLike[str]) -> Path:
    """Make the folder, or take an empty one."""
    folder = Path(out)
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise RunError(f"{folder} is not a folder; name a new one with --out.")
    if folder.is_dir() and any(folder.iterdir()):
        raise RunError(f"{folder} is not empty; name a new folder with --out, or empty this one.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
