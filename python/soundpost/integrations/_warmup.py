"""Functions by which services call themselves at their start."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from soundpost._native import warmup


def warming(function: Any) -> Any:
    """Returns the function with all calls inside it marked as warm-up."""

    @functools.wraps(function)
    async def run_async(*arguments: Any, **options: Any) -> Any:
        with warmup():
            return await function(*arguments, **options)

    @functools.wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        with warmup():
            return function(*arguments, **options)

    return run_async if inspect.iscoroutinefunction(function) else run
