"""What tests of collecting share: the server that misbehaves, of benchmarks/proof_collect.py."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest


def load() -> Any:
    """Return benchmarks/proof_collect.py as a module."""
    if "proof_collect" not in sys.modules:
        path = Path(__file__).parents[2] / "benchmarks/proof_collect.py"
        spec = importlib.util.spec_from_file_location("proof_collect", path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules["proof_collect"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["proof_collect"]


@pytest.fixture(scope="session")
def proof() -> Any:
    """Return the module with the server, the clock and the photos."""
    return load()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that asks for a `way` every way to misbehave."""
    if "way" in metafunc.fixturenames:
        ways = load().WAYS
        metafunc.parametrize("way", ways, ids=[way.name for way in ways])
