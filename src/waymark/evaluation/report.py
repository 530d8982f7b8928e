"""An evaluation as a page to read, its figures as PNGs, and the photos that went wrong.

In:  an `Evaluation`.
Out: DIR/report.html (self-contained: no script, no network), metrics.json, plots/*.png,
     wrong.csv (every photo that went wrong) and wrong/*.jpg (thumbnails of the worst).

Names of photos and landmarks are hostile: the template escapes them, the page's policy
allows no script, files are numbered, and cells that a spreadsheet would run are disarmed.
"""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from waymark.dataset.index import printable
from waymark.dataset.manifest import escaped
from waymark.errors import ConfigError
from waymark.evaluation import metrics, plots
from waymark.evaluation.evaluate import Evaluation
from waymark.evaluation.plots import DARK, LIGHT, Theme
from waymark.progress import Progress, silent
from waymark.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

Draw = Callable[[Theme], "Figure"]
MOST_CLASSES = 100  # in one confusion matrix
GALLERY, STRANGERS = 48, 24
THUMBNAIL = 160
GUESSES = 3
_TABLE_ROWS = 12
_REPORT = ("report.html", "metrics.json")
_FIGURES = ("confusion", "recall", "reliability", "unknown", "history")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One figure of the page, light and dark, as data URIs."""

    name: str
    title: str
    caption: str
    light: str
    dark: str
    width: int
    wide: bool


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A photo that went wrong.

    Attributes:
        path: where it is.
        truth: name of the landmark it shows; where it comes from, for an unknown photo.
        known: whether it shows a landmark of the bundle.
        score: calibrated score of the first guess.
        unknown_score: 0 to 1.
        guesses: names of the best guesses and their scores.
    """

    path: Path
    truth: str
    known: bool
    score: float
    unknown_score: float
    guesses: tuple[tuple[str, float], ...]


def check_vacant(out: Path) -> None:
    """Refuse to write a report where something else lies; an earlier report may be replaced.

    Raises:
        ConfigError: if `out` is a file, a run, or a folder that holds anything but a report.
    """
    if (out / "recipe.toml").exists():
        fault = "a run, which has a report of its own"
    elif out.exists() and not out.is_dir():
        fault = "a file"
    elif out.exists() and any(out.iterdir()) and not all((out / n).is_file() for n in _REPORT):
        fault = "a folder with something in it"
    else:
        return
    raise ConfigError(
        f"{out} is {fault}; --report expects a new or empty folder, or that of an earlier "
        "report. Give another one."
    )


def write_report(
    evaluation: Evaluation,
    out: Path,
    *,
    title: str | None = None,
    history: Draw | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write the page and what belongs to it; files of an earlier report are replaced.

    Args:
        evaluation: what to report.
        out: folder, made where it is missing.
        title: heading of the page; by default it names the bundle and the dataset.
        history: draws how training went, where this is the report of a run.
        progress: told of each thumbnail.

    Returns:
        Path of report.html.
    """
    (out / "plots").mkdir(parents=True, exist_ok=True)
    (out / "wrong").mkdir(exist_ok=True)
    for old in (out / "wrong").glob("[0-9][0-9][0-9].jpg"):
        old.unlink()
    for name in _FIGURES:  # nothing else: the folder may be somebody's own
        (out / "plots" / f"{name}.png").unlink(missing_ok=True)
    pictures = []
    for name, (heading, caption, draw) in _drawings(evaluation, history).items():
        png = plots.to_png(draw(LIGHT))
        (out / "plots" / f"{name}.png").write_bytes(png)
        pictures.append(_picture(name, heading, caption, png, plots.to_png(draw(DARK))))
    wrong = wrong_photos(evaluation)
    shown = [w for w in wrong if w.known][:GALLERY] + [w for w in wrong if not w.known][:STRANGERS]
    thumbnails = _thumbnails([w.path for w in shown], progress or silent)
    for number, jpeg in enumerate(thumbnails, start=1):
        if jpeg is not None:
            (out / "wrong" / f"{number:03}.jpg").write_bytes(jpeg)
    _write_wrong(out / "wrong.csv", wrong)
    figures = evaluation.to_dict()
    (out / "metrics.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    uris = [None if jpeg is None else _uri(jpeg, "jpeg") for jpeg in thumbnails]
    page = _template().render(
        title=title or f"Bundle {evaluation.bundle or 'unsaved'} on {evaluation.dataset}",
        version=__version__,
        figures=figures,
        n_wrong=sum(w.known for w in wrong),
        n_strangers=sum(not w.known for w in wrong),
        pictures={picture.name: picture for picture in pictures},
        gallery=[(w, uri) for w, uri in zip(shown, uris, strict=True) if w.known],
        strangers=[(w, uri) for w, uri in zip(shown, uris, strict=True) if not w.known],
        worst=_worst_classes(evaluation),
        pairs=_confused_pairs(evaluation),
    )
    path = out / "report.html"
    path.write_text(page, encoding="utf-8", errors="replace")
    return path


def wrong_photos(evaluation: Evaluation) -> list[Wrong]:
    """List the photos that went wrong, the most confident mistakes first.

    A photo of a known landmark is wrong where the first guess is; an unknown photo where
    it is called known.
    """
    said = evaluation
    is_wrong = np.where(said.known, said.guesses != said.labels, said.unknown <= said.threshold)
    rows = np.flatnonzero(is_wrong)
    best = metrics.ranking(said.scores[rows], GUESSES)
    found = [
        Wrong(
            path=said.paths[row],
            truth=said.landmarks[said.labels[row]].name if said.known[row] else said.sources[row],
            known=bool(said.known[row]),
            score=float(said.scores[row].max()),
            unknown_score=float(said.unknown[row]),
            guesses=tuple((said.landmarks[i].name, float(said.scores[row, i])) for i in top),
        )
        for row, top in zip(rows, best, strict=True)
    ]
    confidence = said.confidence[rows]
    return [found[i] for i in np.argsort(-confidence, kind="stable")]


def _drawings(said: Evaluation, history: Draw | None) -> dict[str, tuple[str, str, Draw]]:
    """Return file name -> (heading, caption, how to draw it) of each figure there is data for."""
    drawings: dict[str, tuple[str, str, Draw]] = {}
    if said.known.any():
        counts, names, note = _matrix(said)
        each = metrics.class_figures(said.counts)
        all_names = [landmark.name for landmark in said.landmarks]
        sure = said.scores[said.known].max(axis=1)
        right = (said.guesses == said.labels)[said.known]
        drawings["confusion"] = (
            "Confusion",
            "Rows are the landmark in the photo, columns the first guess; colour is the share "
            f"of the row, numbers are photos.{note}",
            lambda theme: plots.plot_confusion(counts, names, theme=theme),
        )
        drawings["recall"] = (
            "Recall of each landmark",
            "Share of its photos named right, worst first, with the number of photos and the "
            "95 % interval.",
            lambda theme: plots.plot_recall(*_lowest(all_names, each.recall, each.n), theme=theme),
        )
        drawings["reliability"] = (
            "Is a score what it says?",
            "Photos grouped by the score of the first guess. On the diagonal, 80 % means right "
            "8 times of 10. Size is the share of photos, bars are 95 % intervals.",
            lambda theme: plots.plot_reliability(sure, right, theme=theme),
        )
    if not said.known.all():
        of = np.array(said.sources)
        unknown = {name: said.unknown[of == name] for name in sorted(set(said.sources) - {""})}
        drawings["unknown"] = (
            "Known and unknown photos",
            "Unknown scores of photos with a known landmark and of all others, by source. Right "
            "of the threshold a photo is called unknown.",
            lambda theme: plots.plot_unknown(
                said.unknown[said.known], unknown, threshold=said.threshold, theme=theme
            ),
        )
    if history is not None:
        drawings["history"] = ("How training went", "Loss and accuracy by epoch.", history)
    return drawings


def _lowest(
    names: Sequence[str], recall: NDArray[np.floating], n: NDArray[np.integer]
) -> tuple[list[str], NDArray[np.floating], NDArray[np.integer]]:
    """Keep the classes with photos; of very many, those of the lowest recall."""
    present = np.flatnonzero(n)
    kept = present[np.argsort(recall[present], kind="stable")][:MOST_CLASSES]
    return [names[i] for i in kept], recall[kept], n[kept]


def _matrix(said: Evaluation) -> tuple[NDArray[np.int64], list[str], str]:
    """Return counts and names of the classes that occur; of very many, the most confused."""
    counts = said.counts
    used = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    note = ""
    if len(used) > MOST_CLASSES:
        mistakes = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
        worst = used[np.argsort(-mistakes[used], kind="stable")][:MOST_CLASSES]
        note = f" The {MOST_CLASSES} most confused of {len(used)} landmarks."
        used = np.sort(worst)
    return counts[np.ix_(used, used)], [said.landmarks[i].name for i in used], note


def _worst_classes(said: Evaluation) -> list[dict[str, Any]]:
    each = metrics.class_figures(said.counts)
    rows: list[dict[str, Any]] = [
        {
            "name": said.landmarks[i].name,
            "precision": float(each.precision[i]),
            "recall": float(each.recall[i]),
            "f1": float(each.f1[i]),
            "n": int(each.n[i]),
        }
        for i in np.flatnonzero(each.n)
    ]
    return sorted(rows, key=lambda row: row["f1"])[:_TABLE_ROWS]


def _confused_pairs(said: Evaluation) -> list[dict[str, Any]]:
    mistakes = said.counts - np.diag(np.diag(said.counts))
    order = np.argsort(-mistakes, axis=None, kind="stable")[:_TABLE_ROWS]
    pairs = [divmod(int(place), len(said.landmarks)) for place in order]
    return [
        {
            "truth": said.landmarks[row].name,
            "guess": said.landmarks[column].name,
            "n": int(mistakes[row, column]),
            "of": int(said.counts[row].sum()),
        }
        for row, column in pairs
        if mistakes[row, column]
    ]


def _thumbnails(paths: Sequence[Path], progress: Progress) -> list[bytes | None]:
    """Return a small JPEG of each photo; None where it cannot be read any more."""
    from waymark.photo import decode_many

    jpegs: list[bytes | None] = []
    made = decode_many(paths, _thumbnail, min_side=THUMBNAIL, allow_truncated=True)
    for jpeg in made:
        jpegs.append(jpeg if isinstance(jpeg, bytes) else None)
        progress(len(jpegs), len(paths), "drawing the wrong ones")
    return jpegs


def _thumbnail(image: Image) -> bytes:
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def _write_wrong(path: Path, wrong: Sequence[Wrong]) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
        table = csv.writer(file)
        table.writerow(["path", "truth", "known", "guess", "score", "unknown_score"])
        for w in wrong:
            cells = [printable(w.path), w.truth, w.known, w.guesses[0][0]]
            numbers = [f"{w.score:.4f}", f"{w.unknown_score:.4f}"]
            table.writerow([escaped(str(cell)) for cell in cells] + numbers)


def _picture(name: str, title: str, caption: str, light: bytes, dark: bytes) -> Picture:
    width = int.from_bytes(light[16:20], "big")  # of the PNG's header
    return Picture(
        name=name,
        title=title,
        caption=caption,
        light=_uri(light, "png"),
        dark=_uri(dark, "png"),
        width=width,
        wide=width > 1000,
    )


def _uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("waymark.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {"percent": _percent, "printable": printable, "span": _span}
    return pages.get_template("report.html")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _span(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"
