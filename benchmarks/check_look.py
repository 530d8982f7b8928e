"""What `data check` finds in real datasets as they are, and how often the eye agrees.

Nothing is planted. Up to 50 findings of each kind, the worst first, are put on contact sheets;
the counts of the look at them are kept in check_look_judged.json: no photo, no path.

    python benchmarks/check_look.py --sheets DIR      then fill in what was right
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from check_faults import DUPLICATES, MOST_LOOKED, digest
from check_sheets import Flag, write_sheet
from receipt import HERE, receipt
from shared import photos_of
from table import publish
from waymark.bundle.format import read_bundle
from waymark.curate.check import check_dataset
from waymark.curate.finding import KINDS, Finding
from waymark.dataset.index import read_dataset

JUDGED = HERE / "check_look_judged.json"
LEVELS = {"provence": "place,landmark", "pakistan": None}
COLUMNS = ("dataset", "kind", "findings", "looked at", "right", "doubtful", "wrong")
OF_CLASSES = ("few-photos", "similar-classes")  # judged by their names, a finding each


def flag_of(finding: Finding) -> Flag:
    """Return what is looked at: of duplicates, the first beside the one that is kept."""
    beside = finding.paths[-1] if finding.kind in (*DUPLICATES, "leakage") else None
    return Flag(path=finding.paths[0], beside=beside, suggested=finding.label_suggested)


def row_of(dataset: str, kind: str, findings: Sequence[Finding], judged: Any) -> list[str]:
    """Return the cells of one kind in one dataset."""
    flags = [flag_of(finding) for finding in findings[:MOST_LOOKED]]
    look = judged.get(dataset, {}).get(kind)
    cells = [dataset, kind, str(len(findings))]
    if look is None or look["of"] != digest(flags):
        return [*cells, "not judged", "", "", ""]
    wrong = look["looked"] - look["right"] - look["doubtful"]
    return [*cells, *(str(n) for n in (look["looked"], look["right"], look["doubtful"], wrong))]


def main() -> None:
    """Check, draw sheets, and print what the eye said."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sheets", type=Path, help="write contact sheets there, for the eye")
    options = parser.parse_args()
    judged = json.loads(JUDGED.read_text(encoding="utf-8")) if JUDGED.exists() else {}
    bundle = read_bundle("world")
    rows: list[list[str]] = []
    for name, levels in LEVELS.items():
        root = photos_of(name)
        check = check_dataset(read_dataset(root, levels=levels), bundle=bundle)
        for kind in KINDS:
            findings = [finding for finding in check.findings if finding.kind == kind]
            if not findings:
                continue
            rows.append(row_of(name, kind, findings, judged))
            flags = [flag_of(finding) for finding in findings[:MOST_LOOKED]]
            print(f'"{name}" "{kind}": {{"looked": {len(flags)}, "of": "{digest(flags)}"}}')
            if options.sheets:
                options.sheets.mkdir(parents=True, exist_ok=True)
                write_sheet(options.sheets / f"{name}-{kind}.png", root, flags)
            if kind in OF_CLASSES:
                print(*(f"  {finding.reason}" for finding in findings), sep="\n")
    publish(
        "check_look",
        columns=COLUMNS,
        rows=rows,
        note=f"Up to {MOST_LOOKED} findings of each kind, the worst first, looked at one by one. "
        "Doubtful: the eye cannot tell, or the photo belongs but shows little of its landmark.",
        **receipt(bundle),
    )


if __name__ == "__main__":
    main()
