"""Programs in a new interpreter, for values that can be measured only once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

PRELUDE = """
import json, os, sys, time

def resident():
    "Resident memory of this process, bytes."
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

DIRECTORY = sys.argv[1]
"""


def run(program: str, **variables: str) -> Any:
    """Returns the last line that the program prints, as JSON. `DIRECTORY` is its own directory."""
    with tempfile.TemporaryDirectory() as directory:
        ran = subprocess.run(
            [sys.executable, "-c", PRELUDE + program, directory],
            check=False,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **variables},
        )
    if ran.returncode:
        sys.exit(f"the program ended with exit status {ran.returncode}:\n{program}")
    return json.loads(ran.stdout.splitlines()[-1])
