"""`instrument` keeps what a function is, and everything it can do."""

from __future__ import annotations

import asyncio
import functools
import inspect
import pickle
import typing

import pytest

import auscult

pytestmark = pytest.mark.usefixtures("telemetry")


def plain(a: int, b: str = "b", *, c: float = 1.0) -> tuple:
    """Doc of plain."""
    return (a, b, c)


def generates(n: int = 2):
    """Doc of generates."""
    yield from range(n)
    return "end"


async def awaits(n: int = 2) -> int:
    """Doc of awaits."""
    await asyncio.sleep(0)
    return n


async def generates_async(n: int = 2):
    """Doc of generates_async."""
    for i in range(n):
        await asyncio.sleep(0)
        yield i


KINDS = [plain, generates, awaits, generates_async]


def collect(generator):
    """All items and the return value of a generator."""
    items = []
    while True:
        try:
            items.append(next(generator))
        except StopIteration as stop:
            return items, stop.value


@pytest.mark.parametrize("function", KINDS)
@pytest.mark.parametrize("decorate", [auscult.instrument, auscult.instrument("name"), auscult.stage("part")])
def test_keeps_kind_name_signature_and_docstring(function, decorate):
    wrapped = decorate(function)
    assert inspect.isfunction(wrapped)
    for is_kind in (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction):
        assert is_kind(wrapped) == is_kind(function)
    for attribute in (
        "__name__",
        "__qualname__",
        "__module__",
        "__doc__",
        "__annotations__",
        "__defaults__",
        "__kwdefaults__",
    ):
        assert getattr(wrapped, attribute) == getattr(function, attribute)
    assert inspect.signature(wrapped) == inspect.signature(function)
    assert (
        inspect.signature(wrapped, follow_wrapped=False).parameters.keys()
        == inspect.signature(function).parameters.keys()
    )
    assert typing.get_type_hints(wrapped) == typing.get_type_hints(function)
    assert wrapped.__wrapped__ is function
    assert wrapped.__globals__ is function.__globals__
    assert wrapped.__code__.co_flags & 0x2A0 == function.__code__.co_flags & 0x2A0


def positional_only(a, b=2, /, c=3):
    return (a, b, c)


def rest(a, *more, key=1, **named):
    return (a, more, key, named)


def keywords_only(*, a, b=2):
    return (a, b)


def nothing():
    return ()


def awkward(args, kwargs, self, function=1, live=2, steps=3, error=4, given=5):
    return (args, kwargs, self, function, live, steps, error, given)


@pytest.mark.parametrize(
    ("function", "arguments", "keywords"),
    [
        (positional_only, (1,), {}),
        (positional_only, (1, 5), {"c": 6}),
        (rest, (1,), {}),
        (rest, (1, 2, 3), {"key": 4, "z": 5}),
        (keywords_only, (), {"a": 1}),
        (nothing, (), {}),
        (awkward, (1, 2, 3), {"live": 4}),
        (lambda x, y=2: (x, y), (1,), {}),
        (functools.partial(rest, 1, key=9), (2,), {"q": 1}),
        (len, ("abc",), {}),
        ("{}-{x}".format, (1,), {"x": 2}),
    ],
)
def test_every_parameter_list(function, arguments, keywords):
    wrapped = auscult.instrument("lists")(function)
    assert wrapped(*arguments, **keywords) == function(*arguments, **keywords)


@pytest.mark.parametrize(
    ("arguments", "keywords"), [((), {}), ((1, 2, 3, 4), {}), ((1,), {"z": 1}), ((1,), {"a": 2})]
)
def test_wrong_arguments_raise_what_the_function_raises(arguments, keywords):
    def one(a, b=2, c=3):
        return a

    wrapped = auscult.instrument(one)
    with pytest.raises(TypeError) as expected:
        one(*arguments, **keywords)
    with pytest.raises(TypeError) as raised:
        wrapped(*arguments, **keywords)
    assert str(raised.value) == str(expected.value)


def test_methods_class_methods_and_static_methods():
    class Engine:
        rate = 3

        @auscult.instrument
        def method(self, x):
            return (self.rate, x)

        @auscult.instrument
        @classmethod
        def on_class(cls, x):
            return (cls.rate, x)

        @classmethod
        @auscult.instrument
        def on_class_inside(cls, x):
            return (cls.rate, x)

        @auscult.instrument
        @staticmethod
        def static(x):
            return x

        @auscult.stage("s")
        @staticmethod
        def staged(x):
            return x

    class Other(Engine):
        rate = 4

    assert Engine().method(1) == (3, 1)
    assert Other.on_class(2) == Other().on_class(2) == Other.on_class_inside(2) == (4, 2)
    assert Engine.static(5) == Engine().static(5) == Engine.staged(5) == 5


@auscult.instrument
def picklable(x):
    return x


def test_can_be_pickled():
    assert pickle.loads(pickle.dumps(picklable)) is picklable


def test_generators_forward_send_throw_close_and_the_return_value():
    seen = []

    @auscult.instrument
    def conversation():
        received = []
        try:
            while True:
                try:
                    received.append((yield len(received)))
                    if received[-1] == "stop":
                        return received
                except KeyError as error:
                    received.append(error.args[0])
        finally:
            seen.append("closed")

    generator = conversation()
    assert inspect.isgenerator(generator)
    assert next(generator) == 0
    assert generator.send("a") == 1
    assert generator.throw(KeyError("b")) == 2
    with pytest.raises(StopIteration) as stop:
        generator.send("stop")
    assert stop.value.value == ["a", "b", "stop"]
    assert seen == ["closed"]
    second = conversation()
    next(second)
    second.close()
    assert seen == ["closed", "closed"]
    third = conversation()
    next(third)
    with pytest.raises(ZeroDivisionError):
        third.throw(ZeroDivisionError)


def test_a_generator_that_ignores_close_says_so():
    @auscult.instrument
    def stubborn():
        try:
            yield 1
        except GeneratorExit:
            yield 2

    generator = stubborn()
    next(generator)
    with pytest.raises(RuntimeError, match="generator ignored GeneratorExit"):
        generator.close()


def test_stop_iteration_inside_is_a_runtime_error():
    @auscult.instrument
    def broken():
        yield 1
        raise StopIteration(3)

    generator = broken()
    next(generator)
    with pytest.raises(RuntimeError, match="generator raised StopIteration"):
        next(generator)


@pytest.mark.parametrize("returned", [None, (), (1, 2), ValueError("value"), StopIteration(4)])
def test_any_return_value_comes_through(returned):
    @auscult.instrument
    def generator():
        yield 1
        return returned

    @auscult.instrument
    async def coroutine():
        await asyncio.sleep(0)
        return returned

    assert collect(generator())[1] is returned
    assert asyncio.run(coroutine()) is returned


def test_coroutines_forward_cancellation_and_exceptions():
    @auscult.instrument
    async def waits(caught):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            caught.append(True)
            raise

    async def main():
        caught = []
        task = asyncio.create_task(waits(caught))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return caught

    assert asyncio.run(main()) == [True]


def test_async_generators_forward_asend_athrow_and_aclose():
    seen = []

    @auscult.instrument
    async def conversation():
        received = []
        try:
            while True:
                try:
                    await asyncio.sleep(0)
                    received.append((yield len(received)))
                except KeyError as error:
                    received.append(error.args[0])
        finally:
            await asyncio.sleep(0)
            seen.extend(received)

    async def main():
        generator = conversation()
        assert await generator.asend(None) == 0
        assert await generator.asend("a") == 1
        assert await generator.athrow(KeyError("b")) == 2
        await generator.aclose()
        with pytest.raises(StopAsyncIteration):
            await generator.__anext__()
        other = conversation()
        await other.__anext__()
        with pytest.raises(ZeroDivisionError):
            await other.athrow(ZeroDivisionError)
        with pytest.raises(StopAsyncIteration):
            await other.__anext__()

    asyncio.run(main())
    assert seen == ["a", "b"]


def test_an_async_generator_that_ends_ends():
    async def main():
        return [item async for item in auscult.instrument(generates_async)(3)]

    assert asyncio.run(main()) == [0, 1, 2]


def test_an_async_generator_that_ignores_close_says_so():
    @auscult.instrument
    async def stubborn():
        try:
            yield 1
        except GeneratorExit:
            yield 2

    async def main():
        generator = stubborn()
        await generator.__anext__()
        with pytest.raises(RuntimeError, match="async generator ignored GeneratorExit"):
            await generator.aclose()

    asyncio.run(main())


def test_an_async_generator_dropped_half_way_is_closed_by_the_loop(name, scrape):
    closed = []

    @auscult.instrument(name)
    async def generator():
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    async def main():
        async for _ in generator():
            break
        for _ in range(10):
            await asyncio.sleep(0)

    asyncio.run(main())
    assert closed == [True]
    assert scrape().outcomes(name) == {"abandoned": 1}


def test_plain_functions_that_return_what_runs_later(name, scrape):
    @auscult.instrument(name, streaming="stream")
    def infer(kind, stream=True):
        return {"plain": plain, "generates": generates, "awaits": awaits, "async": generates_async}[kind](2)

    async def listed():
        return [item async for item in infer("async")]

    assert infer("plain") == (2, "b", 1.0)
    generator = infer("generates")
    assert inspect.isgenerator(generator)
    assert collect(generator) == ([0, 1], "end")
    assert inspect.iscoroutine(coroutine := infer("awaits"))
    assert asyncio.run(coroutine) == 2
    assert asyncio.run(listed()) == [0, 1]
    assert scrape().outcomes(name) == {"ok": 4}


def test_exceptions_keep_their_identity_and_traceback():
    error = ValueError("mine")

    @auscult.instrument
    def fails():
        raise error

    with pytest.raises(ValueError, match="mine") as raised:
        fails()
    assert raised.value is error
    assert raised.traceback[-1].name == "fails"


def test_recursion_to_the_limit_is_a_recursion_error():
    @auscult.instrument
    def deep(n):
        return deep(n + 1)

    with pytest.raises(RecursionError):
        deep(0)


def test_a_decorated_function_behind_a_decorator_keeps_its_parameters(name, scrape):
    def opaque(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    @auscult.instrument(name, labels={"emotion": "emotion"}, fields={"char_count": lambda a: len(a["text"])})
    @opaque
    def infer(text, emotion="neutral"):
        return text

    infer("abc")
    infer("abcd", "sad")
    infer(emotion="sad", text="abcde")
    after = scrape()
    assert after.outcomes(name, emotion="neutral") == {"ok": 1}
    assert after.outcomes(name, emotion="sad") == {"ok": 2}
    assert after.total("characters_total", name) == 12


@pytest.mark.parametrize("called", ["class", "None", "__debug__", "match", "a b", "λ", ""])
def test_a_function_of_any_name(called):
    def infer(a):
        return a

    infer.__name__ = called
    for decorate in (auscult.instrument, auscult.stage("stage")):
        wrapper = decorate(infer)
        assert wrapper.__name__ == called
        assert wrapper(3) == 3
