"""Pitfalls of naive wrappers, by number: nested calls, worker threads, overlapping stages."""

from __future__ import annotations

import asyncio
import threading

import pytest
from workload import in_thread, until

import soundpost

pytestmark = pytest.mark.usefixtures("telemetry")


def test_pitfall_7_nested_call_is_a_stage(name, scrape):
    @soundpost.instrument(name + "_tts", labels={"x": "x"})
    def tts(x):
        yield x

    @soundpost.instrument(name + "_inference")
    @soundpost.instrument(name + "_twice")
    def inference(n):
        if n:
            inference(n - 1)
        return list(tts(n))

    @soundpost.instrument(name)
    async def web():
        with soundpost.call(name + "_block") as call:
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


def test_pitfall_7_call_after_a_call_is_a_call(name, scrape):
    started = asyncio.Event

    @soundpost.instrument(name + "_later")
    async def later(event):
        await event.wait()
        return soundpost.instrument(name + "_inside")(lambda: soundpost.current_call().operation)()

    @soundpost.instrument(name)
    async def outer(event):
        # The task inherits the context and outlives the call.
        return asyncio.create_task(background(event))

    async def background(event):
        await event.wait()
        return soundpost.instrument(name + "_after")(lambda: soundpost.current_call().operation)()

    async def main():
        event = started()
        task = await outer(event)
        event.set()
        return await task

    assert asyncio.run(main()) == name + "_after"
    assert scrape().outcomes(name + "_after") == {"ok": 1}


def test_pitfall_8_stage_of_worker_thread_has_no_call(python):
    python(
        """
        import threading
        import soundpost
        from scrape import Scrape

        telemetry = soundpost.init("program")
        calls = []

        @soundpost.stage("llm")
        def llm_job():
            with soundpost.stage("step"):
                calls.append(soundpost.current_call())

        @soundpost.instrument("infer")
        def infer():
            thread = threading.Thread(target=llm_job)
            thread.start()
            thread.join()

        infer()
        scrape = Scrape(telemetry.render(), prefix="program")
        assert calls == [None]
        assert scrape.stages("infer") == {}
        assert scrape.stages("unknown") == {"llm": 1, "step": 1}
        """
    )


def test_pitfall_8_call_passed_to_a_thread_has_its_stages(name, scrape):
    @soundpost.instrument(name)
    def infer():
        call = soundpost.current_call()

        def job():
            with call.stage("llm"):
                call.progress()

        in_thread(job)

    infer()
    assert scrape().stages(name) == {"llm": 1}


def test_pitfall_9_overlapping_stages_are_timed(name, scrape):
    @soundpost.instrument(name)
    def infer():
        call = soundpost.current_call()
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


def test_pitfall_9_shared_stage_object_is_reentrant(name, scrape):
    vocoder = soundpost.stage(name)
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
