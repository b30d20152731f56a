"""Gradio: the events of its queue."""

from __future__ import annotations

import asyncio
import functools
import sys
import time
from typing import TYPE_CHECKING, Any

from soundpost._native import request_variable
from soundpost.integrations._requests import guarded, inside, opened
from soundpost.integrations._table import Hook, Integration

if TYPE_CHECKING:
    from collections.abc import Callable

_REQUEST = "_soundpost_request"
"""Attribute of an event."""


def _stamp(event: Any) -> None:
    """Gives an event a request, whose time in the queue begins now."""
    around = request_variable().get(None)
    headers = getattr(event.request, "headers", {})
    header = headers.get if around is None else {"x-request-id": around.request_id}.get
    request = opened(header, queued_at=time.monotonic(), session_hash=event.session_hash)
    setattr(event, _REQUEST, request)


def _with_request(init: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(init)
    def initialise(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        guarded(_stamp, self)

    return initialise


def _in_request(process: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the processing of a batch of events, whose calls belong to the first one."""

    @functools.wraps(process)
    async def process_events(self: Any, events: Any, *args: Any, **kwargs: Any) -> Any:
        with inside(getattr(events[0], _REQUEST, None)):
            return await process(self, events, *args, **kwargs)

    return process_events


def _abandoned(clean: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the removal of a client's events, which also ends the calls of those that run."""

    def abandon(queue: Any) -> None:
        for events in filter(None, list(queue.active_jobs)):
            request = getattr(events[0], _REQUEST, None)
            if request is not None and not any(event.alive for event in events):
                request.end()

    @functools.wraps(clean)
    async def clean_events(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await clean(self, *args, **kwargs)
        finally:
            guarded(abandon, self)

    return clean_events


def _cancelled(reset: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the end of an event's processing, which also ends the calls of one that was cancelled."""

    @functools.wraps(reset)
    async def reset_iterators(self: Any, *args: Any, **kwargs: Any) -> Any:
        request, error = request_variable().get(None), sys.exc_info()[1]
        if request is not None and isinstance(error, asyncio.CancelledError):
            guarded(request.end, "cancelled")
        return await reset(self, *args, **kwargs)

    return reset_iterators


_QUEUEING = "gradio.queueing"
INTEGRATION = Integration(
    name="gradio",
    hooks=(
        Hook(target=f"{_QUEUEING}:Event.__init__", wrap=_with_request, needs=("session_hash", "request")),
        Hook(target=f"{_QUEUEING}:Queue.process_events", wrap=_in_request, needs=("events",)),
        Hook(target=f"{_QUEUEING}:Queue.clean_events", wrap=_abandoned),
        Hook(target=f"{_QUEUEING}:Queue.reset_iterators", wrap=_cancelled),
    ),
    starts=False,
)
