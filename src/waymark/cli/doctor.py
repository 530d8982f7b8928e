"""`waymark doctor`: is everything here that waymark needs, and does it work?"""

from __future__ import annotations

from typing import Annotated

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check the installation, and say how to mend what is missing or broken."""
    import json
    from dataclasses import asdict

    from waymark.doctor import examine

    checks = []
    for check in examine():
        checks.append(check)
        if not as_json:
            print(f"{check.state:7} {check.name:22} {check.found}", flush=True)
            if check.fix:
                print(f"{'':7} {'':22} -> {check.fix}")
    broken = sum(check.state == "broken" for check in checks)
    if as_json:
        print(json.dumps({"ok": not broken, "checks": [asdict(c) for c in checks]}, indent=2))
    else:
        print(f"{broken} broken" if broken else "all well")
    raise typer.Exit(1 if broken else 0)
