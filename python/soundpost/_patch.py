"""`patch`: instruments a function of other code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from soundpost._instrument import Options, check_options, instrumented
from soundpost._native import fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Unpack

_MISSING = object()


def patch(
    owner: Any, name: str, *, operation: str | None = None, **options: Unpack[Options]
) -> Callable[[], None]:
    """Replaces a method or function by its instrumented version. Returns a function that restores it.

    Args:
        owner: The class, module or object that has it. A name imported with `from` is patched where it is
            used.
        name: Its name there.
        operation: Name of the operation; default: `name`.
        options: The options of `instrument`.

    A function that cannot be patched is left as it is, counted as a fault and logged.

    Raises:
        TypeError: There is no such option.
    """
    import inspect

    check_options("patch", options)
    own = vars(owner).get(name, _MISSING) if hasattr(owner, "__dict__") else _MISSING
    # An object's method is bound when it is looked up; the attribute of a class or module is not.
    scope = isinstance(owner, type) or inspect.ismodule(owner)
    found = inspect.getattr_static(owner, name, _MISSING) if scope else getattr(owner, name, _MISSING)
    reason = _reason_against(owner, name, found, scope=scope)
    if reason is None:
        replacement = instrumented(found, operation or name, options)
        try:
            setattr(owner, name, replacement)
        except (AttributeError, TypeError) as error:
            reason = str(error)
    if reason is not None:
        subject = f"{getattr(owner, '__name__', type(owner).__name__)}.{name}"
        fault("patch", subject, f"cannot patch {subject}: {reason}")
        return _nothing

    def undo() -> None:
        if vars(owner).get(name) is not replacement:
            return
        if own is _MISSING:
            delattr(owner, name)
        else:
            setattr(owner, name, own)

    return undo


def _reason_against(owner: object, name: str, found: object, *, scope: bool) -> str | None:
    """Returns why an attribute cannot be patched, or None."""
    if found is _MISSING:
        return "there is no such name"
    if not callable(found) and not isinstance(found, (classmethod, staticmethod)):
        return f"it is a {type(found).__name__}, not a function"
    if isinstance(found, type):
        return "it is a class; patch its methods"
    if not scope and name.startswith("__") and name.endswith("__"):
        return f"Python looks {name} up on the class; patch {type(owner).__name__}"
    return None


def _nothing() -> None:
    """Restores nothing."""
