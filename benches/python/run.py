"""Measures soundpost beside prometheus_client and the OpenTelemetry SDK, in one run, and prints a table.

    python benches/python/run.py [--quick] [--only NAME] [--json FILE] [--check]

Figures are medians. Where a time is "over the bare" one, the time of the function without any instrumentation, taken
in the same round, is subtracted. `--check` ends with exit status 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import platform
import sys

import calls
import chunks
import memory
import scrapes
import startup
from table import Row, markdown

PARTS = {"calls": calls, "chunks": chunks, "startup": startup, "scrapes": scrapes, "memory": memory}


def main() -> int:
    """Runs what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds: to see that it runs")
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    parser.add_argument("--json", type=pathlib.Path, help="also write the rows to this file")
    parser.add_argument("--check", action="store_true", help="fail where a bar is missed")
    options = parser.parse_args()
    rows: list[Row] = []
    for name, part in PARTS.items():
        if options.only in (None, name):
            print(f"measuring {name} ...", file=sys.stderr)
            rows += part.measure(quick=options.quick)
    print(f"Python {platform.python_version()}, {platform.machine()}, medians\n")
    print(markdown(rows))
    if options.json:
        options.json.write_text(
            json.dumps([row._asdict() | {"met": row.met()} for row in rows], indent=1) + "\n"
        )
    missed = [row.what for row in rows if row.met() is False]
    for what in missed:
        print(f"missed: {what}", file=sys.stderr)
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
