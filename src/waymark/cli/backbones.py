"""`waymark backbones`: the feature networks that a recipe can name."""

from typing import Annotated

import typer


def backbones(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
) -> None:
    """List the feature networks that a recipe can name."""
    from waymark.models.backbones import BACKBONES

    if as_json:
        from dataclasses import asdict
        from json import dumps

        for record in BACKBONES.values():
            print(dumps(asdict(record)))
        return

    print(
        f"{'name':22} {'code':8} {'features':>8} {'parameters':>10}  {'weights':8} "
        f"{'licence':13} source"
    )
    for record in BACKBONES.values():
        millions = f"{record.parameters / 1e6:.1f} M"
        print(
            f"{record.name:22} {record.library:8} {record.num_features:8} {millions:>10}  "
            f"{'hub' if record.hub else 'none':8} {record.licence:13} {record.source}"
        )
    print("weights: hub is what timm downloads; none starts at random, or from --weights FILE.")
