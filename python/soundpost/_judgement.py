"""The user's functions that measure and judge what a call returns or yields."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from soundpost._native import Measure, Skip, fault

if TYPE_CHECKING:
    from soundpost._native import Call

Function = Callable[..., Any]
"""A function of an item or result, or of that and the call."""
Scope = tuple[dict[str, Any] | None, dict[str, Any]] | None
"""Arguments of the function, and state that lasts as long as the call."""

NOTHING: dict[str, Any] = {}


class Judge:
    """The functions of one operation: `audio=`, `outcome=`, and a `streaming=` function that takes the call.

    Its methods return the answers of the first two; `...` leaves an item to `soundpost.audio`.
    """

    def __init__(
        self,
        operation: str,
        audio: Function | None = None,
        outcome: Function | None = None,
        streaming: Function | None = None,
    ) -> None:
        self._audio = None if audio is None else _prepared("audio", operation, audio)
        self._outcome = None if outcome is None else _prepared("outcome", operation, outcome)
        self._streaming = None if streaming is None else _prepared("streaming", operation, streaming)
        given = (audio, outcome, streaming)
        self.is_needed = any(function is not None for function in given)
        self.streams = streaming is not None
        self.takes_call = any(function is not None and takes_call(function) for function in given)
        is_simple = outcome is None and streaming is None and not self.takes_call
        self.measure = self._audio if is_simple else None
        """The `audio=` function, if it alone judges items, and by the item alone."""

    def item(self, item: Any, call: Call | None, scope: Scope) -> tuple[Any, Any]:
        """Measures and judges a yielded item."""
        return self._answers(item, call, scope, done=False)

    def result(self, result: Any, call: Call | None, scope: Scope) -> tuple[Any, Any]:
        """Measures and judges the only result."""
        return self._answers(result, call, scope, done=True)

    def end(self, value: Any, call: Call | None, scope: Scope) -> tuple[Any, Any]:
        """Judges the end of a generator, which returned `value`, or of a block."""
        return self._answers(value, call, scope, done=True, measures=False)

    def _answers(
        self, item: Any, call: Call | None, scope: Scope, *, done: bool, measures: bool = True
    ) -> tuple[Any, Any]:
        if call is None:
            return Skip, None
        arguments, state = scope or (None, {})
        call._scope((NOTHING if arguments is None else arguments, state, done))
        try:
            if self._streaming is not None and not done:
                call._stream(self._streaming(call.arguments, call))
            measured = self._audio(item, call) if self._audio is not None and measures else ...
            return measured, None if self._outcome is None else self._outcome(item, call)
        finally:
            call._scope(None)


def takes_call(function: Function) -> bool:
    """Returns whether a function's second parameter, without a default or named `call`, is the call."""
    import inspect

    if isinstance(function, Measure):
        return False
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except Exception:
        # A built-in function, or an object that raises.
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(positional) > 1 and (
        positional[1].default is inspect.Parameter.empty or positional[1].name == "call"
    )


def _prepared(part: str, operation: str, function: Function) -> Function:
    """Returns the user's function as one of item and call, which reports an exception and answers nothing."""
    both = takes_call(function)
    is_nothing = part == "audio" and not getattr(function, "measures_none", False)

    def answer(item: Any, call: Call | None = None) -> Any:
        if item is None and is_nothing:
            return None
        try:
            return function(item, call) if both else function(item)
        except Exception as error:
            fault(part, f"{operation} {part}", f"{operation!r}: {part} {part!r}", error)
            return None if part == "streaming" else NotImplemented

    return answer


def with_none(function: Function) -> Function:
    """Marks an `audio=` function as one that also measures None."""
    function.measures_none = True  # type: ignore[attr-defined]
    return function


def function_of(part: str, operation: str, given: Any) -> Function | None:
    """Returns a function that was given as an option; any other object is a fault."""
    if given is None or callable(given):
        return given  # type: ignore[no-any-return]
    text = f"{operation!r}: {part}= was given a {type(given).__name__}; give a function"
    fault(part, f"{operation} {part}", text)
    return None


def of_block(operation: str, outcome: Any) -> Judge:
    """Returns the judge of a `with soundpost.call(...)` block."""
    return Judge(operation, outcome=function_of("outcome", operation, outcome))


def classes(operation: str, given: Any) -> tuple[type[BaseException], ...] | None:
    """Returns the classes of `invalid=`; any other object is a fault."""
    if given is None:
        return None
    found = given if isinstance(given, (tuple, list, set, frozenset)) else (given,)
    usable = tuple(kind for kind in found if isinstance(kind, type) and issubclass(kind, BaseException))
    if len(usable) < len(found):
        text = (
            f"{operation!r}: invalid= was given an object that is no class of exceptions; give such classes"
        )
        fault("outcome", f"{operation} invalid", text)
    return usable
