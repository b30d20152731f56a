"""Functions inside of a metric's context: what `@histogram.time()` and the like make."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from soundpost import _functions

if TYPE_CHECKING:
    from collections.abc import Callable

    from soundpost._native import Around


def surrounded(function: Callable[..., Any], around: Around) -> Callable[..., Any]:
    """The function, of any kind, with its own context of `around` for each invocation."""

    def plain(*args: Any, **kwargs: Any) -> Any:
        with around.again():
            return function(*args, **kwargs)

    def generator(*args: Any, **kwargs: Any) -> Any:
        with around.again():
            return (yield from function(*args, **kwargs))

    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        with around.again():
            return await function(*args, **kwargs)

    async def async_generator(*args: Any, **kwargs: Any) -> Any:
        with around.again():
            async for item in function(*args, **kwargs):
                yield item

    kinds: list[Callable[..., Any]] = [generator, coroutine, async_generator]
    kind = _functions.kind_of(function)
    wrapper = next((wrapper for wrapper in kinds if _functions.kind_of(wrapper) == kind), plain)
    return functools.update_wrapper(wrapper, function)
