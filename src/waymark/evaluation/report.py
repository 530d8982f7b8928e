"""An evaluation as a page to read, its figures as PNGs, and the photos that went wrong.

In:  an `Evaluation`, and for the report of a run its `RunFacts`.
Out: DIR/report.html (self-contained: no script, no network), metrics.json, plots/*.png,
     wrong.csv (every photo that went wrong) and wrong/*.jpg (thumbnails of the worst).

Names of photos and landmarks are hostile: the template escapes them, the page's policy
allows no script, files are numbered, and cells that a spreadsheet would run are disarmed.
"""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waymark.dataset.index import printable
from waymark.dataset.manifest import escaped
from waymark.errors import ConfigError
from waymark.evaluation import plots, report_photos, report_run, report_tables
from waymark.evaluation.evaluate import Evaluation
from waymark.evaluation.report_figures import EVERY_NAME, Drawing, drawings
from waymark.evaluation.report_photos import Explainer, Wrong, wrong_photos
from waymark.evaluation.report_run import RunFacts
from waymark.gazetteer import display_name
from waymark.progress import Progress, silent
from waymark.version import __version__

__all__ = ["RunFacts", "Wrong", "check_vacant", "write_report", "wrong_photos"]

GALLERY, STRANGERS = 48, 24
_DPI, _SHARP = 110, 1.5  # dots an inch, on the page; times more in the PNG of a small figure
_WIDE = 1000  # px: a figure from which one can choose its size
_REPORT = ("report.html", "metrics.json")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One figure of the page.

    Attributes:
        name: of its file.
        title: heading.
        caption: below it.
        alt: for those who do not see it.
        uri: the PNG itself.
        width: at which it is shown, in CSS pixels; small figures have more of their own.
        height: likewise.
        wide: whether it is wider than a page.
    """

    name: str
    title: str
    caption: str
    alt: str
    uri: str
    width: int
    height: int
    wide: bool


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
    run: RunFacts | None = None,
    recogniser: Explainer | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write the page and what belongs to it; files of an earlier report are replaced.

    Args:
        evaluation: what to report.
        out: folder, made where it is missing.
        title: heading of the page; by default it names the bundle and the dataset.
        run: what was trained, where this is the report of a run.
        recogniser: the bundle, loaded, to draw heatmaps with; None draws none.
        progress: told of each photo that is drawn.

    Returns:
        Path of report.html.
    """
    report = progress or silent
    _clear(out)
    wrong = wrong_photos(evaluation)
    known, strangers = ([w for w in wrong if w.known is which] for which in (True, False))
    gallery, strange = known[:GALLERY], strangers[:STRANGERS]
    trained_on = run.photos if run else ()
    pairs = report_photos.confused_pairs(evaluation, trained_on)
    samples = report_photos.sample_photos(trained_on)
    shares, measured = report_photos.channel_shares(trained_on, report)
    pictures = [_picture(d, out / "plots") for d in drawings(evaluation, run, shares)]
    heat = report_photos.heatmaps(gallery, recogniser, report)
    small = report_photos.thumbnails(
        [
            *(path for path, _ in samples),
            *(path for pair in pairs for path in (pair.confused, pair.example) if path),
            *(w.path for w in (*gallery, *strange)),
        ],
        report,
    )
    _write_photos(out / "wrong", [*gallery, *strange], small, heat)
    _write_wrong(out / "wrong.csv", wrong)
    figures = evaluation.to_dict()
    (out / "metrics.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    names = {landmark.id: landmark.name for landmark in evaluation.landmarks}
    rows = _landmark_rows(evaluation, run)
    page = _template().render(
        title=title or f"Bundle {evaluation.bundle or 'unsaved'} on {evaluation.dataset}",
        version=__version__,
        figures=figures,
        pictures={picture.name: picture for picture in pictures},
        photo={path: _uri(jpeg, "jpeg") for path, jpeg in small.items()},
        heat={path: _uri(jpeg, "jpeg") for path, jpeg in heat.items()},
        gallery=gallery,
        strangers=strange,
        n_wrong=len(known),
        n_strangers=len(strangers),
        pairs=pairs,
        rows=rows,
        averages=report_tables.averages(rows),
        category=_category(evaluation),
        samples=[(path, names.get(label, label)) for path, label in samples],
        run=_of_run(evaluation, run, shares, measured) if run else None,
    )
    path = out / "report.html"
    path.write_text(page, encoding="utf-8", errors="replace")
    return path


def _clear(out: Path) -> None:
    """Make the folders, and take away what an earlier report left: nothing else."""
    (out / "plots").mkdir(parents=True, exist_ok=True)
    (out / "wrong").mkdir(exist_ok=True)
    for pattern in ("[0-9][0-9][0-9].jpg", "[0-9][0-9][0-9]-heat.jpg"):
        for old in (out / "wrong").glob(pattern):
            old.unlink()
    for name in EVERY_NAME:  # the folder may be somebody's own
        (out / "plots" / f"{name}.png").unlink(missing_ok=True)


def _picture(drawing: Drawing, folder: Path) -> Picture:
    """Draw a figure into its file, and for the page."""
    figure = drawing.draw()
    inches = figure.get_size_inches()
    width, height = (round(side * _DPI) for side in inches)
    png = plots.to_png(figure, dpi=_DPI if width > _WIDE else _SHARP * _DPI)
    (folder / f"{drawing.name}.png").write_bytes(png)
    return Picture(
        name=drawing.name,
        title=drawing.title,
        caption=drawing.caption,
        alt=drawing.alt,
        uri=_uri(png, "png"),
        width=width,
        height=height,
        wide=width > _WIDE,
    )


def _landmark_rows(said: Evaluation, run: RunFacts | None) -> list[dict[str, Any]]:
    learnt = run.counts.get("train") if run else None
    return report_tables.class_rows(
        said.counts,
        [landmark.name for landmark in said.landmarks],
        None if learnt is None else [learnt.get(landmark.id) for landmark in said.landmarks],
    )


def _category(said: Evaluation) -> dict[str, Any] | None:
    """Return figures and rows of the category task, where there is one and photos of it."""
    category = said.category
    if category is None or not category.known.any():
        return None
    rows = report_tables.class_rows(category.counts, [display_name(n) for n in category.names])
    return {
        "figures": category.to_dict(),
        "rows": rows,
        "averages": report_tables.averages(rows),
    }


def _of_run(
    said: Evaluation, run: RunFacts, shares: NDArray[np.float64] | None, measured: int
) -> dict[str, Any]:
    ways = run.preprocess
    return {
        "facts": run,
        "splits": {split: sum(photos.values()) for split, photos in run.counts.items()},
        "counts": report_tables.count_rows(said, run),
        "curves": report_run.curves_of(run),
        "stages": report_run.stage_rows(run),
        "two_tasks": report_run.has_two_tasks(run),
        "totals": report_run.totals(run),
        "measured": measured,
        "colours": report_tables.colour_rows(shares, ways.mean, ways.std)
        if shares is not None and ways is not None
        else [],
    }


def _write_photos(
    folder: Path,
    shown: Sequence[Wrong],
    small: dict[Path, bytes],
    heat: dict[Path, bytes],
) -> None:
    for number, wrong in enumerate(shown, start=1):
        for suffix, jpegs in (("", small), ("-heat", heat)):
            if wrong.path in jpegs:
                (folder / f"{number:03}{suffix}.jpg").write_bytes(jpegs[wrong.path])


def _write_wrong(path: Path, wrong: Sequence[Wrong]) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
        table = csv.writer(file)
        table.writerow(["path", "truth", "known", "guess", "score", "unknown_score"])
        for w in wrong:
            cells = [printable(w.path), w.truth, w.known, w.guesses[0][0]]
            numbers = [f"{w.score:.4f}", f"{w.unknown_score:.4f}"]
            table.writerow([escaped(str(cell)) for cell in cells] + numbers)


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
    pages.filters |= {
        "percent": _percent,
        "printable": printable,
        "span": _span,
        "number": _number,
        "count": lambda value: f"{value:,}",
        "duration": _duration,
        "memory": lambda mb: "–" if mb is None else f"{mb / 1000:.2f} GB",
    }
    return pages.get_template("report.html")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _span(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"


def _number(value: float | None, digits: int = 4) -> str:
    if value is None:
        return "–"
    whole = abs(value) >= 10 ** (digits - 1)  # no power of ten where digits will do
    return f"{value:,.0f}" if whole else f"{value:.{digits}g}"


def _duration(seconds: float | None) -> str:
    """Say a time in the largest unit that keeps two digits or more."""
    if seconds is None:
        return "–"
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes = seconds / 60
    return f"{minutes:.1f} min" if minutes < 100 else f"{minutes / 60:.1f} h"
