"""Launcher that ties a process to its parent: `python tether.py PARENT_PID PROGRAM [ARGUMENT ...]`.

It asks Linux to kill this process when the parent dies, however it dies, and then becomes the program (same pid).
Run as a file, so that it starts in ~20 ms: standard library only. Elsewhere than on Linux it only starts the program.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def tethered(argv: list[str]) -> list[str]:
    """`argv`, to be started by this very process and to die with it."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *argv]


def main() -> None:
    """Tie, check that the parent did not die meanwhile, become the program."""
    parent, argv = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(1)
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - becoming the program is the point
    except OSError as error:
        # 78: a program that cannot be started will not start the next time either.
        sys.stderr.write(f"Cannot start {argv[0]}: {error.strerror}\n")
        sys.exit(78)


if __name__ == "__main__":
    main()
