"""An idle service with or without GPU sampling, which prints its CPU seconds."""

from __future__ import annotations

import sys
import tempfile
import time

import soundpost


def main(seconds: float, *, gpu: bool) -> None:
    """Measures after the start."""
    with tempfile.TemporaryDirectory() as directory:
        telemetry = soundpost.init("gpu-check", listen=None, gpu=gpu, directory=directory)
        time.sleep(3.0)
        if gpu and "gpu_check_gpu_memory_used_bytes{" not in telemetry.render():
            sys.exit("no GPU is sampled:\n" + telemetry.render())
        before = time.process_time()
        time.sleep(seconds)
        print(time.process_time() - before)
        soundpost.shutdown()


if __name__ == "__main__":
    main(float(sys.argv[1]), gpu=sys.argv[2] == "gpu")
