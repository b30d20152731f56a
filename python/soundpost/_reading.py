"""`read_calls`: finished calls from the store of a service."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Literal

from soundpost import _init, _native

if TYPE_CHECKING:
    from collections.abc import Mapping

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


_NAMES = [field.name for field in dataclasses.fields(CallRecord)]


class CallRecords(list[CallRecord]):
    """A list of finished calls."""

    def to_pandas(self) -> Any:
        """Returns a `pandas.DataFrame` with a row for each call, and with all columns also without calls."""
        pandas = importlib.import_module("pandas")
        columns = {name: [getattr(record, name) for record in self] for name in _NAMES}
        columns["time"] = pandas.to_datetime(columns["time"], utc=True)
        return pandas.DataFrame(columns)

    def to_polars(self) -> Any:
        """Returns a `polars.DataFrame` with a row for each call, and with all columns also without calls.

        `labels`, `fields` and `stages` are JSON text, which `.str.json_decode()` reads.
        """
        polars = importlib.import_module("polars")
        types = {"str": polars.String, "float": polars.Float64, "int": polars.Int64, "bool": polars.Boolean}
        types |= {"datetime": polars.Datetime("us", "UTC"), "dict": polars.String}
        schema, columns = {}, {}
        for field in dataclasses.fields(CallRecord):
            kind = re.split(r"\W", str(field.type))[0]
            values = [getattr(record, field.name) for record in self]
            schema[field.name] = types[kind]
            columns[field.name] = values if kind != "dict" else [_json(value) for value in values]
        return polars.DataFrame(columns, schema=schema)


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
    running = _init.running()
    if running is not None:
        service = service or running["service"]
        directory = directory or running["directory"]
    query = {
        "service": service or os.environ.get("SOUNDPOST_SERVICE") or None,
        "directory": directory,
        "last": last,
        "since": _nanoseconds("since", since),
        "until": _nanoseconds("until", until),
        "operation": operation,
        "outcome": outcome,
        "status": status,
        "request_id": request_id,
        "labels": [(str(name), str(value)) for name, value in (labels or {}).items()],
        "slower_than": slower_than,
        "order": order,
        "limit": limit,
    }
    return CallRecords(_record(row) for row in _native.read_calls(query))


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, default=dataclasses.asdict)


def _record(row: dict[str, Any]) -> CallRecord:
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
