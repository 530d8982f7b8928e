"""Fill the tables of the docs with what the benchmarks measured.

A page holds `<!-- results:NAME -->` and, below, `<!-- end -->`; what stands between them is
replaced by the table of benchmarks/results/NAME.json. No figure is typed by hand.

    python benchmarks/write_tables.py           writes
    python benchmarks/write_tables.py --check   exits with 1 if a page is not up to date
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from table import RESULTS, markdown

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- results:([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages() -> list[Path]:
    """Return every page that may hold a table."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def filled(text: str) -> str:
    """Return a page with the measured tables in their places."""
    return BLOCK.sub(lambda match: f"{match[1]}{_table(match[2])}{match[3]}", text)


def _table(name: str) -> str:
    """Return a table with its note, or a line that says how to make it."""
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        return "*(not measured yet)*\n"
    result = json.loads(path.read_text(encoding="utf-8"))
    small = " ".join(part for part in (result.get("note"), f"({result['machine']})") if part)
    return f"{markdown(result['columns'], result['rows'])}\n\n{small}\n"


def main() -> int:
    """Write the pages, or check them."""
    stale = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        if (new := filled(text)) != text:
            stale.append(page.name)
            if "--check" not in sys.argv:
                page.write_text(new, encoding="utf-8")
    print(f"not up to date: {', '.join(stale)}" if stale else "all tables are up to date")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
