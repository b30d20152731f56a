"""Ends of the interpreter: no crash, and within two seconds.

`SOUNDPOST_TEST_FULL=1` runs each 25 times, a thousand exits in all; without it each runs twice.
"""

from __future__ import annotations

import os
import signal
import time

import pytest

ROUNDS = 25 if os.environ.get("SOUNDPOST_TEST_FULL") == "1" else 2

COMMON = """
import asyncio, atexit, os, signal, sys, threading
import soundpost

counter = soundpost.Counter("counted", "d", ["l"])
gauge = soundpost.Gauge("polled", "d")
gauge.set_function(lambda: 1)

@soundpost.instrument("infer", labels={"x": "x"}, audio=soundpost.audio(1000))
def infer(x):
    with soundpost.stage("part"):
        counter.labels(x).inc()
    return bytes(2000)

@soundpost.instrument("stream")
def stream():
    while True:
        yield infer("inside")

@soundpost.instrument("stream_async")
async def stream_async():
    while True:
        await asyncio.sleep(0)
        yield 1

def record():
    while True:
        infer("thread")
        next(stream())

def threads(number=4):
    for _ in range(number):
        threading.Thread(target=record, daemon=True).start()

soundpost.init(sample_interval=0.1)
infer("first")
"""

VARIANTS = {
    "end": ("", 0),
    "sys.exit": ("sys.exit(3)", 3),
    "exception": ("raise SystemError('at the end')", 1),
    "os._exit": ("os._exit(5)", 5),
    "daemon threads that record": ("threads()", 0),
    "daemon threads and sys.exit": ("threads(); sys.exit(4)", 4),
    "daemon threads and an exception": ("threads(); raise SystemError", 1),
    "a generator in flight": ("generator = stream(); next(generator)", 0),
    "a generator in flight in a cycle": (
        "generator = stream(); next(generator); cycle = [generator]; cycle.append(cycle); del generator",
        0,
    ),
    "a call in flight": ("block = soundpost.call('block'); call = block.__enter__()", 0),
    "a stage in flight": ("part = soundpost.stage('part'); part.__enter__()", 0),
    "a task in flight": (
        "async def main():\n    generator = stream_async()\n    await generator.__anext__()\n    globals()['kept'] = generator\nasyncio.run(main())",
        0,
    ),
    "recording in atexit": (
        "atexit.register(lambda: (infer('late'), list(zip(range(2), stream()))))\ninfer('x')",
        0,
    ),
    "recording in atexit after shutdown": ("soundpost.shutdown(); atexit.register(lambda: infer('late'))", 0),
    "recording in a finalizer": (
        "class Late:\n    def __del__(self):\n        infer('late')\nlate = Late(); cycle = [late]; cycle.append(cycle)",
        0,
    ),
    "shutdown twice": ("soundpost.shutdown(); soundpost.shutdown()", 0),
    "an interrupt": ("os.kill(os.getpid(), signal.SIGINT); threading.Event().wait(5)", -signal.SIGINT),
    "a termination": ("os.kill(os.getpid(), signal.SIGTERM); threading.Event().wait(5)", -signal.SIGTERM),
    "a fork": ("pid = os.fork()\nif pid: os.waitpid(pid, 0)", 0),
    "a fork in a thread": (
        "def fork():\n    pid = os.fork()\n    if pid: os.waitpid(pid, 0)\n    else: sys.exit()\nt = threading.Thread(target=fork); t.start(); t.join()",
        0,
    ),
}


@pytest.mark.parametrize("listen", ["none", "127.0.0.1:0"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_interpreter_exit_is_clean_and_fast(python, variant, listen):
    program, status = VARIANTS[variant]
    for _ in range(ROUNDS):
        began = time.monotonic()
        ran = python(f"{COMMON}\n{program}\n", check=False, SOUNDPOST_LISTEN=listen, PYTHONWARNINGS="ignore")
        took = time.monotonic() - began
        assert ran.returncode == status, ran.stderr
        # The limit includes the start of the interpreter.
        assert took < 4
        for sign in ("Fatal Python error", "panicked", "Segmentation", "Exception ignored"):
            assert sign not in ran.stderr, ran.stderr


def test_process_below_a_second_is_recorded(python, tmp_path):
    python(COMMON)
    ran = python(
        """
        import soundpost
        from scrape import Scrape
        telemetry = soundpost.init()
        soundpost.instrument("infer", labels={"x": "x"})(lambda x: 1)("second")
        print(Scrape(telemetry.render(), prefix="program").outcomes("infer", x="second"))
        """
    )
    assert ran.stdout.strip() == "{'ok': 1}"
