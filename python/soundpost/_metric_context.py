"""The Python half of metrics: functions inside a metric's context, and metrics that were pickled."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from soundpost import _functions

if TYPE_CHECKING:
    from collections.abc import Callable

    from soundpost._native import Metric, MetricContext


def rebuilt(
    kind: type[Metric], arguments: dict[str, Any], values: tuple[str, ...], state: dict[str, Any] | None
) -> Metric:
    """Returns the metric of a definition, or its series with these label values."""
    metric = kind.__new__(kind, **arguments)
    if values:
        metric = metric.labels(*values)
    if state:
        vars(metric).update(state)
    return metric


def decorated(function: Callable[..., Any], context: MetricContext) -> Callable[..., Any]:
    """Returns the function, of any kind, with a copy of `context` around each invocation."""
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(decorated(function.__func__, context))
    if _functions.is_undecoratable(function, repr(context), "the context of a metric"):
        return function

    def plain(*args: Any, **kwargs: Any) -> Any:
        with context.copy():
            return function(*args, **kwargs)

    def generator(*args: Any, **kwargs: Any) -> Any:
        with context.copy():
            return (yield from function(*args, **kwargs))

    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        with context.copy():
            return await function(*args, **kwargs)

    async def async_generator(*args: Any, **kwargs: Any) -> Any:
        with context.copy():
            async for item in function(*args, **kwargs):
                yield item

    kinds: list[Callable[..., Any]] = [generator, coroutine, async_generator]
    kind = _functions.kind_of(function)
    wrapper = next((wrapper for wrapper in kinds if _functions.kind_of(wrapper) == kind), plain)
    return functools.update_wrapper(wrapper, function)
