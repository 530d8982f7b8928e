"""The library that the server shows: opened for each question, never held.

In:  what to do with a `Store`.
Out: what it returns; a library that another program keeps busy is `Busy`, not an error of ours.

`waymark tag` may run meanwhile: reading never waits for it, and a press waits a moment only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from waymark.errors import LibraryError, UnknownName
from waymark.library.store import Store
from waymark.serve.problems import Problem
from waymark.serve.service import Busy

T = TypeVar("T")

WAIT_S = 2.0  # for another's transaction; then the caller is asked to try again


class Shelf:
    """Where the library is.

    Attributes:
        file: the library.
    """

    def __init__(self, file: Path) -> None:
        """Note where it is; bring it to the newest version.

        Raises:
            LibraryError: it is missing, or is none.
        """
        self.file = file
        if not file.is_file():
            Store.open(file, readonly=True).close()  # says what is missing
        Store.open(file).close()

    async def read(self, ask: Callable[[Store], T]) -> T:
        """Ask the library something, in a thread.

        Raises:
            Busy: another program keeps it.
            Problem: it cannot be read.
        """
        return await run_in_threadpool(self._with, ask, readonly=True)

    async def write(self, change: Callable[[Store], T]) -> T:
        """Change the library, in a thread.

        Raises:
            Busy: another program keeps it.
            Problem: it cannot be written.
        """
        return await run_in_threadpool(self._with, change, readonly=False)

    def _with(self, ask: Callable[[Store], T], *, readonly: bool) -> T:
        try:
            if not self.file.is_file():  # it would be made anew, empty
                raise LibraryError("the library is gone.")
            with Store.open(self.file, readonly=readonly) as store:
                store.connection.execute(f"PRAGMA busy_timeout = {round(1000 * WAIT_S)}")
                return ask(store)
        except UnknownName as error:
            raise Problem(404, error.code, str(error)) from error
        except LibraryError as error:
            raise _problem(error) from error


def _problem(error: LibraryError) -> Exception:
    """Say what is the matter without the path of the library, which a caller need not know."""
    cause = error.__cause__
    name = getattr(cause, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Busy("another program is writing the library. Try again in a moment.", seconds=2)
    if isinstance(cause, sqlite3.Error):
        full = name.startswith("SQLITE_FULL")
        return Problem(
            507 if full else 503,
            "library",
            "the disk of the library is full."
            if full
            else "the library cannot be read or written now.",
            "What was said before is kept. `waymark library stats` says more.",
        )
    if "no photo number" in str(error):
        return Problem(404, "not-found", "the library has no such photo.", "Load the page again.")
    if "nothing can be said" in str(error):
        return Problem(
            409,
            "unreadable",
            "this photo cannot be read, so nothing can be said of it.",
            "Restore its file and run `waymark tag` again.",
        )
    return Problem(503, "library", "the library cannot be opened.", "Is it still where it was?")
