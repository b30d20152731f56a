"""Wrapping functions so that they stay what they are.

A wrapper has the kind of the function it wraps (plain, generator, coroutine, asynchronous generator), its
parameters, its globals, name, signature and docstring. It calls the function itself, between two calls of the
binding, and forgets its arguments before it waits for anything.
"""

from __future__ import annotations

import functools
import keyword
from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any

from soundpost._live import LIVE
from soundpost._native import Plan, fault
from soundpost._parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Sequence

    from soundpost._native import Iteration, Pending

_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200
PREFIX = "_soundpost_"
"""What names of a wrapper's own begin with; no parameter does."""

_CALLS = """
def {name}({declaration}):
    if not {p}live:
        return {p}function({forward})
    {p}run = {p}begin({values})
    try:
        {p}result = {p}function({forward})
    except {p}anything as {p}error:
        {p}failed({p}run, {p}error)
        raise
    return {p}returned({p}run, {p}result)
"""
_AWAITS = """
async def {name}({declaration}):
    {p}coroutine = {p}function({forward})
    {p}run = {p}begin({values}) if {p}live else None
    {forget}
    try:
        {p}result = await {p}coroutine
    except {p}anything as {p}error:
        {p}failed({p}run, {p}error)
        raise
    return {p}returned({p}run, {p}result)
"""
_ITERATES = """
{defines} {name}({declaration}):
    {p}steps = {steps}
    {forget}
    {p}given = None
    while True:
        try:
            {p}given = yield {item}
        except {p}anything as {p}error:
            if not {p}steps.throws({p}error):
                if {p}steps.returns({p}error):
                    {returns}
                raise
            {p}given = None
"""
_STEPS = "{p}iterate({p}function({forward}), {values} if {p}live else ())"
_ITEM = "{p}steps.yielded({waits}{p}steps.enter({p}given)())"
_TOLD_ITEM = "{p}steps.told({p}tells({p}steps.keep({waits}{p}steps.enter({p}given)())))"


def kind_of(function: object) -> int:
    """The flag of a function's kind, 0 for a plain function; sees through partials and bound methods."""
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    flags: int = getattr(code, "co_flags", 0)
    return flags & (_GENERATOR | _COROUTINE | _ASYNC_GENERATOR)


def unfit(function: object, name: str, decorator: str) -> bool:
    """Whether something is no function and cannot be decorated, which is a fault."""
    if callable(function) and not isinstance(function, type):
        return False
    if isinstance(function, type):
        text = f"{decorator} was put on the class {function.__qualname__}; put it on its methods"
    else:
        text = f"{decorator} was put on a {type(function).__name__}; put it on a function, below the others"
    fault("operation", f"{name} {decorator}", f"{name!r}: {text}")
    return True


def _is_free(name: object) -> bool:
    """Whether a function can be defined under this name."""
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        return False
    return name != "__debug__" and not name.startswith(PREFIX)


def wrapped(
    function: Callable[..., Any],
    plan: Plan,
    parameters: Parameters,
    values: Sequence[str] = (),
    tells: Callable[[Any], Any] | None = None,
) -> Callable[..., Any]:
    """The function, recorded as `plan` says.

    Args:
        function: What to wrap.
        plan: What its wrapper hands over to.
        parameters: Its parameters, with the constants that `values` refer to.
        values: Source texts of the values that the plan wants.
        tells: Says what an item or a result is, where the user has a function for it.
    """
    kind = kind_of(function)
    name = getattr(function, "__name__", "")
    name = name if _is_free(name) else PREFIX + "wrapper"
    fields = {
        "name": name,
        "declaration": parameters.declaration,
        "forward": parameters.forward,
        "values": "(" + "".join(value + ", " for value in values) + ")",
        "forget": "del " + ", ".join(parameters.names) if parameters.names else "pass",
    }
    text = {0: _CALLS, _COROUTINE: _AWAITS}.get(kind)
    if text is None:
        source = _iterates(kind, tells, {**fields, "steps": _STEPS.format(p=PREFIX, **fields)})
    else:
        source = text.format(p=PREFIX, **fields)
    free = {
        "function": function,
        "begin": plan.begin,
        "returned": plan.returned if tells is None else _told(plan, tells),
        "failed": plan.failed,
        "iterate": plan.iterate,
        "tells": tells,
    }
    cells = {PREFIX + name: value for name, value in free.items()} | parameters.constants
    wrapper = _compiled(name, source, cells, getattr(function, "__globals__", {}))
    wrapper.__defaults__ = getattr(function, "__defaults__", None)
    wrapper.__kwdefaults__ = getattr(function, "__kwdefaults__", None)
    return functools.update_wrapper(wrapper, function)


def _iterates(kind: int, tells: object, fields: dict[str, str]) -> str:
    """The text of a wrapper of either kind of generator."""
    waits = "await " if kind == _ASYNC_GENERATOR else ""
    return _ITERATES.format(
        p=PREFIX,
        defines="async def" if waits else "def",
        item=(_TOLD_ITEM if tells else _ITEM).format(p=PREFIX, waits=waits),
        returns="return" if waits else f"return {PREFIX}steps.result()",
        **fields,
    )


def _compiled(name: str, source: str, cells: dict[str, object], names: dict[str, Any]) -> FunctionType:
    """A function of this source text, with these globals and with `cells` as its closure."""
    cells = {**cells, PREFIX + "anything": BaseException, PREFIX + "live": None}
    inner = source.replace("\n", "\n    ")
    outer = f"def {PREFIX}outer({', '.join(cells)}):{inner}\n    return {name}\n"
    made: dict[str, Any] = {}
    exec(compile(outer, "<soundpost>", "exec"), made)  # noqa: S102 - made of identifiers, see Parameters
    code = made[PREFIX + "outer"](*cells).__code__
    closure = (LIVE if free == PREFIX + "live" else CellType(cells[free]) for free in code.co_freevars)
    return FunctionType(code, names, name, None, tuple(closure))


def _told(plan: Plan, tells: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """As `plan.returned`, where the user's function says what a result is."""

    def told(run: object, result: object) -> object:
        # A generator or coroutine is no output yet.
        if run is None or plan.is_later(result):
            return plan.returned(run, result)
        try:
            said = tells(result)
        except BaseException as error:
            plan.failed(run, error)
            raise
        return plan.told(run, result, said)

    return told


def asking(
    part: str, operation: str, name: str, function: Callable[[Any], Any], otherwise: object
) -> Callable[[Any], Any]:
    """Calls a function of the user's; where it raises, that is a fault, and the value is `otherwise`."""

    def ask(given: object) -> object:
        try:
            return function(given)
        except Exception as error:
            fault(part, f"{operation} {name}", f"{operation!r}: {part} {name!r}", error)
            return otherwise

    return ask


def staged(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function as a stage: what `@soundpost.stage(name)` makes."""
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(staged(function.__func__, name))
    if unfit(function, name, "stage"):
        return function
    return wrapped(function, Plan(name, stage=True), Parameters(function, PREFIX))


@functools.cache
def _driver(kind: int, *, tells: bool) -> Callable[..., Any]:
    """A generator function over an iteration that has begun."""
    fields = {
        "name": "drive",
        "declaration": f"{PREFIX}iteration, {PREFIX}tells",
        "steps": PREFIX + "iteration",
        "forget": f"del {PREFIX}iteration",
    }
    return _compiled("drive", _iterates(kind, tells, fields), {}, {})


def drive(iteration: Iteration, tells: Callable[[Any], Any] | None) -> Generator[Any, Any, Any]:
    """A generator of the one that a plain function returned."""
    generator: Generator[Any, Any, Any] = _driver(_GENERATOR, tells=tells is not None)(iteration, tells)
    return generator


def drive_async(iteration: Iteration, tells: Callable[[Any], Any] | None) -> AsyncGenerator[Any, Any]:
    """An asynchronous generator of the one that a plain function returned."""
    generator: AsyncGenerator[Any, Any] = _driver(_ASYNC_GENERATOR, tells=tells is not None)(iteration, tells)
    return generator


async def drive_coroutine(coroutine: Coroutine[Any, Any, Any], pending: Pending) -> Any:
    """A coroutine of the one that a plain function returned."""
    plan, run = pending.plan, pending.begin()
    try:
        result = await coroutine
    except BaseException as error:
        plan.failed(run, error)
        raise
    return plan.returned(run, result) if plan.tells is None else _told(plan, plan.tells)(run, result)
