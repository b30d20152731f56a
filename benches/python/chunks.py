"""Cost of one chunk of an instrumented generator."""

from __future__ import annotations

import collections
import tempfile
import time
from typing import TYPE_CHECKING

from table import Row
from timing import over_bare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RATE = 24_000


def loop(generator: Callable[[int], Iterator[object]]) -> Callable[[int], None]:
    """Takes so many chunks."""

    def run(times: int) -> None:
        collections.deque(generator(times), 0)

    return run


def of_prometheus(chunk: object) -> Callable[[int], Iterator[object]]:
    """Records gap, first audio and audio seconds with prometheus_client, by hand."""
    import prometheus_client

    registry = prometheus_client.CollectorRegistry()
    gap = prometheus_client.Histogram("gap_seconds", "d", ["operation"], registry=registry)
    first = prometheus_client.Histogram("first_seconds", "d", ["operation"], registry=registry)
    audio = prometheus_client.Counter("audio_seconds", "d", ["operation"], registry=registry)

    def generator(times: int) -> Iterator[object]:
        began = last = time.perf_counter()
        for index in range(times):
            now = time.perf_counter()
            (gap if index else first).labels("synthesize").observe(now - (last if index else began))
            last = now
            audio.labels("synthesize").inc(len(chunk) / 2 / RATE)
            yield chunk

    return generator


def measure(*, quick: bool) -> list[Row]:
    """Returns the rows of the table."""
    import numpy as np

    import soundpost

    times, rounds = (2_000, 5) if quick else (50_000, 15)
    raw, array = bytes(4800), np.zeros((1, 2400), dtype=np.float32)

    def of(chunk: object) -> Callable[[int], Iterator[object]]:
        def generator(times: int) -> Iterator[object]:
            for _ in range(times):
                yield chunk

        return generator

    audio = soundpost.audio(RATE)
    with tempfile.TemporaryDirectory() as directory:
        soundpost.init("bench", listen=None, gpu=False, directory=directory)
        loops = {
            "plain": loop(soundpost.instrument("plain")(of(raw))),
            "bytes": loop(soundpost.instrument("bytes", audio=audio)(of(raw))),
            "array": loop(soundpost.instrument("array", audio=audio)(of(array))),
            "function": loop(soundpost.instrument("function", audio=lambda item: len(item) / 48000)(of(raw))),
            "prometheus": loop(of_prometheus(raw)),
        }
        taken = over_bare(loop(of(raw)), loops, times=times, rounds=rounds)
        soundpost.shutdown()
    peer = taken["prometheus"]
    return [
        Row("chunk of a generator, over the bare one", "ns", taken["plain"], bar=400),
        Row("the same, audio measured: PCM bytes", "ns", taken["bytes"], peer, bar=400),
        Row("the same, audio measured: NumPy array", "ns", taken["array"], peer, bar=400),
        Row("the same, audio measured: a Python function", "ns", taken["function"], peer),
    ]
