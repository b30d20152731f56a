"""Pitfalls of naive wrappers, by number: end, resumption and protocol of generators."""

from __future__ import annotations

import contextvars
import functools
import inspect
import threading

import pytest
from workload import RATE, chunk, in_thread

import soundpost

pytestmark = pytest.mark.usefixtures("telemetry")


@pytest.mark.parametrize(
    ("streaming", "taken", "outcome"),
    [(False, 1, "ok"), (False, 0, "abandoned"), (True, 1, "abandoned"), (True, 2, "abandoned")],
)
@pytest.mark.parametrize("drop", ["close", "delete"])
def test_pitfall_4_generator_closed_early_is_abandoned(name, scrape, streaming, taken, outcome, drop):
    @soundpost.instrument(name, streaming="stream", audio=soundpost.audio(RATE, key="tts_speech"))
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
def test_pitfall_4_generator_streams_by_default(name, scrape, streaming):
    @soundpost.instrument(name, streaming=streaming, audio=soundpost.audio(RATE))
    def infer(stream=True):
        yield chunk()
        yield chunk()

    next(infer())
    assert scrape().outcomes(name) == {"abandoned": 1}


def test_pitfall_4_call_without_progress_is_abandoned(python):
    ran = python(
        """
        import time
        import soundpost
        from scrape import Scrape

        telemetry = soundpost.init(idle_limit=0.05)

        @soundpost.instrument("infer")
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


def test_pitfall_5_resumption_on_other_threads_is_one_call(name, scrape):
    seen = []

    @soundpost.instrument(name)
    def infer():
        for _ in range(4):
            seen.append((threading.get_ident(), soundpost.current_call()))
            yield soundpost.current_call()

    generator = infer()
    calls = [in_thread(lambda: next(generator)) for _ in range(4)]
    assert soundpost.current_call() is None
    assert in_thread(lambda: next(generator, "end")) == "end"
    assert len({id(call) for call in calls}) == 1
    assert all(call is calls[0] for _, call in seen)
    assert scrape().outcomes(name) == {"ok": 1}


def test_pitfall_5_nothing_is_current_between_resumptions(name):
    @soundpost.instrument(name)
    def infer():
        yield soundpost.current_call()
        yield soundpost.current_call()

    generator = infer()
    assert next(generator) is not None
    assert soundpost.current_call() is None
    contexts = [contextvars.copy_context() for _ in range(2)]
    assert contexts[0].run(next, generator) is not None
    assert contexts[0].run(soundpost.current_call) is None
    assert contexts[1].run(next, generator, None) is None


def test_pitfall_5_close_from_another_thread_is_forwarded(name, scrape):
    inside, done = threading.Event(), threading.Event()

    @soundpost.instrument(name)
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


def test_pitfall_5_block_in_generator_that_changes_threads_ends(name, scrape):
    def infer():
        with soundpost.call(name) as call:
            yield call
            yield call

    generator = infer()
    for _ in range(2):
        in_thread(lambda: next(generator))
    assert in_thread(lambda: next(generator, "end")) == "end"
    assert soundpost.current_call() is None
    assert scrape().outcomes(name) == {"ok": 1}


def test_pitfall_6_generator_keeps_its_kind_and_protocol():
    @soundpost.instrument
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


def test_pitfall_6_decorator_that_checks_the_kind_works():
    def no_grad(function):
        """Enters at each resumption of a generator, like a decorator of torch."""
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generator(*args, **kwargs):
                return (yield from function(*args, **kwargs))

            return generator
        pytest.fail("taken for a plain function")

    @no_grad
    @soundpost.instrument
    def infer(n):
        yield from range(n)

    assert list(infer(3)) == [0, 1, 2]
