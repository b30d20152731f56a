"""Recording of log events until `shutdown`.

Events of `logging` are recorded where loggers hand them to their handlers. Those of loguru and structlog have
modules of their own, which are imported after these libraries.
"""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from soundpost import _native
from soundpost._logging import LogHandler, has_handler
from soundpost.integrations import _imports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, ModuleType

    # Freezers find them here.
    from soundpost import _loguru, _structlog  # noqa: F401

_SOURCE = logging.Logger.handle.__code__.co_filename
_NAME = "callHandlers"
_LIBRARIES = {"loguru": "soundpost._loguru", "structlog._base": "soundpost._structlog"}
"""Modules whose import makes another one record a library's events."""


class _Lowered(int):
    """Level of the root logger while only Soundpost records from it on."""


class _Installed:
    """The changes to `logging`, and the level from which on events are recorded."""

    def __init__(self, level: int) -> None:
        self.level: float = level
        self.hidden_below = 0
        """Level of the root logger before it was lowered."""
        self.replaced: list[tuple[type[logging.Logger], Any, Any]] = []

    def replace(self) -> None:
        """Replaces `callHandlers` of all classes of loggers, also of later ones."""
        for owner in _classes():
            self.replace_method(owner)

        def init_subclass(owner: type[logging.Logger], **options: Any) -> None:
            super(logging.Logger, owner).__init_subclass__(**options)
            self.replace_method(owner)

        logging.Logger.__init_subclass__ = classmethod(init_subclass)  # type: ignore[assignment, arg-type]
        root = logging.getLogger()
        if 0 < self.level < root.level:
            self.hidden_below = root.level
            root.setLevel(_Lowered(self.level))

    def replace_method(self, owner: type[logging.Logger]) -> None:
        original = vars(owner).get(_NAME)
        if original is not None:
            method = _recording(original, self)
            self.replaced.append((owner, method, original))
            setattr(owner, _NAME, method)

    def restore(self) -> None:
        """Reverts the changes, and none that the host made meanwhile."""
        self.level = float("inf")
        for owner, method, original in self.replaced:
            if vars(owner).get(_NAME) is method:
                setattr(owner, _NAME, original)
        if "__init_subclass__" in vars(logging.Logger):
            del logging.Logger.__init_subclass__
        root = logging.getLogger()
        if type(root.level) is _Lowered:
            root.setLevel(self.hidden_below)
        self.hidden_below = 0


_installed: _Installed | None = None


def install(level: int) -> None:
    """Records the events from `level` on; those of `logging` unless the root logger has a `LogHandler`."""
    global _installed
    if _installed is not None:
        return
    _installed = _Installed(level)
    if not has_handler(logging.getLogger()):
        _installed.replace()
    for library in _LIBRARIES:
        _imports.installed().watch(library, __name__, _install_library)


def _install_library(module: ModuleType) -> None:
    if _installed is not None:
        import_module(_LIBRARIES[module.__name__]).install(_installed.level)


def remove() -> None:
    """Ends the recording."""
    global _installed
    if _installed is None:
        return
    _installed.restore()
    _installed = None
    for name in _LIBRARIES.values():
        if name in sys.modules:
            sys.modules[name].remove()


def record_only(logger: str, level: int, text: str) -> None:
    """Records an event that handlers do not get: the host's console stays as it is."""
    if _installed is not None and level >= _installed.level:
        _native.record(logging.LogRecord(logger, level, __file__, 0, text, (), None), None, False)


def _classes() -> Iterator[type[logging.Logger]]:
    waiting = [logging.Logger]
    while waiting:
        waiting += waiting[0].__subclasses__()
        yield waiting.pop(0)


def _recording(original: Callable[..., None], installed: _Installed) -> Callable[..., None]:
    """Returns `callHandlers` that records.

    Its code counts as a part of `logging`, because handlers look for the first frame outside of it.
    """
    write = _native.record

    def callHandlers(self: logging.Logger, record: logging.LogRecord) -> None:  # noqa: N802
        is_recorded = record.levelno >= installed.level
        # A handler of the host may have a formatter or filters.
        is_late = LogHandler.is_used and is_recorded and has_handler(self)
        if is_recorded and not is_late:
            write(record, None, False)
        if record.levelno >= installed.hidden_below or not _is_hidden(self):
            original(self, record)
        if is_late:
            write(record, None, False)

    code: CodeType = callHandlers.__code__
    line = getattr(original, "__code__", code).co_firstlineno
    callHandlers.__code__ = code.replace(co_filename=_SOURCE, co_firstlineno=line)
    return callHandlers


def _is_hidden(logger: logging.Logger) -> bool:
    """Returns whether a record is only enabled because the root logger's level was lowered.

    Records that were made elsewhere reach `Logger.handle` directly, whatever their level.
    """
    return type(logger.getEffectiveLevel()) is _Lowered and sys._getframe(3).f_code.co_filename == _SOURCE
