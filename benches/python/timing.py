"""Timing loops side by side."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping

Loop = Callable[[int], object]
"""Function that repeats an operation so many times."""


def over_bare(bare: Loop, loops: Mapping[str, Loop], *, times: int, rounds: int) -> dict[str, float]:
    """Returns each loop's nanoseconds per operation above the bare loop: medians over alternating rounds."""
    for loop in (bare, *loops.values()):
        loop(times // 10 + 1)
    taken: dict[str, list[float]] = {name: [] for name in loops}
    gc.disable()
    try:
        for _ in range(rounds):
            floor = _nanoseconds(bare, times)
            for name, loop in loops.items():
                taken[name].append(_nanoseconds(loop, times) - floor)
    finally:
        gc.enable()
    return {name: statistics.median(figures) for name, figures in taken.items()}


def _nanoseconds(loop: Loop, times: int) -> float:
    began = time.perf_counter_ns()
    loop(times)
    return (time.perf_counter_ns() - began) / times
