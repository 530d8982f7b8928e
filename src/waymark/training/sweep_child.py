"""What a run of a sweep starts as: it sees to it that it dies with the sweep, then trains.

    python -m waymark.training.sweep_child PARENT ARGUMENT...

becomes `python -m waymark ARGUMENT...`. On Linux the kernel ends the process when the
parent dies, even by kill -9, so that it never writes beside a sweep that is resumed.
Elsewhere it goes on, and the sweep's lock, which it holds too, keeps a second one away.
"""

from __future__ import annotations

import os
import sys

_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>; survives exec


def main() -> None:
    """Tie this process to its parent, and become the training."""
    parent, *arguments = sys.argv[1:]
    if sys.platform == "linux":
        import ctypes
        import signal

        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != int(parent):  # it died before it could be tied to
            sys.exit(1)
    os.execv(sys.executable, [sys.executable, "-P", "-m", "waymark", *arguments])


if __name__ == "__main__":
    main()
