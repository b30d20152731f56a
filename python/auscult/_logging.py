"""`LogHandler`: records of `logging` as log events."""

from __future__ import annotations

import collections
import contextlib
import itertools
import logging
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from auscult import _native
from auscult._unheard import Unheard

if TYPE_CHECKING:
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
        logging.getLogger("auscult").warning(
            "records of the logger %s are not recorded: it does not pass them on to the root logger; "
            "give it an auscult.LogHandler",
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
        logging.getLogger("auscult").info(text)


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
_WALKED: dict[object, tuple[str, str]] = {
    dict.__repr__: ("{", "}"),
    collections.OrderedDict.__repr__: ("{", "}"),
    collections.defaultdict.__repr__: ("{", "}"),
    list.__repr__: ("[", "]"),
    tuple.__repr__: ("(", ")"),
    set.__repr__: ("{", "}"),
    frozenset.__repr__: ("frozenset({", "})"),
    collections.deque.__repr__: ("deque([", "])"),
}
"""What opens and closes the text of a container, by what makes it. One that makes its own has its reasons."""


class _FullError(Exception):
    """There is room for no more."""


class _Text:
    """The text of a value, cut only at its end.

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
        brackets = _WALKED.get(type(value).__repr__)
        if brackets is not None and isinstance(value, Collection):
            self.items(value, *brackets, depth)
        elif isinstance(value, tuple) and isinstance(names := getattr(value, "_fields", None), tuple):
            self.named(value, names, depth)
        elif isinstance(value, str) and type(value).__repr__ is str.__repr__:
            # As much as there is room for, and one more so that it is seen to be full.
            self.put(repr(value[: self.room + 1]))
        else:
            try:
                text = _special(value)
                shown = repr(value) if text is None else str(text)
            except Exception as error:
                shown = f"[raised {type(error).__name__}]"
            self.put(shown)

    def items(self, value: Collection[Any], opens: str, closes: str, depth: int) -> None:
        self.put(opens)
        if depth == 0 and value:
            self.put("..." + closes)
            return
        for number, item in enumerate(itertools.islice(value, _ITEMS)):
            if number:
                self.put(", ")
            self.value(item, depth - 1)
            if isinstance(value, dict):
                self.put(": ")
                self.value(value.get(item), depth - 1)
        if len(value) > _ITEMS:
            self.put(", ...")
        self.put(",)" if isinstance(value, tuple) and len(value) == 1 else closes)

    def named(self, value: tuple[Any, ...], names: tuple[Any, ...], depth: int) -> None:
        self.put(f"{type(value).__name__}(")
        for number, (name, item) in enumerate(zip(names, value, strict=False)):
            self.put(f", {name}=" if number else f"{name}=")
            if depth == 0:
                self.put("...")
            else:
                self.value(item, depth - 1)
        self.put(")")


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
    """A value that is neither text nor number, so that it takes little time and room."""
    named = isinstance(value, tuple) and hasattr(value, "_fields")
    if not named and type(value).__repr__ not in _WALKED:
        text = _special(value)
        return str(value) if text is None else text
    out = _Text()
    with contextlib.suppress(_FullError):
        out.value(value)
    return "".join(out.parts)
