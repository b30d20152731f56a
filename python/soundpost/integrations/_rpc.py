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
_ROUNDED = 0.01
"""Share of its timeout by which a server rounds the deadline of an RPC up."""


class Rpc:
    """An RPC, from its arrival to its end. A server that refuses it drops it before it begins."""

    def __init__(self, method: str, metadata: Any, *, waits: bool) -> None:
        texts = {name: value for name, value in reversed(list(metadata or ())) if isinstance(value, str)}
        self._method, self._waits = method.removeprefix("/"), waits
        self._arrived, self._thread = time.monotonic(), get_ident()
        self._context: Any = None
        self._status: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_done = self._is_suspended = self._is_cancelled = False
        self._has_failed = self._is_recorded = False
        self.request = opened(texts.get, queued_at=self._arrived if waits else None)
        task = None if waits else asyncio.current_task()
        if task is not None:
            task.add_done_callback(self._task_ended)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Runs the block as a part of the RPC. An exception ends it."""
        self._is_suspended = False
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

    def begin(self, context: Any) -> Any:
        """Begins the RPC, whose handler got this context. Returns the context for the handler."""
        if hasattr(context, "add_done_callback"):
            self._context = context
            context.add_done_callback(self._terminated)
            rest = context.time_remaining()
            if rest is not None:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(max(rest - _TIMER_LEAD, 0.0), self.leave)
        elif self._waits:
            self._context = context
            if not context.add_callback(self._terminated):
                self._terminated()
        else:
            self._context = SyncContext(context)
            if self._is_cancelled:
                self._terminated()
        return self._context

    def suspend(self) -> None:
        """Suspends the handler, which some servers never resume after the end of the RPC."""
        self._is_suspended = True
        if self._status is not None:
            guarded(self._settle)

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
            is_early = rest is None or rest > _LATE + _ROUNDED * (rest + time.monotonic() - self._arrived)
            self._status = "CANCELLED" if is_early else "DEADLINE_EXCEEDED"
            self.request.end(_OUTCOMES[self._status])

    def _terminated(self, *_context: Any) -> None:
        guarded(self.leave)
        if self._is_done or self._is_suspended:
            guarded(self._settle)

    def _task_ended(self, task: asyncio.Task[Any]) -> None:
        """Notices the end of the server's task: sync handlers of asyncio servers get no other notice."""
        self._is_cancelled = getattr(task, "cancelling", int)() > 0
        if self._context is not None:
            self._terminated()
        elif self._is_cancelled:
            guarded(self._record, "CANCELLED", None)

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


class SyncContext:
    """The context of a sync handler in an asyncio server, which has no getters of the status."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._code: Any = None
        self._details = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def abort(self, code: Any, details: str = "", *more: Any, **options: Any) -> None:
        """Ends the RPC with a status."""
        self._code, self._details = code, details or self._details
        self._context.abort(code, details, *more, **options)

    def set_code(self, code: Any) -> None:
        """Sets the status code of the RPC."""
        self._context.set_code(code)
        self._code = code

    def set_details(self, details: str) -> None:
        """Sets the text of the status."""
        self._context.set_details(details)
        self._details = details

    def code(self) -> Any:
        """Returns the status code."""
        return self._code

    def details(self) -> str:
        """Returns the text of the status."""
        return self._details
