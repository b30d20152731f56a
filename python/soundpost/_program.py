"""The program `soundpost`, as the console script runs it."""

from __future__ import annotations

import signal
import sys

from soundpost import _native, integrations


def main() -> int:
    """Runs the program with the arguments of this process, and returns its exit status."""
    # The program and the commands that it starts must not inherit the interpreter's signal settings.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    return _native.program(["soundpost", *sys.argv[1:]], integrations.BOOTSTRAP, integrations.known_names())
