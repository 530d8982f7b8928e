"""The proofs of writing, reduced: sidecars of the world's shapes, and kills in the middle."""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def proof(
    monkeypatch: pytest.MonkeyPatch, root: Path, tool: Callable[[str], str]
) -> Callable[[str], ModuleType]:
    """Return a function that imports a benchmark; exiftool and exiv2 are there."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    tool("exiftool")
    tool("exiv2")
    return importlib.import_module


def test_sidecars_of_the_world_survive(proof: Callable[[str], ModuleType], tmp_path: Path) -> None:
    """Merged, edited by exiftool and exiv2, and undone: nothing of anybody's is lost."""
    shapes = proof("sidecar_shapes")
    (tmp_path / "made").mkdir()
    made = list(shapes.by_exiftool(tmp_path / "made", range(12)))
    made += [shapes.by_hand(seed) for seed in range(28)]
    counts = proof("proof_sidecars").prove(tmp_path, made)

    assert counts["exiftool: all there, and ours"] == 40
    assert counts["exiv2: all there, and ours"] > 20


def test_kills_at_random_moments(proof: Callable[[str], ModuleType], tmp_path: Path) -> None:
    """After kill -9 every sidecar is wholly old or wholly new, and the next run finishes."""
    library = proof("proof_library")
    library.make_folder(tmp_path / "photos", 60)
    counts = library.kill_at_random(
        tmp_path / "photos", tmp_path / "library.sqlite", 6, random.Random(0)
    )

    assert counts["sidecars written and taken back"] == 60


def test_a_full_disk_and_a_closed_folder(
    proof: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    """Both stop or skip with everything whole, and the next run finishes."""
    library = proof("proof_library")
    library.make_folder(tmp_path / "photos", 60)
    counts = library.refuse_some(tmp_path / "photos", tmp_path / "library.sqlite")

    assert counts["stopped by a full disk"] == 1
    assert counts["finished after both, and taken back"] == 1
