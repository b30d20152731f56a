"""The binding: see `crates/soundpost-python`."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from contextvars import ContextVar
from logging import LogRecord
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Literal, TypeVar, final

from typing_extensions import Self, disjoint_base

from soundpost._judgement import Judge, Scope

__all__ = [
    "Audio",
    "Call",
    "CoroutineRecorder",
    "Counter",
    "Enum",
    "Error",
    "Gauge",
    "GeneratorRecorder",
    "GpuUse",
    "Histogram",
    "Info",
    "Loading",
    "Measure",
    "Metric",
    "MetricContext",
    "Recorder",
    "Request",
    "Settings",
    "Skip",
    "Summary",
    "Telemetry",
    "Video",
    "call",
    "call_variable",
    "current_call",
    "end_process",
    "erase",
    "fault",
    "flush",
    "is_text_name",
    "notices",
    "program",
    "publish_hook",
    "read_calls",
    "read_logs",
    "record",
    "request_variable",
    "set_ready",
    "set_strict",
    "shutdown",
    "sink_kinds",
    "stage",
    "start",
    "warmup",
]

_F = TypeVar("_F", bound=Callable[..., Any])
_Exception = type[BaseException] | tuple[type[BaseException], ...]
_MergeMode = Literal[
    "sum", "min", "max", "mostrecent", "all", "livesum", "livemin", "livemax", "livemostrecent", "liveall"
]

# Results of `audio=` functions

@final
class Audio:
    """Audio of a known length."""

    def __new__(cls, seconds: float, *, silent: bool = False) -> Self: ...
    @property
    def seconds(self) -> float:
        """The playing time in seconds."""
    @property
    def silent(self) -> bool:
        """Whether the audio is silent; see `silence=` of `soundpost.audio`."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Video:
    """Video of a known length, and the audio in the same file."""

    def __new__(cls, seconds: float, *, audio_seconds: float = 0.0) -> Self: ...
    @property
    def seconds(self) -> float:
        """The playing time of the video in seconds."""
    @property
    def audio_seconds(self) -> float:
        """The playing time of its audio in seconds; 0 without any."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class Skip:
    """An item that is neither audio nor error: a header, a progress message."""

    def __new__(cls) -> Self: ...

class Error(Exception):
    """A fault of Soundpost, raised only under `SOUNDPOST_STRICT=1`.

    An `audio=` function returns one for a result that is an error: `soundpost.Error("no face found")`.
    """

@final
class Measure:
    """A measure of audio, as `soundpost.audio` creates it."""

    def __new__(
        cls,
        sample_rate: float | None = None,
        key: object = None,
        sample_width: int = 2,
        channels: int = 1,
        silence: bool = False,
        batch_axis: int | None = None,
        full_scale: float | None = None,
        quality: bool = False,
        video: bool = False,
    ) -> Self: ...
    def __call__(self, item: object) -> Audio | Video | Skip | Error | None:
        """Measures one item. Returns `Audio`, `Video`, `Skip()`, an `Error`, or `None` for no output.

        Raises `TypeError` for an item that cannot be measured.
        """

# Calls and stages

@final
class Call:
    """One request for generated output, while it runs."""

    @property
    def request_id(self) -> str:
        """The request id: the caller's, from a `traceparent`, or generated; at most 64 bytes."""
    @property
    def operation(self) -> str:
        """The name of the operation."""
    @property
    def gpu(self) -> GpuUse | None:
        """GPU memory around the call: up to now while it runs, in all after its end.

        None without a GPU sample from before the call.
        """
    def chunk(self, audio_seconds: float = 0.0) -> None:
        """Records a chunk of output and its audio in seconds; 0 for a header or a piece without audio."""
    def audio(self, seconds: float) -> None:
        """Records audio that is part of one result, in seconds."""
    def progress(self) -> None:
        """Marks progress; resets the stall and idle timers."""
    def stage(self, name: str, *, decides: bool = False) -> stage:
        """Returns a named, timed part of this call: `with call.stage("vocoder"): ...`.

        If a stage with `decides=True` fails, the call fails with it, unless it is marked or ended otherwise.
        """
    def set(self, **fields: object) -> None:
        """Sets fields: numbers, texts and truth values for logs and the store, never for metrics."""
    def mark(
        self,
        outcome: str | None = None,
        *,
        truncated: bool | None = None,
        error: BaseException | str | None = None,
    ) -> None:
        """Marks the call with an outcome, which it has when it ends; until then it goes on.

        The first failure counts. `"ok"` withdraws earlier marks.
        """
    @property
    def cold(self) -> bool:
        """Whether this is the first call of its operation in the process."""
    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments by name, for an `audio=`, `outcome=` or `streaming=` function; else empty."""
    @property
    def state(self) -> dict[str, Any]:
        """A dict that lasts as long as the call, for such functions; else a new one."""
    @property
    def done(self) -> bool:
        """Whether such a function got the result, or what a generator returned, and not an item."""
    def _scope(self, scope: tuple[dict[str, Any], dict[str, Any], bool] | None) -> None:
        """Sets what the user's functions get of the call while they run."""
    def _stream(self, streaming: object) -> None:
        """Sets whether the consumer takes chunks while they are made."""
    def fail(self, error: BaseException | str) -> None:
        """Ends the call as failed, with an exception or with the text of an error."""
    def truncated(self) -> None:
        """Ends the call as `truncated`: its output was cut short."""

@final
class GpuUse:
    """GPU memory around a call in bytes, from samples. The object does not change."""

    @property
    def memory_before(self) -> int:
        """Memory in the last sample before the call."""
    @property
    def memory_peak(self) -> int:
        """Highest memory in the samples from the start of the call to its end, or to now."""
    @property
    def memory_delta(self) -> int:
        """Memory after the call, or now, minus `memory_before`."""
    @property
    def utilization_mean(self) -> float | None:
        """Mean utilization during the call, 0 to 1; None if it was not sampled."""
    @property
    def shared(self) -> bool:
        """Whether another call ran at the same time; the figures are the sum over all of them."""
    @property
    def of_process(self) -> bool:
        """Whether the memory is that of the call's process only, not of all processes on the device."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

def record(record: LogRecord, message: str | None = None, reports: bool = True) -> LogRecord:
    """Records a record of `logging`, with `message` instead of its own, and returns the record.

    If its message cannot be formatted, `logging` reports that unless `reports` is false. Never raises.
    """

def is_text_name(name: str) -> bool:
    """Returns whether values of this name are texts to synthesise."""

def call_variable() -> ContextVar[Any]:
    """Returns the context variable, for contexts of threads."""

def current_call() -> Call | None:
    """Returns the call that runs in this context, or None."""

@final
class call:
    """A call around a block of code, also with `async with`.

    Inside another call the block is one of its stages.
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
        outcome: Callable[..., Any] | None = None,
        invalid: type[BaseException] | Sequence[type[BaseException]] | None = None,
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
    """A named, timed part of the current call, or of the operation `unknown` where there is no call.

    Use it as `@soundpost.stage("vocoder")` on any kind of function, or as `with soundpost.stage("vocoder"):`.
    If a stage with `decides=True` fails, also in a thread that the call started, the call fails with it,
    unless it is marked or ended otherwise.
    """

    def __new__(cls, name: str, decides: bool = False) -> Self: ...
    @property
    def name(self) -> str:
        """The name of the stage."""
    def __call__(self, function: _F) -> _F:
        """Decorates a function of any kind."""
    def __enter__(self) -> None: ...
    def __exit__(
        self,
        _kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        _traceback: TracebackType | None = None,
    ) -> None: ...
    def __aenter__(self) -> Awaitable[None]: ...
    def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> Awaitable[None]: ...

@final
class Loading:
    """A phase of loading, until `end`."""

    def __new__(cls, phase: str) -> Self:
        """Begins a phase: `download`, `load` or `warmup`. Before `init` it does nothing.

        Raises `ValueError` for another phase.
        """
    def end(self) -> None:
        """Ends the phase."""

@final
class warmup:
    """Marks the calls that start in a block as warm-up: they are stored, and counted by no metric."""

    def __new__(cls) -> Self: ...
    def __enter__(self) -> None: ...
    def __exit__(
        self,
        _kind: type[BaseException] | None = None,
        _error: BaseException | None = None,
        _traceback: TracebackType | None = None,
    ) -> None: ...

# Requests of servers

@final
class Request:
    """A request that a server answers. It refers weakly to its calls.

    The calls that start in a context whose `request_variable` has it get its id and fields, and the first one
    the time since `queued_at`. `on_call` is called once, by the first.
    """

    def __new__(
        cls,
        *,
        request_id: str | None = None,
        traceparent: str | None = None,
        queued_at: float | None = None,
        on_call: Callable[[], object] | None = None,
        fields: dict[str, object] | None = None,
    ) -> Self: ...
    @property
    def request_id(self) -> str:
        """The id: the client's, from its `traceparent`, or generated."""
    @property
    def has_calls(self) -> bool:
        """Whether a call started."""
    def end(self, outcome: str | None = None) -> None:
        """Ends the calls that have not ended: as `abandoned` by their output, or with another outcome."""
    def close(self) -> None:
        """Forgets `on_call`."""

def request_variable() -> ContextVar[Any]:
    """Returns the context variable of the request that is answered."""

# Recorders of decorated functions

@final
class Recorder:
    """The recorder of one decorated function.

    The wrapper passes a tuple of values: those of the labels, then those of the fields. The other numbers are
    indices into it.
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
        texts: int | None = None,
        audio: Measure | None = None,
        judge: Judge | None = None,
        expects_output: bool = False,
        invalid: tuple[type[BaseException], ...] | None = None,
        decides: bool = False,
        iterates: bool | int | str | None = None,
    ) -> Self: ...
    @property
    def judge(self) -> Judge | None:
        """The user's functions that measure and judge an item or result."""
    def begin(self, values: tuple[Any, ...]) -> object:
        """Begins a call, or a stage inside another call. Returns the argument for the `end` methods."""
    def end(self, active: object, result: Any, scope: Scope = None) -> Any:
        """Ends the recording with a result, and returns the result.

        A generator, coroutine or asynchronous generator is returned as one that is recorded while it runs.
        The user's functions get `scope`.
        """
    def end_as(self, active: object, result: Any, answers: object) -> Any:
        """Ends the recording with a result, by the answers of the user's functions. Returns the result."""
    def end_failed(self, active: object, error: BaseException) -> None:
        """Ends the recording with an exception."""
    def is_deferred(self, result: object) -> bool:
        """Returns whether a result runs later: a generator, coroutine or asynchronous generator."""
    def record_generator(
        self, generator: Generator[Any, Any, Any] | AsyncGenerator[Any, Any], values: tuple[Any, ...]
    ) -> GeneratorRecorder:
        """Begins the recording of a generator; the wrapper calls it at the first resumption."""

@final
class GeneratorRecorder:
    """A generator or asynchronous generator that is recorded while it runs."""

    def resume(self, given: object) -> Any:
        """Returns an iterator whose next item resumes the generator.

        For an asynchronous generator it is a function that returns an awaitable of the next item.
        """
    def record(self, item: Any) -> Any:
        """Records an item, and returns it to be yielded."""
    def record_measured(self, item: Any, answer: object, _dropped: None) -> Any:
        """Records an item by the answer of the user's function, and returns the item to be yielded."""
    def hold(self, item: Any) -> Any:
        """Holds an item while the user's functions measure and judge it; the call stays the current one."""
    @property
    def call(self) -> Call | None:
        """The call, for the user's functions; None for a stage."""
    def record_as(self, answers: object) -> Any:
        """Records the held item by what the user's functions returned, and returns the item to be yielded."""
    def return_as(self, value: object, answers: object) -> None:
        """Ends the recording of a generator that returned, by the answers of the user's functions."""
    def fail(self, error: BaseException) -> None:
        """Ends the recording with an exception of the user's functions."""
    def caught(self, error: BaseException) -> bool | None:
        """Returns whether the consumer threw in this exception, which the next resumption forwards.

        Otherwise ends the recording with it, and returns None if it is the generator's normal return.
        """
    def returned_value(self) -> Any:
        """Returns the value that the generator returned; only once."""

@final
class CoroutineRecorder:
    """The recording of a coroutine that a plain function returned, before it is awaited."""

    def begin(self) -> object:
        """Continues the recording that the function began. Returns the argument for the `end` methods."""

# Metrics

@disjoint_base
class Metric:
    """A metric: a family with label names, or one series of it."""

    def __new__(
        cls,
        name: str,
        documentation: str,
        labelnames: Iterable[str] = ...,
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: None = None,
    ) -> Self: ...
    def labels(self, *labelvalues: object, **labelkwargs: object) -> Self:
        """Returns the series of these label values, given by position or by name.

        Values are converted to text.
        """
    def remove(self, *labelvalues: object) -> None:
        """Removes the series of these label values from the exposition."""
    def clear(self) -> None:
        """Removes all series from the exposition."""

class Counter(Metric):
    """A count that only grows, exposed with the suffix `_total`."""

    def inc(self, amount: float = 1.0, exemplar: dict[str, str] | None = None) -> None:
        """Adds `amount`, which has to be finite and not negative; any other is rejected and counted."""
    def count_exceptions(self, exception: _Exception | None = None) -> MetricContext:
        """Counts exceptions of a block or function: `with c.count_exceptions():`, `@c.count_exceptions()`."""

class Gauge(Metric):
    """A value that goes up and down.

    `multiprocess_mode` sets how the values of several processes are merged: `sum`, `min`, `max`,
    `mostrecent`, or `all` for one series per process with the label `pid`. Only running processes count, so
    `livesum` and the like are synonyms.
    """

    def __new__(
        cls,
        name: str,
        documentation: str,
        labelnames: Iterable[str] = ...,
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: None = None,
        multiprocess_mode: _MergeMode = "sum",
    ) -> Self: ...
    def inc(self, amount: float = 1.0) -> None:
        """Adds `amount`."""
    def dec(self, amount: float = 1.0) -> None:
        """Subtracts `amount`."""
    def set(self, value: float) -> None:
        """Sets the value."""
    def set_to_current_time(self) -> None:
        """Sets the value to the current time, in seconds since 1970."""
    def set_function(self, f: Callable[[], float]) -> None:
        """Sets the value from a function, which a Python thread calls once per `sample_interval`."""
    def track_inprogress(self) -> MetricContext:
        """Counts the executions of a block or function in progress."""
    def time(self) -> MetricContext:
        """Sets the gauge to the seconds that a block or function took."""

class Histogram(Metric):
    """Counts observations by size. `buckets` are inclusive upper bounds; a missing `+Inf` is added.

    With `exemplars=True` each bucket keeps its last `exemplar`.
    """

    DEFAULT_BUCKETS: ClassVar[tuple[float, ...]]
    """The buckets without `buckets=`, upper bounds in seconds."""

    def __new__(
        cls,
        name: str,
        documentation: str,
        labelnames: Iterable[str] = ...,
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: None = None,
        buckets: Iterable[float] | None = None,
        *,
        exemplars: bool = False,
    ) -> Self: ...
    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Adds one observation; a non-finite one is rejected and counted.

        `exemplar` is a dict of labels such as `{"trace_id": "..."}`, of which one value is kept: that of
        `request_id`, `trace_id`, or else the first.
        """
    def time(self) -> MetricContext:
        """Observes the seconds that a block or function took."""

class Summary(Metric):
    """Count and sum of observations."""

    def observe(self, amount: float) -> None:
        """Adds one observation."""
    def time(self) -> MetricContext:
        """Observes the seconds that a block or function took."""

@disjoint_base
class Info(Metric):
    """Facts as labels of a constant 1, exposed with the suffix `_info`."""

    def info(self, val: dict[str, str]) -> None:
        """Sets the facts: a dict of names to texts, with the same names in every call."""

class Enum(Metric):
    """One of several states: one series per state, 1 for the current one. The first is the initial state."""

    def __new__(
        cls,
        name: str,
        documentation: str,
        labelnames: Iterable[str] = ...,
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: None = None,
        states: Iterable[str] = ...,
    ) -> Self: ...
    def state(self, state: str) -> None:
        """Sets the state."""

@final
class MetricContext:
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
    def copy(self) -> MetricContext:
        """Returns a copy for one more invocation."""
    def labels(self, *labelvalues: object, **labelkwargs: object) -> None:
        """Selects the series inside the block, once its label values are known."""

# The telemetry

@final
class Telemetry:
    """The running telemetry of this process."""

    @property
    def address(self) -> str | None:
        """Host and port of the endpoint, of this process or of another one of the service.

        The port is the real one if 0 was configured. None without an endpoint, or before it is up.
        """

    @property
    def directory(self) -> Path:
        """The directory of the service's store and state."""
    def render(self, openmetrics: bool = False) -> str:
        """Returns the metrics of all processes as Prometheus text 0.0.4, or as OpenMetrics 1.0."""
    def metrics_response(self, accept: str = "", accept_encoding: str = "") -> tuple[str, str | None, bytes]:
        """Returns content type, content encoding and body of a scrape's response. It covers all processes."""

@final
class Settings:
    """Checked settings of `init`: its arguments, and the environment for the others."""

    def __new__(cls, arguments: dict[str, Any]) -> Self:
        """Checks these arguments, and reads the others from their variables.

        Raises `ValueError` that names the argument or variable.
        """
    @staticmethod
    def lenient(service: str) -> tuple[Settings, list[str]]:
        """Reads the environment, with `service` if it has no name; returns warnings for ignored values."""
    @property
    def disabled(self) -> bool:
        """Whether `SOUNDPOST_DISABLED` switches everything off."""
    def differences(self, other: Settings) -> list[str]:
        """Names of the settings that have another value in `other`."""
    def source(self, name: str) -> str | None:
        """Name of the argument or variable that a value comes from; None for a default."""
    def __getitem__(self, key: str, /) -> Any:
        """The value in effect; durations in seconds, sizes in bytes."""

def start(settings: Settings) -> Telemetry:
    """Starts to record with checked settings, for `init`.

    Raises `ValueError` for settings that cannot be used, and `OSError` for a failed system call.
    """

def flush(timeout: float = 2.0) -> bool:
    """Waits up to `timeout` seconds until the records of this process are stored.

    Returns whether they are.
    """

def set_ready(ready: bool) -> None:
    """Sets whether this process has loaded what it needs to serve, for `/readyz`.

    A process counts as loaded until this is called. Before `init` it does nothing.
    """

def publish_hook(service: str, hook: str, state: Literal["ok", "partial", "gone"]) -> None:
    """Publishes the state of a hook in `soundpost_integration{service,hook,state}`.

    Before `init` it does nothing. Raises `ValueError` if the service has another metric of this name.
    """

def end_process() -> None:
    """Marks this process as ended in good order, for forked children that end without `shutdown`."""

def shutdown(timeout: float) -> None:
    """Stops recording and serving, for `soundpost.shutdown`."""

def fault(part: str, subject: str, text: str, error: BaseException | None = None) -> None:
    """Reports a fault of the Python half of the package in `part`.

    Raises `soundpost.Error` under `SOUNDPOST_STRICT=1`; otherwise counts it, and logs it once per `subject`.
    """

def notices() -> list[tuple[bool, str]]:
    """Returns the core's notices since the last call: whether each is a fault, and its text.

    Python logs it: a daemon thread that does so while the interpreter ends must meet no frame of Rust.
    """

def program(arguments: Sequence[str], bootstrap: str, integrations: Sequence[str]) -> int:
    """Runs the program `soundpost` with these arguments, the first of which is its name.

    `run --instrument` uses the directory of the bootstrap and the names of the integrations. Returns its exit
    status. `run` may end the process by the signal that ended its command.
    """

def sink_kinds() -> list[tuple[str, str, str, bool, list[tuple[str, str, str]]]]:
    """Returns class, kind, description, whether the target is a path, and options of each kind of sink."""

def erase(query: dict[str, Any]) -> dict[str, Any]:
    """Erases the records of requests or of a person, and returns a dict of their numbers.

    Raises as `read_calls`.
    """

def read_logs(query: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns a dict for each log event of a service that matches the query.

    Raises as `read_calls`.
    """

def read_calls(query: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns a dict for each call of a service that matches the query.

    Raises `ValueError` for an argument that cannot be used, and `Error` for a service or store that cannot be
    read.
    """

def set_strict(strict: bool) -> None:
    """Sets whether faults are raised."""
