"""Requests of servers: their ids and their time in the queue."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from soundpost._native import Request, fault, request_variable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ID_HEADERS = ("x-request-id", "x-correlation-id", "request-id")
"""Headers with the client's id, the first one first."""
_QUEUE_HEADERS = ("x-request-start", "x-queue-start")
_START = re.compile(r"(?:t\s*=\s*)?(\d{1,30}(?:\.\d{0,30})?(?:e\+?\d\d?)?)\s*(s|ms|us|ns)?", re.ASCII | re.I)
_UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_LONGEST_QUEUE = 3600.0
"""Maximum time in the queue, in seconds: beyond it, the clocks differ."""
_CLOCK_SKEW = 1.0
"""Maximum time by which the clock of a proxy is ahead, in seconds."""


def opened(
    header: Callable[[str], str | None],
    *,
    queued_at: float | None = None,
    on_call: Callable[[], object] | None = None,
    **fields: object,
) -> Request:
    """Returns the request with these headers, whose names are in lower case."""
    ids = (header(name) for name in ID_HEADERS)
    starts = (_accepted_at(header(name)) for name in _QUEUE_HEADERS)
    return Request(
        request_id=next((each for each in ids if each and not each.isspace()), None),
        traceparent=header("traceparent"),
        queued_at=queued_at or next((start for start in starts if start is not None), None),
        on_call=on_call,
        fields=fields or None,
    )


def _accepted_at(text: str | None) -> float | None:
    """Returns the `time.monotonic()` of the first usable time since 1970 in a list of hops."""
    times = map(_hop_at, (text or "").split(","))
    return next((at for at in times if at is not None), None)


def _hop_at(text: str) -> float | None:
    """Returns the `time.monotonic()` of `t=` and a number of s, ms, us or ns, by unit or size."""
    found = _START.fullmatch(text.strip())
    if found is None:
        return None
    at, unit = float(found[1]), (found[2] or "").lower()
    if not unit:
        unit = "ns" if at > 1e17 else "us" if at > 1e14 else "ms" if at > 1e11 else "s"
    waited = time.time() - at / _UNITS[unit]
    return time.monotonic() - max(waited, 0.0) if -_CLOCK_SKEW <= waited <= _LONGEST_QUEUE else None


@contextmanager
def inside(request: Request | None) -> Iterator[None]:
    """Makes calls that start in the block belong to the request."""
    token = request_variable().set(request)
    try:
        yield
    finally:
        request_variable().reset(token)


def guarded(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Returns the result of Soundpost's own function, or None after a fault, which it reports."""
    try:
        return function(*arguments, **options)
    except Exception as error:
        name = function.__qualname__
        try:
            fault("integration", name, f"the integration's {name}", error)
        except Exception:
            return None
