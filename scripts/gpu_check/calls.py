"""A service whose calls allocate 1, 2 and 4 GiB in PyTorch and keep them; prints the recorded figures as JSON.

With `--give-back` each call frees its memory, which then shows in the peak and not in the delta.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time

import torch

import soundpost

GIB = 1 << 30
SIZES = (1, 2, 4)
INTERVALS = 5
"""Number of GPU memory samples to wait for, at 10 Hz."""


def main(*, give_back: bool) -> None:
    """Runs the calls."""
    torch.zeros(1, device="cuda")  # allocates CUDA's own memory before the first call
    with tempfile.TemporaryDirectory() as directory:
        telemetry = soundpost.init("gpu-check", listen=None, directory=directory, torch="always")
        deadline = time.monotonic() + 30
        while "gpu_check_gpu_memory_used_bytes{" not in telemetry.render():
            if time.monotonic() > deadline:
                sys.exit("no GPU is sampled:\n" + telemetry.render())
            time.sleep(0.05)
        made = [_call(size, give_back=give_back) for size in SIZES]
        reads = _reads()
        print(json.dumps({"calls": made, "scrape": telemetry.render(), "read_us": reads}))
        soundpost.shutdown()


kept = []


def _call(size: int, *, give_back: bool) -> dict[str, object]:
    time.sleep(0.1 * INTERVALS)
    before = torch.cuda.memory_allocated()
    with soundpost.call("allocate") as call:
        kept.append(torch.empty(size * GIB, dtype=torch.uint8, device="cuda"))
        time.sleep(0.1 * INTERVALS)
        if give_back:
            kept.clear()
            torch.cuda.empty_cache()
    time.sleep(0.1 * INTERVALS)
    used = call.gpu
    figures = None
    if used is not None:
        figures = {
            name: getattr(used, name)
            for name in ("memory_before", "memory_peak", "memory_delta", "shared", "of_process")
        }
    return {"bytes": size * GIB, "allocated": torch.cuda.memory_allocated() - before, "gpu": figures}


def _reads(times: int = 200) -> float:
    """Returns the mean duration of reading PyTorch's allocator, in microseconds."""
    began = time.perf_counter()
    for _ in range(times):
        torch.cuda.memory_stats_as_nested_dict(0)
    return (time.perf_counter() - began) / times * 1e6


if __name__ == "__main__":
    main(give_back="--give-back" in sys.argv)
