"""What tests of collecting share: the server of benchmarks/proof_collect.py."""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


@cache
def load() -> Any:
    """Return the names of benchmarks/proof_collect.py and its two parts, as one namespace."""
    folder = str(Path(__file__).parents[2] / "benchmarks")
    sys.path.insert(0, folder)
    try:
        parts = ("collect_server", "collect_ways", "proof_collect")
        names = [vars(import_module(part)) for part in parts]
    finally:
        sys.path.remove(folder)
    return SimpleNamespace(**{k: v for part in names for k, v in part.items() if k[:2] != "__"})


@pytest.fixture(scope="session")
def proof() -> Any:
    """Return the namespace with the server, the clock, the ways and the photos."""
    return load()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that asks for a `way` every way to misbehave."""
    if "way" in metafunc.fixturenames:
        ways = load().WAYS
        metafunc.parametrize("way", ways, ids=[way.name for way in ways])
