"""The background thread of Python, which runs once per sample interval from `init` on.

It calls the functions of `Gauge.set_function` and logs the core's notices. The reporter does neither, because
its threads never run Python.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from soundpost._native import fault, notices

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from soundpost._native import Gauge

_functions: dict[tuple[str, tuple[str, ...]], tuple[Gauge, Callable[[], float]]] = {}
"""Gauges and their functions, by name and label values."""
_interval: float | None = None
_stop: threading.Event | None = None
_forks_from_main = True
_unlogged: list[tuple[bool, str]] = []
is_quiet = False
"""Whether notices that are no warnings are recorded only, as in a service that knows nothing of Soundpost."""


def add_gauge(gauge: Gauge, name: str, values: tuple[str, ...], function: Callable[[], float]) -> None:
    """Sets the gauge to the result of `function` from now on, or from `init` on."""
    _functions[name, values] = gauge, function
    if _interval is not None:
        _start_thread()


def remove_gauge(name: str, values: tuple[str, ...] | None) -> None:
    """Removes the function of the gauge with these label values, or of all gauges of that name."""
    for key in list(_functions):
        if key[0] == name and values in (None, key[1]):
            _functions.pop(key, None)


def start(interval: float) -> None:
    """Starts the thread, which then runs every `interval` seconds."""
    global _interval
    _interval = interval
    _start_thread()


def stop() -> None:
    """Stops the thread; `start` starts it again."""
    global _interval, _stop
    _interval = None
    if _stop is not None:
        _stop.set()
        _stop = None


def log_notices() -> None:
    """Logs the core's notices since the last call."""
    global _unlogged
    _unlogged += notices()
    if not _unlogged:
        return
    try:
        import logging
    except (ImportError, OSError):  # Without file descriptors the notices wait.
        return
    fresh, _unlogged = _unlogged, []
    logger = logging.getLogger("soundpost")
    for is_fault, text in fresh:
        # A handler or filter of the host may raise anything.
        with contextlib.suppress(Exception):
            if is_quiet and not is_fault:
                from soundpost._logs import record_only

                record_only("soundpost_notices", logging.INFO, text)
            else:
                logger.log(logging.WARNING if is_fault else logging.INFO, "%s", text)


def _start_thread() -> None:
    """Starts the thread, unless it runs."""
    global _stop
    if _stop is not None:
        return
    try:
        import threading

        _stop = threading.Event()
        threading.Thread(target=_loop, args=(_stop,), name="soundpost-background", daemon=True).start()
    except (RuntimeError, ImportError, OSError, MemoryError):
        # The system has no thread left, or the interpreter ends: recording goes on without the thread.
        _stop = None


def _loop(stopped: threading.Event) -> None:
    while not stopped.is_set() and _interval is not None:
        for key, (gauge, function) in list(_functions.items()):
            if key in _functions:
                _set(gauge, function)
        log_notices()
        stopped.wait(_interval)


def _set(gauge: Gauge, function: Callable[[], float]) -> None:
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
    """Starts the thread in a forked child that has gauges with functions.

    A child of another thread than the main one gets none: it ends with that thread, and would never end.
    """
    global _stop
    _stop = None
    if _interval is not None and _functions and _forks_from_main:
        _start_thread()


os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
