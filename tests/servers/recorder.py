"""A service that records calls without any speech, and journals which of them were recorded.

It reads lines from standard input. `FIRST COUNT` records that many calls numbered from FIRST, each with a log event inside.
`FIRST` alone records until the process kills itself during some call. It writes `begun N` before a call, `ended N`
after the record call returned, and `done FIRST` after the last one.
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
# Names that sinks use themselves: they arrive with a `_` at their end.
OWN_NAMES = {"time": "noon", "host": "mine", "level": "loud", "id": "x1", "source": "cache"}
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
            labels={"emotion": emotion(number), "host": "mine"},
            request_id=f"req-{number}",
            char_count=100 + number,
            model_version="V23",
        ) as call:
            with call.stage("vocoder"):
                log.info("Speaking number %d", number, extra={"number": number, "voice": VOICE, **OWN_NAMES})
            if fails(number):
                raise RuntimeError(OUT_OF_MEMORY)
            call.chunk(audio_seconds=0.5)
    except RuntimeError:
        log.exception("Number %d failed", number, extra={"number": number})


def numbers(first: int, count: int | None = None) -> Iterable[int]:
    """Returns the numbers to record. Without a count they never end, and a timer kills the process."""
    if count is not None:
        return range(first, first + count)
    delay = random.uniform(0.005, 0.02)  # some calls are stored by then, and at most hundreds are not
    threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
    return itertools.count(first)


def main() -> None:
    logging.getLogger().setLevel(logging.INFO)
    logging.lastResort = None  # the failures are part of the test; standard error is for Soundpost's messages
    soundpost.init(service="indextts2", version="V23", listen=None, gpu=False, sample_interval=0.5, logs=True)
    for line in sys.stdin:
        first, *count = map(int, line.split())
        for number in numbers(first, *count):
            print("begun", number, flush=True)
            record(number)
            print("ended", number, flush=True)
        print("done", first, flush=True)
    soundpost.shutdown()


if __name__ == "__main__":
    main()
