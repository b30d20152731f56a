"""`calls`: finished calls from the store of a service."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from soundpost import _init, _native

if TYPE_CHECKING:
    from collections.abc import Mapping

# As the program's messages name an option.
_OPTION = re.compile(r"'--([a-z-]+) <[^>]+>'|--([a-z-]+) [A-Z]+")

Moment = str | datetime
Span = str | float | timedelta


def calls(
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
    frame: bool | None = None,
) -> Any:
    """Finished calls of a service, its running ones' processes and earlier ones'.

    What was recorded in the last half second may not be there yet; `flush` waits for it.

    Args:
        last: Those that ended within this time: `"90s"`, `"15m"`, `"1h"`, `"7d"`, seconds or a timedelta.
        since: Those that ended then or later: RFC 3339 text or a datetime with a time zone.
        until: Those that ended before.
        operation: Of this operation.
        outcome: That ended so, such as `"oom"`.
        status: `"success"`, `"error"` or `"cancelled"`.
        request_id: With this request id.
        labels: With all of these labels.
        slower_than: That took so long or longer.
        order: What comes first.
        limit: At most so many. Default: all.
        service: The service. Default: that of `init`, else `SOUNDPOST_SERVICE`, else the only one there is.
        directory: Where services keep their files. Default: that of `init`, else as there.
        frame: Whether to return a `pandas.DataFrame`. Default: whether pandas is installed.

    Returns:
        A dict for each call, or a frame with a row for each. Names and units are those of
        `soundpost calls --json`; what a call does not have is not in its dict.

    Raises:
        ValueError: An argument cannot be used.
        soundpost.Error: There is no such service, or its store cannot be read.
    """
    running = _init.running()
    if running is not None:
        service = service or running["service"]
        directory = directory or running["directory"]
    options: list[tuple[str, str | None]] = [
        ("--service", service),
        ("--directory", None if directory is None else os.fspath(directory)),
        ("--last", _span("last", last)),
        ("--since", _moment("since", since)),
        ("--until", _moment("until", until)),
        ("--operation", operation),
        ("--outcome", outcome),
        ("--status", status),
        ("--request-id", request_id),
        ("--slower-than", _span("slower_than", slower_than)),
        ("--order", order),
        ("--limit", None if limit is None else str(limit)),
        *(("--label", f"{name}={value}") for name, value in (labels or {}).items()),
    ]
    given = [f"{option}={value}" for option, value in options if value is not None]
    try:
        lines = _native.query(["calls", "--json", *given]).splitlines()
    except ValueError as error:
        raise ValueError(_OPTION.sub(_argument, str(error))) from None
    rows = [json.loads(line) for line in lines]
    if frame is None:
        frame = importlib.util.find_spec("pandas") is not None
    if not frame:
        return rows
    pandas = importlib.import_module("pandas")
    table = pandas.DataFrame(rows)
    if "time" in table:
        table["time"] = pandas.to_datetime(table["time"], format="ISO8601")
    return table


def _argument(option: re.Match[str]) -> str:
    return (option[1] or option[2]).replace("-", "_") + "="


def _span(argument: str, value: Span | None) -> str | None:
    if value is None or isinstance(value, str):
        return value
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds >= 0:
        raise ValueError(f"{argument}: {value!r} is no time; give text such as '1h', seconds or a timedelta")
    return f"{seconds:f}s"


def _moment(argument: str, value: Moment | None) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError(f"{argument}: {value!r} is no moment; give RFC 3339 text or a datetime with a zone")
    return value.isoformat()
