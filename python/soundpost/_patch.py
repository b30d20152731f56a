"""`patch`: instrument what somebody else wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from soundpost._instrument import Options, instrumented
from soundpost._native import fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from soundpost._audio import Measuring
    from soundpost._instrument import Named, Source

_MISSING = object()


def patch(
    owner: Any,
    name: str,
    *,
    operation: str | None = None,
    labels: Named | None = None,
    fields: Named | None = None,
    audio: Measuring | None = None,
    streaming: Source | bool | None = None,
    request_id: Source | None = None,
    traceparent: Source | None = None,
    queued_at: Source | None = None,
) -> Callable[[], None]:
    """Replaces a method or function by its instrumented self, and returns a function that puts it back.

    Args:
        owner: The class, module or object that has it. A name imported with `from` is patched where it is
            used.
        name: Its name there.
        operation: Name of the operation; default: `name`.
        labels: As for `instrument`, and so are the others.
        fields: See there.
        audio: See there.
        streaming: See there.
        request_id: See there.
        traceparent: See there.
        queued_at: See there.

    What cannot be patched is left as it is, counted and logged.
    """
    import inspect

    own = vars(owner).get(name, _MISSING) if hasattr(owner, "__dict__") else _MISSING
    # An object's method is bound when it is looked up; a class's or module's is taken as it stands there.
    scope = isinstance(owner, type) or inspect.ismodule(owner)
    found = inspect.getattr_static(owner, name, _MISSING) if scope else getattr(owner, name, _MISSING)
    options = Options(labels, fields, audio, streaming, request_id, traceparent, queued_at)
    reason = _unfit(owner, name, found, scope=scope)
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


def _unfit(owner: object, name: str, found: object, *, scope: bool) -> str | None:
    """Why something cannot be patched."""
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
    """Undoes nothing."""
