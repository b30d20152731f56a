"""A speech service without the speech: it records what it is told to, and says which calls were recorded.

It reads `FIRST COUNT` lines: so many calls, numbered from there, each with a log event inside; a line of `FIRST` alone has
it record until it kills itself, in whatever it is at. What it writes is `begun N` before a call, `ended N` when the call
is recorded, and `done FIRST` behind the last of them.
"""

import itertools
import logging
import os
import random
import signal
import sys
import threading
from collections.abc import Iterable

import soundpost

EMOTIONS = ("neutral", "angry", "sad")
VOICE = '中文 "quoted" a\\b'
OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 2.00 GiB"

log = logging.getLogger("indextts2")


def fails(number: int) -> bool:
    return number % 5 == 4


def emotion(number: int) -> str:
    return EMOTIONS[number % len(EMOTIONS)]


def record(number: int) -> None:
    try:
        with soundpost.call(
            "synthesize",
            labels={"emotion": emotion(number)},
            request_id=f"req-{number}",
            char_count=100 + number,
            model_version="V23",
        ) as call:
            with call.stage("vocoder"):
                log.info("Speaking number %d", number, extra={"number": number, "voice": VOICE})
            if fails(number):
                raise RuntimeError(OUT_OF_MEMORY)
            call.chunk(audio_seconds=0.5)
    except RuntimeError:
        log.exception("Number %d failed", number, extra={"number": number})


def calls(first: int, count: int | None = None) -> Iterable[int]:
    """The numbers to record."""
    if count is not None:
        return range(first, first + count)
    delay = random.uniform(0.005, 0.02)  # some of the calls are stored by then, hundreds at most are not
    threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
    return itertools.count(first)


def main() -> None:
    logging.getLogger().setLevel(logging.INFO)
    logging.lastResort = None  # its failures are made: what it prints is what Soundpost has to say
    soundpost.init(service="indextts2", version="V23", listen=None, gpu=False, sample_interval=0.5, logs=True)
    for line in sys.stdin:
        first, *count = map(int, line.split())
        for number in calls(first, *count):
            print("begun", number, flush=True)
            record(number)
            print("ended", number, flush=True)
        print("done", first, flush=True)
    soundpost.shutdown()


if __name__ == "__main__":
    main()
