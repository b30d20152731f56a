"""`LogHandler`: records of `logging` as log events."""

from __future__ import annotations

import logging
import reprlib
from typing import TYPE_CHECKING, Any

from auscult import _native

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

_FREE = ("handle", "emit", "format", "filter", "handleError", "acquire", "release")
"""Methods that a subclass may have of its own; then they are called."""


class LogHandler(logging.Handler):
    """Records log records beside the calls: with their `extra=` as fields, and the id of the current call.

    It takes microseconds and waits for nothing. Before `init` and after `shutdown` it does nothing.
    """

    def __init__(self, level: int | str = logging.NOTSET) -> None:
        super().__init__(level)
        self._shorten()

    def emit(self, record: logging.LogRecord) -> None:
        """Records a record."""
        try:
            _native.record(record, None if self.formatter is None else self.format(record))
        except Exception:
            self.handleError(record)

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802
        """Has `fmt` make the message; without one it is the record's own."""
        super().setFormatter(fmt)
        self._shorten()

    def addFilter(self, filter: Any) -> None:  # noqa: A002, N802
        """Has `filter` say which records are recorded."""
        super().addFilter(filter)
        self._shorten()

    def removeFilter(self, filter: Any) -> None:  # noqa: A002, N802
        """Asks `filter` no longer."""
        super().removeFilter(filter)
        self._shorten()

    def _shorten(self) -> None:
        """Has the binding handle records itself, where nobody wants a say in it: it needs no lock."""
        own = any(getattr(type(self), name) is not getattr(LogHandler, name) for name in _FREE)
        if own or self.formatter is not None or self.filters:
            self.__dict__.pop("handle", None)
        else:
            self.__dict__["handle"] = _native.record


_installed: tuple[list[logging.Handler], int | None] | None = None
"""What `install` added to the root logger, and the level that it had."""


def install(level: int) -> None:
    """Adds a handler to the root logger, unless it has one, and has the logger let `level` through."""
    global _installed
    root = logging.getLogger()
    if _installed is not None or any(isinstance(handler, LogHandler) for handler in root.handlers):
        return
    added: list[logging.Handler] = []
    if not root.handlers and logging.lastResort is not None:
        # A logger without a handler prints warnings; with ours it has one.
        added.append(logging.lastResort)
    added.append(LogHandler(level))
    for handler in added:
        root.addHandler(handler)
    before = root.level
    lowered = 0 < level < before
    if lowered:
        root.setLevel(level)
    _installed = added, before if lowered else None


def remove() -> None:
    """Takes away what `install` added."""
    global _installed
    if _installed is None:
        return
    (added, before), _installed = _installed, None
    root = logging.getLogger()
    for handler in added:
        root.removeHandler(handler)
    if before is not None:
        root.setLevel(before)


def say_why(record: logging.LogRecord) -> None:
    """Says as `logging` does why a record has no message."""
    try:
        record.getMessage()
    except Exception:
        logging.Handler.handleError(logging.NullHandler(), record)


def traceback_of(exc_info: ExcInfo) -> str:
    """The text of a traceback."""
    return logging.Formatter().formatException(exc_info)


_short = reprlib.Repr()
_short.maxlevel = 4
_short.maxdict = _short.maxlist = _short.maxtuple = _short.maxset = _short.maxfrozenset = _short.maxdeque = 16
_short.maxstring = _short.maxother = 256
_CONTAINERS: tuple[tuple[type, Callable[[Any, int], str]], ...] = (
    (dict, _short.repr_dict),
    (list, _short.repr_list),
    (tuple, _short.repr_tuple),
    (set, _short.repr_set),
    (frozenset, _short.repr_frozenset),
)


def shown(value: object) -> str | int | float:
    """A value that is neither text nor number, so that it takes little time and room."""
    for kind, short in _CONTAINERS:
        if isinstance(value, kind):
            return short(value, _short.maxlevel)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    shape = getattr(value, "shape", None)
    if shape is not None:
        # A tensor's text would be copied from where it lies.
        if len(shape) == 0 and not hasattr(value, "is_cuda"):
            number = getattr(value, "item", str)()
            return number if isinstance(number, (int, float)) else str(number)
        return f"<{type(value).__name__} {tuple(shape)} {getattr(value, 'dtype', '')}>"
    return str(value)
