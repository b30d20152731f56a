"""What the functions of the tests do: work for so long, say so much, on which thread."""

from __future__ import annotations

import threading
import time

import numpy as np

RATE = 1000


def until(seconds):
    """Keeps the processor busy for so long: no test here sleeps."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def chunk(seconds=0.1):
    return np.zeros(int(RATE * seconds), dtype=np.float32)


def in_thread(function):
    """Runs a function on a thread of its own, with a fresh context, and gives what it returned."""
    result = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join()
    return result[0]
