"""Every recipe of the five projects and ours, on the same photos of ../shared/data.

Two tables. On `world` nothing starts from a network that has seen a label of it: ours start
from ImageNet weights, and `linear` uses their embedding. On `provence`, which the world
model has never seen, ours start from the world bundle. Each row is a `waymark train` of its
own, measured by `waymark evaluate` on test photos that no training and no choice has seen.

    python benchmarks/seeds.py --budget cpu      a subset, few epochs; two cores
    python benchmarks/seeds.py --budget full     all photos, the projects' own epochs; a GPU

Rows that are done are kept in --work and not done again, unless a file of src/ or this
benchmark changed since; with --keep not even then. Each row says of which commit it is.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from receipt import HERE, commit, receipt
from seeds_rows import Row, rows
from shared import SHARED, link, photos_of
from table import publish
from waymark.bundle.format import read_bundle
from waymark.dataset.index import read_dataset
from waymark.dataset.split import split_dataset

MEASURED = HERE.parent / "src" / "waymark" / "training" / "measured.json"
TABLES = ("world", "provence")
OURS = ("linear", "finetune", "arcface")
TRAIN, TEST = {"world": 18, "provence": 20}, {"world": 20, "provence": 0}
"""Photos a landmark that the CPU budget keeps to learn and choose from, and to test; 0 is all."""
CUT = (
    "Cut on the CPU budget: {train} photos a landmark to learn and choose from, {test} to test; "
    "input sides and epochs as the columns say (a recipe's own are in `waymark recipes NAME`); "
    "copies of photos only for the ImageNet rows of usc-efficientnet-b0; korea-sequential in "
    "batches of 32 instead of 128; one strategy only from random weights and for usc-vgg16, "
    "whose ImageNet weights are not at hand. ResNet50 and the networks after VGG got 64 px. "
    "From random weights all layers learn. "
)


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", choices=("cpu", "full"), default="cpu")
    parser.add_argument("--work", type=Path, help="where runs are kept; runs/seeds-BUDGET")
    parser.add_argument("--keep", action="store_true", help="rows of earlier commits, too")
    parser.add_argument("--only", default="", help="rows whose name holds this; prints, no results")
    parser.add_argument("--table", choices=TABLES, help="one table only; prints, no results")
    arguments = parser.parse_args()
    work = arguments.work or HERE.parent / "runs" / f"seeds-{arguments.budget}"
    origin = {**receipt(read_bundle("world")), "budget": arguments.budget}  # as it is begun
    started = time.perf_counter()
    found: dict[str, list[dict[str, Any]]] = {}
    counts: dict[str, str] = {}
    for table in (arguments.table,) if arguments.table else TABLES:
        manifest, counts[table] = photos(table, arguments.budget, work)
        found[table] = [
            measured(row, manifest, work / table, arguments.budget, keep=arguments.keep)
            for row in rows(table)
            if arguments.only in row.name
        ]
    if arguments.only or arguments.table:
        for table, lines in found.items():
            print(table, counts[table])
            for line in lines:
                print(f"{line['name']:<50} {line['top1']:.3f} {line['total_minutes']:.1f} min")
        return
    minutes = (time.perf_counter() - started) / 60
    for table, lines in found.items():
        show(table, lines, counts[table], arguments.budget, origin)
    kept = {
        table: {"photos": counts[table], "rows": [_kept(line) for line in lines]}
        for table, lines in found.items()
    }
    text = json.dumps({**origin, "minutes_of_this_call": round(minutes, 1), **kept}, indent=1)
    target = MEASURED if arguments.budget == "cpu" else MEASURED.with_name("measured-full.json")
    target.write_text(text + "\n", encoding="utf-8")
    print(f"{minutes:.0f} minutes in this call")


def photos(table: str, budget: str, work: Path) -> tuple[Path, str]:
    """Write the manifest of a table's photos, the same for every row; say what is in it."""
    if table == "world":
        data = read_dataset(photos_of("world"))
    else:
        whole = read_dataset(photos_of("provence"), levels="place,landmark")
        data = split_dataset(whole, val=0, test=0.3, seed=0)
    train = [photo for photo in data.photos if photo.split == "train"]
    test = [photo for photo in data.photos if photo.split == "test"]
    if budget == "cpu":
        train, test = _few(train, TRAIN[table]), _few(test, TEST[table])
    chosen = split_dataset(data.with_photos([*train, *test]), val=0.12, seed=0)
    folder = work / f"{table}-photos"
    shutil.rmtree(folder, ignore_errors=True)
    root = data.root.resolve()
    link([photo.path.resolve() for photo in chosen.photos], root=root, into=folder)
    manifest = folder / "photos.csv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "category", "split"])
        for photo in chosen.photos:
            kind = photo.place if table == "provence" else chosen.landmarks[photo.label].category
            path = photo.path.resolve().relative_to(root)
            writer.writerow([path, photo.label, kind, photo.split])
    parts = {name: len(chosen.of_split(name).photos) for name in ("train", "val", "test")}
    said = ", ".join(f"{n:,} {name}" for name, n in parts.items())
    return manifest, f"{len(chosen.labels)} landmarks; photos: {said}"


def _few(found: list[Any], each: int) -> list[Any]:
    """Keep so many photos of each landmark, drawn by a fixed seed; all of them for 0."""
    order = np.random.default_rng(0).permutation(len(found))
    seen: dict[str, int] = {}
    kept = []
    for place in order:
        photo = found[place]
        seen[photo.label] = seen.get(photo.label, 0) + 1
        if not each or seen[photo.label] <= each:
            kept.append(photo)
    return sorted(kept, key=lambda photo: photo.path)


def measured(row: Row, manifest: Path, folder: Path, budget: str, *, keep: bool) -> dict[str, Any]:
    """Train a row and measure it on the test photos, unless that has been done."""
    settings = {**row.settings, **(row.cut if budget == "cpu" else {})}
    run, file = folder / row.name, folder / f"{row.name}.json"
    key = hashlib.sha256(
        json.dumps([asdict(row), settings, manifest.read_text(), _sources(row)]).encode()
    ).hexdigest()
    if file.exists() and ((line := json.loads(file.read_text()))["key"] == key or keep):
        return dict(line)
    shutil.rmtree(run, ignore_errors=True)
    command = ["train", str(manifest), "--recipe", row.recipe, "--out", str(run)]
    for name, value in settings.items():
        command += ["--set", f"{name}={json.dumps(value)}"]
    if row.weights:
        command += ["--weights", str(SHARED / "weights" / row.weights)]
    print(f"{folder.name}: {row.name}", file=sys.stderr, flush=True)
    started = time.perf_counter()
    waymark(*command)
    minutes = (time.perf_counter() - started) / 60
    said = json.loads(waymark("evaluate", str(run), str(manifest), "--split=test", "--json"))
    own = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    line = {
        "key": key,
        "commit": commit(),
        "name": row.name,
        "recipe": row.recipe,
        "variant": row.variant,
        "start": row.start,
        "own": row.own,
        # what these files of weights have seen is known here: ImageNet, and no label of ours
        "labels_seen_before": 0 if row.weights else own["training"]["labels_seen_before"],
        "epochs": _epochs(own["training"], run),
        "settings": settings,
        "size": read_bundle(run).manifest.preprocess.size,
        "theirs": row.theirs,
        **{k: said[k] for k in ("n", "top1", "top1_interval", "top3", "macro_f1", "ece", "loss")},
        "macro_f1_interval": said["macro_f1_interval"],
        "category": said["category"]
        and {k: said["category"][k] for k in ("n", "top1", "top1_interval", "macro_f1")},
        "training": own["training"],
        "parameters": own.get("parameters"),
        "total_minutes": minutes,
        "bundle_mb": (run / "model.waymark").stat().st_size / 1e6,
    }
    file.write_text(json.dumps(line, indent=1), encoding="utf-8")
    shutil.rmtree(run / "checkpoint", ignore_errors=True)
    return line


def _sources(row: Row) -> str:
    """Return a hash of what trains and measures: code, bundle, this benchmark, weights."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    package = HERE.parent / "src" / "waymark"
    for path in sorted((*package.rglob("*.py"), *package.rglob("*.csv"))):
        if path.parent.name not in ("cli", "curate", "sources", "demo"):
            digest.update(path.read_bytes())
    digest.update((package / "bundle" / "world.waymark").read_bytes())
    if row.weights:
        digest.update((SHARED / "weights" / row.weights).read_bytes())
    return digest.hexdigest()


def waymark(*arguments: str) -> str:
    """Run a command of waymark; return what it prints."""
    command = [sys.executable, "-m", "waymark", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    return done.stdout


def show(
    table: str, lines: list[dict[str, Any]], photos: str, budget: str, origin: dict[str, str]
) -> None:
    """Publish a table, the best on top."""
    ordered = sorted(lines, key=lambda line: -line["top1"])
    cut = CUT.format(train=TRAIN[table], test=TEST[table] or "all") if budget == "cpu" else ""
    publish(
        f"seeds-{table}" if budget == "cpu" else f"seeds-{table}-full",
        columns=[
            "recipe",
            "start",
            "labels seen before",
            "px",
            "epochs",
            "top-1",
            "95 % interval",
            "macro F1",
            "category F1",
            "minutes",
            "photos/s",
            "peak MB",
            "bundle MB",
            "theirs",
        ],
        rows=[_cells(line) for line in ordered],
        note=f"{photos}. {cut}Peak memory is the main process's while training; F1 of the "
        f"projects is landmark / category. `{origin['command']}` on {origin['commit']}.",
        **origin,
    )


def _cells(line: dict[str, Any]) -> list[str]:
    training, category = line["training"], line["category"]
    low, high = line["top1_interval"]
    name = f"{line['recipe']}, {line['variant']}" if line["variant"] else line["recipe"]
    return [
        f"**{name}**" if line["recipe"] in OURS else name,
        line["start"],
        str(line["labels_seen_before"]),
        str(line["size"]),
        line["epochs"],
        f"{line['top1']:.1%}",
        f"{low:.1%} to {high:.1%}",
        f"{line['macro_f1']:.3f}",
        f"{category['macro_f1']:.3f}" if category else "-",
        f"{training['minutes']:.1f}",
        f"{training['photos_per_s']:,.0f}",
        f"{training['memory_mb']:,.0f}",
        f"{line['bundle_mb']:.1f}",
        line["theirs"] or "-",
    ]


def _epochs(training: dict[str, Any], run: Path) -> str:
    """Say how many epochs each stage was trained."""
    if not training["epochs"]:
        return "-"
    with (run / "history.csv").open(encoding="utf-8", newline="") as file:
        stages = Counter(row["stage"] for row in csv.DictReader(file))
    return " + ".join(str(count) for _, count in sorted(stages.items()))


def _kept(line: dict[str, Any]) -> dict[str, Any]:
    """Return what is committed of a row: not its command, which names folders of a machine."""
    kept = {name: value for name, value in line.items() if name not in ("key", "name")}
    kept["training"] = {k: v for k, v in line["training"].items() if k != "command"}
    return kept


if __name__ == "__main__":
    main()
