"""`instrument`: a function as an operation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, overload

from soundpost._functions import PREFIX, is_undecoratable, reporting, wrapped
from soundpost._judgement import Function, Judge, classes, function_of, takes_call
from soundpost._native import Measure, Recorder, fault, is_text_name
from soundpost._parameters import Parameters

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from soundpost._audio import AudioMeasure

F = TypeVar("F", bound=Callable[..., Any])
Source = str | Callable[[Any], Any]
"""The name of a parameter, or a function of the bound arguments, which it gets as a mapping by name."""


Named = Mapping[str, Source] | Sequence[str]
"""Sources by name, or names of parameters that keep their names."""


class Options(TypedDict, total=False):
    """The options of `instrument` and `patch`; each defaults to None."""

    labels: Named | None
    fields: Named | None
    audio: AudioMeasure | None
    outcome: Function | None
    invalid: type[BaseException] | Sequence[type[BaseException]] | None
    iterates: bool | int | str | None
    streaming: Source | Function | bool | None
    request_id: Source | None
    traceparent: Source | None
    queued_at: Source | None
    text: str | Sequence[str] | Callable[[Any], Any] | None


@overload
def instrument(operation: F, /) -> F: ...


@overload
def instrument(operation: str | None = None, /, **options: Unpack[Options]) -> Callable[[F], F]: ...


def instrument(operation: Any = None, /, **options: Unpack[Options]) -> Any:
    """Records every invocation of a function as a call; use it bare or with arguments.

    It works on functions, generator functions, async functions, async generator functions, and plain
    functions that return one of those. It keeps the function's kind, name, signature and docstring. Inside
    another call it records a stage of that call.

    Args:
        operation: Name of the operation; default: the function's name.
        options: `labels`, `fields`, `audio`, `outcome`, `invalid`, `iterates`, `streaming`, `request_id`,
            `traceparent`, `queued_at`, `text`.

            `labels` maps label names to parameters or functions, or lists parameters that keep their names.
            Each label has few values. `fields` are per-call values for logs and the store, from the same
            sources; `char_count` counts characters.

            `audio` measures the output: `soundpost.audio(...)`, or a function from one returned or yielded
            item to seconds, `soundpost.Skip`, `soundpost.Error` or `soundpost.Audio`. With it, a call without
            output is `empty`.

            `outcome` is a function of an item or result, or of that and the call. It gets each item and the
            end, and returns None, `"last"` for the last item, the name of an outcome, an exception,
            `soundpost.Skip`, or a tuple of these. A function that takes the call also gets `call.arguments`,
            `call.state` and `call.done`; so does an `audio` function.

            `invalid` lists exceptions that find fault with the request: such a call is `invalid`.

            `iterates` names the part of a result that runs later, such as a generator: its position, key or
            attribute. True is the whole result, False none. By default it is found, also in a tuple.

            `streaming` is true if the consumer plays the output while it is produced; default: generators
            stream. For a non-streaming consumer, dropping the generator after the first audio counts as `ok`.
            A function may take the call as well.

            `request_id` and `traceparent` are the sources of the call's id: the id itself, or a W3C
            `traceparent` with a trace id. Default: the id is generated. `queued_at` is the source of the
            `time.monotonic()` at which the request was accepted.

            `text` names the parameters with the text to synthesise, or is a function that returns a text or a
            list: log events and errors of the call have its length instead, unless `record_text` is set.
            Default: the parameters with a name such as `text` or `prompt`.

    A missing parameter, a function that raises and an argument of the wrong type cost only their value. The
    value is left out, counted in `soundpost_errors_total`, and logged once. An object that is no function is
    returned as it is.

    Raises:
        TypeError: There is no such option.
    """
    check_options("instrument", options)
    if operation is not None and not isinstance(operation, str):
        return instrumented(operation, None, options)
    return lambda function: instrumented(function, operation, options)


def check_options(function: str, options: Options) -> None:
    """Raises `TypeError` for an unknown option."""
    for name in options.keys() - Options.__annotations__.keys():
        raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")


def instrumented(function: Any, operation: str | None, options: Options) -> Any:
    """Returns the instrumented function."""
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(instrumented(function.__func__, operation, options))
    name = operation or str(getattr(function, "__name__", type(function).__name__))
    if is_undecoratable(function, name, "instrument"):
        return function
    audio = options.get("audio")
    if not (audio is None or isinstance(audio, Measure) or callable(audio)):
        _report_type("audio", name, "audio", audio, "soundpost.audio(...) or a function")
        audio = None
    measure = audio if isinstance(audio, Measure) else None
    streaming = options.get("streaming")
    judge = Judge(
        name,
        None if measure is audio else audio,
        function_of("outcome", name, options.get("outcome")),
        streaming if callable(streaming) and takes_call(streaming) else None,
    )
    sources = _Sources(name, Parameters(function, PREFIX))
    labels, fields = (
        _named("label", name, options.get("labels")),
        _named("field", name, options.get("fields")),
    )
    for label, source in labels.items():
        sources.add("label", label, source, "")
    for field, source in fields.items():
        sources.add("field", field, source, None)
    recorder = Recorder(
        name,
        labels=list(labels),
        fields=list(fields),
        request_id=sources.add_optional("request_id", "request_id", options.get("request_id")),
        traceparent=sources.add_optional("request_id", "traceparent", options.get("traceparent")),
        queued_at=sources.add_optional("request_id", "queued_at", options.get("queued_at")),
        streaming=sources.add_optional("streaming", "streaming", None if judge.streams else streaming),
        texts=sources.add_texts(options.get("text")),
        audio=measure,
        judge=judge if judge.is_needed else None,
        expects_output=audio is not None,
        invalid=classes(name, options.get("invalid")),
        iterates=options.get("iterates"),
    )
    return wrapped(function, recorder, sources.parameters, sources.values)


def _named(part: str, operation: str, given: Any) -> dict[str, Source]:
    """Returns `labels=` or `fields=` by name; each unusable entry is a fault and left out."""
    if given is None:
        return {}
    wanted = "a dict from names to parameters or functions, or a list of parameters"
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        _report_type(part, operation, part + "s", given, wanted)
        return {}
    items = list(given.items() if isinstance(given, Mapping) else ((name, name) for name in given))
    for name, _ in items:
        if not isinstance(name, str):
            _report_type(part, operation, part + "s", name, wanted)
    return {name: source for name, source in items if isinstance(name, str)}


def _report_type(part: str, operation: str, argument: str, given: object, wanted: str) -> None:
    """Reports an argument of the wrong type."""
    text = f"{operation!r}: {argument}= was given a {type(given).__name__}; give {wanted}"
    fault(part, f"{operation} {argument}", text)


class _Sources:
    """Collects the source texts of the values that a recorder expects."""

    def __init__(self, operation: str, parameters: Parameters) -> None:
        self.operation = operation
        self.parameters = parameters
        self.values: list[str] = []

    def add(self, part: str, name: str, source: Source | bool, otherwise: str | None) -> int:
        """Adds a parameter, a function of all parameters, or `otherwise`. Returns its index."""
        if isinstance(source, bool):
            self.values.append(repr(source))
        elif callable(source):
            function = reporting(part, self.operation, name, source, otherwise)
            self.values.append(f"{self.parameters.constant(function)}({self.parameters.bound})")
        elif not isinstance(source, str):
            _report_type(part, self.operation, name, source, "the name of a parameter or a function")
            self.values.append(repr(otherwise))
        else:
            value = self.parameters.value(source)
            if value is None:
                text = f"{self.operation!r}: it has no parameter {source!r} for a {part}"
                fault(part, f"{self.operation} {source}", text)
            self.values.append(value or repr(otherwise))
        return len(self.values) - 1

    def add_optional(self, part: str, name: str, source: Source | bool | None) -> int | None:
        """Adds a source if there is one."""
        return None if source is None else self.add(part, name, source, None)

    def add_texts(self, given: Any) -> int | None:
        """Adds the parameters with texts to synthesise as one tuple, or a function that returns the texts."""
        if callable(given):
            return self.add("field", "text", given, None)
        names = [given] if isinstance(given, str) else given
        if names is None:
            names = filter(is_text_name, self.parameters.all_names)
        found = [value for value in map(self.parameters.value, names) if value is not None]
        self.values += [f"({', '.join(found)},)"] if found else []
        return len(self.values) - 1 if found else None
