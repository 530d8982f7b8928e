"""What `waymark tag` says at its end."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from waymark.cli.terminal import counted, say_skipped, shown

if TYPE_CHECKING:
    from waymark.library.tag import TagReport


def say(report: TagReport, library: Path, bundle: str, *, quiet: bool) -> None:
    """Sum up what was done.

    Args:
        report: of the run.
        library: where the results are.
        bundle: the bundle's name or path.
        quiet: say it on stderr, as stdout has the photos.
    """
    lines = [_work(report), _found(report), *_left(report)]
    if report.resettled:
        lines.append(
            "decided anew, the whole library: --unknown-threshold or --no-context, given or left "
            "out, are not those of the last run"
        )
    lines.append(f"library: {shown(str(library))}; bundle: {shown(bundle)} ({report.bundle})")
    if report.known:
        lines.append(f"Look through it: waymark serve --library {_library(library)}")
    print("\n".join(lines), file=sys.stderr if quiet else sys.stdout)
    say_skipped(report.skipped)


def _work(report: TagReport) -> str:
    speed = report.recognised / report.seconds if report.seconds > 0.01 else 0.0
    pace = f" ({speed:,.1f} photos/s)" if report.recognised else ""
    parts = [
        f"{report.recognised:,} recognised{pace}",
        f"{report.reused:,} moved or copied" if report.reused else "",
        f"{report.refreshed:,} with another sidecar or Takeout file" if report.refreshed else "",
        f"{report.unchanged:,} unchanged",
    ]
    return f"{counted(report.photos, 'photo')}: {', '.join(part for part in parts if part)}"


def _found(report: TagReport) -> str:
    by_context = f", {report.by_context:,} by their neighbours" if report.by_context else ""
    text = f"{report.known:,} with a landmark{by_context}; {report.unknown:,} unknown"
    return text + (f"; {report.dismissed:,} dismissed by you" if report.dismissed else "")


def _left(report: TagReport) -> list[str]:
    lines = []
    if report.with_gps:
        far = f"; {report.disagree:,} far from the landmark" if report.disagree else ""
        lines.append(f"{counted(report.with_gps, 'photo')} with GPS, which is kept{far}")
    if report.failed:
        lines.append(
            f"{counted(report.failed, 'photo')} cannot be read "
            "(`waymark library list --failed` says why)"
        )
    if report.missing:
        lines.append(f"{counted(report.missing, 'photo')} of the library gone")
    if report.pairs:
        lines.append(f"{counted(report.pairs, 'RAW+JPEG pair')}, each as one photo")
    alone = (
        (report.videos, "video"),
        (report.moving, "moving half of a Live Photo", "moving halves of Live Photos"),
        (report.other_raws, "RAW file of another maker", "RAW files of other makers"),
        (report.closed, "folder with a .nomedia or .noimage", "folders with .nomedia or .noimage"),
    )
    told = [counted(*each) for each in alone if each[0]]
    return [*lines, f"left alone: {', '.join(told)}"] if told else lines


def _library(path: Path) -> str:
    from waymark.library.store import default_path

    return "default" if path == default_path() else shlex.quote(shown(str(path)))
