"""Checks GPU figures on a machine with an NVIDIA GPU; `make gpu-check` runs it.

    python scripts/gpu_check [--only PART]

Prints tables for docs/gpu.md. Exit status: 0 all checks passed, 1 a check failed or could not run, 3 no GPU.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import platform
import sys
from typing import TYPE_CHECKING

import smi
from parts import NEEDS_TORCH, PARTS, FailedError

if TYPE_CHECKING:
    from figures import Row

NO_GPU = 3


def table(rows: list[Row]) -> str:
    """Returns the rows as a Markdown table."""
    lines = [("figure", "soundpost", "expected", ""), ("---", "---:", "---:", "---")]
    lines += [
        (row.what, row.ours, row.theirs, row.verdict if row.good else f"**{row.verdict}**") for row in rows
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> int:
    """Runs the chosen parts."""
    parser = argparse.ArgumentParser(prog="gpu_check", description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=PARTS, action="append", help="run this part only; repeatable")
    only = parser.parse_args().only or list(PARTS)
    why = smi.reason_without_gpu()
    if why is not None:
        print(f"gpu-check: no GPU, nothing checked: {why}", file=sys.stderr)
        return NO_GPU
    cards = smi.cards()
    today = datetime.datetime.now(tz=datetime.timezone.utc).date()
    kinds = ", ".join(dict.fromkeys(card.name for card in cards))
    print(f"{today}: {len(cards)} x {kinds}, driver {cards[0].driver}, Python {platform.python_version()}")
    wrong = []
    for name in only:
        print(f"\n## {name}\n", flush=True)
        if name in NEEDS_TORCH and importlib.util.find_spec("torch") is None:
            print("Not checked: PyTorch is not installed.")
            wrong.append(f"{name}: not checked")
            continue
        try:
            rows = PARTS[name]()
        except FailedError as error:
            print(f"Not checked: {error}")
            wrong.append(f"{name}: not checked")
            continue
        print(table(rows))
        wrong += [f"{name}: {row.what}: {row.verdict}" for row in rows if not row.good]
    for what in wrong:
        print(f"gpu-check: {what}", file=sys.stderr)
    print(
        "gpu-check: " + ("failed" if wrong else "passed"),
        file=sys.stderr,
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
