"""One process, or several that `accelerate launch` or `torchrun` started together.

Several share the work of training; what is decided, written or said, the main one does.
With one process, as nearly always, nothing here does anything, and torch is not loaded.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar, cast

from waymark.errors import ConfigError, WaymarkError

Result = TypeVar("Result")

PATIENCE = timedelta(days=30)
"""How long a process waits for another; a launcher ends all of them when one fails."""


def is_main() -> bool:
    """Say whether this process is the only one, or the first of several."""
    return os.environ.get("RANK", "0") == "0"


def from_main(work: Callable[[], Result]) -> Result:
    """Do `work` in the main process only; every process gets its result, or its error.

    The others wait. The result is pickled for them.

    Raises:
        ConfigError: if several processes were started that accelerate does not connect.
        WaymarkError: as `work` raises it.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return work()
    from accelerate.utils import broadcast_object_list

    _connect()
    said: list[Any] = [None, None]
    if is_main():
        try:
            said = [work(), None]
        except WaymarkError as error:
            said = [None, error]
    result, failed = broadcast_object_list(said)
    if failed is not None:
        raise failed
    return cast("Result", result)


@cache
def _connect() -> None:
    """Connect the processes, until they end."""
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    state = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"), timeout=PATIENCE)
    if state.num_processes == 1:
        raise ConfigError(
            "several processes were started, and accelerate finds no GPU for them. Start one, "
            "or set ACCELERATE_USE_CPU=true to have them share the CPU."
        )
    atexit.register(state.destroy_process_group)  # or Gloo's threads abort the exit
