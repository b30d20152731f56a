"""An interrupt between any two steps of a wrapper leaves no call current, and no call is lost or doubled."""

from __future__ import annotations

import asyncio
import ctypes
import functools
import sys
import threading

import pytest

import soundpost

pytestmark = pytest.mark.usefixtures("telemetry", "lenient")
INTERRUPTS = 2000


class InterruptError(BaseException):
    """An interrupt, which no code between the loop and the body expects."""


@pytest.fixture
def often():
    """Switches threads often, so that interrupts come at many places."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def steps(bodies):
    bodies.append(1)
    with soundpost.stage("inner"):
        return len(bodies)


def function(name, bodies):
    return soundpost.instrument(name)(lambda: steps(bodies))


def labelled(name, bodies):
    return soundpost.instrument(name, labels={"a": lambda arguments: arguments["a"]})(
        lambda a="x": steps(bodies)
    )


def measured(name, bodies):
    return soundpost.instrument(name, audio=lambda result: 0.0 + result)(lambda: steps(bodies))


def generator(name, bodies):
    def infer():
        yield steps(bodies)
        yield len(bodies)

    recorded = soundpost.instrument(name, audio=lambda item: 0.0 + item)(infer)
    return lambda: list(recorded())


def deferred(name, bodies):
    def infer():
        return (step() for step in [lambda: steps(bodies), lambda: len(bodies)])

    recorded = soundpost.instrument(name)(infer)
    return lambda: list(recorded())


def driven(coroutine):
    """Runs a coroutine that waits for nothing in this context."""
    try:
        coroutine.send(None)
    except StopIteration as result:
        return result.value


def coroutine(name, bodies):
    @soundpost.instrument(name)
    async def infer():
        return steps(bodies)

    return lambda: driven(infer())


def deferred_coroutine(name, bodies):
    async def infer():
        return steps(bodies)

    recorded = soundpost.instrument(name)(functools.partial(lambda make: make(), infer))
    return lambda: driven(recorded())


def async_generator(name, bodies):
    @soundpost.instrument(name)
    async def infer():
        yield steps(bodies)
        yield len(bodies)

    async def consume():
        return [item async for item in infer()]

    return lambda: driven(consume())


def block(name, bodies):
    def infer():
        with soundpost.call(name):
            return steps(bodies)

    return infer


def async_block(name, bodies):
    async def infer():
        async with soundpost.call(name):
            return steps(bodies)

    return lambda: driven(infer())


KINDS = [
    function,
    labelled,
    measured,
    generator,
    deferred,
    coroutine,
    deferred_coroutine,
    async_generator,
    block,
    async_block,
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:coroutine")
def test_interrupt_leaves_no_call_current(name, scrape, often, kind):
    bodies, left, state = [], [], {"attempts": 0, "interrupts": 0}
    infer = kind(name, bodies)
    stop, unused = threading.Event(), soundpost.instrument(name + "_warm")(lambda: None)
    unused()

    def attempt():
        state["attempts"] += 1
        try:
            infer()
        finally:
            current = soundpost.current_call()
            if current is not None:
                left.append(current)

    def loop():
        while not stop.is_set():
            try:
                while not stop.is_set():
                    attempt()
            except InterruptError:
                state["interrupts"] += 1

    def run():
        # An interrupt in the handler of another one.
        while not stop.is_set():
            try:
                loop()
            except InterruptError:
                state["interrupts"] += 1

    thread = threading.Thread(target=run)
    thread.start()
    raised = ctypes.py_object(InterruptError)
    while state["interrupts"] < INTERRUPTS // len(KINDS) and thread.is_alive():
        before = state["attempts"]
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), raised)
        while state["attempts"] == before and thread.is_alive():
            pass
    stop.set()
    thread.join(60)
    assert not left
    calls = sum(scrape().outcomes(name).values())
    assert len(bodies) <= calls <= state["attempts"]
    assert scrape().in_flight(name) == 0


def test_call_of_an_interrupted_coroutine_ends(name, scrape):
    @soundpost.instrument(name)
    async def infer():
        await asyncio.sleep(60)

    async def cancel():
        task = asyncio.ensure_future(infer())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(cancel())
    assert scrape().outcomes(name) == {"cancelled": 1}
