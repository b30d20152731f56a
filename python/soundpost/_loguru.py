"""Recording of loguru's events, also after `logger.remove()` and `logger.configure(...)`."""

from __future__ import annotations

import contextlib
import inspect
import logging
import sys
from importlib import import_module
from typing import Any

from soundpost import _native

_logger: Any = import_module("loguru._logger")
_handler: Any = import_module("loguru._handler")
_EMIT = ["self", "record", "level_id", "from_decorator", "is_raw", "colored_message"]
_DEFAULT_LEVEL = 10
"""Lowest level that is recorded of a service without handlers; loguru's own default."""
_MAX_FRAMES = 10
"""Maximum number of frames between loguru and a handler of `logging` that hands it a record."""

_EMISSION = _logger.Logger._log.__code__

_level = float("inf")
"""Lowest level that is recorded; 0 for that of the service's handlers."""


class Recorder:
    """The handler that records. It has no lock, because texts of values may log."""

    def emit(self, record: dict[str, Any], *_arguments: object) -> None:
        """Records an event, and marks it for handlers that hand it to `logging`."""
        # A patcher may have changed the record.
        with contextlib.suppress(Exception):
            self._record(record)

    def _record(self, record: dict[str, Any]) -> None:
        if record["level"].no < _level or _is_recorded(record["message"]):
            return
        error = record["exception"]
        entry = logging.LogRecord(
            record["name"] or "",
            record["level"].no,
            record["file"].path,
            record["line"],
            record["message"],
            (),
            (error.type, error.value, error.traceback) if error and error.value is not None else None,
        )
        entry.created, entry.threadName = record["time"].timestamp(), record["thread"].name
        vars(entry)["extra"] = record["extra"]
        _native.record(entry, None, False)
        record["line"] = entry.lineno


class Handlers(dict[Any, Any]):
    """The handlers of a logger. Where loguru emits an event, the recorder is the first of them."""

    def __bool__(self) -> bool:
        return len(self) > 0 or _emits()

    def values(self) -> Any:
        """Returns the handlers."""
        own = super().values()
        return [_RECORDER, *own] if _emits() else own


def _emits() -> bool:
    """Returns whether loguru's emission of an event is two frames above."""
    return sys._getframe(2).f_code is _EMISSION


_RECORDER = Recorder()


def _is_recorded(message: str) -> bool:
    """Returns whether a handler of `logging` hands on its record, which is recorded itself."""
    frame: Any = sys._getframe(3)
    for _ in range(_MAX_FRAMES):
        if frame is None:
            break
        if frame.f_code.co_name == "callHandlers":
            with contextlib.suppress(Exception):
                return frame.f_locals["record"].getMessage() in message
        frame = frame.f_back
    return False


def _set_handlers(core: Any, handlers: dict[Any, Any]) -> None:
    """Sets the handlers and the lowest level of an event that reaches them."""
    levels = [handler.levelno for handler in handlers.values()]
    if _level or not levels:
        levels.append(_level or _DEFAULT_LEVEL)
    vars(core).update(handlers=Handlers(handlers), min_level=min(levels))


def _handlers(core: Any) -> Any:
    return vars(core)["handlers"]


RecordedCore: Any = type(
    "RecordedCore",
    (_logger.Core,),
    {"__module__": __name__, "handlers": property(_handlers, _set_handlers)},
)
"""The state of a logger whose events are recorded, too."""


def install(level: int) -> None:
    """Records the events from `level` on."""
    global _level
    core = _core()
    if core is None:
        text = "the events of this version of loguru are not recorded; give it a soundpost.LogHandler"
        logging.getLogger("soundpost").warning(text)
        return
    _level = level
    with core.lock:
        core.__class__ = RecordedCore
        core.handlers = _handlers(core)


def remove() -> None:
    """Ends the recording."""
    global _level
    _level = float("inf")
    core = _core()
    if type(core) is RecordedCore:
        with core.lock:
            core.__class__ = _logger.Core
            core.handlers = dict(core.handlers)
            levels = (handler.levelno for handler in core.handlers.values())
            core.min_level = min(levels, default=float("inf"))


def _core() -> Any:
    """Returns the state of loguru's logger; None if its parts are not as expected."""
    core = getattr(import_module("loguru").logger, "_core", None)
    parts = {"handlers", "min_level", "lock"}
    is_known = list(inspect.signature(_handler.Handler.emit).parameters) == _EMIT
    return core if is_known and isinstance(core, _logger.Core) and parts <= vars(core).keys() else None
