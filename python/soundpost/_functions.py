"""Wrappers that keep the kind, parameters and globals of the wrapped function.

A wrapper is plain, a generator, a coroutine or an asynchronous generator like its function, and has its name,
signature and docstring. It calls the function itself, between two calls of the binding, and drops its
arguments before it waits for anything.
"""

from __future__ import annotations

import builtins
import functools
import keyword
from types import CellType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from soundpost import _dynamo
from soundpost._enabled import ENABLED
from soundpost._native import Call, Recorder, Skip, fault
from soundpost._parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Sequence

    from soundpost._judgement import Judge, Scope
    from soundpost._native import CoroutineRecorder, GeneratorRecorder

GENERATOR, COROUTINE, ASYNC_GENERATOR = 0x20, 0x80, 0x200
_CALL = "__call__"
PREFIX = "_soundpost_"
"""Prefix of a wrapper's own names; no parameter has it."""

# Python raises an interrupt after any call, also between `begin` and the assignment of its result.
# `end_failed` then gets the value of `active` from before, and finds the call that began.
_CALLS = """
def {name}({declaration}):
    if not {p}enabled:
        return {p}function({forward})
    {p}values = {values}
    {scope}
    {p}active = {p}anything
    try:
        {p}active = {p}begin({p}values)
        {p}result = {p}function({forward})
        return {p}end({p}active, {p}result{with_scope})
    except {p}anything as {p}error:
        {p}end_failed({p}active, {p}error)
        raise
"""
_AWAITS = """
async def {name}({declaration}):
    {p}coroutine = {p}function({forward})
    {p}values = {values} if {p}enabled else None
    {scope}
    {forget}
    {p}active = {p}anything
    try:
        {p}active = {p}values if {p}values is None else {p}begin({p}values)
        del {p}values
        {p}result = await {p}coroutine
        return {p}end({p}active, {p}result{with_scope})
    except {p}anything as {p}error:
        {p}end_failed({p}active, {p}error)
        raise
"""
_ITERATES = """
{defines} {name}({declaration}):
    {p}recorder = {recorder}
    {scope}
    {forget}
    {p}given = None
    while True:
        try:
            {p}given = yield {item}
        except {p}anything as {p}error:
            {p}forwards = {p}recorder.caught({p}error)
            if {p}forwards is None:
                {returns}
            if not {p}forwards:
                raise
            {p}given = None
"""
_RETURNS = """try:
                    {ends}
                except {p}anything as {p}error:
                    {p}recorder.fail({p}error)
                    raise"""
_RECORDER = "{p}record_generator({p}function({forward}), {values} if {p}enabled else ())"
RECORDED, MEASURED, JUDGED = "recorded", "measured", "judged"
_ITEMS = {
    RECORDED: "{p}recorder.record({resumed})",
    # The last argument drops the wrapper's reference, so that only the consumer keeps the item.
    MEASURED: "{p}recorder.record_measured({p}item := {resumed}, {p}measured({p}item), {p}item := None)",
    JUDGED: "{p}recorder.record_as({p}judge({p}recorder.hold({resumed}), {p}recorder.call, {p}scope))",
}
"""How the items of a generator are recorded: natively, by a function of them, or by functions of the call."""
_RESUMED = {
    GENERATOR: "{p}next({p}recorder.resume({p}given))",
    ASYNC_GENERATOR: "await {p}recorder.resume({p}given)()",
}
# In a stage, the function is not called.
_MEASURE = "{p}measured = {p}measure if {p}recorder.call else {p}ignore"


def _innermost(function: object) -> object:
    """Returns the function that runs: inside partials, bound methods and callable objects."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, MethodType):
            function = function.__func__
        elif isinstance(own := getattr(type(function), _CALL, None), FunctionType):
            function = own
        else:
            return function


def kind_of(function: object) -> int:
    """Returns the code flag of a function's kind, 0 for a plain one."""
    flags = getattr(getattr(_innermost(function), "__code__", None), "co_flags", 0)
    return flags & (GENERATOR | COROUTINE | ASYNC_GENERATOR) if isinstance(flags, int) else 0


def _globals_of(function: object) -> dict[str, Any]:
    """Returns the globals of the function that runs; for one without any, those of an empty module."""
    own = getattr(_innermost(function), "__globals__", None)
    return own if isinstance(own, dict) else {"__builtins__": builtins, "__name__": __name__}


def is_undecoratable(function: object, name: str, decorator: str) -> bool:
    """Returns whether an object is no function, and reports that as a fault."""
    if callable(function) and not isinstance(function, type):
        return False
    if isinstance(function, type):
        text = f"{decorator} was put on the class {function.__qualname__}; put it on its methods"
    else:
        text = f"{decorator} was put on a {type(function).__name__}; put it on a function, below the others"
    fault("operation", f"{name} {decorator}", f"{name!r}: {text}")
    return True


def _is_valid_name(name: object) -> bool:
    """Returns whether a function can be defined under this name."""
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        return False
    return name != "__debug__" and not name.startswith(PREFIX)


def wrapped(
    function: Callable[..., Any],
    recorder: Recorder,
    parameters: Parameters,
    values: Sequence[str] = (),
) -> Callable[..., Any]:
    """Returns a wrapper of the function that records with `recorder`.

    Args:
        function: The function.
        recorder: Its recorder.
        parameters: Its parameters, with the constants that `values` refer to.
        values: Source texts of the values that the recorder expects.
    """
    kind, judge = kind_of(function), recorder.judge
    name = getattr(function, "__name__", "")
    name = name if _is_valid_name(name) else PREFIX + "wrapper"
    fields = {
        "name": name,
        "declaration": parameters.declaration,
        "forward": parameters.forward,
        "values": "(" + "".join(value + ", " for value in values) + ")",
        "forget": "del " + ", ".join(parameters.names) if parameters.names else "pass",
        "scope": "pass" if judge is None else f"{PREFIX}scope = {_scope_source(judge, parameters)}",
        "with_scope": "" if judge is None else f", {PREFIX}scope",
    }
    text = {0: _CALLS, COROUTINE: _AWAITS}.get(kind)
    if text is None:
        recorder_source = _RECORDER.format(p=PREFIX, **fields)
        source = _generator_source(kind, _items(judge), {**fields, "recorder": recorder_source})
    else:
        source = text.format(p=PREFIX, **fields)
    end = recorder.end if judge is None else _end_judged(recorder, judge)
    free = {
        "function": function,
        "begin": recorder.begin,
        "end": _end_awaited(recorder, end) if kind == COROUTINE else end,
        "end_failed": recorder.end_failed,
        "record_generator": recorder.record_generator,
        **_functions_of(judge),
    }
    cells = {PREFIX + name: value for name, value in free.items()} | parameters.constants
    wrapper = _compiled(name, source, cells, _globals_of(function))
    wrapper.__defaults__ = getattr(function, "__defaults__", None)
    wrapper.__kwdefaults__ = getattr(function, "__kwdefaults__", None)
    functools.update_wrapper(wrapper, function)
    _dynamo.mark(wrapper, function)
    return wrapper


def _scope_source(judge: Judge, parameters: Parameters) -> str:
    """Returns the source text of the scope of the user's functions."""
    return f"({parameters.bound if judge.takes_call else None}, {{}}) if {PREFIX}enabled else None"


def _generator_source(kind: int, items: str, fields: dict[str, str]) -> str:
    """Returns the source text of a wrapper of either kind of generator.

    Args:
        kind: The code flag of the kind.
        items: How an item is measured: a key of `_ITEMS`.
        fields: The other parts of the source text.
    """
    waits = "await " if kind == ASYNC_GENERATOR else ""
    if items == JUDGED:
        value = "{p}returned({p}recorder, {p}scope)"
        returns = _RETURNS.replace("{ends}", f"{value}; return" if waits else f"return {value}")
    else:
        returns = "return" if waits else "return {p}recorder.returned_value()"
    if items == MEASURED:
        fields = {**fields, "scope": _MEASURE.format(p=PREFIX)}
    return _ITERATES.format(
        p=PREFIX,
        defines="async def" if waits else "def",
        item=_ITEMS[items].format(p=PREFIX, resumed=_RESUMED[kind].format(p=PREFIX)),
        returns=returns.format(p=PREFIX),
        **fields,
    )


def _items(judge: Judge | None) -> str:
    """Returns how the items of a generator are measured, as a key of `_ITEMS`."""
    if judge is None:
        return RECORDED
    return JUDGED if judge.measure is None else MEASURED


def _compiled(name: str, source: str, cells: dict[str, object], names: dict[str, Any]) -> FunctionType:
    """Compiles a function with the globals `names` and the closure `cells`."""
    cells = {**cells, PREFIX + "anything": BaseException, PREFIX + "next": next, PREFIX + "enabled": None}
    inner = source.replace("\n", "\n    ")
    outer = f"def {PREFIX}outer({', '.join(cells)}):{inner}\n    return {name}\n"
    made: dict[str, Any] = {}
    exec(compile(outer, "<soundpost>", "exec"), made)  # noqa: S102 - made of identifiers, see Parameters
    code = made[PREFIX + "outer"](*cells).__code__
    closure = (ENABLED if free == PREFIX + "enabled" else CellType(cells[free]) for free in code.co_freevars)
    return FunctionType(code, names, name, None, tuple(closure))


def _end_judged(recorder: Recorder, judge: Judge) -> Callable[[Any, Any, Scope], Any]:
    """Returns `recorder.end` for results that the user's functions measure and judge."""

    def end(active: object, result: object, scope: Scope) -> object:
        # A generator or coroutine is no output yet.
        if active is None or recorder.is_deferred(result):
            return recorder.end(active, result, scope)
        call = active if isinstance(active, Call) else None
        return recorder.end_as(active, result, judge.result(result, call, scope))

    _dynamo.exclude(end.__code__)
    return end


def _end_awaited(recorder: Recorder, end: Callable[..., Any]) -> Callable[..., Any]:
    """Returns `end` for a coroutine function: a task or future that it returns may outlive its call."""

    def end_awaited(active: object, result: Any, *scope: Any) -> object:
        if result is None or not hasattr(type(result), "add_done_callback"):
            return end(active, result, *scope)
        return recorder.end_as(active, result, (Skip, None))

    _dynamo.exclude(end_awaited.__code__)
    return end_awaited


def _functions_of(judge: Judge | None) -> dict[str, Callable[..., Any] | None]:
    """Returns the functions that the wrapper of a generator calls for an item and for the end."""
    if judge is None:
        return dict.fromkeys(("judge", "returned", "measure", "ignore"))
    return {
        "judge": judge.item,
        "returned": functools.partial(_returned, judge),
        "measure": judge.measure,
        "ignore": id,
    }


def _returned(judge: Judge, recorder: GeneratorRecorder, scope: Scope) -> object:
    """Ends the recording of a generator that returned, and returns its value."""
    value = recorder.returned_value()
    recorder.return_as(value, judge.end(value, recorder.call, scope))
    return value


def reporting(
    part: str, operation: str, name: str, function: Callable[[Any], Any], otherwise: object
) -> Callable[[Any], Any]:
    """Returns a user's function that, if it raises, reports a fault and returns `otherwise`."""

    def call(given: object) -> object:
        try:
            return function(given)
        except Exception as error:
            fault(part, f"{operation} {name}", f"{operation!r}: {part} {name!r}", error)
            return otherwise

    _dynamo.exclude(call.__code__)
    return call


def staged(function: Callable[..., Any], name: str | None, *, decides: bool = False) -> Callable[..., Any]:
    """Returns the function as a stage, as `@soundpost.stage(name)` does."""
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(staged(function.__func__, name, decides=decides))
    if name is None or is_undecoratable(function, name, "stage"):
        return function
    return wrapped(function, Recorder(name, stage=True, decides=decides), Parameters(function, PREFIX))


@functools.cache
def _driver(kind: int, items: str) -> Callable[..., Any]:
    """Returns a generator function over a recorder that has begun."""
    functions = ", ".join(PREFIX + name for name in _functions_of(None))
    fields = {
        "name": "drive",
        "declaration": f"{PREFIX}generator, {PREFIX}scope, {functions}",
        "recorder": PREFIX + "generator",
        "scope": "pass",
        "forget": f"del {PREFIX}generator",
    }
    driver = _compiled("drive", _generator_source(kind, items, fields), {}, globals())
    _dynamo.exclude(driver.__code__, callees=False)
    return driver


def _driven(kind: int, recorder: GeneratorRecorder, judge: Judge | None, scope: Scope) -> Any:
    return _driver(kind, _items(judge))(recorder, scope, *_functions_of(judge).values())


def drive(recorder: GeneratorRecorder, judge: Judge | None, scope: Scope) -> Generator[Any, Any, Any]:
    """Returns the recorded generator of the one that a plain function returned."""
    generator: Generator[Any, Any, Any] = _driven(GENERATOR, recorder, judge, scope)
    return generator


def drive_async(recorder: GeneratorRecorder, judge: Judge | None, scope: Scope) -> AsyncGenerator[Any, Any]:
    """Returns the recorded asynchronous generator of the one that a plain function returned."""
    generator: AsyncGenerator[Any, Any] = _driven(ASYNC_GENERATOR, recorder, judge, scope)
    return generator


def follow_future(future: Any, recorder: Recorder, begun: CoroutineRecorder, scope: Scope) -> Any:
    """Records the future that a plain function returned, when it is done."""
    judge = recorder.judge

    def done(future: Any) -> None:
        active: object = BaseException
        try:
            active = begun.begin()
            result = future.result()
            if judge is None:
                recorder.end(active, result)
            else:
                _end_judged(recorder, judge)(active, result, scope)
        except BaseException as error:
            recorder.end_failed(active, error)

    future.add_done_callback(done)
    return future


async def drive_coroutine(
    coroutine: Coroutine[Any, Any, Any], recorder: Recorder, begun: CoroutineRecorder, scope: Scope
) -> Any:
    """Records the coroutine that a plain function returned."""
    judge = recorder.judge
    active: object = BaseException
    try:
        active = begun.begin()
        result = await coroutine
        return (
            recorder.end(active, result)
            if judge is None
            else _end_judged(recorder, judge)(active, result, scope)
        )
    except BaseException as error:
        recorder.end_failed(active, error)
        raise
