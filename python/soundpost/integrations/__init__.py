"""Integrations record speech services without a change of their code.

`SOUNDPOST_INSTRUMENT=auto` with the bootstrap's directory first in `PYTHONPATH`, or one line::

    soundpost.instrument_all()

hooks each known service when it is imported. Telemetry starts with the first one, if `init` has not run.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from soundpost.integrations import _imports, _registry
from soundpost.integrations._table import Hook, Integration

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["BOOTSTRAP", "Hook", "Integration", "instrument_all", "known_names"]

BOOTSTRAP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bootstrap")
"""The directory that hooks a Python process which has it first in `PYTHONPATH`."""


def instrument_all(*, only: Iterable[str] | str | None = None, exclude: Iterable[str] | str = ()) -> None:
    """Records the known services that are imported, now or later.

    Args:
        only: Names of integrations, or one text with commas between them; None for all, those of installed
            third parties included.
        exclude: Names of integrations to leave out.

    Raises:
        ValueError: There is no integration of such a name.
    """
    others = _registry.third_parties()
    excluded = set(_names(exclude))
    chosen = known_names() if only is None else _names(only)
    for name in (*chosen, *sorted(excluded)):
        if name not in _registry.MODULES and name not in others:
            known = ", ".join(known_names())
            raise ValueError(f"instrument_all: there is no integration {name!r}; known: {known}")
    kept = [name for name in chosen if name not in excluded]
    own = [name for name in kept if name in _registry.MODULES]
    _registry.watch(_imports.installed(), own, {name: others[name] for name in kept if name in others})


def _names(given: Iterable[str] | str) -> list[str]:
    words = given.split(",") if isinstance(given, str) else given
    return [word.strip() for word in words]


def known_names() -> list[str]:
    """Returns the names of the integrations, those of installed third parties included."""
    return sorted({*_registry.MODULES, *_registry.third_parties()})
