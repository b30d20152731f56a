"""Wrapping functions so that they stay what they are.

A wrapper has the kind of the function it wraps (plain, generator, coroutine, asynchronous generator), its
parameters, its globals, name, signature and docstring. It does one thing: hand over to the binding while something
is recorded, and to the function else. It forgets its arguments before it waits for anything.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any

from auscult._live import LIVE
from auscult._native import Plan
from auscult._parameters import Parameters

if TYPE_CHECKING:
    from auscult._native import Around, AsyncSteps

_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200
_PREFIX = "_auscult_"

_PLAIN = """
def {name}({declaration}):
    if {p}live:
        return {p}begin({p}function, {arguments}, {keywords}, {values}, {bound})
    return {p}function({forward})
"""
_GENERATES = """
def {name}({declaration}):
    {p}steps = {p}begin({p}function({forward}), {values}, {bound}) if {p}live else {p}function({forward})
    {forget}
    return (yield from {p}steps)
"""
_AWAITS = """
async def {name}({declaration}):
    {p}steps = {p}begin({p}function({forward}), {values}, {bound}) if {p}live else {p}function({forward})
    {forget}
    return await {p}steps
"""
_GENERATES_ASYNC = """
async def {name}({declaration}):
    {p}steps = {p}begin({p}function({forward}), {values}, {bound})
    {forget}
    {p}given = None
    while True:
        try:
            {p}given = yield await {p}steps.resume({p}given)
        except {p}anything as {p}error:
            if {p}steps.ends_with({p}error):
                return
            {p}given = None
"""


def kind_of(function: object) -> int:
    """The flag of a function's kind, 0 for a plain function; sees through partials and bound methods."""
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    flags: int = getattr(code, "co_flags", 0)
    return flags & (_GENERATOR | _COROUTINE | _ASYNC_GENERATOR)


def wrapped(
    function: Callable[..., Any], plan: Plan, parameters: Parameters, values: Sequence[str], *, bound: bool
) -> Callable[..., Any]:
    """The function, recorded as `plan` says.

    Args:
        function: What to wrap.
        plan: What its wrapper hands over to.
        parameters: Its parameters.
        values: Source texts of the values that the plan wants.
        bound: Whether the plan wants all arguments by name.
    """
    kind = kind_of(function)
    text, begin = {
        _GENERATOR: (_GENERATES, plan.generator),
        _COROUTINE: (_AWAITS, plan.coroutine),
        _ASYNC_GENERATOR: (_GENERATES_ASYNC, plan.async_generator),
    }.get(kind, (_PLAIN, plan.call))
    name = getattr(function, "__name__", "")
    name = name if name.isidentifier() and not name.startswith(_PREFIX) else _PREFIX + "wrapper"
    source = text.format(
        p=_PREFIX,
        name=name,
        declaration=parameters.declaration,
        forward=parameters.forward,
        arguments=parameters.arguments,
        keywords=parameters.keywords,
        values="(" + "".join(value + ", " for value in values) + ")",
        bound=parameters.bound if bound else "None",
        forget="del " + ", ".join(parameters.names) if parameters.names else "pass",
    )
    free: dict[str, object] = {"function": function, "begin": begin, "anything": BaseException}
    cells = {_PREFIX + name: CellType(value) for name, value in free.items()}
    cells |= {name: CellType(value) for name, value in parameters.constants.items()}
    return _compiled(function, name, source, {**cells, _PREFIX + "live": LIVE})


def _compiled(function: Callable[..., Any], name: str, source: str, cells: dict[str, CellType]) -> Callable[..., Any]:
    """A function of this source text, with the wrapped function's globals and these cells as its closure."""
    inner = source.replace("\n", "\n    ")
    outer = f"def {_PREFIX}outer({', '.join(cells)}):{inner}\n    return {name}\n"
    made: dict[str, Any] = {}
    exec(compile(outer, "<auscult>", "exec"), made)  # noqa: S102 - the text is made of identifiers, see Parameters
    code = made[_PREFIX + "outer"](*cells).__code__
    names = getattr(function, "__globals__", made)
    closure = tuple(cells[free] for free in code.co_freevars)
    wrapper = FunctionType(code, names, name, getattr(function, "__defaults__", None), closure)
    if isinstance(function, FunctionType):
        wrapper.__kwdefaults__ = function.__kwdefaults__
    return functools.update_wrapper(wrapper, function)


def staged(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function as a stage: what `@auscult.stage(name)` makes."""
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(staged(function.__func__, name))
    return wrapped(function, Plan(name, stage=True), Parameters(function, _PREFIX), [], bound=False)


def drive(steps: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """A generator of what a plain function returned."""
    return (yield from steps)


async def drive_coroutine(steps: Awaitable[Any]) -> Any:
    """A coroutine of what a plain function returned."""
    return await steps


async def drive_async_generator(steps: AsyncSteps) -> AsyncGenerator[Any, Any]:
    """An asynchronous generator of what a plain function returned."""
    given = None
    while True:
        try:
            given = yield await steps.resume(given)
        except BaseException as error:
            if steps.ends_with(error):
                return
            given = None


def surrounded(function: Callable[..., Any], around: Around) -> Callable[..., Any]:
    """The function inside of a metric's context: what `@histogram.time()` and the like make."""
    kind = kind_of(function)
    if kind == _COROUTINE:

        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            with around.again():
                return await function(*args, **kwargs)

    elif kind == _GENERATOR:

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with around.again():
                return (yield from function(*args, **kwargs))

    elif kind == _ASYNC_GENERATOR:

        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            with around.again():
                async for item in function(*args, **kwargs):
                    yield item

    else:

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with around.again():
                return function(*args, **kwargs)

    return functools.update_wrapper(wrapper, function)
