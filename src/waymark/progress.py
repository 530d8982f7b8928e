"""How long work reports its progress; the command line draws it, the library never prints."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called now and then while something long is under way."""

    def __call__(self, done: int, total: int, what: str) -> None:
        """Say that `done` of `total` steps (0: unknown) of `what` are finished."""


def silent(done: int, total: int, what: str) -> None:
    """Report to nobody: the default where a function takes a `Progress`."""
