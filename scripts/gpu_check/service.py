"""A service that samples all GPUs for some seconds, and prints a scrape."""

from __future__ import annotations

import sys
import tempfile
import time

import soundpost

START_SECONDS = 30.0
"""Maximum wait for the first sample, which starts NVML."""


def main(seconds: float) -> None:
    """Runs the service."""
    with tempfile.TemporaryDirectory() as directory:
        telemetry = soundpost.init(
            "gpu-check", listen=None, gpu="all", sample_interval=0.5, directory=directory
        )
        deadline = time.monotonic() + START_SECONDS
        while "soundpost_gpu_available" not in telemetry.render() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(seconds)
        print(telemetry.render())
        soundpost.shutdown()


if __name__ == "__main__":
    main(float(sys.argv[1]))
