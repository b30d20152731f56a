"""`instrument`: a function as an operation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, overload

from soundpost._audio import Measuring, measured
from soundpost._functions import PREFIX, asking, unfit, wrapped
from soundpost._native import Measure, Plan, fault
from soundpost._parameters import Parameters

F = TypeVar("F", bound=Callable[..., Any])
Source = str | Callable[[Any], Any]
"""The name of a parameter, or a function of the bound arguments, which come as a mapping by name."""


Named = Mapping[str, Source] | Sequence[str]
"""Sources by name, or names of parameters that are to go by their own."""


class Options(NamedTuple):
    """What `instrument` and `patch` are told, see there."""

    labels: Named | None = None
    fields: Named | None = None
    audio: Measuring | None = None
    streaming: Source | bool | None = None
    request_id: Source | None = None
    traceparent: Source | None = None
    queued_at: Source | None = None


@overload
def instrument(operation: F, /) -> F: ...


@overload
def instrument(
    operation: str | None = None,
    /,
    *,
    labels: Named | None = None,
    fields: Named | None = None,
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
    labels: Named | None = None,
    fields: Named | None = None,
    audio: Measuring | None = None,
    streaming: Source | bool | None = None,
    request_id: Source | None = None,
    traceparent: Source | None = None,
    queued_at: Source | None = None,
) -> Any:
    """Records every invocation of a function as a call; use it bare or with arguments.

    It works on functions, generator functions, async functions, async generator functions, and plain
    functions that return one of those, and keeps the function's kind, name, signature and docstring. Inside
    of another call it records a stage of that one.

    Args:
        operation: Name of the operation; default: the function's name.
        labels: Labels of the metrics: from each name to a parameter or a function; or a list of parameters,
            whose names they take. Few values each.
        fields: Per-call values for logs and the store, from the same sources; `char_count` counts characters.
        audio: How to measure what comes back: `soundpost.audio(...)`, or a function from one returned or
            yielded item to seconds, `soundpost.Skip`, `soundpost.Error` or `soundpost.Audio`. With it, a call
            without output is `empty`.
        streaming: Whether the consumer takes the output as it is made; default: generators stream. One who
            does not, and drops a generator after its first audio, has what he wanted: that call is `ok`.
        request_id: Where the call's id comes from; default: it is made.
        traceparent: Where a W3C `traceparent` comes from, whose trace id becomes the call's id.
        queued_at: Where the `time.monotonic()` comes from at which the request was accepted.

    A parameter that the function does not have, a function that raises, and an argument of the wrong type
    cost their value and nothing else: it is left out, counted in `soundpost_errors_total`, and logged once.
    What is no function is given back as it is.
    """
    if operation is not None and not isinstance(operation, str):
        return instrumented(operation, None, Options())
    options = Options(labels, fields, audio, streaming, request_id, traceparent, queued_at)
    return lambda function: instrumented(function, operation, options)


def instrumented(function: Any, operation: str | None, options: Options) -> Any:
    """What `instrument` makes of a function."""
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(instrumented(function.__func__, operation, options))
    name = str(operation or getattr(function, "__name__", type(function).__name__))
    if unfit(function, name, "instrument"):
        return function
    audio = options.audio
    if not (audio is None or isinstance(audio, Measure) or callable(audio)):
        _wrong("audio", name, "audio", audio, "soundpost.audio(...) or a function")
        audio = None
    measure, tells = measured(audio)
    sources = _Sources(name, Parameters(function, PREFIX))
    labels, fields = _named("label", name, options.labels), _named("field", name, options.fields)
    for label, source in labels.items():
        sources.add("label", label, source, "")
    for field, source in fields.items():
        sources.add("field", field, source, None)
    plan = Plan(
        name,
        labels=list(labels),
        fields=list(fields),
        request_id=sources.optional("request_id", "request_id", options.request_id),
        traceparent=sources.optional("request_id", "traceparent", options.traceparent),
        queued_at=sources.optional("request_id", "queued_at", options.queued_at),
        streaming=sources.optional("streaming", "streaming", options.streaming),
        audio=measure,
        tells=None if tells is None else _telling(name, tells),
    )
    return wrapped(function, plan, sources.parameters, sources.values, plan.tells)


def _named(part: str, operation: str, given: Any) -> dict[str, Source]:
    """What `labels=` or `fields=` was given, by name; what cannot be used is a fault, and left out."""
    if given is None:
        return {}
    wanted = "a dict from names to parameters or functions, or a list of parameters"
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        _wrong(part, operation, part + "s", given, wanted)
        return {}
    named = dict(given) if isinstance(given, Mapping) else {}
    for name in () if named else given:
        if isinstance(name, str):
            named[name] = name
        else:
            _wrong(part, operation, part + "s", name, wanted)
    for name in [name for name in named if not isinstance(name, str)]:
        del named[name]
        _wrong(part, operation, part + "s", name, wanted)
    return named


def _wrong(part: str, operation: str, argument: str, given: object, wanted: str) -> None:
    """An argument is of the wrong type."""
    text = f"{operation!r}: {argument}= was given a {type(given).__name__}; give {wanted}"
    fault(part, f"{operation} {argument}", text)


def _telling(operation: str, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What an item is; `NotImplemented` where the user's function does not know."""
    ask = asking("audio", operation, "audio", function, NotImplemented)
    return lambda item: None if item is None else ask(item)


class _Sources:
    """Collects the source texts of the values that a plan wants."""

    def __init__(self, operation: str, parameters: Parameters) -> None:
        self.operation = operation
        self.parameters = parameters
        self.values: list[str] = []

    def add(self, part: str, name: str, source: Source | bool, otherwise: str | None) -> int:
        """The place of a value: of a parameter, of a function of all of them, or `otherwise`."""
        if isinstance(source, bool):
            self.values.append(repr(source))
        elif callable(source):
            ask = asking(part, self.operation, name, source, otherwise)
            self.values.append(f"{self.parameters.constant(ask)}({self.parameters.bound})")
        elif not isinstance(source, str):
            _wrong(part, self.operation, name, source, "the name of a parameter or a function")
            self.values.append(repr(otherwise))
        else:
            value = self.parameters.value(source)
            if value is None:
                text = f"{self.operation!r}: it has no parameter {source!r} for a {part}"
                fault(part, f"{self.operation} {source}", text)
            self.values.append(value or repr(otherwise))
        return len(self.values) - 1

    def optional(self, part: str, name: str, source: Source | bool | None) -> int | None:
        """The same, where there may be none."""
        return None if source is None else self.add(part, name, source, None)
