"""`read_calls`, `read_logs` and `erase`: finished calls and log events in the files of a service."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from soundpost import _init, _native

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Moment = str | datetime
Span = str | float | timedelta


@dataclasses.dataclass(frozen=True, slots=True)
class StageTime:
    """The executions of one stage of a call."""

    ms: float
    count: int
    failures: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """A finished call. Values that were not measured are None; the names end with their unit."""

    time: datetime
    """The end of the call, in UTC."""
    operation: str
    status: str
    outcome: str
    request_id: str
    duration_ms: float
    busy_ms: float
    """Time in the service, without the consumer's."""
    queue_ms: float | None
    first_audio_ms: float | None
    underrun_ms: float | None
    audio_seconds: float
    rtf: float | None
    """Busy seconds per second of audio."""
    char_count: int
    speech_seconds_per_character: float | None
    video_seconds: float
    chunks: int
    streaming: bool
    warmup: bool
    """Whether the call prepared the service; no metric counts it."""
    cold: bool
    """Whether this was the first call of its operation in the process."""
    died_in: str | None
    """The stage during which the process died."""
    error_type: str | None
    error: str | None
    gpu_memory_before_mb: float | None
    gpu_memory_peak_mb: float | None
    gpu_memory_delta_mb: float | None
    gpu_utilization: float | None
    gpu_shared: bool | None
    gpu_of_process: bool | None
    labels: dict[str, str]
    fields: dict[str, str | float | bool]
    stages: dict[str, StageTime]
    pid: int
    version: str | None
    """The service's version when it recorded; None in stores of earlier builds."""
    instance: str | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """A log event. Values that it does not have are None."""

    time: datetime
    """In UTC."""
    level: str
    """`"debug"`, `"info"`, `"warning"`, `"error"` or `"critical"`."""
    message: str
    logger: str | None
    file: str | None
    line: int | None
    thread: str | None
    request_id: str | None
    """Of the call that it belongs to."""
    operation: str | None
    fields: dict[str, str | float | bool]
    """With an error's `error_type`, `error` and `traceback`."""
    pid: int
    version: str | None
    """The service's version when it recorded; None in stores of earlier builds."""
    instance: str | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ErasedRecords:
    """Records that `erase` erased, or counted."""

    service: str
    dry_run: bool
    calls: int
    """Finished calls in the store."""
    log_events: int
    postmortem_calls: int
    """Calls in postmortems."""
    lines: int
    """Lines in files of JSON lines."""
    files: list[Path]
    """The searched files of JSON lines, without rotated ones."""
    shipped: dict[str, int]
    """By the name of a sink, the number of records that it may have shipped before."""
    damaged: int
    """Damaged records of the store, which cannot be searched."""
    set_aside: list[Path]
    """Damaged stores that were set aside, which cannot be searched."""
    pids: list[int]
    """Running processes, whose memory may have request ids and labels."""
    errors: list[str]
    """Files that could not be searched or replaced, with the reason."""


_Record = TypeVar("_Record", CallRecord, LogRecord)


class _Records(list[_Record]):
    _type: ClassVar[Any]

    def to_pandas(self) -> Any:
        """Returns a `pandas.DataFrame` with a row for each record, and all columns also without records."""
        pandas = importlib.import_module("pandas")
        names = [field.name for field in dataclasses.fields(self._type)]
        columns = {name: [getattr(record, name) for record in self] for name in names}
        columns["time"] = pandas.to_datetime(columns["time"], utc=True)
        return pandas.DataFrame(columns)

    def to_polars(self) -> Any:
        """Returns a `polars.DataFrame` with a row for each record, and all columns also without records.

        `labels`, `fields` and `stages` are JSON text, which `.str.json_decode()` reads.
        """
        polars = importlib.import_module("polars")
        types = {"str": polars.String, "float": polars.Float64, "int": polars.Int64, "bool": polars.Boolean}
        types |= {"datetime": polars.Datetime("us", "UTC"), "dict": polars.String}
        schema, columns = {}, {}
        for field in dataclasses.fields(self._type):
            kind = re.split(r"\W", str(field.type))[0]
            values = [getattr(record, field.name) for record in self]
            schema[field.name] = types[kind]
            columns[field.name] = values if kind != "dict" else [_json(value) for value in values]
        return polars.DataFrame(columns, schema=schema)


class CallRecords(_Records[CallRecord]):
    """A list of finished calls."""

    _type = CallRecord


class LogRecords(_Records[LogRecord]):
    """A list of log events."""

    _type = LogRecord


def read_calls(
    last: Span | None = None,
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    operation: str | None = None,
    outcome: str | None = None,
    status: str | None = None,
    request_id: str | None = None,
    labels: Mapping[str, str] | None = None,
    slower_than: Span | None = None,
    order: Literal["newest", "oldest", "slowest"] = "newest",
    limit: int | None = None,
    service: str | None = None,
    directory: str | os.PathLike[str] | None = None,
) -> CallRecords:
    """Returns finished calls of a service, of its running and its ended processes.

    Calls of the last half second may be missing; `flush` waits for them.

    Args:
        last: Only calls that ended within this duration: `"90s"`, `"15m"`, `"1h30m"`, `"7d"`, seconds or a
            timedelta.
        since: Only calls that ended then or later: RFC 3339 text or a datetime with a time zone.
        until: Only calls that ended before.
        operation: Only calls of this operation.
        outcome: Only calls with this outcome, such as `"oom"`.
        status: Only calls with this status: `"success"`, `"error"` or `"cancelled"`.
        request_id: Only calls with this request id.
        labels: Only calls with all of these labels.
        slower_than: Only calls at least this long.
        order: Order of the calls.
        limit: Maximum number of calls. Default: all.
        service: The service. Default: that of `init`, else `SOUNDPOST_SERVICE`, else the only one.
        directory: Directory of all services. Default: that of `init`, else the default of `init`.

    Raises:
        ValueError: An argument, which the message names, cannot be used.
        soundpost.Error: There is no such service, or its store cannot be read.
    """
    query = _query(service, directory, last=last, since=since, until=until, order=order, limit=limit) | {
        "operation": operation,
        "outcome": outcome,
        "status": status,
        "request_id": request_id,
        "labels": [(str(name), str(value)) for name, value in (labels or {}).items()],
        "slower_than": slower_than,
    }
    return CallRecords(_call(row) for row in _native.read_calls(query))


def read_logs(
    last: Span | None = None,
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    level: str | int | None = None,
    grep: str | None = None,
    logger: str | None = None,
    request_id: str | None = None,
    order: Literal["newest", "oldest"] = "newest",
    limit: int | None = None,
    service: str | None = None,
    directory: str | os.PathLike[str] | None = None,
) -> LogRecords:
    """Returns log events of a service, of its running and its ended processes.

    Events of the last half second may be missing; `flush` waits for them.

    Args:
        last: Only events of this duration before now: `"90s"`, `"15m"`, `"7d"`, seconds or a timedelta.
        since: Only events of then or later: RFC 3339 text or a datetime with a time zone.
        until: Only events before.
        level: Only events of this level or a higher one: `"warning"` or `logging.WARNING`.
        grep: Only events whose message or text field matches this regular expression, as in Rust.
        logger: Only events of this logger and of those below it.
        request_id: Only events of the call with this id.
        order: The last or the first stored event first.
        limit: Maximum number of events. Default: all.
        service: The service. Default: that of `init`, else `SOUNDPOST_SERVICE`, else the only one.
        directory: Directory of all services. Default: that of `init`, else the default of `init`.

    Raises:
        ValueError: An argument, which the message names, cannot be used.
        soundpost.Error: There is no such service, or its store cannot be read.
    """
    query = _query(service, directory, last=last, since=since, until=until, order=order, limit=limit) | {
        "level": level,
        "grep": grep,
        "logger": logger,
        "request_id": request_id,
    }
    return LogRecords(_log(row) for row in _native.read_logs(query))


def erase(
    *,
    request_id: str | Iterable[str] = (),
    where: Mapping[str, str | float | bool] | None = None,
    lines: Iterable[str | os.PathLike[str]] = (),
    dry_run: bool = False,
    service: str | None = None,
    directory: str | os.PathLike[str] | None = None,
) -> ErasedRecords:
    """Erases the records of requests or of a person, also while the service runs.

    They are removed from the store, the postmortems and the files of JSON lines that sinks have written.
    The receivers of other sinks have to erase what was shipped before. This may take seconds.

    Args:
        request_id: The ids of the requests.
        where: Values by the name of a column, a label or a field, all of which have to match. Records with
            the same request ids are erased as well.
        lines: Further files of JSON lines.
        dry_run: Whether to only count the records.
        service: The service. Default: that of `init`, else `SOUNDPOST_SERVICE`, else the only one.
        directory: Directory of all services. Default: that of `init`, else the default of `init`.

    Raises:
        ValueError: Nothing is selected, or there are several services.
        soundpost.Error: There is no such service, or its store cannot be read or written.
    """
    request_ids = {request_id} if isinstance(request_id, str) else set(request_id)
    values = [(str(name), _text(value)) for name, value in (where or {}).items()]
    if not values and not request_ids - {""}:
        raise ValueError("erase: nothing is selected; give request_id or where")
    query = _place(service, directory) | {"request_ids": request_ids, "values": values}
    query |= {"lines": [os.fspath(path) for path in lines], "dry_run": bool(dry_run)}
    return ErasedRecords(**_native.erase(query))


def _text(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _query(service: str | None, directory: str | os.PathLike[str] | None, **common: Any) -> dict[str, Any]:
    """Returns the part of a query that calls and events have in common."""
    common |= {argument: _nanoseconds(argument, common[argument]) for argument in ("since", "until")}
    return common | _place(service, directory)


def _place(service: str | None, directory: str | os.PathLike[str] | None) -> dict[str, Any]:
    running = _init.running()
    if running is not None:
        service = service or running["service"]
        directory = directory or running["directory"]
    return {"service": service or os.environ.get("SOUNDPOST_SERVICE") or None, "directory": directory}


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, default=dataclasses.asdict)


def _log(row: dict[str, Any]) -> LogRecord:
    return LogRecord(**row | {"time": datetime.fromtimestamp(row["time"], timezone.utc)})


def _call(row: dict[str, Any]) -> CallRecord:
    row["time"] = datetime.fromtimestamp(row["time"], timezone.utc)
    row["stages"] = {name: StageTime(*stage) for name, stage in row["stages"].items()}
    return CallRecord(**row)


def _nanoseconds(argument: str, value: Moment | None) -> int | None:
    if value is None:
        return None
    moment: object = value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", value))
        except ValueError:
            moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ValueError(f"{argument}: {value!r} is no moment; give RFC 3339 text or a datetime with a zone")
    return max(round(moment.timestamp() * 1e6) * 1000, 0)
