"""`LogHandler`: records of `logging` as log events."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import itertools
import logging
import math
from collections.abc import Collection, Iterable
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

from soundpost import _native

if TYPE_CHECKING:
    from types import TracebackType

    ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

_OVERRIDABLE = ("handle", "emit", "format", "filter", "handleError", "acquire", "release")
"""Methods that are called if a subclass overrides them."""


_RECORD_HOOKS = ("formatter", "filters")
"""Attributes that change or reject a record."""


class RecordedLine(int):
    """The line number of a record that is recorded already."""

    __slots__ = ()

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        return int, (int(self),)


class LogHandler(logging.Handler):
    """Records log records beside the calls, with their `extra=` as fields and the id of the current call.

    It takes microseconds and never blocks. Before `init` and after `shutdown` it does nothing. A record that
    another handler of this class recorded is skipped. Filters are set by `addFilter`, or as a list.
    """

    is_used = False
    """Whether the host has such a handler."""

    def __init__(self, level: int | str = logging.NOTSET) -> None:
        super().__init__(level)
        LogHandler.is_used = True
        self._update_shortcut()

    def emit(self, record: logging.LogRecord) -> None:
        """Records a record."""
        try:
            _native.record(record, None if self.formatter is None else self.format(record))
        except Exception:
            self.handleError(record)

    def __setattr__(self, name: str, value: object) -> None:
        """Sets an attribute; a formatter or filters set like this are used, too."""
        super().__setattr__(name, value)
        if name in _RECORD_HOOKS:
            self._update_shortcut()

    def addFilter(self, filter: Any) -> None:  # noqa: A002, N802
        """Adds a filter of the records."""
        super().addFilter(filter)
        self._update_shortcut()

    def removeFilter(self, filter: Any) -> None:  # noqa: A002, N802
        """Removes a filter."""
        super().removeFilter(filter)
        self._update_shortcut()

    def _update_shortcut(self) -> None:
        """Lets the binding handle records without a lock, if there is no hook or overridden method."""
        own = any(getattr(type(self), name) is not getattr(LogHandler, name) for name in _OVERRIDABLE)
        if own or any(map(self.__dict__.get, _RECORD_HOOKS)):
            self.__dict__.pop("handle", None)
        else:
            self.__dict__["handle"] = _native.record


def has_handler(logger: logging.Logger | None) -> bool:
    """Returns whether a `LogHandler` gets the records of a logger."""
    while logger is not None:
        if any(isinstance(handler, LogHandler) for handler in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False


def report_format_error(record: logging.LogRecord) -> None:
    """Lets `logging` report why a record has no message."""
    try:
        record.getMessage()
    except Exception:
        logging.Handler.handleError(logging.NullHandler(), record)


def traceback_of(exc_info: ExcInfo) -> str:
    """Returns the text of a traceback."""
    return logging.Formatter().formatException(exc_info)


_MAX_CHARACTERS = 40 * 1024
"""Maximum length of a value's text. Redaction reads 36 KiB and keeps 32, so this cut is never visible."""
_MAX_ITEMS = 16
_MAX_DEPTH = 4
_CONTAINER_REPRS = {
    kind.__repr__
    for kind in (
        dict,
        collections.OrderedDict,
        collections.defaultdict,
        collections.Counter,
        list,
        tuple,
        set,
        frozenset,
        collections.deque,
    )
}
"""`__repr__` of the containers that are written as JSON; one with its own `__repr__` is not."""


class _FullError(Exception):
    """The text has its maximum length."""


class _Text:
    """A container as JSON text, truncated only at its end.

    A gap in the middle would separate a secret from its name, by which redaction recognises it.
    """

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.room = _MAX_CHARACTERS

    def put(self, text: str) -> None:
        self.parts.append(text[: self.room])
        self.room -= len(text)
        if self.room <= 0:
            raise _FullError

    def value(self, value: object, depth: int = _MAX_DEPTH) -> None:
        named = _named(value)
        if named is not None:
            self.pairs(named, len(named), depth)
        elif isinstance(value, dict) and type(value).__repr__ in _CONTAINER_REPRS:
            self.pairs(value.items(), len(value), depth)
        elif isinstance(value, Collection) and type(value).__repr__ in _CONTAINER_REPRS:
            self.items(value, depth)
        elif value is None or isinstance(value, (bool, int, float)):
            self.put(_number(value))
        else:
            self.text(value)

    def text(self, value: object) -> None:
        """Writes a text; a zero-dimensional array is written as its number."""
        try:
            if not isinstance(value, str):
                special = _special(value)
                if isinstance(special, (int, float)):
                    self.put(_number(special))
                    return
                value = str(value) if special is None else special
            elif type(value).__str__ is not str.__str__:
                value = str(value)
        except Exception as error:
            value = f"[raised {type(error).__name__}]"
        # One character more than the room, so that `put` detects the overflow.
        self.put(encode_basestring(str.__getitem__(value, slice(self.room + 1))))

    def items(self, value: Collection[Any], depth: int) -> None:
        if depth == 0 and value:
            self.put('"..."')
            return
        self.put("[")
        for number, item in enumerate(itertools.islice(value, _MAX_ITEMS)):
            if number:
                self.put(", ")
            self.value(item, depth - 1)
        self.put(', "..."]' if len(value) > _MAX_ITEMS else "]")

    def pairs(self, pairs: Iterable[tuple[Any, Any]], length: int, depth: int) -> None:
        if depth == 0 and length:
            self.put('"..."')
            return
        self.put("{")
        for number, (name, value) in enumerate(itertools.islice(pairs, _MAX_ITEMS)):
            if number:
                self.put(", ")
            self.text(name)
            self.put(": ")
            self.value(value, depth - 1)
        self.put(', "...": "..."}' if length > _MAX_ITEMS else "}")


def _named(value: object) -> list[tuple[str, Any]] | None:
    """Returns names and values of a named tuple, or of a dataclass with the generated `__repr__`."""
    if isinstance(value, tuple) and isinstance(names := getattr(value, "_fields", None), tuple):
        return list(zip(names, value, strict=False))
    if dataclasses.is_dataclass(value) and hasattr(type(value).__repr__, "__wrapped__"):
        fields = dataclasses.fields(value)
        return [(field.name, getattr(value, field.name, None)) for field in fields if field.repr]
    return None


def _number(value: float | None) -> str:
    """Returns a number, a truth value or None as JSON."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    text = float.__repr__(value)
    return text if math.isfinite(value) else f'"{text}"'


def _special(value: object) -> str | int | float | None:
    """Returns a short text for bytes, arrays and tensors, or None for other values."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    shape = getattr(value, "shape", None)
    if shape is None:
        return None
    # The text of a tensor would be copied from its device.
    if len(shape) == 0 and not hasattr(value, "is_cuda"):
        number = getattr(value, "item", value.__str__)()
        return number if isinstance(number, (int, float)) else str(number)
    return f"<{type(value).__name__} {tuple(shape)} {getattr(value, 'dtype', '')}>"


def to_field(value: object) -> str | int | float:
    """Returns a bounded text of a value that is neither text nor number; containers are JSON."""
    if type(value).__repr__ not in _CONTAINER_REPRS and _named(value) is None:
        text = _special(value)
        return str(value) if text is None else text
    out = _Text()
    with contextlib.suppress(_FullError):
        out.value(value)
    return "".join(out.parts)
