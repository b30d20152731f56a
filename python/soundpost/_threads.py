"""Threads that belong to the call and the request in which they are started."""

from __future__ import annotations

import functools
from contextvars import Context
from typing import TYPE_CHECKING, Any

from soundpost._native import call_variable, current_call, request_variable

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable


@functools.cache
def carry_calls() -> None:
    """Makes threads and tasks of thread pools, once they are started inside a call or request, belong to it.

    A failure of a deciding stage in such a thread is then one of the call. A thread of a pool belongs to the
    call that submitted its present task.
    """
    import threading
    from concurrent.futures import ThreadPoolExecutor

    start, submit = threading.Thread.start, ThreadPoolExecutor.submit

    @functools.wraps(start)
    def start_inside(self: threading.Thread) -> None:
        context, run = _context(), self.run
        if len(context) and "run" not in vars(self):

            def run_inside() -> None:
                vars(self).pop("run", None)
                context.run(run)

            self.run = run_inside  # type: ignore[method-assign]
        start(self)

    @functools.wraps(submit)  # type: ignore[arg-type]
    def submit_inside(self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return submit(self, functools.partial(_context().run, fn), *args, **kwargs)

    threading.Thread.start = start_inside  # type: ignore[method-assign]
    ThreadPoolExecutor.submit = submit_inside  # type: ignore[method-assign, assignment]


def _context() -> Context:
    """Returns a context with nothing but the current call and request."""
    context, request = Context(), request_variable().get(None)
    for variable, value in ((call_variable(), current_call()), (request_variable(), request)):
        if value is not None:
            context.run(variable.set, value)
    return context
