"""The proofs of serving, reduced: hostile uploads, and load from a second process."""

from __future__ import annotations

import importlib
import random
from pathlib import Path
from types import ModuleType

import pytest

from waymark.bundle.format import write_bundle
from waymark.bundle.tiny import tiny_bundle


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch, root: Path) -> Path:
    """Make the benchmarks importable."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return root


@pytest.fixture
def proof(benchmarks: Path) -> ModuleType:
    """Return the proof as a module."""
    return importlib.import_module("proof_serve")


@pytest.fixture
def load(benchmarks: Path) -> ModuleType:
    """Return the load benchmark as a module."""
    return importlib.import_module("serve_load")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the file of a tiny bundle."""
    path = tmp_path_factory.mktemp("serve") / "tiny.waymark"
    write_bundle(path, tiny_bundle())
    return str(path)


def test_hostile_uploads_leave_the_server_as_it_was(proof: ModuleType, bundle: str) -> None:
    """80 of the 2,000 of `make proof`; what is wrong is raised."""
    found = proof.prove(uploads=80, at_once=8, limit_mb=2000, bundle=bundle, patience=5)
    assert sum(sum(seen.values()) for seen in found["answers"].values()) == 80
    assert found["after_mb"] < found["before_mb"] + 200


def test_every_attack_can_be_made(benchmarks: Path) -> None:
    """Each kind gives bytes, whatever the chance; the same for the same seed."""
    attacks = importlib.import_module("serve_attacks")
    for kind, weight in attacks.ATTACKS:
        assert weight > 0
        made = [kind(random.Random(seed)) for seed in range(8)]
        assert all(isinstance(one.data, bytes) and one.data for one in made)
        assert made == [kind(random.Random(seed)) for seed in range(8)]
        assert kind.__doc__


def test_load_is_measured(load: ModuleType, bundle: str, tmp_path: Path) -> None:
    """Clients of a second process see answers only, and the server's time is counted."""
    assert len(load.write_photos(tmp_path, 3, size=(320, 240))) == 3
    seen = load.measure(tmp_path, ("--bundle", bundle), seconds=1.0, clients=4)
    assert set(seen["statuses"]) == {"200"}
    assert seen["photos"] == seen["statuses"]["200"] > 0
    assert seen["photos_per_cpu_s"] > 0
    assert 0 < seen["p50_ms"] <= seen["p99_ms"]


def test_overload_is_answered_with_503(load: ModuleType, bundle: str, tmp_path: Path) -> None:
    """With more clients than the queue has places, some are told to come back; nothing else."""
    load.write_photos(tmp_path, 3, size=(320, 240))
    with load.serving("--bundle", bundle, "--queue", "1") as (url, process):
        load.post(url, tmp_path, clients=1, requests=4)
        before = load.memory(process)
        seen = load.post(url, tmp_path, clients=16, requests=200)
        assert load.memory(process) < before + 200
        assert load.cpu(process) > 0
    assert set(seen["statuses"]) == {"200", "503"}
    assert sum(seen["statuses"].values()) == 200
