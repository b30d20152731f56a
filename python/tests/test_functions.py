"""`instrument` keeps the whole protocol of a function."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from function_kinds import awaits, generates, generates_async, plain

import soundpost

pytestmark = pytest.mark.usefixtures("telemetry")


def collect(generator):
    """Returns all items and the return value of a generator."""
    items = []
    while True:
        try:
            items.append(next(generator))
        except StopIteration as stop:
            return items, stop.value


def test_generator_forwards_send_throw_close_and_return():
    seen = []

    @soundpost.instrument
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


def test_generator_ignoring_close_raises_runtime_error():
    @soundpost.instrument
    def stubborn():
        try:
            yield 1
        except GeneratorExit:
            yield 2

    generator = stubborn()
    next(generator)
    with pytest.raises(RuntimeError, match="generator ignored GeneratorExit"):
        generator.close()


def test_stop_iteration_inside_raises_runtime_error():
    @soundpost.instrument
    def broken():
        yield 1
        raise StopIteration(3)

    generator = broken()
    next(generator)
    with pytest.raises(RuntimeError, match="generator raised StopIteration"):
        next(generator)


@pytest.mark.parametrize("returned", [None, (), (1, 2), ValueError("value"), StopIteration(4)])
def test_any_return_value_is_forwarded(returned):
    @soundpost.instrument
    def generator():
        yield 1
        return returned

    @soundpost.instrument
    async def coroutine():
        await asyncio.sleep(0)
        return returned

    assert collect(generator())[1] is returned
    assert asyncio.run(coroutine()) is returned


def test_coroutine_forwards_cancellation_and_exceptions():
    @soundpost.instrument
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


def test_async_generator_forwards_asend_athrow_and_aclose():
    seen = []

    @soundpost.instrument
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


def test_ended_async_generator_stays_ended():
    async def main():
        return [item async for item in soundpost.instrument(generates_async)(3)]

    assert asyncio.run(main()) == [0, 1, 2]


def test_async_generator_ignoring_close_raises_runtime_error():
    @soundpost.instrument
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


def test_dropped_async_generator_is_closed_by_the_loop(name, scrape):
    closed = []

    @soundpost.instrument(name)
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


def test_deferred_result_of_plain_function_is_recorded(name, scrape):
    @soundpost.instrument(name, streaming="stream")
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


def test_exception_keeps_identity_and_traceback():
    error = ValueError("mine")

    @soundpost.instrument
    def fails():
        raise error

    with pytest.raises(ValueError, match="mine") as raised:
        fails()
    assert raised.value is error
    assert raised.traceback[-1].name == "fails"


def test_recursion_to_the_limit_raises_recursion_error():
    @soundpost.instrument
    def deep(n):
        return deep(n + 1)

    with pytest.raises(RecursionError):
        deep(0)
