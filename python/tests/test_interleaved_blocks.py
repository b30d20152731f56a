"""`with soundpost.call(...)` around a `yield`: the call of the frame that runs is the current one."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import threading

import pytest

import soundpost

pytestmark = pytest.mark.usefixtures("telemetry")


def current_id():
    current = soundpost.current_call()
    return current and current.request_id


def stream(name, request_id, steps=3):
    with soundpost.call(name, request_id=request_id) as call:
        for _ in range(steps):
            with soundpost.stage(f"stage_{request_id}"):
                assert current_id() == call.request_id == request_id
            yield request_id
            assert current_id() == request_id


async def async_stream(name, request_id):
    with soundpost.call(name, request_id=request_id):
        for _ in range(3):
            await asyncio.sleep(0)
            assert current_id() == request_id
            yield request_id
            assert current_id() == request_id


@pytest.mark.parametrize("order", ["abcabcabcabc", "aabbccabcabc", "abbbbaaacccc", "aabbbbccccaa"])
def test_interleaved_blocks_are_calls_of_their_own(name, scrape, order):
    streams = {key: stream(name, key) for key in "abc"}
    for key in order:
        next(streams[key], None)
        assert current_id() is None
        with soundpost.call(f"{name}_between", request_id="between"):
            assert current_id() == "between"
    assert scrape().outcomes(name) == {"ok": 3}
    assert scrape().outcomes(f"{name}_between") == {"ok": 12}
    assert scrape().stages(name) == {f"stage_{key}": 3 for key in "abc"}


def test_interleaved_async_blocks_are_calls_of_their_own(name, scrape):
    async def main():
        streams = [async_stream(name, key) for key in "ab"]
        for _ in range(4):
            for items in streams:
                await anext(items, None)
                assert current_id() is None
                soundpost.instrument(f"{name}_between")(lambda: None)()

    asyncio.run(main())
    assert scrape().outcomes(name) == {"ok": 2}
    assert scrape().outcomes(f"{name}_between") == {"ok": 8}


@pytest.mark.parametrize("end", ["close", "drop", "throw"])
def test_suspended_block_that_is_dropped_ends(name, scrape, end):
    first, second = stream(name, "a"), stream(name, "b")
    next(first), next(second)
    if end == "close":
        first.close()
    elif end == "throw":
        with pytest.raises(ValueError):
            first.throw(ValueError())
    else:
        del first
    assert next(second) == "b"
    second.close()
    assert current_id() is None
    expected = {"abandoned": 1, "error": 1} if end == "throw" else {"abandoned": 2}
    assert scrape().outcomes(name) == expected


def test_block_in_a_context_manager_spans_its_body(name, scrape):
    @contextlib.contextmanager
    def traced(request_id):
        with soundpost.call(name, request_id=request_id):
            yield

    @contextlib.asynccontextmanager
    async def async_traced():
        async with soundpost.call(name, request_id="async"):
            yield

    def items(request_id):
        with traced(request_id), contextlib.ExitStack() as stack:
            stack.enter_context(soundpost.stage("all"))
            for _ in range(2):
                assert current_id() == request_id
                yield

    async def main():
        async with async_traced():
            await asyncio.sleep(0)
            assert current_id() == "async"

    with traced("outer"), contextlib.ExitStack() as stack:
        stack.enter_context(traced("a stage"))
        assert current_id() == "outer"
    streams = [items("a"), items("b")]
    for _ in range(3):
        for running in streams:
            next(running, None)
            assert current_id() is None
    asyncio.run(main())
    assert scrape().outcomes(name) == {"ok": 4}


@pytest.mark.parametrize("where", ["thread", "task"])
def test_work_that_a_stream_started_stays_its_own(name, scrape, where):
    seen = []

    def thread_stream(resumed):
        with soundpost.call(name, request_id="stream"):
            worker = contextvars.copy_context()
            yield
            thread = threading.Thread(target=worker.run, args=(lambda: seen.append(current_id()),))
            yield thread

    async def task_stream(go):
        with soundpost.call(name, request_id="stream"):

            async def produce():
                await go.wait()
                seen.append(current_id())

            yield asyncio.create_task(produce())

    async def main():
        go = asyncio.Event()
        items = task_stream(go)
        task = await anext(items)
        go.set()
        await task
        await items.aclose()

    if where == "task":
        asyncio.run(main())
    else:
        items = thread_stream(None)
        next(items)
        thread = next(items)
        thread.start()
        thread.join()
        items.close()
    assert seen == ["stream"]


def test_overlapping_blocks_leave_nothing_behind(name):
    gc.collect()
    before = len(gc.get_objects())
    previous = stream(name, "0")
    next(previous)
    for index in range(1000):
        following = stream(name, str(index + 1))
        next(following)
        assert list(previous) == [str(index)] * 2
        previous = following
    del previous, following
    gc.collect()
    assert len(gc.get_objects()) - before < 100
    assert current_id() is None


def test_thread_that_ends_in_a_block_gives_its_slot_back(name, scrape):
    kept = []

    def enter():
        block = soundpost.call(name)
        kept.append(id(block.__enter__()))

    for _ in range(3000):
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
    assert scrape().outcomes(name) == {"abandoned": 3000}
    assert scrape().in_flight(name) == 0


def test_abandoned_block_is_not_current(name, scrape):
    def start():
        return soundpost.call(name).__enter__()

    call = start()
    assert soundpost.current_call() is None
    call.chunk(1.0)
    with soundpost.call(name):
        pass
    assert scrape().outcomes(name) == {"abandoned": 1, "ok": 1}
