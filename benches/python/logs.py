"""Cost of one log record with six fields in each handler, with every server down.

    python benches/python/logs.py [--quick]

Handlers run alone, in turns, in one process. A value is the time of `logger.info(message, extra=six fields)` in
microseconds. The median is also shown relative to an empty handler. The rate is one that the reporter sustains, because
a full ring would make a record cheaper. Between records the thread spins, which keeps the processor awake and its
caches warm for all handlers alike. Another column has the time of a record after a pause.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import logging
import logging.handlers
import platform
import queue
import socket
import statistics
import tempfile
import time
from typing import TYPE_CHECKING

import soundpost

if TYPE_CHECKING:
    from collections.abc import Callable

FIELDS = {
    "duration_ms": 942,
    "audio_seconds": 4.2,
    "rtf": 0.22,
    "emotion": "sad",
    "model_version": "V23",
    "streaming": True,
}

INTERVAL_NS = 50_000
PAUSES = 10
PAUSE_SECONDS = 0.1


class Nothing(logging.Handler):
    """Handler that does nothing."""

    def emit(self, record: logging.LogRecord) -> None:
        """Does nothing."""


def closed_port() -> int:
    """Returns a port without a listener."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def of_queue() -> logging.Handler:
    """Creates the standard library's handler; its queue is discarded."""

    class Emptied(queue.SimpleQueue):  # type: ignore[type-arg]
        def put_nowait(self, item: object) -> None:
            super().put_nowait(item)
            self.get_nowait()

    return logging.handlers.QueueHandler(Emptied())


def of_graypy() -> logging.Handler:
    """Creates a handler for Graylog over TCP; each record meets a refused connection."""
    import graypy

    return graypy.GELFTCPHandler("127.0.0.1", closed_port())


def of_loki() -> logging.Handler:
    """Creates a handler for Loki; each record meets a refused POST."""
    import logging_loki

    return logging_loki.LokiHandler(
        f"http://127.0.0.1:{closed_port()}/loki/api/v1/push", {"job": "bench"}, version="1"
    )


PEERS: dict[str, tuple[Callable[[], logging.Handler], int]] = {
    "nothing": (Nothing, 1),
    "soundpost": (soundpost.LogHandler, 1),
    "QueueHandler": (of_queue, 1),
    "graypy TCP": (of_graypy, 20),
    "python-logging-loki": (of_loki, 100),
}
"""Handlers, and the divisor of their number of records."""


def measure(logger: logging.Logger, times: int) -> list[int]:
    """Returns the nanoseconds of each of so many records."""
    taken = []
    now = time.perf_counter_ns
    due = now()
    for _ in range(times):
        while (began := now()) < due:
            pass
        logger.info("Audio generation completed", extra=FIELDS)
        taken.append(now() - began)
        due += INTERVAL_NS
    return taken


def behind_pauses(logger: logging.Logger) -> list[int]:
    """Returns the nanoseconds of records after a pause."""
    taken = []
    for _ in range(PAUSES):
        time.sleep(PAUSE_SECONDS)
        taken += measure(logger, 1)
    return taken


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer records: to see that it runs")
    times = 2_000 if parser.parse_args().quick else 20_000
    logger = logging.getLogger("bench")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    taken: dict[str, list[int]] = {name: [] for name in PEERS}
    first: dict[str, list[int]] = {name: [] for name in PEERS}
    with tempfile.TemporaryDirectory() as directory:
        soundpost.init(service="bench", listen=None, gpu=False, directory=directory)
        gc.disable()
        for _ in range(5):
            for name, (make, part) in PEERS.items():
                handler = make()
                logger.handlers[:] = [handler]
                with contextlib.redirect_stderr(io.StringIO()):
                    measure(logger, max(times // part // 10, 2))
                    taken[name] += measure(logger, max(times // part, 20))
                    first[name] += behind_pauses(logger)
                soundpost.flush(10)
        gc.enable()
        logger.handlers.clear()
        soundpost.shutdown()
    print(f"Python {platform.python_version()}, {platform.machine()}; microseconds\n")
    print("| handler | median | over one that does nothing | p99.9 | behind a pause, median | records |")
    print("|---|---:|---:|---:|---:|---:|")
    floor = statistics.median(taken["nothing"])
    for name, figures in taken.items():
        median = statistics.median(figures)
        late = sorted(figures)[int(len(figures) * 0.999)]
        pause = statistics.median(first[name])
        print(
            f"| {name} | {median / 1e3:.2f} | {(median - floor) / 1e3:.2f} | {late / 1e3:.1f}"
            f" | {pause / 1e3:.0f} | {len(figures):,} |"
        )


if __name__ == "__main__":
    main()
