"""What a naive wrapper gets wrong, by number: one list for all who instrument speech services."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import inspect
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest

import auscult

pytestmark = pytest.mark.usefixtures("telemetry")

RATE = 1000


def until(seconds):
    """Keeps the processor busy for so long: no test here sleeps."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def chunk(seconds=0.1):
    return np.zeros(int(RATE * seconds), dtype=np.float32)


def in_thread(function):
    """Runs a function on a thread of its own, with a fresh context, and gives what it returned."""
    result = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join()
    return result[0]


# 1. Timing the call that only creates a generator; counting generators never started.


def test_pitfall_1_a_generator_is_timed_while_it_runs(name, scrape):
    @auscult.instrument(name)
    def infer():
        until(0.02)
        yield 1
        until(0.02)

    generator = infer()
    assert scrape().in_flight(name) == 0
    list(generator)
    after = scrape()
    assert after.outcomes(name) == {"ok": 1}
    assert after.total("request_duration_seconds", name) >= 0.04
    assert after.total("request_busy_seconds", name) >= 0.04


@pytest.mark.filterwarnings("ignore:coroutine")
def test_pitfall_1_what_was_never_started_is_not_counted(name, scrape):
    @auscult.instrument(name)
    def generator():
        yield 1

    @auscult.instrument(name)
    async def coroutine(): ...

    @auscult.instrument(name)
    async def async_generator():
        yield 1

    generator().close()
    coroutine().close()
    del (made := [generator(), coroutine(), async_generator()])[:]
    assert made == []
    gc.collect()
    assert scrape().outcomes(name) == {}


@pytest.mark.filterwarnings("ignore:coroutine")
@pytest.mark.parametrize("kind", ["generator", "coroutine", "async_generator"])
def test_pitfall_1_what_a_function_returned_and_nobody_started_is_not_counted(name, scrape, kind):
    def generator():
        yield 1

    async def coroutine(): ...

    async def async_generator():
        yield 1

    @auscult.instrument(name)
    def infer():
        return locals_of[kind]()

    locals_of = {"generator": generator, "coroutine": coroutine, "async_generator": async_generator}
    infer()
    gc.collect()
    after = scrape()
    assert after.outcomes(name) == {}
    assert after.in_flight(name) == 0


# 2. Charging the consumer's time between yields to the model.


@pytest.mark.parametrize("is_async", [False, True])
def test_pitfall_2_the_consumers_time_is_not_the_models(name, scrape, is_async):
    @auscult.instrument(name, audio=auscult.audio(RATE))
    def infer():
        for _ in range(3):
            until(0.01)
            yield chunk(1.0)

    @auscult.instrument(name, audio=auscult.audio(RATE))
    async def infer_async():
        for _ in range(3):
            until(0.01)
            yield chunk(1.0)

    async def consume():
        async for _ in infer_async():
            until(0.05)

    if is_async:
        asyncio.run(consume())
    else:
        for _ in infer():
            until(0.05)
    after = scrape()
    busy = after.total("request_busy_seconds", name)
    assert 0.03 <= busy < 0.1
    assert after.total("request_duration_seconds", name) >= 0.18
    assert after.total("real_time_factor", name) == pytest.approx(busy / 3, rel=0.01)


def test_pitfall_2_an_awaiting_coroutine_is_busy(name, scrape):
    @auscult.instrument(name)
    async def infer():
        await asyncio.get_running_loop().run_in_executor(None, until, 0.03)

    asyncio.run(infer())
    assert scrape().total("request_busy_seconds", name) >= 0.03


# 3. Time to first audio measured on a header or a silence.


def test_pitfall_3_a_header_is_not_the_first_audio(name, scrape):
    @auscult.instrument(name, audio=lambda item: auscult.Skip if item == "header" else 0.5)
    def infer():
        yield "header"
        until(0.03)
        yield "audio"

    list(infer())
    after = scrape()
    assert after.count("time_to_first_audio_seconds", name) == 1
    assert after.total("time_to_first_audio_seconds", name) >= 0.03
    assert after.total("audio_seconds_total", name) == 0.5


def test_pitfall_3_a_wave_header_sent_ahead_is_not_the_first_audio(name, scrape):
    header = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0\xe8\x03\0\0\xd0\x07\0\0\x02\0\x10\0data\xff\xff\xff\xff"

    @auscult.instrument(name, audio=auscult.audio(RATE))
    def infer():
        yield header
        until(0.03)
        yield bytes(2 * RATE)

    list(infer())
    after = scrape()
    assert after.total("time_to_first_audio_seconds", name) >= 0.03
    assert after.total("audio_seconds_total", name) == 1.0


def test_pitfall_3_an_inserted_silence_is_not_the_first_audio(name, scrape):
    @auscult.instrument(name, audio=auscult.audio(RATE, silence=True))
    def infer():
        yield chunk(0.2)
        until(0.03)
        yield chunk(0.3) + 0.5

    list(infer())
    after = scrape()
    assert after.total("time_to_first_audio_seconds", name) >= 0.03
    assert after.total("audio_seconds_total", name) == pytest.approx(0.5)
    assert after.outcomes(name) == {"ok": 1}


# 4. `GeneratorExit` is not always a cancellation; an idle limit reaps what nobody closes.


@pytest.mark.parametrize(
    ("streaming", "taken", "outcome"),
    [(False, 1, "ok"), (False, 0, "abandoned"), (True, 1, "abandoned"), (True, 2, "abandoned")],
)
@pytest.mark.parametrize("drop", ["close", "delete"])
def test_pitfall_4_a_generator_closed_before_its_end(name, scrape, streaming, taken, outcome, drop):
    @auscult.instrument(name, streaming="stream", audio=auscult.audio(RATE, key="tts_speech"))
    def infer(stream):
        yield {"text": "a header without audio"}
        for _ in range(3):
            yield {"tts_speech": chunk().reshape(1, -1)}

    generator = infer(stream=streaming)
    for _ in range(1 + taken):
        next(generator)
    if drop == "close":
        generator.close()
    else:
        del generator
    assert scrape().outcomes(name) == {outcome: 1}


@pytest.mark.parametrize("streaming", [None, lambda a: a["stream"], True])
def test_pitfall_4_generators_stream_unless_told_otherwise(name, scrape, streaming):
    @auscult.instrument(name, streaming=streaming, audio=auscult.audio(RATE))
    def infer(stream=True):
        yield chunk()
        yield chunk()

    next(infer())
    assert scrape().outcomes(name) == {"abandoned": 1}


def test_pitfall_4_a_call_without_progress_is_abandoned(python):
    ran = python(
        """
        import time
        import auscult
        from scrape import Scrape

        telemetry = auscult.init(idle_limit=0.05)

        @auscult.instrument("infer")
        def infer():
            yield 1
            yield 2

        generator = infer()
        next(generator)
        end = time.monotonic() + 20
        while not (outcomes := Scrape(telemetry.render(), prefix="program").outcomes("infer")) and time.monotonic() < end:
            time.sleep(0.01)
        next(generator)
        generator.close()
        print(outcomes, Scrape(telemetry.render(), prefix="program").outcomes("infer"))
        """
    )
    assert ran.stdout.strip() == "{'abandoned': 1} {'abandoned': 1}"


# 5. Each `next` may come on another thread with a fresh context.


def test_pitfall_5_every_resumption_on_a_thread_of_its_own(name, scrape):
    seen = []

    @auscult.instrument(name)
    def infer():
        for _ in range(4):
            seen.append((threading.get_ident(), auscult.current_call()))
            yield auscult.current_call()

    generator = infer()
    calls = [in_thread(lambda: next(generator)) for _ in range(4)]
    assert auscult.current_call() is None
    assert in_thread(lambda: next(generator, "end")) == "end"
    assert len({id(call) for call in calls}) == 1
    assert all(call is calls[0] for _, call in seen)
    assert scrape().outcomes(name) == {"ok": 1}


def test_pitfall_5_nothing_is_current_between_resumptions(name):
    @auscult.instrument(name)
    def infer():
        yield auscult.current_call()
        yield auscult.current_call()

    generator = infer()
    assert next(generator) is not None
    assert auscult.current_call() is None
    contexts = [contextvars.copy_context() for _ in range(2)]
    assert contexts[0].run(next, generator) is not None
    assert contexts[0].run(auscult.current_call) is None
    assert contexts[1].run(next, generator, None) is None


def test_pitfall_5_close_from_another_thread_is_passed_on(name, scrape):
    inside, done = threading.Event(), threading.Event()

    @auscult.instrument(name)
    def infer():
        inside.set()
        done.wait(10)
        yield 1

    generator = infer()
    items = []
    thread = threading.Thread(target=lambda: items.extend(generator))
    thread.start()
    assert inside.wait(10)
    with pytest.raises(ValueError, match="generator already executing"):
        generator.close()
    done.set()
    thread.join()
    assert items == [1]
    assert scrape().outcomes(name) == {"ok": 1}


def test_pitfall_5_a_block_in_a_generator_that_changes_threads(name, scrape):
    def infer():
        with auscult.call(name) as call:
            yield call
            yield call

    generator = infer()
    for _ in range(2):
        in_thread(lambda: next(generator))
    assert in_thread(lambda: next(generator, "end")) == "end"
    assert auscult.current_call() is None
    assert scrape().outcomes(name) == {"ok": 1}


# 6. Loss of `send`, `throw`, `close`, the return value, or the function's kind: see also test_functions.py.


def test_pitfall_6_kind_and_everything_a_generator_can_do():
    @auscult.instrument
    def infer():
        got = yield 1
        try:
            yield got
        except KeyError:
            yield "caught"
        return "returned"

    assert inspect.isgeneratorfunction(infer)
    generator = infer()
    assert (next(generator), generator.send("sent"), generator.throw(KeyError)) == (1, "sent", "caught")
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert stop.value.value == "returned"


def test_pitfall_6_a_decorator_that_looks_at_the_kind():
    def no_grad(function):
        """As torch's: a generator function is entered at each resumption."""
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generator(*args, **kwargs):
                return (yield from function(*args, **kwargs))

            return generator
        pytest.fail("taken for a plain function")

    @no_grad
    @auscult.instrument
    def infer(n):
        yield from range(n)

    assert list(infer(3)) == [0, 1, 2]


# 7. Nested calls, recursion: one call, inner ones are stages.


def test_pitfall_7_only_the_outermost_is_a_call(name, scrape):
    @auscult.instrument(name + "_tts", labels={"x": "x"})
    def tts(x):
        yield x

    @auscult.instrument(name + "_inference")
    @auscult.instrument(name + "_twice")
    def inference(n):
        if n:
            inference(n - 1)
        return list(tts(n))

    @auscult.instrument(name)
    async def web():
        with auscult.call(name + "_block") as call:
            assert call.operation == name
            call.chunk(1.0)
            call.set(model="m")
        return inference(1)

    asyncio.run(web())
    after = scrape()
    assert after.outcomes(name) == {"ok": 1}
    for inner in ("_tts", "_inference", "_twice", "_block"):
        assert after.outcomes(name + inner) == {}
    assert after.stages(name) == {
        name + "_tts": 2,
        name + "_inference": 2,
        name + "_twice": 2,
        name + "_block": 1,
    }
    assert after.total("audio_seconds_total", name) == 0


def test_pitfall_7_what_follows_a_call_is_a_call_again(name, scrape):
    started = asyncio.Event

    @auscult.instrument(name + "_later")
    async def later(event):
        await event.wait()
        return auscult.instrument(name + "_inside")(lambda: auscult.current_call().operation)()

    @auscult.instrument(name)
    async def outer(event):
        # The task inherits the context and outlives the call.
        return asyncio.create_task(background(event))

    async def background(event):
        await event.wait()
        return auscult.instrument(name + "_after")(lambda: auscult.current_call().operation)()

    async def main():
        event = started()
        task = await outer(event)
        event.set()
        return await task

    assert asyncio.run(main()) == name + "_after"
    assert scrape().outcomes(name + "_after") == {"ok": 1}


# 8. Threads do not inherit context variables.


def test_pitfall_8_stages_of_a_worker_thread_are_recorded_without_their_call(name, scrape):
    @auscult.stage(name + "_llm")
    def llm_job():
        with auscult.stage(name + "_step"):
            return auscult.current_call()

    @auscult.instrument(name)
    def infer():
        return in_thread(llm_job)

    assert infer() is None
    after = scrape()
    assert after.stages(name) == {}
    stages = after.stages("unknown")
    assert stages[name + "_llm"] == stages[name + "_step"] == 1


def test_pitfall_8_a_call_can_be_handed_to_a_thread(name, scrape):
    @auscult.instrument(name)
    def infer():
        call = auscult.current_call()

        def job():
            with call.stage("llm"):
                call.progress()

        in_thread(job)

    infer()
    assert scrape().stages(name) == {"llm": 1}


# 9. Stages overlap.


def test_pitfall_9_stages_overlap(name, scrape):
    @auscult.instrument(name)
    def infer():
        call = auscult.current_call()
        first, second = call.stage("llm"), call.stage("vocoder")
        first.__enter__()
        second.__enter__()
        until(0.02)
        first.__exit__(None, None, None)
        second.__exit__(None, None, None)

    infer()
    after = scrape()
    assert after.stages(name) == {"llm": 1, "vocoder": 1}
    assert after.total("stage_duration_seconds", name) >= 0.04 > after.total("request_duration_seconds", name)


def test_pitfall_9_one_stage_object_in_many_hands(name, scrape):
    vocoder = auscult.stage(name)
    barrier = threading.Barrier(4)

    def work():
        for _ in range(50):
            barrier.wait()
            with vocoder, vocoder:
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scrape().stages("unknown")[name] == 400


# 11. Keeping a tensor, an exception or a frame alive pins GPU memory.


class Tensor:
    """Stands for something large: can be watched."""

    shape = (1, 100)


def test_pitfall_11_nothing_of_a_call_stays_alive(name):
    gc.disable()
    try:

        @auscult.instrument(
            name,
            labels={"x": lambda a: "x"},
            fields={"n": lambda a: len(a["kept"].shape)},
            audio=auscult.audio(RATE),
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


def test_pitfall_11_a_suspended_generator_keeps_neither_arguments_nor_items(name):
    gc.disable()
    try:

        @auscult.instrument(name, fields={"n": len})
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


def test_pitfall_11_the_same_of_asynchronous_functions(name):
    @auscult.instrument(name)
    async def generates(kept):
        del kept
        yield Tensor()
        yield Tensor()

    @auscult.instrument(name)
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
def test_pitfall_11_an_exception_and_its_frames_are_let_go(name, kind):
    class Failed(Exception):
        pass

    watched = []

    def fail():
        held = Tensor()
        error = Failed("failed")
        watched.extend([weakref.ref(held), weakref.ref(error)])
        raise error

    @auscult.instrument(name)
    def function():
        fail()

    @auscult.instrument(name)
    def generator():
        yield 1
        fail()

    @auscult.instrument(name)
    async def coroutine():
        await asyncio.sleep(0)
        fail()

    @auscult.instrument(name)
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
    # The frame that raised holds its own exception, with or without auscult: that cycle is Python's.
    gc.collect()
    assert [watch() for watch in watched] == [None, None]


# 12. Importing torch, resetting its statistics, `.cpu()`, `len()` of a generator.


class FakeCuda:
    """A tensor on a GPU: anything but its shape is a mistake."""

    shape = (1, RATE)

    def __getattr__(self, attribute):
        raise AssertionError(f"{attribute} was read")

    def __len__(self):
        raise AssertionError("len was taken")

    def __array__(self, *_):
        raise AssertionError("it was copied")


def test_pitfall_12_only_the_shape_is_read(name, scrape):
    @auscult.instrument(name, audio=auscult.audio(RATE))
    def infer():
        yield FakeCuda()
        yield [FakeCuda(), (RATE, FakeCuda())]

    for _ in infer():
        pass
    assert scrape().total("audio_seconds_total", name) == 3.0


def test_pitfall_12_a_tensor_on_a_gpu_is_not_searched_for_silence(name, scrape):
    class OnGpu(FakeCuda):
        device = "cuda:0"

    @auscult.instrument(name, audio=auscult.audio(RATE, silence=True))
    def infer():
        return OnGpu()

    infer()
    assert scrape().outcomes(name) == {"ok": 1}


def test_pitfall_12_a_text_that_is_a_generator_is_not_consumed(name, lenient, scrape):
    @auscult.instrument(name, fields={"char_count": lambda a: len(a["tts_text"])})
    def infer(tts_text):
        return list(tts_text)

    assert infer(character for character in "text") == ["t", "e", "x", "t"]
    assert scrape().outcomes(name) == {"ok": 1}


def test_pitfall_12_a_result_that_is_an_iterator_is_not_consumed(name, lenient, scrape):
    @auscult.instrument(name, audio=auscult.audio(RATE))
    def infer():
        return map(str, [1, 2])

    assert list(infer()) == ["1", "2"]
    assert scrape().outcomes(name) == {"ok": 1}


def test_pitfall_12_auscult_imports_nothing_heavy():
    program = "import sys, auscult; print([m for m in ('torch', 'numpy', 'asyncio', 'logging', 'inspect', 'threading') if m in sys.modules])"
    assert (
        subprocess.run(
            [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; " + program],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        == "[]"
    )


# 13. "No exception" taken for success.


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (None, "empty"),
        (np.zeros((1, 0)), "empty"),
        ([], "empty"),
        (b"", "empty"),
        ("missing.wav", "empty"),
        (-1, "error"),
        (False, "error"),
        (0, "ok"),
        (np.ones(10), "ok"),
        ((22050, np.ones(10, dtype=np.int16)), "ok"),
        ((22050, np.zeros((0, 1), dtype=np.int16)), "empty"),
    ],
)
def test_pitfall_13_a_result_that_is_none(name, scrape, result, outcome):
    infer = auscult.instrument(name, audio=auscult.audio(RATE))(lambda: result)
    assert infer() is result
    assert scrape().outcomes(name) == {outcome: 1}


def test_pitfall_13_a_file_that_is_missing_or_empty(name, scrape, tmp_path):
    infer = auscult.instrument(name, audio=auscult.audio())(lambda path: path)
    infer(tmp_path / "missing.mp4")
    (tmp_path / "empty.mp4").touch()
    infer(str(tmp_path / "empty.mp4"))
    (tmp_path / "video.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    infer(tmp_path / "video.mp4")
    assert scrape().outcomes(name) == {"empty": 2, "ok": 1}


@pytest.mark.parametrize(
    ("text", "outcome"),
    [("no face found", "error"), ("CUDA out of memory", "oom"), ("device-side assert triggered", "poisoned")],
)
@pytest.mark.parametrize("closes", [False, True])
def test_pitfall_13_an_error_that_is_yielded(name, scrape, text, outcome, closes):
    @auscult.instrument(name, audio=lambda item: auscult.Error(item) if isinstance(item, str) else 0.1)
    def infer():
        yield chunk()
        yield text
        yield chunk()

    generator = infer()
    next(generator)
    next(generator)
    if closes:
        generator.close()
    else:
        list(generator)
    assert scrape().outcomes(name) == {outcome: 1}


def test_pitfall_13_a_generator_without_output_is_empty(name, scrape):
    @auscult.instrument(name)
    def infer(n):
        yield from range(n)

    @auscult.instrument(name + "_audio", audio=auscult.audio(RATE, key="audio"))
    def infer_audio():
        yield {"header": 1}

    list(infer(0))
    list(infer(1))
    list(infer_audio())
    after = scrape()
    assert after.outcomes(name) == {"empty": 1, "ok": 1}
    assert after.outcomes(name + "_audio") == {"empty": 1}


@pytest.mark.parametrize(
    ("items", "outcome"),
    [
        ([np.zeros(100)], "silent"),
        ([np.zeros(100, dtype=np.int16), np.full(100, 20, dtype=np.int16)], "silent"),
        ([np.zeros(100), np.full(100, 0.1)], "ok"),
        ([np.full(100, -0.1)], "ok"),
        ([bytes(100)], "silent"),
        ([bytes(100), b"\x00\x10" * 50], "ok"),
    ],
)
@pytest.mark.parametrize("asked", [True, False])
def test_pitfall_13_silence_when_asked(name, scrape, items, outcome, asked):
    @auscult.instrument(name, audio=auscult.audio(RATE, silence=asked))
    def infer():
        yield from items

    list(infer())
    auscult.instrument(name, audio=auscult.audio(RATE, silence=asked))(lambda: items[0])()
    counted = {
        outcome: 1,
        **(
            {"silent": 1}
            if outcome == "ok"
            and not np.any(np.frombuffer(items[0], "i2") if isinstance(items[0], bytes) else items[0])
            else {"ok": 1}
        ),
    }
    counted = {"silent": 2} if outcome == "silent" else ({"ok": 2} if "silent" not in counted else counted)
    assert scrape().outcomes(name) == (counted if asked else {"ok": 2})


# 15. Text, paths, ids and seeds as labels; text is not recorded at all unless asked for.


def test_pitfall_15_nothing_of_the_arguments_is_recorded_unasked(name, scrape, telemetry):
    secret = "a sentence nobody asked to record"

    @auscult.instrument(name)
    def infer(text, path="/a/path", seed=86753094218):
        raise ValueError(text)

    with pytest.raises(ValueError, match="nobody asked"):
        infer(secret)
    exposed = scrape().text + telemetry.render(openmetrics=True)
    assert secret not in exposed
    assert "/a/path" not in exposed
    assert "86753094218" not in exposed


def test_pitfall_15_a_label_with_too_many_values_goes_to_overflow(python):
    ran = python(
        """
        import auscult
        from scrape import Scrape

        telemetry = auscult.init()

        @auscult.instrument("infer", labels={"voice": "voice"})
        def infer(voice): ...

        for i in range(5000):
            infer(f"voice {i}")
        scrape = Scrape(telemetry.render(), prefix="program")
        series = [labels for name, labels in scrape.samples if name == "program_request_total"]
        print(len(series), int(scrape.sum("program_request_total")), scrape.outcomes("overflow"))
        """
    )
    assert ran.stdout.strip() == "2001 5000 {'overflow': 3000}"
