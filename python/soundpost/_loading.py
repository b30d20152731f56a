"""`loading`: the phases of a service's start."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from soundpost._functions import ASYNC_GENERATOR, COROUTINE, GENERATOR, kind_of
from soundpost._native import Loading, warmup

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

F = TypeVar("F", bound="Callable[..., Any]")
Phase = Literal["download", "load", "warmup"]


class loading:  # noqa: N801
    """Records a phase of loading in `load_seconds{phase}`: a block, or each invocation of a function.

    The process is not ready meanwhile, except inside a call: `/readyz` answers 503. In the first phase of all
    processes of the service `/healthz` answers 503 with `loading` as well, and `up` is 0. Calls inside a
    phase `warmup` are those of `soundpost.warmup`. Before `init` it does nothing.

    Raises:
        ValueError: There is no such phase.
        TypeError: The decorated function is a generator function.
    """

    def __init__(self, phase: Phase = "load") -> None:
        if phase not in ("download", "load", "warmup"):
            raise ValueError(f"loading: there is no phase {phase!r}; give download, load or warmup")
        self._phase = phase
        self._entered: list[contextlib.ExitStack] = []

    def __enter__(self) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(Loading(self._phase).end)
            if self._phase == "warmup":
                stack.enter_context(warmup())
            self._entered.append(stack.pop_all())

    def __exit__(
        self,
        _kind: type[BaseException] | None = None,
        _error: BaseException | None = None,
        _traceback: TracebackType | None = None,
    ) -> None:
        self._entered.pop().close()

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(self, *_error: object) -> None:
        self.__exit__()

    def __call__(self, function: F) -> F:
        """Returns a function whose invocations are phases."""
        if isinstance(function, (classmethod, staticmethod)):
            return type(function)(self(function.__func__))

        if kind_of(function) in (GENERATOR, ASYNC_GENERATOR):
            text = "its body runs after it returned; use the block `with soundpost.loading(...)` inside of it"
            raise TypeError(f"loading: {function!r} is a generator function: {text}")

        @functools.wraps(function)
        def loads(*args: Any, **kwargs: Any) -> Any:
            with loading(self._phase):
                return function(*args, **kwargs)

        @functools.wraps(function)
        async def loads_later(*args: Any, **kwargs: Any) -> Any:
            with loading(self._phase):
                return await function(*args, **kwargs)

        return cast("F", loads_later if kind_of(function) == COROUTINE else loads)
