"""Gauges whose value a function gives: one thread of Python's asks all of them once every sample interval.

The reporter never does it: none of its threads runs Python.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from auscult._native import fault, log_faults

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from auscult._native import Gauge

_functions: dict[Gauge, Callable[[], float]] = {}
_interval: float | None = None
_stop: threading.Event | None = None
_forks_from_main = True


def poll(gauge: Gauge, function: Callable[[], float]) -> None:
    """Has `function` give the gauge's value from now on, or from `init` on."""
    _functions[gauge] = function
    if _interval is not None:
        _run()


def start(interval: float) -> None:
    """Begins to ask, every `interval` seconds."""
    global _interval
    _interval = interval
    if _functions:
        _run()


def stop() -> None:
    """Stops asking; `start` begins anew."""
    global _interval, _stop
    _interval = None
    if _stop is not None:
        _stop.set()
        _stop = None


def _run() -> None:
    """Starts the thread, unless it runs."""
    global _stop
    if _stop is not None:
        return
    import threading

    _stop = threading.Event()
    threading.Thread(target=_loop, args=(_stop,), name="auscult-poll", daemon=True).start()


def _loop(stopped: threading.Event) -> None:
    while not stopped.is_set() and _interval is not None:
        for gauge, function in list(_functions.items()):
            _ask(gauge, function)
        log_faults()
        stopped.wait(_interval)


def _ask(gauge: Gauge, function: Callable[[], float]) -> None:
    try:
        gauge.set(float(function()))
    except Exception as error:
        try:
            fault("set_function", repr(gauge), f"{gauge!r}: the function of set_function", error)
        except Exception:
            import traceback

            traceback.print_exc()


def _before_fork() -> None:
    global _forks_from_main
    if not _functions:
        return
    import threading

    _forks_from_main = threading.current_thread() is threading.main_thread()


def _after_fork() -> None:
    """A child's gauges are its own, so it asks for itself.

    Not where another thread than the main one forked: a child that ends with that thread would never end.
    """
    global _stop
    _stop = None
    if _interval is not None and _functions and _forks_from_main:
        _run()


os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
