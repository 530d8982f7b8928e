"""Planted faults are what their records say, and findings are counted as they should be."""

from __future__ import annotations

import importlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from waymark.curate.finding import Finding
from waymark.dataset.index import Dataset, read_dataset
from waymark.errors import TruncatedPhoto
from waymark.photo import read_photo, sniff
from waymark.samples import DISTRACTORS, SAMPLES, render

N = 4


@dataclass
class Case:
    """A dataset with planted faults."""

    planted: ModuleType
    faults: ModuleType
    dataset: Dataset
    strangers: list[list[Path]]
    root: Path
    records: list[Any]

    def of(self, kind: str) -> list[Any]:
        """Return the faults of one kind."""
        return [record for record in self.records if record.kind == kind]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Plant faults in rendered photos of four landmarks."""
    folder = tmp_path_factory.mktemp("planted")
    for name in SAMPLES[:4]:
        (folder / "photos" / name).mkdir(parents=True)
        for seed in range(8):
            size = (160, 120) if seed % 2 else (96, 128)
            render(name, seed=seed, size=size).save(folder / "photos" / name / f"{seed}.jpg")
    strangers: list[list[Path]] = [[], []]
    for number in range(2 * N):
        path = folder / f"stranger-{number}.jpg"
        render(DISTRACTORS[number % len(DISTRACTORS)], seed=number, size=(96, 96)).save(path)
        strangers[number % 2].append(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
        planted = importlib.import_module("planted")
        faults = importlib.import_module("check_faults")
    dataset = read_dataset(folder / "photos")
    records = planted.plant(dataset, strangers, folder / "out", seed=3, n=N)
    return Case(planted, faults, dataset, strangers, folder / "out", records)


def test_each_kind_is_planted_and_the_rest_is_linked(case: Case) -> None:
    """As many as asked; every photo of the dataset is there once, or has become a fault."""
    kinds = case.planted.KINDS
    assert Counter(record.kind for record in case.records) == dict.fromkeys(kinds, N)
    paths = {p.relative_to(case.root).as_posix() for p in case.root.rglob("*") if not p.is_dir()}
    planted = {record.path for record in case.records}
    assert len(planted) == N * len(kinds)
    assert planted <= paths
    assert all((case.root / path).is_symlink() for path in paths - planted)
    replaced = 4 * N  # wrong labels, truncated, wrong extensions, blurred
    assert len(paths - planted) == len(case.dataset.photos) - replaced
    originals = [record.original for record in case.records if record.original]
    assert len(set(originals)) == 3 * N
    assert set(originals) <= paths - planted


def test_the_seed_is_everything(case: Case, tmp_path: Path) -> None:
    """The same seed gives the same bytes under the same names; another one does not."""
    again = case.planted.plant(case.dataset, case.strangers, tmp_path / "a", seed=3, n=N)
    other = case.planted.plant(case.dataset, case.strangers, tmp_path / "b", seed=4, n=N)

    assert again == case.records
    assert {r.path for r in other} != {r.path for r in again}
    for record in again:
        assert (tmp_path / "a" / record.path).read_bytes() == (case.root / record.path).read_bytes()


def test_copies_are_copies(case: Case) -> None:
    """Exact ones by bytes; near ones smaller, recompressed, and nearer than the mirror image."""
    for record in case.of("exact-duplicate"):
        copy, original = case.root / record.path, case.root / record.original
        assert copy.read_bytes() == original.read_bytes()
    for kind in ("near-duplicate", "mirrored"):
        for record in case.of(kind):
            copy, original = (read_photo(case.root / p) for p in (record.path, record.original))
            assert 0.5 <= record.strength["scale"] <= 0.8
            assert 40 <= record.strength["quality"] <= 70
            assert 0 <= record.strength["crop"] <= 0.08
            scale = min(copy.size) / min(original.size)
            assert 0.5 * 0.92 - 0.02 <= scale <= 0.81
            flipped = ImageOps.mirror(copy)
            same, turned = (
                np.abs(
                    np.asarray(one.resize((32, 32)), float)
                    - np.asarray(original.resize((32, 32)), float)
                ).mean()
                for one in (copy, flipped)
            )
            assert (turned < same) == (kind == "mirrored")


def test_labels_are_wrong_where_said(case: Case) -> None:
    """A wrong label is another landmark of the dataset; a stranger shows none of them."""
    for record in case.of("wrong-label"):
        source = (case.root / record.path).resolve()
        assert source.parent.name == record.shows != record.label
    strangers = [(case.root / record.path).resolve() for record in case.of("off-topic")]
    assert len(set(strangers)) == N
    assert [sum(p in sort for p in strangers) for sort in case.strangers] == [2, 2]
    for record in case.records:
        assert record.path.startswith(f"{record.label}/")
        if record.kind in ("truncated", "wrong-extension", "blurred"):
            assert not record.mislabelled


def test_damage_is_as_said(case: Case) -> None:
    """Files are cut to the share kept; endings lie; blur leaves little detail."""
    for record in case.of("truncated"):
        with pytest.raises(TruncatedPhoto):
            read_photo(case.root / record.path)
        assert 0.3 <= record.strength["kept"] <= 0.95
    for record in case.of("wrong-extension"):
        path = case.root / record.path
        assert path.suffix in case.planted.ENDINGS
        assert sniff(path.read_bytes()[:32]) == "jpeg"
    sharp = [_detail(read_photo(photo.path)) for photo in case.dataset.photos]
    for record in case.of("blurred"):
        assert _detail(read_photo(case.root / record.path)) < min(sharp)


def _detail(photo: Image.Image) -> float:
    grey = np.asarray(photo.convert("L").resize((96, 96)), float)
    return float(np.abs(np.diff(grey)).mean())


def test_photos_are_planted_outside_the_checkout(case: Case, root: Path) -> None:
    """And only where there are enough of them."""
    with pytest.raises(ValueError, match="checkout"):
        case.planted.plant(case.dataset, case.strangers, root / "planted", n=N)
    with pytest.raises(ValueError, match="too few"):
        case.planted.plant(case.dataset, case.strangers, root.parent / "no", n=100)


def perfect(case: Case) -> list[Finding]:
    """Return a finding of each fault, as a check that knows everything would write it."""
    return [
        Finding(
            kind="near-duplicate" if record.kind == "mirrored" else record.kind,
            paths=(record.path, record.original) if record.original else (record.path,),
            severity=1.0,
            suggest="drop",
        )
        for record in case.records
    ]


def test_a_check_that_knows_everything_is_perfect(case: Case) -> None:
    """All found, all right, nothing to look at."""
    contents = case.faults.contents_of(read_dataset(case.root))
    outcomes = case.faults.outcomes(case.records, perfect(case), contents)
    for outcome in outcomes:
        assert all(outcome.found)
        assert len(outcome.found) == N
        assert not outcome.others
        assert not outcome.elsewhere
        if outcome.kind != "mirrored":
            assert case.faults.precision_after(outcome, (0, 0)) == 1
    exact, *_, blurred = outcomes
    assert case.faults.by_strength(exact)[0][1:3] == _both(case.of("exact-duplicate"))
    thirds = case.faults.by_strength(blurred)[0][1:]
    assert sum(int(cell.rpartition(" of ")[2]) for cell in thirds) == N


def _both(copies: list[Any]) -> list[str]:
    other = sum(record.mislabelled for record in copies)
    return [f"same: {N - other} of {N - other}", f"other: {other} of {other}"]


def test_a_check_that_errs_is_seen_to(case: Case) -> None:
    """A wrong partner does not find a copy; a photo without fault is for the eye."""
    contents = case.faults.contents_of(read_dataset(case.root))
    copy, stranger = case.of("near-duplicate")[0], case.of("off-topic")[0]
    sound = case.of("exact-duplicate")[0].original
    findings = [
        Finding(kind="near-duplicate", paths=(copy.path, sound), severity=1, suggest="drop"),
        Finding(kind="wrong-label", paths=(stranger.path,), severity=1, suggest="review"),
        Finding(kind="blurred", paths=(sound,), severity=1, suggest="review"),
    ]
    found = {o.kind: o for o in case.faults.outcomes(case.records, findings, contents)}

    assert not any(hit for outcome in found.values() for hit in outcome.found)
    assert [flag.path for flag in found["near-duplicate"].others] == [copy.path]
    assert [flag.path for flag in found["blurred"].others] == [sound]
    assert found["wrong-label"].right == 0  # it shows no class: relabelling it does not mend it
    assert found["off-topic"].elsewhere == {"wrong-label": 1}


def test_a_look_holds_only_for_what_was_looked_at(case: Case) -> None:
    """Other flags than those that were judged are not judged; the rest is by estimate."""
    contents = case.faults.contents_of(read_dataset(case.root))
    sound = [record.original for record in case.records if record.original]
    blurred = [Finding(kind="blurred", paths=(p,), severity=1, suggest="review") for p in sound]
    (outcome,) = (
        o
        for o in case.faults.outcomes(case.records, [*perfect(case), *blurred], contents)
        if o.kind == "blurred"
    )
    row = {"looked": 12, "right": 3, "of": case.faults.digest(case.faults.looked_at(outcome))}
    judged = {"d": {"blurred": row}}

    assert case.faults.judgement("d", outcome, judged) == (12, 3)
    assert case.faults.precision_after(outcome, (12, 3)) == pytest.approx((N + 3) / (N + 12))
    assert case.faults.judgement("other", outcome, judged) is None
    row["of"] = "of another run"
    assert case.faults.judgement("d", outcome, judged) is None
