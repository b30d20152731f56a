"""Workloads of the tests: busy time, audio and threads."""

from __future__ import annotations

import threading
import time

import numpy as np

RATE = 1000


def until(seconds):
    """Keeps the processor busy for this many seconds; no test sleeps."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def chunk(seconds=0.1):
    return np.zeros(int(RATE * seconds), dtype=np.float32)


def in_thread(function):
    """Runs a function on a new thread with a new context, and returns its result."""
    result = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join()
    return result[0]
