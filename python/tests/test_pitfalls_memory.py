"""Pitfalls of naive wrappers, by number: objects that are kept alive, read or imported."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
import sys
import weakref

import pytest
from workload import RATE

import soundpost

pytestmark = pytest.mark.usefixtures("telemetry")


class Tensor:
    """A large object that supports weak references."""

    shape = (1, 100)


def test_pitfall_11_ended_call_keeps_nothing_alive(name):
    gc.disable()
    try:

        @soundpost.instrument(
            name,
            labels={"x": lambda a: "x"},
            fields={"n": lambda a: len(a["kept"].shape)},
            audio=soundpost.audio(RATE),
        )
        def infer(kept, *, key=None):
            return Tensor()

        argument, key = Tensor(), Tensor()
        result = infer(argument, key=key)
        watched = [weakref.ref(thing) for thing in (argument, key, result)]
        del argument, key, result
        assert [watch() for watch in watched] == [None] * 3
    finally:
        gc.enable()


def test_pitfall_11_suspended_generator_keeps_nothing_alive(name):
    gc.disable()
    try:

        @soundpost.instrument(name, fields={"n": len})
        def infer(kept, *rest, key=None, **named):
            del kept, rest, key, named
            yield Tensor()
            yield Tensor()

        given = [Tensor() for _ in range(4)]
        generator = infer(given[0], given[1], key=given[2], z=given[3])
        item = next(generator)
        watched = [weakref.ref(thing) for thing in (*given, item)]
        del given, item
        assert [watch() for watch in watched] == [None] * 5
        assert next(generator) is not None
    finally:
        gc.enable()


def test_pitfall_11_async_function_keeps_nothing_alive(name):
    @soundpost.instrument(name)
    async def generates(kept):
        del kept
        yield Tensor()
        yield Tensor()

    @soundpost.instrument(name)
    async def awaits(kept):
        watch = weakref.ref(kept)
        del kept
        await asyncio.sleep(0)
        return watch

    async def main():
        watches = []
        given = Tensor()
        watches.append(weakref.ref(given))
        generator = generates(given)
        del given
        item = await generator.__anext__()
        watches.append(weakref.ref(item))
        del item
        assert [watch() for watch in watches] == [None, None]
        await generator.aclose()
        assert (await awaits(Tensor()))() is None

    gc.disable()
    try:
        asyncio.run(main())
    finally:
        gc.enable()


@pytest.mark.parametrize("kind", ["function", "generator", "coroutine", "async generator"])
def test_pitfall_11_exception_and_frames_are_released(name, kind):
    class Failed(Exception):
        pass

    watched = []

    def fail():
        held = Tensor()
        error = Failed("failed")
        watched.extend([weakref.ref(held), weakref.ref(error)])
        raise error

    @soundpost.instrument(name)
    def function():
        fail()

    @soundpost.instrument(name)
    def generator():
        yield 1
        fail()

    @soundpost.instrument(name)
    async def coroutine():
        await asyncio.sleep(0)
        fail()

    @soundpost.instrument(name)
    async def async_generator():
        yield 1
        fail()

    async def consume():
        async for _ in async_generator():
            pass

    run = {
        "function": function,
        "generator": lambda: list(generator()),
        "coroutine": lambda: asyncio.run(coroutine()),
        "async generator": lambda: asyncio.run(consume()),
    }[kind]
    with contextlib.suppress(Failed):
        run()
    # The frame that raised refers to its exception also without Soundpost: the cycle is Python's.
    gc.collect()
    assert [watch() for watch in watched] == [None, None]


class FakeCuda:
    """A tensor on a GPU: only its shape may be read."""

    shape = (1, RATE)

    def __getattr__(self, attribute):
        raise AssertionError(f"{attribute} was read")

    def __len__(self):
        raise AssertionError("len was taken")

    def __array__(self, *_):
        raise AssertionError("it was copied")


def test_pitfall_12_only_the_shape_is_read(name, scrape):
    @soundpost.instrument(name, audio=soundpost.audio(RATE))
    def infer():
        yield FakeCuda()
        yield [FakeCuda(), (RATE, FakeCuda())]

    for _ in infer():
        pass
    assert scrape().total("audio_seconds_total", name) == 3.0


def test_pitfall_12_gpu_tensor_is_not_checked_for_silence(name, scrape):
    class OnGpu(FakeCuda):
        device = "cuda:0"

    @soundpost.instrument(name, audio=soundpost.audio(RATE, silence=True))
    def infer():
        return OnGpu()

    infer()
    assert scrape().outcomes(name) == {"ok": 1}


def test_pitfall_12_generator_as_argument_is_not_consumed(name, lenient, scrape):
    @soundpost.instrument(name, fields={"char_count": lambda a: len(a["tts_text"])})
    def infer(tts_text):
        return list(tts_text)

    assert infer(character for character in "text") == ["t", "e", "x", "t"]
    assert scrape().outcomes(name) == {"ok": 1}


def test_pitfall_12_iterator_as_result_is_not_consumed(name, lenient, scrape):
    @soundpost.instrument(name, audio=soundpost.audio(RATE))
    def infer():
        return map(str, [1, 2])

    assert list(infer()) == ["1", "2"]
    assert scrape().outcomes(name) == {"ok": 1}


def test_pitfall_12_soundpost_imports_nothing_heavy():
    program = "import sys, soundpost; print([m for m in ('torch', 'numpy', 'asyncio', 'logging', 'inspect', 'threading') if m in sys.modules])"
    assert (
        subprocess.run(
            [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; " + program],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        == "[]"
    )
