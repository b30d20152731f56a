"""Speed of `audio(quality=True)`: peak, RMS, and shares of clipped and silent samples, beside NumPy.

    python benches/python/levels.py [--megabytes 64] [--rounds 9]

Both read arrays that lie in memory, of a size that no cache holds. Values are medians, in gigabytes a second on one
core.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np

import soundpost

if TYPE_CHECKING:
    from collections.abc import Callable

SILENCE = 1e-3


def of_numpy(samples: np.ndarray) -> tuple[float, ...]:
    """Computes the same figures with NumPy."""
    scaled = samples if samples.dtype == np.float32 else samples.astype(np.float32) / 32768
    size = np.abs(scaled)
    finite = np.isfinite(scaled).mean()
    return size.max(), np.sqrt(np.square(scaled).mean()), (size >= 1).mean(), (size < SILENCE).mean(), finite


def rate(measure: Callable[[np.ndarray], object], samples: np.ndarray, rounds: int) -> float:
    """Returns gigabytes a second."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        measure(samples)
        taken.append(time.perf_counter() - began)
    return samples.nbytes / statistics.median(taken) / 1e9


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    noise = np.random.default_rng(1).normal(0, 0.2, options.megabytes * 250_000).astype(np.float32)
    arrays = {"float32": noise, "int16": (noise * 32767).clip(-32768, 32767).astype(np.int16)}
    ours = soundpost.audio(24_000, quality=True)
    print("| samples | soundpost | NumPy | ratio | at least |\n| --- | ---: | ---: | ---: | --- |")
    for kind, samples in arrays.items():
        fast, slow = (rate(measure, samples, options.rounds) for measure in (ours, of_numpy))
        print(f"| {kind} | {fast:.1f} GB/s | {slow:.2f} GB/s | {fast / slow:.1f} | 1 GB/s |")


if __name__ == "__main__":
    main()
