"""A thread that holds the GIL stops neither scrapes nor samples."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
import urllib.request

import pytest
from scrape import Scrape

HELD = 5.0

PROGRAM = """
import ctypes, sys
import soundpost

telemetry = soundpost.init("held", listen="127.0.0.1:0", sample_interval=0.1)

@soundpost.instrument("infer")
def infer(seconds):
    print(telemetry.address, flush=True)
    # PyDLL does not release the GIL around the call.
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))

infer(float(sys.argv[1]))
print("done", flush=True)
"""


def test_scrape_while_gil_is_held_is_served(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    environment = {**os.environ, "SOUNDPOST_DIRECTORY": str(tmp_path / "state")}
    with subprocess.Popen(
        [sys.executable, str(program), str(HELD)], stdout=subprocess.PIPE, text=True, env=environment
    ) as holder:
        address = holder.stdout.readline().strip()
        began = time.monotonic()
        slowest, scrapes, stalled, sampled = 0.0, 0, 0.0, set()
        while time.monotonic() - began < HELD - 1:
            started = time.monotonic()
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=HELD) as response:
                read = Scrape(response.read().decode(), prefix="held")
            slowest = max(slowest, time.monotonic() - started)
            scrapes += 1
            assert read.in_flight("infer") == 1
            stalled = read.sum("held_request_stalled_seconds", operation="infer")
            sampled.add(read.sum("held_process_cpu_seconds_total"))
            assert holder.poll() is None
            time.sleep(0.05)
        assert holder.stdout.readline().strip() == "done"
    assert scrapes > 10
    # Scrapes take CPU time, so each sample has another value.
    assert len(sampled) > 3, sampled
    assert slowest < 1.0
    assert stalled == pytest.approx(HELD - 1, abs=1)
