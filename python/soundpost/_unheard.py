"""Loggers whose records never come to the root logger, such as those of web servers."""

from __future__ import annotations

import logging


class Unheard:
    """Finds such loggers, each once."""

    def __init__(self, heard_by: type[logging.Handler]) -> None:
        self._heard_by = heard_by
        self._told: set[str] = set()
        self._before: set[str] = set()

    def look(self) -> list[str]:
        """Names not told yet, of a family the eldest, that were so the last time as well."""
        now = self._now()
        names = sorted((now & self._before) - self._told)
        self._before = now
        self._told.update(names)
        return names

    def _now(self) -> set[str]:
        # A copy: other threads make loggers.
        everyone = list(logging.getLogger().manager.loggerDict.values())
        loggers = [logger for logger in everyone if isinstance(logger, logging.Logger)]
        heard = {logger.name for logger in loggers if self._has_ours(logger)}
        deaf = {logger.name for logger in loggers if self._keeps_to_itself(logger)}
        return {name for name in deaf if not any(elder in heard | deaf for elder in _elders(name))}

    def _has_ours(self, logger: logging.Logger) -> bool:
        return any(isinstance(handler, self._heard_by) for handler in logger.handlers)

    def _keeps_to_itself(self, logger: logging.Logger) -> bool:
        """Whether its records are written and go nowhere else. Other handlers than these may pass them on."""
        if logger.propagate or logger.disabled or logger.name.partition(".")[0] == "soundpost":
            return False
        handlers = logger.handlers
        return bool(handlers) and all(isinstance(handler, logging.StreamHandler) for handler in handlers)


def _elders(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]
