"""What a thread of Python's does once every sample interval, from `init` on.

It asks the gauges whose value a function gives, logs what the core has had to say, and sees to it that log
records are recorded still. The reporter does none of it: none of its threads runs Python.
"""

from __future__ import annotations

import os
import sys
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


def poll(gauge: Gauge, name: str, values: tuple[str, ...], function: Callable[[], float]) -> None:
    """Has `function` give the gauge's value from now on, or from `init` on."""
    _functions[name, values] = gauge, function
    if _interval is not None:
        _run()


def forget(name: str, values: tuple[str, ...] | None) -> None:
    """Asks no longer for the gauge of these label values, or for all of that name."""
    for key in list(_functions):
        if key[0] == name and values in (None, key[1]):
            _functions.pop(key, None)


def start(interval: float) -> None:
    """Begins to ask and to log, every `interval` seconds."""
    global _interval
    _interval = interval
    _run()


def stop() -> None:
    """Stops; `start` begins anew."""
    global _interval, _stop
    _interval = None
    if _stop is not None:
        _stop.set()
        _stop = None


def log_notices() -> None:
    """Logs what the core has had to say since the last time."""
    fresh = notices()
    if not fresh:
        return
    import contextlib
    import logging

    logger = logging.getLogger("soundpost")
    for is_fault, text in fresh:
        # A handler or filter of the host's may raise anything.
        with contextlib.suppress(Exception):
            logger.log(logging.WARNING if is_fault else logging.INFO, "%s", text)


def _run() -> None:
    """Starts the thread, unless it runs."""
    global _stop
    if _stop is not None:
        return
    import threading

    _stop = threading.Event()
    try:
        threading.Thread(target=_loop, args=(_stop,), name="soundpost-poll", daemon=True).start()
    except RuntimeError:
        # No thread can be had, or the interpreter ends: everything but this is recorded.
        _stop = None


def _loop(stopped: threading.Event) -> None:
    while not stopped.is_set() and _interval is not None:
        for key, (gauge, function) in list(_functions.items()):
            if key in _functions:
                _ask(gauge, function)
        log_notices()
        _keep_logs()
        stopped.wait(_interval)


def _keep_logs() -> None:
    if "soundpost._logging" in sys.modules:
        import contextlib

        from soundpost import _logging

        # A handler or filter of the host's may raise anything.
        with contextlib.suppress(Exception):
            _logging.keep()


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
    """A child's gauges are its own, so it asks for itself; without any it needs no thread.

    Not where another thread than the main one forked: a child that ends with that thread would never end.
    """
    global _stop
    _stop = None
    if _interval is not None and _functions and _forks_from_main:
        _run()


os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
