"""A service that samples all GPUs for some seconds, and prints what a scrape would get."""

from __future__ import annotations

import sys
import tempfile
import time

import soundpost

PATIENCE = 30.0
"""The first sample starts NVML, which takes up to a second or more."""


def main(seconds: float) -> None:
    """Samples and prints."""
    with tempfile.TemporaryDirectory() as directory:
        telemetry = soundpost.init(
            "gpu-check", listen=None, gpu="all", sample_interval=0.5, directory=directory
        )
        deadline = time.monotonic() + PATIENCE
        while "soundpost_gpu_available" not in telemetry.render() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(seconds)
        print(telemetry.render())
        soundpost.shutdown()


if __name__ == "__main__":
    main(float(sys.argv[1]))
