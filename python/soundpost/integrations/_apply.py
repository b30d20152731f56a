"""Applies integrations to imported modules, and remembers the state of each hook."""

from __future__ import annotations

import inspect
import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from soundpost import _init
from soundpost._functions import PREFIX
from soundpost._instrument import instrumented
from soundpost._logs import record_only
from soundpost._native import publish_hook, stage
from soundpost._parameters import Parameters
from soundpost._threads import carry_calls
from soundpost.integrations import _imports, _registry
from soundpost.integrations._table import Integration

if TYPE_CHECKING:
    from types import ModuleType

    from soundpost._instrument import Options
    from soundpost.integrations._table import Hook

State = Literal["ok", "partial", "gone"]
OK: Final = "ok"
PARTIAL: Final = "partial"
GONE: Final = "gone"
"""States of a hook: applied; applied without a source whose parameter is absent; not in this version."""

_HOOKED = "_soundpost_hook"
_STATES = "soundpost_notices"
"""Logger of the stored event with the states. Events of the logger `soundpost` are not stored."""

states: dict[tuple[str, str], State] = {}
"""States by the names of integration and hook."""
_third_parties: dict[str, Integration] = {}
_logger = logging.getLogger("soundpost")


def integration(name: str) -> Integration:
    """Returns the integration of this name."""
    if name in _third_parties:
        return _third_parties[name]
    return cast("Integration", import_module(f"soundpost.integrations.{name}").INTEGRATION)


def load(name: str, value: str) -> None:
    """Loads the integration of a third party's entry point.

    Raises:
        TypeError: It is no `Integration`.
    """
    from importlib.metadata import EntryPoint

    loaded = EntryPoint(name, value, _registry.GROUP).load()
    if not isinstance(loaded, Integration):
        raise TypeError(f"entry point {name} = {value}: a {type(loaded).__name__} is no Integration")
    _third_parties[name] = loaded


def publish() -> None:
    """Publishes the states of all hooks, as a metric."""
    for (name, hook), state in states.items():
        publish_hook(name, hook, state)


def apply(name: str, module_name: str, module: ModuleType) -> None:
    """Applies the hooks of an integration to a module, and starts telemetry unless it runs."""
    declared = integration(name)
    own_name = declared.modules().get(module_name, module_name)
    hooks = [hook for hook in declared.hooks if hook.module == own_name]
    found = {hook.name: _find(hook, module) for hook in hooks}
    decisive = [hook.name for hook in hooks if hook.operation] or list(found)
    if module_name in declared.generic and not all(found[name] for name in decisive):
        return
    if any(found.values()) and declared.starts:
        _imports.report(f"matched {name}", limit_bytes=4096)
        _init.start_automatically(declared.name)
        carry_calls()
    adapt = declared.adapt.get(own_name)
    if adapt is not None:
        adapt(module)
    before = {hook.name: states.get((name, hook.name)) for hook in hooks}
    for hook in hooks:
        place = found[hook.name]
        states[name, hook.name] = GONE if place is None else _applied(name, hook, place)
    now = {hook.name: states[name, hook.name] for hook in hooks}
    publish()
    # A module is reloaded, or imported under two names.
    if now == before:
        return
    text = ", ".join(f"{hook} {state}" for hook, state in now.items())
    record_only(_STATES, logging.WARNING if GONE in now.values() else logging.INFO, f"{name}: {text}")
    # A version may lack some of the alternatives, such as a class of a later one.
    if all(states[name, hook] == GONE for hook in decisive):
        absent = ", ".join(decisive)
        _logger.warning("soundpost: %s: the installed version has no %s, which is not recorded", name, absent)


def _find(hook: Hook, module: ModuleType) -> tuple[Any, str, Any] | None:
    """Returns owner, name and attribute of a hook's function; None without it or its parameters."""
    *path, name = hook.name.split(".")
    owner: Any = module
    for part in path:
        owner = inspect.getattr_static(owner, part, None)
    found = None if owner is None else inspect.getattr_static(owner, name, None)
    function = _function(found)
    if not callable(function) or isinstance(function, type) or function is object.__init__:
        return None
    parameters = Parameters(function, PREFIX)
    if any(parameters.value(needed) is None for needed in hook.needs):
        return None
    return owner, name, found


def _function(found: Any) -> Any:
    return found.__func__ if isinstance(found, (classmethod, staticmethod)) else found


def _applied(name: str, hook: Hook, place: tuple[Any, str, Any]) -> State:
    """Applies a hook. Returns its state: a class may refuse the function, or have attributes that raise."""
    try:
        return _apply(hook, *place)
    except Exception:
        _logger.warning("soundpost: %s: %s cannot be instrumented", name, hook.name, exc_info=True)
        return GONE


def _apply(hook: Hook, owner: Any, name: str, found: Any) -> State:
    """Instruments a function. Returns the hook's state."""
    if hasattr(_function(found), _HOOKED):
        return OK
    options, is_complete = _present(hook.options, Parameters(_function(found), PREFIX))
    if hook.wrap is not None:
        replacement = hook.wrap(found)
    else:
        replacement = _stage(hook, found) if hook.stage else instrumented(found, hook.operation, options)
    setattr(_function(replacement), _HOOKED, True)
    setattr(owner, name, replacement)
    return OK if is_complete else PARTIAL


def _stage(hook: Hook, found: Any) -> Any:
    decorate = stage(cast("str", hook.stage), decides=hook.decides)
    if isinstance(found, (classmethod, staticmethod)):
        return type(found)(decorate(found.__func__))
    return decorate(found)


def _present(options: Options, parameters: Parameters) -> tuple[Options, bool]:
    """Returns the options without the sources whose parameters are absent, and whether all are there."""
    kept: dict[str, Any] = {}
    is_complete = True
    for option, value in options.items():
        if option in ("labels", "fields"):
            items: dict[str, Any] = dict(cast("Any", value))
            kept[option] = {key: source for key, source in items.items() if _is_present(source, parameters)}
            is_complete &= len(kept[option]) == len(items)
        elif option in ("streaming", "request_id", "traceparent", "queued_at"):
            if _is_present(value, parameters):
                kept[option] = value
            else:
                is_complete = False
        else:
            kept[option] = value
    return cast("Options", kept), is_complete


def _is_present(source: Any, parameters: Parameters) -> bool:
    return not isinstance(source, str) or parameters.value(source) is not None
