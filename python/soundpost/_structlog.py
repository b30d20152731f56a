"""Recording of structlog's events with their keys, however they are rendered and wherever they go."""

from __future__ import annotations

import contextlib
import logging
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from soundpost import _native

if TYPE_CHECKING:
    from collections.abc import Callable

_base: Any = import_module("structlog._base").BoundLoggerBase
_frames: Any = import_module("structlog._frames")
_ATTRIBUTE = "_processors"
_LEVELS = {
    "debug": logging.DEBUG,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "err": logging.ERROR,
    "error": logging.ERROR,
    "exception": logging.ERROR,
    "failure": logging.ERROR,
    "critical": logging.CRITICAL,
    "fatal": logging.CRITICAL,
}
"""Levels by the names of methods; those of other methods are INFO."""

_level = float("inf")
"""Lowest level that is recorded."""


class Rendered(str):
    """A rendered event. As a message of `logging` it has the event, or None if it is recorded already."""

    __slots__ = ("soundpost_event",)
    soundpost_event: dict[str, Any] | None

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


def _rendered(text: str, event: dict[str, Any] | None) -> Rendered:
    rendered = Rendered(text)
    rendered.soundpost_event = event
    return rendered


def _render(last: Callable[..., Any], logger: Any, method: str, event: Any) -> Any:
    """Calls the last processor, and records the event unless its logger is one of `logging`."""
    known = dict(event) if isinstance(event, dict) else None
    result = last(logger, method, event)
    if known is None:
        return result
    if not isinstance(logger, (logging.Logger, logging.LoggerAdapter)):
        # The frames of a version may be others.
        with contextlib.suppress(Exception):
            _record(known, _LEVELS.get(method, logging.INFO))
        known = None
    return _rendered(result, known) if type(result) is str else result


def _record(event: dict[str, Any], level: int) -> None:
    if level < _level:
        return
    frame, name = _frames._find_first_app_frame_and_name(["soundpost"])
    line, path = frame.f_lineno or 0, frame.f_code.co_filename
    record = logging.LogRecord(event.get("logger") or name, level, path, line, _rendered("", event), (), None)
    _native.record(record, None, False)


class _Chain(list[Any]):
    """The processors of a logger, the last of which records."""

    def __init__(self, own: Any) -> None:
        *others, last = own
        super().__init__([*others, partial(_render, last)])
        self.own = own


class _Processors:
    """The attribute of a logger with its processors."""

    def __get__(self, logger: Any, _class: type | None = None) -> Any:
        if logger is None:
            return self
        try:
            own = vars(logger)[_ATTRIBUTE]
        except KeyError:
            raise AttributeError(_ATTRIBUTE) from None
        return _Chain(own) if own else own

    def __set__(self, logger: Any, processors: Any) -> None:
        """Sets the processors, which may come from another logger."""
        vars(logger)[_ATTRIBUTE] = processors.own if type(processors) is _Chain else processors


def install(level: int) -> None:
    """Records the events from `level` on."""
    global _level
    _level = level
    setattr(_base, _ATTRIBUTE, _Processors())


def remove() -> None:
    """Ends the recording."""
    if isinstance(vars(_base).get(_ATTRIBUTE), _Processors):
        delattr(_base, _ATTRIBUTE)
