"""Threads that belong to the call and the request in which they are started."""

from __future__ import annotations

import functools
import sys
from contextvars import Context
from typing import TYPE_CHECKING, Any

from soundpost._native import call_variable, current_call, request_variable

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from contextvars import ContextVar


@functools.cache
def carry_calls() -> None:
    """Makes threads and tasks of thread pools, once they are started inside a call or request, belong to it.

    A failure of a deciding stage in such a thread is then one of the call. A thread of a pool belongs to the
    call that submitted its present task, and keeps its own context variables.
    """
    import threading
    from concurrent.futures import ThreadPoolExecutor

    start, submit = threading.Thread.start, ThreadPoolExecutor.submit
    now = threading.local()
    is_inherited = getattr(sys.flags, "thread_inherit_context", False)

    @functools.wraps(start)
    def start_inside(self: threading.Thread) -> None:
        current = () if is_inherited or getattr(now, "submits", False) else _current()
        if not current or "run" in vars(self):
            start(self)
            return
        context, run = Context(), self.run
        for variable, value in current:
            context.run(variable.set, value)

        def run_inside() -> None:
            vars(self).pop("run", None)
            context.run(run)

        self.run = run_inside  # type: ignore[method-assign]
        try:
            start(self)
        except BaseException:
            vars(self).pop("run", None)
            raise

    @functools.wraps(submit)  # type: ignore[arg-type]
    def submit_inside(self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        current = _current()
        # It starts threads that outlive this call.
        now.submits = True
        try:
            return submit(self, functools.partial(_run, current, fn) if current else fn, *args, **kwargs)
        finally:
            now.submits = False

    threading.Thread.start = start_inside  # type: ignore[method-assign]
    ThreadPoolExecutor.submit = submit_inside  # type: ignore[method-assign, assignment]


Current = tuple[tuple["ContextVar[Any]", Any], ...]


def _current() -> Current:
    """Returns the variables of call and request that have a value, and these."""
    pairs = (call_variable(), current_call()), (request_variable(), request_variable().get(None))
    return tuple(pair for pair in pairs if pair[1] is not None)


def _run(current: Current, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Runs a task of a pool inside its call, in the context of the pool's thread."""
    tokens = [(variable, variable.set(value)) for variable, value in current]
    try:
        return function(*args, **kwargs)
    finally:
        for variable, token in tokens:
            variable.reset(token)
