"""`init`, `flush` and `shutdown`."""

from __future__ import annotations

import atexit
import functools
import os
import sys
from _thread import allocate_lock
from typing import TYPE_CHECKING, Final, Literal

from soundpost import _background, _dynamo, _native
from soundpost._enabled import ENABLED, OFF

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from soundpost._native import Telemetry
    from soundpost._sinks import Sink

_lock = allocate_lock()
_running: tuple[_native.Settings, Telemetry] | None = None
_is_automatic = False
"""Whether an integration started the telemetry, so that `init` may still set its arguments."""
_records_logs = False
"""Whether logs are recorded by default: once an integration started the telemetry."""


class Unset:
    """The type of `UNSET`."""

    def __repr__(self) -> str:
        return "..."


UNSET: Final = Unset()
"""Default of an argument: its variable is read."""


def _strict() -> None:
    _native.set_strict(os.environ.get("SOUNDPOST_STRICT", "").strip().lower() in ("1", "true", "yes", "on"))


_strict()


def init(
    service: str | Unset = UNSET,
    *,
    version: str | Unset | None = UNSET,
    listen: str | Unset | None = UNSET,
    labels: Mapping[str, str] | Unset | None = UNSET,
    sinks: Sequence[Sink] | Unset | None = UNSET,
    gpu: bool | Literal["visible", "all", "none"] | Unset = UNSET,
    torch: bool | Literal["auto", "always"] | Unset = UNSET,
    sample_interval: float | str | Unset | None = UNSET,
    gpu_memory_interval: float | str | Unset | None = UNSET,
    directory: str | os.PathLike[str] | Unset | None = UNSET,
    namespace: str | Unset | None = UNSET,
    instance: str | Unset | None = UNSET,
    commit: str | Unset | None = UNSET,
    bearer_token: str | Unset | None = UNSET,
    bearer_token_file: str | os.PathLike[str] | Unset | None = UNSET,
    basic_auth: tuple[str, str] | str | Unset | None = UNSET,
    allowed_hosts: Sequence[str] | str | Unset | None = UNSET,
    exemplars: bool | Unset = UNSET,
    tls_cert: str | os.PathLike[str] | Unset | None = UNSET,
    tls_key: str | os.PathLike[str] | Unset | None = UNSET,
    idle_limit: float | str | Unset | None = UNSET,
    segment_bytes: int | str | Unset | None = UNSET,
    store: bool | Unset = UNSET,
    store_days: float | str | Unset | None = UNSET,
    store_bytes: int | str | Unset | None = UNSET,
    redact: Sequence[str] | Unset | None = UNSET,
    record_text: bool | Unset = UNSET,
    logs: bool | str | int | Unset | None = UNSET,
) -> Telemetry:
    """Starts to record, and to serve `/metrics`; once per process.

    An argument that is not given is read from the variable of its name: `SOUNDPOST_SERVICE` for `service`,
    and so on. Most services set at most the first five. Durations and sizes are numbers, or texts such as
    `"10m"` and `"512MiB"`.

    Args:
        service: Name of the service, and prefix of its metrics without a `namespace`.
        version: Version of the service.
        listen: `"host:port"` of the endpoint, with port 0 for any free port; None for no endpoint. Default:
            `"127.0.0.1:9464"`.
        labels: Labels of every metric, call and log event; as a variable `name=value,name=value`.
        sinks: Servers and files that get the stored records as well; as a variable URLs separated by commas.
        gpu: Whether to sample the GPUs that the service may use; `"all"` for all GPUs of the machine.
        torch: Whether to read PyTorch's allocator at the start and end of a call, if PyTorch is imported and
            uses CUDA. Readings stop if they take more than 50 us on average, except with `"always"`.
        sample_interval: Interval between samples, 0.1 to 60 s, and of `Gauge.set_function`. Default: 1 s.
        gpu_memory_interval: Interval between samples of GPU memory while calls run, 0.05 to 1 s; None for
            none.
            Default: 0.1 s.
        directory: Directory of the store and state of all services. Default: `$XDG_STATE_HOME/soundpost`,
            else `~/.local/state/soundpost`.
        namespace: Prefix of the names of the service's metrics.
        instance: Name of this instance in sinks. Default: the host's name; set another one in containers.
        commit: Commit that the service was built from.
        bearer_token: Token that a scrape has to send.
        bearer_token_file: File with the token.
        basic_auth: User and password that a scrape has to send; as a variable `user:password`.
        allowed_hosts: Names by which an endpoint without credentials is scraped, beside this host's:
            `tts.example.org`, `*.example.org` for all below a domain, `*` for any.
        exemplars: Whether histograms keep the id of the last call in each bucket, which OpenMetrics scrapes
            expose.
        tls_cert: Certificate chain of the endpoint, PEM.
        tls_key: Key of the certificate, PEM.
        idle_limit: Time without progress after which a call in flight ends as `abandoned`.
        segment_bytes: Size of the shared memory of one process.
        store: Whether to store finished calls, log events and vitals on disk.
        store_days: Maximum age of stored records; a number is in days. Default: 30 days.
        store_bytes: Maximum size of the store, at least 16 MiB; the oldest records are removed first.
            Default: 512 MiB.
        redact: Regular expressions, in the syntax of Rust's `regex`, of texts to remove beside known secrets
            and personal data; as a variable one per line.
        record_text: Whether to record text to synthesise; otherwise fields such as `text` and `prompt` become
            their length.
        logs: Whether to record the log events that the service's loggers let through, until `shutdown`. A
            level such as `"INFO"` records from it on, also where only the root logger's level keeps them
            from the service's handlers. Default: false; true for telemetry that an integration started.

    Returns:
        The telemetry. A second `init` with the same arguments returns the same one.

    Raises:
        ValueError: An argument or variable, which the message names, cannot be used; or the arguments differ
            from those of the first `init`.
        OSError: A system call failed.
    """
    global _is_automatic
    given = {name: value for name, value in locals().items() if value is not UNSET}
    settings = _native.Settings(given)
    with _lock:
        if _running is not None and _is_automatic and settings.differences(_running[0]):
            _stop_python()
            _native.shutdown(2.0)
        _is_automatic = _background.is_quiet = False
        return _start(settings)


def start_automatically(service: str) -> None:
    """Starts the telemetry of a service in which nobody called `init`, unless it runs.

    The environment takes precedence over `service`; a value that cannot be used is ignored with a warning.
    """
    global _is_automatic, _records_logs
    with _lock:
        if _running is not None:
            return
        settings, warnings = _native.Settings.lenient(service)
        _is_automatic = _records_logs = _background.is_quiet = True
        _start(settings)
    if warnings:
        import logging

        for warning in warnings:
            logging.getLogger("soundpost").warning("%s", warning)


def _start(settings: _native.Settings) -> Telemetry:
    global _running
    if _running is not None:
        before, telemetry = _running
        others = settings.differences(before)
        if others:
            called = "init was called before with other values; call soundpost.shutdown() first"
            raise ValueError(f"{', '.join(others)}: {called}")
        return telemetry
    _strict()
    level = _level(settings)
    telemetry = _native.start(settings)
    _running = (settings, telemetry)
    if settings.disabled:
        return telemetry
    _dynamo.apply()
    ENABLED.cell_contents = True
    if level is not None:
        from soundpost import _logs

        _logs.install(level)
    if "soundpost.integrations._apply" in sys.modules:
        from soundpost.integrations import _apply

        _apply.publish()
    _background.log_notices()
    _background.start(settings["sample_interval"] or 1.0)
    atexit.register(shutdown)
    _register_at_fork()
    return telemetry


@functools.cache
def _register_at_fork() -> None:
    os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    """Marks the end of a child of `multiprocessing`, which runs no `atexit`: otherwise it counts as died."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        # The child clears its finalizers first.
        util.register_after_fork(_after_fork, _end_with)


def _end_with(_: object) -> None:
    sys.modules["multiprocessing.util"].Finalize(None, _native.end_process, exitpriority=-1)


def _level(settings: _native.Settings) -> int | None:
    """Returns the lowest level of log events; 0 for that of their loggers, None for no events."""
    level = _records_logs if settings.source("logs") is None else settings["logs"]
    if isinstance(level, str):
        import logging

        level = logging.getLevelName(level)
        if not isinstance(level, int):
            source = settings.source("logs")
            raise ValueError(f"{source}: neither true nor false, and not a level such as INFO")
    if isinstance(level, bool) or level is None:
        return 0 if level else None
    return int(level)


def running() -> _native.Settings | None:
    """Returns the settings of the running telemetry; None before `init` and after `shutdown`."""
    return _running[0] if _running is not None else None


def telemetry() -> Telemetry | None:
    """Returns the running telemetry; None before `init` and after `shutdown`."""
    return _running[1] if _running is not None else None


def flush(timeout: float = 2.0) -> bool:
    """Waits up to `timeout` seconds until the records of this process are stored.

    Returns whether they are.
    """
    _background.log_notices()
    return _native.flush(timeout)


def shutdown(timeout: float = 2.0) -> None:
    """Stops recording and serving, within `timeout` seconds; runs at the exit of the interpreter."""
    with _lock:
        if _running is None:
            return
        _stop_python()
    _native.shutdown(timeout)


def _stop_python() -> None:
    global _running
    _running = None
    _background.log_notices()
    ENABLED.cell_contents = OFF
    if "soundpost._logs" in sys.modules:
        from soundpost import _logs

        _logs.remove()
    _background.stop()
    atexit.unregister(shutdown)
