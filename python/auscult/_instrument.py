"""`instrument`: a function as an operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

from auscult._audio import Measuring, measure_of
from auscult._functions import _PREFIX, wrapped
from auscult._native import Plan, fault
from auscult._parameters import Parameters

F = TypeVar("F", bound=Callable[..., Any])
Arguments = Mapping[str, Any]
Source = str | Callable[[Any], Any]
"""The name of a parameter, or a function of the bound arguments, which come as a mapping by name."""


@overload
def instrument(operation: F, /) -> F: ...


@overload
def instrument(
    operation: str | None = None,
    /,
    *,
    labels: Mapping[str, Source] | None = None,
    fields: Mapping[str, Source] | None = None,
    audio: Measuring | None = None,
    streaming: Source | bool | None = None,
    request_id: Source | None = None,
    traceparent: Source | None = None,
    queued_at: Source | None = None,
) -> Callable[[F], F]: ...


def instrument(
    operation: Any = None,
    /,
    *,
    labels: Mapping[str, Source] | None = None,
    fields: Mapping[str, Source] | None = None,
    audio: Measuring | None = None,
    streaming: Source | bool | None = None,
    request_id: Source | None = None,
    traceparent: Source | None = None,
    queued_at: Source | None = None,
) -> Any:
    """Records every invocation of a function as a call; use it bare or with arguments.

    It works on functions, generator functions, async functions, async generator functions, and plain functions that
    return one of those, and keeps the function's kind, name, signature and docstring. Inside of another call it
    records a stage of that one.

    Args:
        operation: Name of the operation; default: the function's name.
        labels: Labels of the metrics: from each name to a parameter or a function. Few values each.
        fields: Per-call values for logs and the store, from the same sources; `char_count` counts characters.
        audio: How to measure what comes back: `auscult.audio(...)`, or a function from one returned or yielded item
            to seconds, `auscult.Skip`, `auscult.Error` or `auscult.Audio`. With it, a call without output is `empty`.
        streaming: Whether the consumer takes the output as it is made; default: generators stream. One who does
            not, and drops a generator after its first audio, has what he wanted: that call is `ok`.
        request_id: Where the call's id comes from; default: it is made.
        traceparent: Where a W3C `traceparent` comes from, whose trace id becomes the call's id.
        queued_at: Where the `time.monotonic()` comes from at which the request was accepted.

    A parameter that the function does not have, and a function that raises, cost their value and nothing else: it
    is left out, counted in `auscult_errors_total`, and logged once.
    """
    if operation is not None and not isinstance(operation, str):
        return instrumented(operation, None)
    options = (labels, fields, audio, streaming, request_id, traceparent, queued_at)
    return lambda function: instrumented(function, operation, *options)


def instrumented(
    function: Any,
    operation: str | None,
    labels: Mapping[str, Source] | None = None,
    fields: Mapping[str, Source] | None = None,
    audio: Measuring | None = None,
    streaming: Source | bool | None = None,
    request_id: Source | None = None,
    traceparent: Source | None = None,
    queued_at: Source | None = None,
) -> Any:
    """What `instrument` makes of a function."""
    options = (operation, labels, fields, audio, streaming, request_id, traceparent, queued_at)
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(instrumented(function.__func__, *options))
    name = operation or getattr(function, "__name__", type(function).__name__)
    sources = _Sources(name, Parameters(function, _PREFIX))
    plan = Plan(
        name,
        labels=[(label, sources.add("label", source, '""')) for label, source in (labels or {}).items()],
        fields=[(field, sources.add("field", source)) for field, source in (fields or {}).items()],
        request_id=sources.optional("request_id", request_id),
        traceparent=sources.optional("request_id", traceparent),
        queued_at=sources.optional("request_id", queued_at),
        streaming=sources.optional("streaming", streaming),
        audio=measure_of(audio),
    )
    return wrapped(function, plan, sources.parameters, sources.values, bound=sources.bound)


class _Sources:
    """Collects where the values of one function come from."""

    def __init__(self, operation: str, parameters: Parameters) -> None:
        self.operation = operation
        self.parameters = parameters
        self.values: list[str] = []
        self.bound = False

    def add(self, part: str, source: Source | bool, missing: str = "None") -> int | Callable[[Any], Any]:
        """The place of a parameter's value, or the function that gives it."""
        if isinstance(source, bool):
            self.values.append(repr(source))
        elif callable(source):
            self.bound = True
            return source
        else:
            value = self.parameters.value(source)
            if value is None:
                text = f"{self.operation!r}: it has no parameter {source!r} for a {part}"
                fault(part, f"{self.operation} {source}", text)
            self.values.append(value or missing)
        return len(self.values) - 1

    def optional(self, part: str, source: Source | bool | None) -> int | Callable[[Any], Any] | None:
        """The same, where there may be none."""
        return None if source is None else self.add(part, source)
