"""The model card: what a bundle is for, what it learnt from, and how good it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from waymark.bundle.manifest import Manifest
from waymark.dataset.places import say_places

WORST = 8


def model_card(
    name: str, manifest: Manifest, figures: Mapping[str, Any], *, measured_on: str
) -> str:
    """Write the card of a bundle, in Markdown.

    Args:
        name: heading.
        manifest: of the bundle.
        figures: what `evaluate` found; keys as in `Evaluation.to_dict`.
        measured_on: which photos the figures are of.
    """
    origin = manifest.provenance
    rule = manifest.unknown
    lines = [
        f"# {_cell(name)}",
        "",
        f"Names {len(manifest.landmarks)} landmarks in photos. A waymark bundle; "
        "use it with `waymark predict --bundle FILE PHOTO`.",
        "",
        "## How it was made",
        "",
        *_table(
            {
                "recipe": origin.get("recipe_name") or origin.get("recipe"),
                "network": f"{manifest.backbone.get('timm_name')}, "
                f"{manifest.preprocess.size} px, {manifest.preprocess.fit}",
                "start": origin.get("start"),
                "labels seen before": origin.get("labels_seen_before"),
                "data": origin.get("data"),
                "terms of the data": origin.get("terms", "not stated"),
                "photos": origin.get("photos"),
                "negatives": origin.get("negatives"),
                "places": say_places(origin.get("places") or {}),
                "split (hash)": origin.get("split"),
                "seed": origin.get("seed"),
                "chosen by": origin.get("chosen_by"),
                "command": f"`{origin.get('command')}`" if origin.get("command") else None,
                "parent": str(origin.get("parent") or "")[:12] or None,
            }
        ),
        "",
        f"## How good it is: {measured_on}",
        "",
        *_table(
            {
                "photos": figures.get("n"),
                "top-1": _share(figures, "top1"),
                "top-3": _share(figures, "top3"),
                "macro F1": _share(figures, "macro_f1"),
                "calibration error": _share(figures, "ece"),
                "unknown photos": figures.get("n_unknown") or None,
                "unknown AUROC": _share(figures, "unknown_auroc"),
                "FPR at 95 % recall": _share(figures, "unknown_fpr95"),
                "GAP": _share(figures, "gap"),
            }
        ),
        "",
        "## Where it is weakest",
        "",
        *_worst(figures.get("per_class") or {}),
        "",
        "## When it says that it does not know",
        "",
        f"A photo with an unknown score above {rule.threshold:.2f} is called unknown. "
        f"The rule was fitted on {rule.source or 'nothing'}.",
        *(
            [f"It takes {rule.fpr:.1%} of held-out negatives for a landmark."]
            if rule.fpr is not None
            else []
        ),
        "",
        "Scores are calibrated on photos like those of the validation split; on very "
        "different photos they are not.",
        "",
    ]
    return "\n".join(lines)


def _table(rows: Mapping[str, Any]) -> list[str]:
    shown = {key: value for key, value in rows.items() if value not in (None, "")}
    return ["| | |", "|---|---|"] + [f"| {key} | {_cell(value)} |" for key, value in shown.items()]


def _cell(value: Any) -> str:
    """Keep a value within its cell, and Markdown's HTML out of it."""
    return str(value).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _share(figures: Mapping[str, Any], key: str) -> str | None:
    value = figures.get(key)
    if value is None:
        return None
    span = figures.get(f"{key}_interval")
    return f"{value:.1%}" + (f" ({span[0]:.1%} to {span[1]:.1%}, 95 %)" if span else "")


def _worst(per_class: Mapping[str, Mapping[str, Any]]) -> list[str]:
    rows = sorted(per_class.items(), key=lambda item: item[1]["f1"] or 0.0)[:WORST]
    if not rows:
        return ["Not measured."]
    lines = ["| landmark | precision | recall | F1 | photos |", "|---|---|---|---|---|"]
    for label, row in rows:
        cells = " | ".join(f"{row[key] or 0:.0%}" for key in ("precision", "recall", "f1"))
        lines.append(f"| {_cell(label)} | {cells} | {row['n']} |")
    return lines
