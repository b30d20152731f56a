"""A service that holds GPU memory until it reads a line, and then prints a scrape."""

from __future__ import annotations

import sys
import tempfile
import time

import torch

import soundpost


def main(service: str, mib: int) -> None:
    """Runs the service."""
    held = torch.zeros(mib << 20, dtype=torch.uint8, device="cuda")
    torch.cuda.synchronize()
    with tempfile.TemporaryDirectory() as directory:
        telemetry = soundpost.init(service, listen=None, sample_interval=0.5, directory=directory)
        print("ready", flush=True)
        sys.stdin.readline()
        time.sleep(2.0)  # at least one sample with all services present
        print(telemetry.render())
        soundpost.shutdown()
    del held


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
