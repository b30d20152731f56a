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
    from types import ModuleType

__all__ = ["BOOTSTRAP", "NAMES", "Hook", "Integration", "instrument_all"]

NAMES = frozenset(_registry.MODULES)
"""Names of the integrations."""


BOOTSTRAP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bootstrap")
"""The directory that hooks a Python process which has it first in `PYTHONPATH`."""


def instrument_all(*, only: Iterable[str] | None = None, exclude: Iterable[str] = ()) -> None:
    """Records the known services that are imported, now or later.

    Args:
        only: Names of integrations; None for all.
        exclude: Names of integrations to leave out.

    Raises:
        ValueError: There is no integration of such a name.
    """
    excluded = set(exclude)
    chosen = sorted(_registry.MODULES) if only is None else list(only)
    for name in (*chosen, *sorted(excluded)):
        if name not in _registry.MODULES:
            known = ", ".join(sorted(_registry.MODULES))
            raise ValueError(f"instrument_all: there is no integration {name!r}; known: {known}")
    hook = _imports.installed()
    for name in chosen:
        if name not in excluded:
            for module in _registry.MODULES[name]:
                hook.watch(module, _callback(name, module))


def _callback(name: str, module_name: str) -> _imports.Callback:
    def imported(module: ModuleType) -> None:
        from soundpost.integrations import _apply

        _apply.apply(name, module_name, module)

    return imported
