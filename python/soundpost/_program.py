"""The program `soundpost`: what the console script runs."""

from __future__ import annotations

import signal
import sys

from soundpost import _native


def main() -> int:
    """Runs the program with the arguments of this process, and gives its exit status."""
    # What the interpreter set up for itself is not for the program, nor for the commands that it starts.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    return _native.program(["soundpost", *sys.argv[1:]])
