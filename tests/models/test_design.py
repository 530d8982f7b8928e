"""A design survives its bundle, and one that nobody could build is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waymark.errors import ConfigError
from waymark.models.design import Design


@given(
    hidden=st.lists(st.integers(1, 65_536), max_size=4),
    pool=st.sampled_from(["mean", "gem", "grid", "flatten"]),
    dropout=st.floats(0, 1),
    hidden_norm=st.booleans(),
)
def test_a_design_comes_back_from_json(
    hidden: list[int], pool: Any, dropout: float, hidden_norm: bool
) -> None:
    """Whatever its fields are."""
    design = Design(hidden=tuple(hidden), pool=pool, dropout=dropout, hidden_norm=hidden_norm)

    assert Design.from_dict(json.loads(json.dumps(design.to_dict()))) == design


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("depth", 10**9),
        ("depth", True),
        ("size", 7),
        ("size", "128"),
        ("dropout", float("nan")),
        ("dropout", 1),
        ("pool", "max"),
        ("hidden", [0]),
        ("hidden", [8] * 1000),
        ("hidden", "8"),
        ("hidden", [True]),
        ("hidden_norm", 1),
        ("scale", float("inf")),
        ("name", "x"),
    ],
)
def test_what_no_network_could_be_is_a_config_error(field: str, value: object) -> None:
    """Of another kind, beyond its limits, or not a field at all; the message names it."""
    with pytest.raises(ConfigError, match="hidden" if field == "hidden" else field):
        Design.from_dict({field: value})
