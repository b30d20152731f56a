"""The binding: see `crates/soundpost-python`."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from logging import LogRecord
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Literal, TypeVar, final

from typing_extensions import Self, disjoint_base

__all__ = [
    "Around",
    "Audio",
    "Call",
    "Counter",
    "Enum",
    "Error",
    "Gauge",
    "GpuUse",
    "Histogram",
    "Info",
    "Iteration",
    "Measure",
    "Metric",
    "Pending",
    "Plan",
    "Skip",
    "Summary",
    "Telemetry",
    "call",
    "current_call",
    "fault",
    "flush",
    "notices",
    "program",
    "query",
    "record",
    "set_strict",
    "shutdown",
    "stage",
    "start",
]

_F = TypeVar("_F", bound=Callable[..., Any])

# Results of `audio=` functions

@final
class Audio:
    """Audio of a known length."""

    def __new__(cls, seconds: float, *, silent: bool = False) -> Self: ...
    @property
    def seconds(self) -> float:
        """How long it plays, seconds."""
    @property
    def silent(self) -> bool:
        """Whether it is silence; see `silence=` of `soundpost.audio`."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Skip:
    """Something yielded or returned that is no audio and no error: a header, a progress message."""

    def __new__(cls) -> Self: ...

class Error(Exception):
    """A fault of soundpost itself, raised only under `SOUNDPOST_STRICT=1`; and what an `audio=` function returns
    for a result that is an error: `soundpost.Error("no face found")`.
    """

@final
class Measure:
    """How to measure: made by `soundpost.audio`, or wrapped around the user's function."""

    def __new__(
        cls,
        sample_rate: float | None = None,
        key: object = None,
        sample_width: int = 2,
        channels: int = 1,
        silence: bool = False,
    ) -> Self: ...
    def __call__(self, item: object) -> Audio | Skip | Error | None:
        """Measures one item: `Audio`, `Skip()`, an `Error`, or `None` where there is no output.

        Raises `TypeError` for what it cannot measure.
        """

# Calls and stages

@final
class Call:
    """One request for generated output, while it runs."""

    @property
    def request_id(self) -> str:
        """Its id: the caller's, from a `traceparent`, or made; at most 64 bytes."""
    @property
    def operation(self) -> str:
        """The name of the operation."""
    @property
    def gpu(self) -> GpuUse | None:
        """What the call did to GPU memory: so far while it runs, in all after its end. None where no GPU is
        sampled, or none was before the call began.
        """
    def chunk(self, audio_seconds: float = 0.0) -> None:
        """Records that a chunk is ready: with its length in seconds, or 0 for a header or any other piece
        that is no audio.
        """
    def audio(self, seconds: float) -> None:
        """Records audio that is part of one result, seconds."""
    def progress(self) -> None:
        """Records that the call is getting on, which keeps it from being taken for stalled."""
    def stage(self, name: str) -> stage:
        """A named, timed part of this call: `with call.stage("vocoder"): ...`."""
    def set(self, **fields: object) -> None:
        """Sets fields: numbers, texts and truth values for logs and the store, never for metrics."""
    def fail(self, error: BaseException | str) -> None:
        """Ends the call as failed: with an exception, or with the text of an error."""
    def truncated(self) -> None:
        """Marks the output as cut short: the call ends as `truncated`."""

@final
class GpuUse:
    """GPU memory around a call, from samples; bytes. It does not change."""

    @property
    def memory_before(self) -> int:
        """Of the last sample before the call."""
    @property
    def memory_peak(self) -> int:
        """The most that was seen from its start to its end, or to now."""
    @property
    def memory_delta(self) -> int:
        """After the call, or now, less before it."""
    @property
    def utilization_mean(self) -> float | None:
        """Mean utilization during the call, 0 to 1; None where it is not known."""
    @property
    def shared(self) -> bool:
        """Whether another call ran at the same time, so that the figures are of all of them."""
    @property
    def of_process(self) -> bool:
        """Whether the memory is that of the call's own process, and not of everybody on the device."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

def record(record: LogRecord, message: str | None = None) -> LogRecord:
    """Records a record of `logging`, with `message` in place of its own; gives the record.

    Where its message cannot be made that is said as `logging` says it. Never raises.
    """

def current_call() -> Call | None:
    """The call that is running in this context, or None."""

@final
class call:
    """A call around a block of code; also with `async with`. Inside of another call the block is one of its
    stages.
    """

    def __new__(
        cls,
        operation: str,
        *,
        labels: Mapping[str, object] | None = None,
        request_id: object = None,
        traceparent: object = None,
        queued_at: float | None = None,
        streaming: bool = True,
        **fields: object,
    ) -> Self: ...
    def __enter__(self) -> Call: ...
    def __exit__(
        self,
        _kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        _traceback: TracebackType | None = None,
    ) -> None: ...
    def __aenter__(self) -> Awaitable[Call]: ...
    def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> Awaitable[None]: ...

@final
class stage:
    """A named, timed part of the current call; of the operation `unknown` where there is no call, such as in
    a worker thread.

    `@soundpost.stage("vocoder")` on any kind of function, or `with soundpost.stage("vocoder"):`.
    """

    def __new__(cls, name: str) -> Self: ...
    @property
    def name(self) -> str:
        """The name it is recorded under."""
    def __call__(self, function: _F) -> _F:
        """Decorates a function of any kind."""
    def __enter__(self) -> None: ...
    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        _error: BaseException | None = None,
        _traceback: TracebackType | None = None,
    ) -> None: ...
    def __aenter__(self) -> Awaitable[None]: ...
    def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> Awaitable[None]: ...

# What stands behind decorated functions

@final
class Plan:
    """How one decorated function is recorded.

    The wrapper hands over a tuple of values: those of the labels, then of the fields; the other numbers are
    places in it.
    """

    def __new__(
        cls,
        operation: str,
        *,
        stage: bool = False,
        labels: Sequence[str] = ...,
        fields: Sequence[str] = ...,
        request_id: int | None = None,
        traceparent: int | None = None,
        queued_at: int | None = None,
        streaming: int | None = None,
        audio: Measure | None = None,
        tells: Callable[[Any], Any] | None = None,
    ) -> Self: ...
    @property
    def tells(self) -> Callable[[Any], Any] | None:
        """A function that says what an item or result is."""
    def begin(self, values: tuple[Any, ...]) -> object:
        """Begins a call, or a stage where there is a call already; what it gives is for `returned` or
        `failed`.
        """
    def returned(self, run: object, result: Any) -> Any:
        """Ends what `begin` began, with a result; gives the result. Of a generator, coroutine or asynchronous
        generator it gives one that is recorded while it runs.
        """
    def told(self, run: object, result: Any, said: object) -> Any:
        """The same, with what the user's `audio=` function said about the result."""
    @staticmethod
    def is_later(result: object) -> bool:
        """Whether a result runs later: a generator, coroutine or asynchronous generator."""
    def failed(self, run: object, error: BaseException) -> None:
        """Ends what `begin` began, with an exception."""
    def iterate(
        self, generator: Generator[Any, Any, Any] | AsyncGenerator[Any, Any], values: tuple[Any, ...]
    ) -> Iteration:
        """Records what a generator does; call it at the first resumption."""

@final
class Iteration:
    """A generator or asynchronous generator, recorded while it runs."""

    def enter(self, given: object) -> Callable[[], Any]:
        """Goes on: gives what to call, without arguments, for the next item; of an asynchronous generator for
        an awaitable of it.
        """
    def yielded(self, item: Any) -> Any:
        """Records an item, and gives it back to be yielded."""
    def keep(self, item: Any) -> Any:
        """Keeps an item while the user's `audio=` function is asked about it."""
    def told(self, said: object) -> Any:
        """Records the item that was kept by what the function said, and gives it back to be yielded."""
    def throws(self, error: BaseException) -> bool:
        """Whether an exception is one that the consumer threw in: it is kept for the next resumption."""
    def returns(self, error: BaseException) -> bool:
        """Whether an exception says that the generator has returned; any other is what it failed with."""
    def result(self) -> Any:
        """What the generator returned; once."""

@final
class Pending:
    """A coroutine that a function returned, before it is awaited."""

    def begin(self) -> object:
        """Goes on with what the function began."""
    @property
    def plan(self) -> Plan:
        """The plan it belongs to."""

# Metrics

@disjoint_base
class Metric:
    """A metric: a family with label names, or one series of it."""

    def labels(self, *labelvalues: object, **labelkwargs: object) -> Self:
        """The series of these label values, given by position or by name; any value is taken as its text."""
    def remove(self, *labelvalues: object) -> None:
        """Takes the series of these label values out of the exposition."""
    def clear(self) -> None:
        """Takes all series out of the exposition."""

@final
class Counter(Metric):
    """A count that only grows. Exposed with `_total` at its end, whether or not its name has it."""

    def __new__(
        cls,
        name: str,
        documentation: str,
        labelnames: Sequence[str] = ...,
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: None = None,
    ) -> Self: ...
    def inc(self, amount: float = 1.0, exemplar: dict[str, str] | None = None) -> None:
        """Adds `amount`, which is finite and not negative; anything else is counted and dropped."""
    def count_exceptions(
        self, exception: type[BaseException] | tuple[type[BaseException], ...] | None = None
    ) -> Around:
        """Counts what is raised in a block or function: `with c.count_exceptions():`,
        `@c.count_exceptions()`.
        """

@final
class Gauge(Metric):
    """A value that goes up and down.

    `multiprocess_mode` says how the values of several processes become one: `sum`, `min`, `max`,
    `mostrecent`, or `all` for each by itself, told apart by a label `pid`. Only processes that live count, so
    `livesum` and the like mean the same.
    """

    def __new__(
        cls,
        name: str,
        documentation: str,
        labelnames: Sequence[str] = ...,
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: None = None,
        multiprocess_mode: Literal[
            "sum",
            "min",
            "max",
            "mostrecent",
            "all",
            "livesum",
            "livemin",
            "livemax",
            "livemostrecent",
            "liveall",
        ] = "sum",
    ) -> Self: ...
    def inc(self, amount: float = 1.0) -> None:
        """Adds `amount`."""
    def dec(self, amount: float = 1.0) -> None:
        """Subtracts `amount`."""
    def set(self, value: float) -> None:
        """Sets the value."""
    def set_to_current_time(self) -> None:
        """Sets the value to the time of now, seconds since 1970."""
    def set_function(self, f: Callable[[], float]) -> None:
        """Has a function give the value: a thread of Python's asks it once every `sample_interval`."""
    def track_inprogress(self) -> Around:
        """Counts who is inside of a block or function."""
    def time(self) -> Around:
        """Sets the gauge to the seconds a block or function took."""

@final
class Histogram(Metric):
    """Counts observations by size. `buckets` are inclusive upper bounds; `+Inf` is added where it is missing.

    With `exemplars=True` each bucket keeps the last `exemplar` it was given.
    """

    def __new__(
        cls,
        name: str,
        documentation: str,
        labelnames: Sequence[str] = ...,
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: None = None,
        buckets: Sequence[float] | None = None,
        *,
        exemplars: bool = False,
    ) -> Self: ...
    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Counts one observation; a non-finite one is counted as rejected and dropped.

        `exemplar` is a dict of one or more labels, such as `{"trace_id": "..."}`; the value of `request_id`,
        `trace_id` or else the first is kept.
        """
    def time(self) -> Around:
        """Observes the seconds a block or function took."""

@final
class Summary(Metric):
    """Count and sum of observations."""

    def __new__(
        cls,
        name: str,
        documentation: str,
        labelnames: Sequence[str] = ...,
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: None = None,
    ) -> Self: ...
    def observe(self, amount: float) -> None:
        """Counts one observation."""
    def time(self) -> Around:
        """Observes the seconds a block or function took."""

@final
class Info(Metric):
    """Facts, as labels of a constant 1. Exposed with `_info` at the end of its name."""

    def __new__(
        cls,
        name: str,
        documentation: str,
        labelnames: Sequence[str] = ...,
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: None = None,
    ) -> Self: ...
    def info(self, val: dict[str, str]) -> None:
        """Sets the facts: a dict of names to texts. The names stay the same from the first time on."""

@final
class Enum(Metric):
    """Which of some states something is in: one series a state, 1 for the one it is in. The first is where it
    begins.
    """

    def __new__(
        cls,
        name: str,
        documentation: str,
        labelnames: Sequence[str] = ...,
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: None = None,
        states: Sequence[str] = ...,
    ) -> Self: ...
    def state(self, state: str) -> None:
        """Sets the state."""

@final
class Around:
    """A block or function with a metric around it."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        _kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        _traceback: TracebackType | None = None,
    ) -> None: ...
    def __call__(self, f: _F) -> _F:
        """Decorates a function of any kind."""
    def again(self) -> Around:
        """Another one like it, for one more invocation."""
    def labels(self, *labelvalues: object, **labelkwargs: object) -> None:
        """Chooses the series late, once its label values are known."""

# The telemetry

@final
class Telemetry:
    """What is being recorded, and where it can be read."""

    @property
    def address(self) -> str | None:
        """Host and port where the metrics are served, by this process or another one of the service.

        With the real port where 0 was asked; None without an endpoint, or before it is up.
        """

    @property
    def directory(self) -> Path:
        """The folder of the service's store and state."""
    def render(self, openmetrics: bool = False) -> str:
        """The text a scrape would get now, all processes merged: Prometheus text 0.0.4, or OpenMetrics
        1.0.
        """

def start(settings: dict[str, Any]) -> Telemetry:
    """Starts to record; `init` is the way to call it.

    Raises `ValueError` for settings that cannot be used, `OSError` when the system refuses.
    """

def flush(timeout: float = 2.0) -> bool:
    """Waits at most `timeout` seconds for what this process recorded to be stored; tells whether it is."""

def shutdown(timeout: float) -> None:
    """Stops recording and serving; `soundpost.shutdown` is the way to call it."""

def fault(part: str, subject: str, text: str, error: BaseException | None = None) -> None:
    """Reports a fault of the Python half of the package in `part`.

    Raises `soundpost.Error` under `SOUNDPOST_STRICT=1`, else counts it and logs it once per `subject`.
    """

def notices() -> list[tuple[bool, str]]:
    """What the core has had to say since the last time: whether it is a fault, and the text.

    Python logs it: a daemon thread that does so while the interpreter ends must meet no frame of Rust.
    """

def program(arguments: Sequence[str]) -> int:
    """Runs the program `soundpost` with these arguments, the first of which is its name.

    `run` may end the process by the signal that ended its command.

    Returns:
        Its exit status.
    """

def query(arguments: Sequence[str]) -> str:
    """What the program would write for these arguments, the first of which is a command that reads.

    Raises:
        ValueError: The arguments cannot be used.
        Error: What they ask for cannot be read.
    """

def set_strict(strict: bool) -> None:
    """Sets whether faults are raised."""
