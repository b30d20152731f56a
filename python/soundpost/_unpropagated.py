"""Loggers whose records never reach the root logger, such as those of web servers."""

from __future__ import annotations

import logging


class UnpropagatedLoggers:
    """Finds such loggers, each once."""

    def __init__(self, handler_class: type[logging.Handler]) -> None:
        self._handler_class = handler_class
        self._reported: set[str] = set()
        self._before: set[str] = set()

    def find(self) -> list[str]:
        """Returns the topmost loggers not returned before that were unpropagated in the last call as well."""
        now = self._now()
        names = sorted((now & self._before) - self._reported)
        self._before = now
        self._reported.update(names)
        return names

    def _now(self) -> set[str]:
        # A copy: other threads create loggers.
        entries = list(logging.getLogger().manager.loggerDict.values())
        loggers = [logger for logger in entries if isinstance(logger, logging.Logger)]
        recorded = {logger.name for logger in loggers if self._is_recorded(logger)}
        unpropagated = {logger.name for logger in loggers if self._is_unpropagated(logger)}
        known = recorded | unpropagated
        return {name for name in unpropagated if not any(parent in known for parent in _parents(name))}

    def _is_recorded(self, logger: logging.Logger) -> bool:
        return any(isinstance(handler, self._handler_class) for handler in logger.handlers)

    def _is_unpropagated(self, logger: logging.Logger) -> bool:
        """Returns whether the logger only writes to streams. Other handlers may forward its records."""
        if logger.propagate or logger.disabled or logger.name.partition(".")[0] == "soundpost":
            return False
        handlers = logger.handlers
        return bool(handlers) and all(isinstance(handler, logging.StreamHandler) for handler in handlers)


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]
