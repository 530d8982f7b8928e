"""The model card: what a bundle is for, what it learnt from, how good it is, where it fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from waymark.bundle.manifest import Manifest
from waymark.dataset.places import say_places
from waymark.training.card_text import code, facts, plain, share, table, told

WORST = 8
PAIRS = 6
SOURCES = 5
NAMED = 12

Figures = Mapping[str, Any]


def model_card(
    name: str,
    manifest: Manifest,
    figures: Figures,
    *,
    measured_on: str,
    training: Mapping[str, Any] | None = None,
    sizes: Mapping[str, Any] | None = None,
) -> str:
    """Write the card of a bundle, in Markdown; what is not known or measured is left out.

    Args:
        name: heading.
        manifest: of the bundle.
        figures: what `evaluate` found; keys as in `Evaluation.to_dict`. Where `robustness`
            maps words for a change of the photos (darker, turned) to figures, these too.
        measured_on: which photos the figures are of.
        training: what it took: `minutes`, `photos`, `photos_per_s`, `memory_mb`, `epochs`,
            `best_epoch`, and perhaps `hardware`, in words.
        sizes: `parameters` (a number) and `bundle_mb`.
    """
    category = figures.get("category") or {}
    parts = {
        "": _purpose(manifest),
        "What it is for, and what not": _uses(manifest),
        "How it was made": _origin(manifest),
        f"How good it is: {plain(measured_on)}": [
            *_figures(figures),
            *_category_figures(category),
            *_selection(manifest, measured_on),
        ],
        "Where it is weakest": _weakest(manifest, figures, category),
        "When it says that it does not know": _unknown(manifest, figures),
        "Size and speed": _cost(manifest, figures, training or {}, sizes or {}),
    }
    lines = [f"# {plain(name)}", ""]
    for heading, content in parts.items():
        if content:
            lines += [*([f"## {heading}", ""] if heading else []), *content, ""]
    return "\n".join(lines)


def _purpose(manifest: Manifest) -> list[str]:
    kinds = f" and tells {len(manifest.categories)} categories" if manifest.categories else ""
    return [
        f"Names {len(manifest.landmarks)} landmarks in photos{kinds}. A waymark bundle; "
        "use it with `waymark predict --bundle FILE PHOTO`."
    ]


def _uses(manifest: Manifest) -> list[str]:
    tasks = ["**landmark**: which of its landmarks a photo shows, or that it shows none"]
    if manifest.categories:
        kinds = [plain(kind.id) for kind in manifest.categories[:NAMED]]
        more = ", ..." if len(manifest.categories) > NAMED else ""
        tasks.append(f"**category**: of which kind the landmark is ({', '.join(kinds)}{more})")
    lines = [f"- {task}" for task in tasks]
    if strangers := _without_category(manifest):
        shown = ", ".join(strangers[:NAMED]) + (", ..." if len(strangers) > NAMED else "")
        lines += [
            "",
            f"The categories do not cover {len(strangers)} of the landmarks, which were added "
            f"later or are of a kind never learnt: {shown}. For photos of these the category is "
            "a guess at the nearest one, and wrong.",
        ]
    return [
        *lines,
        "",
        "For naming and sorting photos of these landmarks, with a person who looks at what is "
        "in doubt. Not for: landmarks outside its list (it may call them unknown, as often as "
        "the figures below say); proof of where or when a photo was taken; decisions about "
        "people; photos unlike those it learnt from.",
    ]


def _without_category(manifest: Manifest) -> list[str]:
    """Return the names of the landmarks whose category the second task cannot say."""
    known = {kind.id for kind in manifest.categories}
    return [plain(one.name) for one in manifest.landmarks if known and one.category not in known]


def _origin(manifest: Manifest) -> list[str]:
    origin = manifest.provenance
    command = origin.get("command")
    return facts(
        {
            "recipe": told(origin.get("recipe_name") or origin.get("recipe")),
            "network": plain(
                f"{manifest.backbone.get('timm_name')}, "
                f"{manifest.preprocess.size} px, {manifest.preprocess.fit}"
            ),
            "start": told(origin.get("start")),
            "labels seen before": told(origin.get("labels_seen_before")),
            "data": told(origin.get("data")),
            "terms of the data": told(origin.get("terms", "not stated")),
            "photos": told(origin.get("photos")),
            "negatives": told(origin.get("negatives")),
            "places": told(say_places(origin.get("places") or {})),
            "split (hash)": told(origin.get("split")),
            "seed": told(origin.get("seed")),
            "chosen by": told(origin.get("chosen_by")),
            "command": code(command) if command else None,
            "parent": told(str(origin.get("parent") or "")[:12]),
        }
    )


def _figures(figures: Figures) -> list[str]:
    loss = figures.get("loss")
    return facts(
        {
            "photos": told(figures.get("n")),
            "top-1": share(figures, "top1"),
            "top-3": share(figures, "top3"),
            "top-5": share(figures, "top5"),
            "macro F1": share(figures, "macro_f1"),
            "loss (nats)": None if loss is None else f"{loss:.3f}",
            "calibration error": share(figures, "ece"),
            "unknown photos": told(figures.get("n_unknown") or None),
            "unknown AUROC": share(figures, "unknown_auroc"),
            "FPR at 95 % recall": share(figures, "unknown_fpr95"),
            "GAP": share(figures, "gap"),
        }
    )


def _category_figures(category: Figures) -> list[str]:
    if not category.get("n"):
        return []
    rows = {
        "photos": told(category["n"]),
        "top-1": share(category, "top1"),
        "macro F1": share(category, "macro_f1"),
        "calibration error": share(category, "ece"),
    }
    return ["", "### Categories", "", *facts(rows)]


def _selection(manifest: Manifest, measured_on: str) -> list[str]:
    """Say it where the same photos chose the weights and gave the figures."""
    chosen = str(manifest.provenance.get("chosen_by") or "").replace("cross-validation", "")
    if "validation" not in chosen or "validation" not in measured_on:
        return []
    return [
        "",
        "The same photos chose which weights were kept, and set temperature and threshold: "
        "expect a little less on new photos. `waymark evaluate --split test` measures that.",
    ]


def _weakest(manifest: Manifest, figures: Figures, category: Figures) -> list[str]:
    lines = _worst("landmark", figures.get("per_class") or {}) or ["Not measured."]
    if rows := _worst("category", category.get("per_class") or {}):
        lines += ["", *rows]
    names = {landmark.id: landmark.name for landmark in manifest.landmarks}
    pairs = [
        f"- {plain(names.get(row['truth'], row['truth']))} taken for "
        f"{plain(names.get(row['guess'], row['guess']))}: {row['n']} of {row['of']} photos"
        for row in (figures.get("confused") or [])[:PAIRS]
    ]
    if pairs:
        lines += ["", "Most often confused:", "", *pairs]
    if changed := figures.get("robustness"):
        lines += ["", "Photos changed on purpose:", ""]
        lines += [
            f"- {plain(change)}: {found}"
            for change, row in changed.items()
            if (found := share(row, "top1")) is not None
        ]
    return lines


def _worst(task: str, per_class: Mapping[str, Figures]) -> list[str]:
    rows = sorted(per_class.items(), key=lambda item: item[1]["f1"] or 0.0)[:WORST]
    if not rows:
        return []
    return table(
        (task, "precision", "recall", "F1", "photos"),
        [
            [
                plain(label),
                *(f"{row[key] or 0:.0%}" for key in ("precision", "recall", "f1")),
                str(row["n"]),
            ]
            for label, row in rows
        ],
    )


def _unknown(manifest: Manifest, figures: Figures) -> list[str]:
    rule = manifest.unknown
    lines = [
        f"A photo with an unknown score above {rule.threshold:.2f} is called unknown. "
        f"The rule was fitted on {plain(rule.source or 'nothing')}."
    ]
    if rule.fpr is not None:
        lines.append(f"It takes {rule.fpr:.1%} of held-out negatives for a landmark.")
    rates = (
        ("known_called_unknown", "of the photos of its landmarks are called unknown"),
        ("unknown_called_known", "of the photos of none are taken for a landmark"),
    )
    for key, words in rates:
        if (value := figures.get(key)) is not None:
            lines.append(f"Here {value:.1%} {words}.")
    caught = [
        (name, row)
        for name, row in (figures.get("unknown_by_source") or {}).items()
        if row.get("auroc") is not None
    ]
    if caught:
        worst = sorted(caught, key=lambda item: item[1]["auroc"])[:SOURCES]
        lines += ["", "Kinds of unknown photo, those caught worst first:", ""]
        lines += table(
            ("source", "photos", "AUROC"),
            [(plain(name), str(row["n"]), share(row, "auroc") or "") for name, row in worst],
        )
    return [
        *lines,
        "",
        "Scores are calibrated on photos like those of the validation split; on very "
        "different photos they are not.",
    ]


def _cost(
    manifest: Manifest, figures: Figures, training: Mapping[str, Any], sizes: Mapping[str, Any]
) -> list[str]:
    counts = (sizes.get("parameters"), manifest.metrics.get("parameters"))
    count = next((n for n in (*counts, figures.get("parameters")) if isinstance(n, int)), None)
    fast, epochs = manifest.sizes.get("fast"), training.get("epochs")
    also, best = f" ({fast} px with --fast)" if fast else "", training.get("best_epoch")
    kept = f", the best was number {best}" if best is not None else ""
    return facts(
        {
            "parameters": f"{count:,}" if count else None,
            "bundle": _number(sizes, "bundle_mb", "{:.1f} MB"),
            "input": f"{manifest.preprocess.size} px{also}",
            "training": _number(training, "minutes", "{:.1f} minutes"),
            "epochs": f"{epochs}{kept}" if epochs else None,
            "photos trained on": _number(training, "photos", "{:,.0f}"),
            "speed in training": _number(training, "photos_per_s", "{:,.0f} photos a second"),
            "memory in training": _number(training, "memory_mb", "{:,.0f} MB at most"),
            "hardware": told(training.get("hardware")),
        }
    )


def _number(values: Mapping[str, Any], key: str, form: str) -> str | None:
    value = values.get(key)
    return form.format(value) if value else None
