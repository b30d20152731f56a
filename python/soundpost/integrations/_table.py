"""The declaration of an integration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from soundpost._loading import loading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from soundpost._instrument import Options
    from soundpost._loading import Phase


@dataclass(frozen=True, kw_only=True)
class Hook:
    """A function or method of a service that is recorded, as a call or as a stage, or replaced.

    Attributes:
        target: Module and name, such as `"chattts.core:Chat.infer"`.
        operation: Name of the operation of a call.
        stage: Name of a stage.
        wrap: Function that returns the replacement of a function that is neither.
        decides: Whether a failure of the stage is one of its call.
        needs: Parameters without which this is another function, which stays as it is.
        options: The options of `soundpost.instrument`. A source whose parameter is absent in the installed
            version is left out.
    """

    target: str
    operation: str | None = None
    stage: str | None = None
    wrap: Callable[[Any], Any] | None = None
    decides: bool = False
    needs: tuple[str, ...] = ()
    options: Options = field(default_factory=dict)  # type: ignore[assignment]

    @property
    def module(self) -> str:
        """Name of the module."""
        return self.target.partition(":")[0]

    @property
    def name(self) -> str:
        """Name within the module, such as `Chat.infer`."""
        return self.target.partition(":")[2]


def load(target: str, phase: Phase = "load", *needs: str) -> Hook:
    """Returns the hook of a function that loads, such as a constructor: a phase of the service's start."""
    return Hook(target=target, needs=needs, wrap=loading(phase))


@dataclass(frozen=True, kw_only=True)
class Integration:
    """The recorded functions of a service, or the replaced functions of a framework.

    Attributes:
        name: Name of the service; `soundpost` telemetry that starts by itself has it, too.
        hooks: The recorded functions.
        aliases: Other names under which scripts import a module, by its name in the hooks.
        generic: Modules whose names others use as well, such as `sonic`: without the hooks of calls they are
            another program's.
        starts: Whether telemetry starts with it; a framework alone records no calls.
        adapt: Functions of a module that is hooked, by its name in the hooks.
    """

    name: str
    hooks: tuple[Hook, ...]
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    generic: frozenset[str] = frozenset()
    starts: bool = True
    adapt: Mapping[str, Callable[[ModuleType], None]] = field(default_factory=dict)

    def modules(self) -> dict[str, str]:
        """Returns the names of modules, and the name that each has in the hooks."""
        names = {hook.module: hook.module for hook in self.hooks}
        names.update((alias, module) for module, aliases in self.aliases.items() for alias in aliases)
        return names
