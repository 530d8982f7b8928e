"""Check the fields of a frozen record that a user wrote, and write them as TOML.

Every message names the field, what it is, and what it may be.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from typing import Any, TypeVar, get_args, get_type_hints

from waymark.errors import ConfigError

Record = TypeVar("Record", bound=Any)


def check_types(record: Any, what: str) -> None:
    """Check each field of a frozen record against its annotation.

    Raises:
        ConfigError: naming the field, what it is and what it may be.
    """
    hints = get_type_hints(type(record))
    for entry in fields(record):
        value, hint = getattr(record, entry.name), hints[entry.name]
        if hint == tuple[int, ...]:  # TOML has lists
            value = tuple(value) if isinstance(value, list | tuple) else (value,)
            if not all(type(number) is int and 0 < number <= 65_536 for number in value):
                raise ConfigError(
                    f"{what} field {entry.name} is {value!r}; it must be a list of whole numbers "
                    "from 1 to 65536, such as [4096, 1024]."
                )
            object.__setattr__(record, entry.name, value)
        if allowed := [a for a in get_args(hint) if isinstance(a, str)]:
            if value not in allowed:
                near = get_close_matches(str(value), allowed, n=1)
                meant = f" Did you mean {near[0]!r}?" if near else ""
                raise ConfigError(
                    f"{what} field {entry.name} is {value!r}; "
                    f"it may be {', '.join(allowed)}.{meant}"
                )
        elif hint is float and isinstance(value, int) and not isinstance(value, bool):
            object.__setattr__(record, entry.name, float(value))
        elif hint in (int, float, str, bool) and type(value) is not hint:
            raise ConfigError(
                f"{what} field {entry.name} is {value!r}; it must be a {hint.__name__}."
            )


def replaced(record: Record, values: Mapping[str, Any], what: str) -> Record:
    """Return the record with other values of some fields.

    Raises:
        ConfigError: if there is no such field, with the nearest match, or a value is impossible.
    """
    known = [entry.name for entry in fields(record)]
    for name in values:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            meant = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(f"a {what} has no field {name!r}; {meant}It has {', '.join(known)}.")
    changed: Record = replace(record, **values)
    return changed


def between(record: Any, name: str, low: float, high: float) -> None:
    """Refuse a field that is not between `low` and `high`."""
    value = getattr(record, name)
    if not low <= value <= high:
        raise ConfigError(f"{name} is {value}; it must be between {low} and {high}.")


def input_size(value: int, name: str = "size") -> None:
    """Refuse an input side in pixels that no network could be fed with."""
    if not 32 <= value <= 1024 or value % 32:
        raise ConfigError(f"{name} is {value} px; it must be a multiple of 32 from 32 to 1024.")


def toml_value(value: Any) -> str:
    """Write a field's value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        # A JSON string is a TOML string, but for the one control character that JSON lets be.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(list(value) if isinstance(value, tuple) else value)
