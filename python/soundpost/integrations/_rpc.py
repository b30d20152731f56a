"""The end of a remote procedure call, for its own calls or, without any, as a call."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import contextmanager
from contextvars import Context
from importlib import import_module
from threading import get_ident
from typing import TYPE_CHECKING, Any

from soundpost._native import call
from soundpost.integrations._requests import guarded, inside, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

_OUTCOMES = {
    "OK": None,
    "CANCELLED": "cancelled",
    "DEADLINE_EXCEEDED": "timeout",
    **dict.fromkeys(("INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "OUT_OF_RANGE"), "invalid"),
    **dict.fromkeys(("UNAUTHENTICATED", "PERMISSION_DENIED", "FAILED_PRECONDITION"), "invalid"),
}
"""Outcomes by status; that of any other is `error`."""
_TIMER_LEAD = 0.001
"""Time by which a deadline is noticed before it cancels the task, in seconds."""
_LATE = 0.01
"""Maximum rest of the time until its deadline in which an RPC counts as too late, in seconds."""


class Rpc:
    """An RPC, from its arrival to its end. A server that refuses it drops it before it begins."""

    def __init__(self, method: str, metadata: Any, *, waits: bool) -> None:
        texts = {name: value for name, value in reversed(list(metadata or ())) if isinstance(value, str)}
        self._method, self._waits = method.removeprefix("/"), waits
        self._arrived, self._thread = time.monotonic(), get_ident()
        self._context: Any = None
        self._status: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_done = self._has_failed = self._is_recorded = False
        self.request = opened(texts.get, queued_at=self._arrived if waits else None)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Runs the block as a part of the RPC. An exception ends it."""
        try:
            with inside(self.request):
                yield
        except (GeneratorExit, asyncio.CancelledError):
            guarded(self.leave)
            self.finish()
            raise
        except BaseException:
            self._has_failed = True
            self.finish()
            raise

    def begin(self, context: Any) -> None:
        """Begins the RPC, whose handler got this context."""
        self._context = context
        if hasattr(context, "add_callback"):
            if not context.add_callback(self._terminated):
                self._terminated()
            return
        context.add_done_callback(self._terminated)
        rest = context.time_remaining()
        if rest is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(rest - _TIMER_LEAD, 0.0), self.leave)

    def finish(self) -> None:
        """Ends the handler."""
        self._is_done = True
        if self._timer is not None:
            self._timer.cancel()
        if self._status is not None:
            guarded(self._settle)

    def leave(self) -> None:
        """Ends the calls of an RPC that its client or its deadline cancelled."""
        if self._status is None and not self._is_done:
            rest = getattr(self._context, "time_remaining", lambda: None)()
            self._status = "CANCELLED" if rest is None or rest > _LATE else "DEADLINE_EXCEEDED"
            self.request.end(_OUTCOMES[self._status])

    def _terminated(self, *_context: Any) -> None:
        guarded(self.leave)
        if self._is_done:
            guarded(self._settle)

    def _settle(self) -> None:
        """Records an RPC without calls, whose handler and transmission are over."""
        if self._status is None:
            self._status = self._sent_status()
        else:
            self.request.end(_OUTCOMES[self._status])
        if not self.request.has_calls:
            self._record(self._status, self._context.details() if hasattr(self._context, "details") else "")

    def _sent_status(self) -> str:
        code = self._context.code() if hasattr(self._context, "code") else None
        if isinstance(code, int):
            codes = import_module("grpc").StatusCode
            code = next((each for each in codes if each.value[0] == code), None)
        name = getattr(code, "name", "OK")
        return "UNKNOWN" if self._has_failed and name == "OK" else str(name)

    def _record(self, status: str, details: bytes | str | None) -> None:
        outcome = _OUTCOMES.get(status, "error")
        if outcome is not None and not self._is_recorded:
            self._is_recorded = True
            text = details.decode("utf-8", "replace") if isinstance(details, bytes) else details
            Context().run(self._record_as, outcome, status, text or "")

    def _record_as(self, outcome: str, status: str, details: str) -> None:
        request_id = self.request.request_id
        with call(self._method, request_id=request_id, queued_at=self._arrived, error_type=status) as made:
            made.mark(outcome)
            if details:
                made.set(error=details)

    def __del__(self) -> None:
        """Records an RPC that has not begun: refused, or cancelled while it waited for a thread."""
        if getattr(self, "_context", self) is None and not sys.is_finalizing():
            is_refused = not self._waits or self._thread == get_ident()
            guarded(self._record, "RESOURCE_EXHAUSTED" if is_refused else "CANCELLED", None)
