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
from soundpost._unheard import Unheard

if TYPE_CHECKING:
    from types import TracebackType

    ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

_FREE = ("handle", "emit", "format", "filter", "handleError", "acquire", "release")
"""Methods that a subclass may have of its own; then they are called."""


_ASKED = ("formatter", "filters")
"""Attributes that have a say in a record."""


class LogHandler(logging.Handler):
    """Records log records beside the calls: with their `extra=` as fields, and the id of the current call.

    It takes microseconds and waits for nothing. Before `init` and after `shutdown` it does nothing. A record
    that another handler of this class recorded is left. Filters come by `addFilter`, or as a list.
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

    def __setattr__(self, name: str, value: object) -> None:
        """Sets an attribute; a formatter or filters that are set like this are asked, too."""
        super().__setattr__(name, value)
        if name in _ASKED:
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
        if own or any(map(self.__dict__.get, _ASKED)):
            self.__dict__.pop("handle", None)
        else:
            self.__dict__["handle"] = _native.record


class _Installed:
    """What `install` did to the root logger."""

    def __init__(self, level: int) -> None:
        self.handler = LogHandler(level)
        self.added: list[logging.Handler] = []
        self.levels: tuple[int, int] | None = None
        """The root logger's level before and after, where it was lowered."""
        self.told = False
        self.unheard = Unheard(LogHandler)


_installed: _Installed | None = None


def _has_one(root: logging.Logger) -> bool:
    return any(isinstance(handler, LogHandler) for handler in root.handlers)


def install(level: int) -> None:
    """Adds a handler to the root logger, unless it has one, and has the logger let `level` through."""
    global _installed
    root = logging.getLogger()
    if _installed is not None or _has_one(root):
        return
    installed = _Installed(level)
    if not root.handlers and logging.lastResort is not None:
        # A logger without a handler prints warnings; with ours it has one.
        installed.added.append(logging.lastResort)
    installed.added.append(installed.handler)
    for handler in installed.added:
        root.addHandler(handler)
    if 0 < level < root.level:
        installed.levels = root.level, level
        root.setLevel(level)
    _installed = installed


def keep() -> None:
    """Puts the handler back where `dictConfig` took all away, and says what it never sees."""
    installed = _installed
    root = logging.getLogger()
    if installed is None:
        return
    for name in installed.unheard.look():
        logging.getLogger("soundpost").warning(
            "records of the logger %s are not recorded: it does not pass them on to the root logger; "
            "give it an soundpost.LogHandler",
            name,
        )
    if _has_one(root):
        return
    root.addHandler(installed.handler)
    if _installed is not installed:
        # `shutdown` came between.
        root.removeHandler(installed.handler)
    elif not installed.told:
        installed.told = True
        text = (
            "the root logger's handlers were replaced after init(logs=...): the one that records was put back"
        )
        logging.getLogger("soundpost").info(text)


def remove() -> None:
    """Takes away what `install` added, and nothing that the host did meanwhile."""
    global _installed
    if _installed is None:
        return
    installed, _installed = _installed, None
    root = logging.getLogger()
    for handler in installed.added:
        root.removeHandler(handler)
    if installed.levels is not None and root.level == installed.levels[1]:
        root.setLevel(installed.levels[0])


def say_why(record: logging.LogRecord) -> None:
    """Says as `logging` does why a record has no message."""
    try:
        record.getMessage()
    except Exception:
        logging.Handler.handleError(logging.NullHandler(), record)


def traceback_of(exc_info: ExcInfo) -> str:
    """The text of a traceback."""
    return logging.Formatter().formatException(exc_info)


_ROOM = 40 * 1024
"""Most characters of a value's text. Redaction looks at 36 KiB and keeps 32: nobody sees where this cuts."""
_ITEMS = 16
_DEPTH = 4
_WALKED = {
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
"""What makes the text of the containers that are walked. One that makes its own has its reasons."""


class _FullError(Exception):
    """There is room for no more."""


class _Text:
    """A container as JSON text, cut only at its end.

    A hole would part the name of a secret from the secret, or a key from the prefix that tells it.
    """

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.room = _ROOM

    def put(self, text: str) -> None:
        self.parts.append(text[: self.room])
        self.room -= len(text)
        if self.room <= 0:
            raise _FullError

    def value(self, value: object, depth: int = _DEPTH) -> None:
        named = _named(value)
        if named is not None:
            self.pairs(named, len(named), depth)
        elif isinstance(value, dict) and type(value).__repr__ in _WALKED:
            self.pairs(value.items(), len(value), depth)
        elif isinstance(value, Collection) and type(value).__repr__ in _WALKED:
            self.items(value, depth)
        elif value is None or isinstance(value, (bool, int, float)):
            self.put(_number(value))
        else:
            self.text(value)

    def text(self, value: object) -> None:
        """What is no number is a text in JSON; a number that is in an array of its own is one."""
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
        # As much as there is room for, and one more so that it is seen to be full.
        self.put(encode_basestring(str.__getitem__(value, slice(self.room + 1))))

    def items(self, value: Collection[Any], depth: int) -> None:
        if depth == 0 and value:
            self.put('"..."')
            return
        self.put("[")
        for number, item in enumerate(itertools.islice(value, _ITEMS)):
            if number:
                self.put(", ")
            self.value(item, depth - 1)
        self.put(', "..."]' if len(value) > _ITEMS else "]")

    def pairs(self, pairs: Iterable[tuple[Any, Any]], length: int, depth: int) -> None:
        if depth == 0 and length:
            self.put('"..."')
            return
        self.put("{")
        for number, (name, value) in enumerate(itertools.islice(pairs, _ITEMS)):
            if number:
                self.put(", ")
            self.text(name)
            self.put(": ")
            self.value(value, depth - 1)
        self.put(', "...": "..."}' if length > _ITEMS else "}")


def _named(value: object) -> list[tuple[str, Any]] | None:
    """Names and values of a named tuple or a dataclass that does not make its own text."""
    if isinstance(value, tuple) and isinstance(names := getattr(value, "_fields", None), tuple):
        return list(zip(names, value, strict=False))
    if dataclasses.is_dataclass(value) and hasattr(type(value).__repr__, "__wrapped__"):
        fields = dataclasses.fields(value)
        return [(field.name, getattr(value, field.name, None)) for field in fields if field.repr]
    return None


def _number(value: float | None) -> str:
    """A number, a truth value or none, as JSON has it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    text = float.__repr__(value)
    return text if math.isfinite(value) else f'"{text}"'


def _special(value: object) -> str | int | float | None:
    """The text of what would be long, or lies elsewhere."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    shape = getattr(value, "shape", None)
    if shape is None:
        return None
    # A tensor's text would be copied from where it lies.
    if len(shape) == 0 and not hasattr(value, "is_cuda"):
        number = getattr(value, "item", value.__str__)()
        return number if isinstance(number, (int, float)) else str(number)
    return f"<{type(value).__name__} {tuple(shape)} {getattr(value, 'dtype', '')}>"


def shown(value: object) -> str | int | float:
    """What is neither text nor number, so that it takes little time and room; containers are JSON text."""
    if type(value).__repr__ not in _WALKED and _named(value) is None:
        text = _special(value)
        return str(value) if text is None else text
    out = _Text()
    with contextlib.suppress(_FullError):
        out.value(value)
    return "".join(out.parts)
