"""Records of `instrument`, `call`, `stage` and `current_call`."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrape import Scrape

import soundpost

pytestmark = pytest.mark.usefixtures("telemetry")


def test_call_records_all_values(name, scrape):
    @soundpost.instrument(
        name,
        labels={"emotion": "emotion", "long": lambda a: len(a["text"]) > 3},
        fields={"char_count": lambda a: len(a["text"]), "speed": "speed"},
        audio=soundpost.audio(sample_rate=22050),
        streaming="stream",
    )
    def infer(text, emotion="neutral", *, speed=1.0, stream=False):
        return np.zeros((1, 22050))

    infer("text!", speed=2.0)
    infer("abc", "sad", stream=True)
    after = scrape()
    assert after.outcomes(name, emotion="neutral", long="True") == {"ok": 1}
    assert after.outcomes(name, emotion="sad", long="False") == {"ok": 1}
    assert (
        after.get(
            "tests_request_total", operation=name, emotion="sad", long="False", status="success", outcome="ok"
        )
        == 1
    )
    assert after.total("characters_total", name) == 8
    assert after.total("audio_seconds_total", name) == 2
    assert after.count("request_duration_seconds", name, status="success") == 2
    assert after.count("real_time_factor", name) == 2
    assert after.in_flight(name) == 0


def test_default_operation_is_the_function_name(scrape):
    @soundpost.instrument
    def an_operation_of_its_own(): ...

    @soundpost.instrument()
    def another_operation(): ...

    an_operation_of_its_own()
    another_operation()
    assert scrape().outcomes("an_operation_of_its_own") == {"ok": 1}
    assert scrape().outcomes("another_operation") == {"ok": 1}


def test_call_in_flight_is_exposed(name, scrape):
    seen = []

    @soundpost.instrument(name)
    def infer():
        seen.append(scrape().in_flight(name))
        yield 1
        seen.append(scrape().in_flight(name))

    for _ in infer():
        seen.append(scrape().in_flight(name))
    assert [*seen, scrape().in_flight(name)] == [1, 1, 1, 0]


def test_request_id_is_generated_or_taken(name):
    @soundpost.instrument(
        name, request_id="request_id", traceparent=lambda a: a["headers"].get("traceparent")
    )
    def infer(request_id=None, headers=None):
        return soundpost.current_call().request_id

    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    assert infer("req-7d8e9f", {}) == "req-7d8e9f"
    assert infer(None, headers) == trace
    assert infer("mine", headers) == "mine"
    assert infer(42, {}) == "42"
    assert len(infer("x" * 100, {})) == 64
    first, second = infer(None, {}), infer(None, {"traceparent": "nonsense"})
    assert first != second
    assert first
    assert second


def test_queue_time_is_recorded(name, scrape):
    @soundpost.instrument(name, queued_at="accepted")
    def infer(accepted=None): ...

    infer(time.monotonic() - 5)
    infer()
    with soundpost.call(name, queued_at=time.monotonic() - 5):
        pass
    after = scrape()
    assert after.count("request_queue_seconds", name) == 2
    assert 10 <= after.total("request_queue_seconds", name) < 12


def test_block_is_a_call(name, scrape):
    with soundpost.call(name, labels={"emotion": "sad"}, request_id="req-7d8e9f", char_count=128) as call:
        assert soundpost.current_call() is call
        assert (call.operation, call.request_id) == (name, "req-7d8e9f")
        assert "req-7d8e9f" in repr(call)
        with call.stage("frontend"):
            pass
        for _ in range(3):
            call.chunk(audio_seconds=0.5)
        call.set(model_version="V23", steps=25, cold=True, score=0.5, nothing=None, scalar=np.float32(1.5))
    assert soundpost.current_call() is None
    after = scrape()
    assert after.outcomes(name, emotion="sad") == {"ok": 1}
    assert after.total("audio_seconds_total", name) == 1.5
    assert after.total("characters_total", name) == 128
    assert after.count("chunk_gap_seconds", name) == 2
    assert after.stages(name) == {"frontend": 1}


def test_async_block_is_a_call(name, scrape):
    async def main():
        async with soundpost.call(name) as call:
            await asyncio.sleep(0)
            async with call.stage("part"), soundpost.stage("other"):
                await asyncio.sleep(0)
            return soundpost.current_call() is call

    assert asyncio.run(main())
    assert scrape().outcomes(name) == {"ok": 1}
    assert scrape().stages(name) == {"part": 1, "other": 1}


def test_concurrent_tasks_have_separate_calls(name):
    async def one(number):
        async with soundpost.call(name, request_id=number) as call:
            for _ in range(5):
                await asyncio.sleep(0)
                assert soundpost.current_call() is call
            return call.request_id

    async def main():
        return await asyncio.gather(*(one(number) for number in range(20)))

    assert asyncio.run(main()) == [str(number) for number in range(20)]


def test_call_ended_by_hand_ignores_the_block_end(name, scrape):
    with soundpost.call(name) as call:
        call.fail("CUDA out of memory")
        assert soundpost.current_call() is None
        call.chunk(1.0)
        call.set(late=1)
    with soundpost.call(name) as call:
        call.fail(TimeoutError())
    with soundpost.call(name) as call:
        call.truncated()
    assert scrape().outcomes(name) == {"oom": 1, "timeout": 1, "truncated": 1}


def test_audio_of_call_adds_up(name, scrape):
    with soundpost.call(name) as call:
        call.audio(2.0)
        call.audio(0.5)
        assert soundpost.current_call() is call
        with call.stage("save"):
            assert scrape().in_flight(name) == 1
    after = scrape()
    assert after.outcomes(name) == {"ok": 1}
    assert after.total("audio_seconds_total", name) == 2.5
    assert after.stages(name) == {"save": 1}


def test_stage_decorates_every_kind_of_function(name, scrape):
    @soundpost.stage("plain")
    def plain():
        return 1

    @soundpost.stage("generates")
    def generates():
        yield from (1, 2)

    @soundpost.stage("awaits")
    async def awaits():
        await asyncio.sleep(0)

    @soundpost.stage("generates_async")
    async def generates_async():
        yield 1

    @soundpost.instrument(name)
    async def infer():
        plain()
        list(generates())
        await awaits()
        async for _ in generates_async():
            pass

    asyncio.run(infer())
    assert scrape().stages(name) == {"plain": 1, "generates": 1, "awaits": 1, "generates_async": 1}


def test_failed_stage_is_counted(name, scrape):
    @soundpost.stage("broken")
    def broken():
        raise KeyError("k")

    @soundpost.instrument(name)
    def infer():
        with pytest.raises(KeyError):
            broken()
        with pytest.raises(ZeroDivisionError), soundpost.stage("block"):
            _ = 1 / 0
        with soundpost.stage("good"):
            pass

    infer()
    after = scrape()
    assert after.sum("tests_stage_failure_total", operation=name) == 2
    assert after.get("tests_stage_failure_total", operation=name, stage="broken") == 1
    assert after.stages(name) == {"broken": 1, "block": 1, "good": 1}
    assert repr(soundpost.stage("good")) == 'soundpost.stage("good")'


def test_label_values_are_converted_to_text(name, scrape):
    class Named:
        def __str__(self):
            return "named"

    @soundpost.instrument(name, labels={"x": "x"})
    def infer(x): ...

    for value in ("text", 1, 1.5, True, None, Named()):
        infer(value)
    for value in ("text", "1", "1.5", "True", "None", "named"):
        assert scrape().outcomes(name, x=value) == {"ok": 1}


def test_many_labels_are_recorded(name, scrape):
    labels = {f"l{number}": "x" for number in range(12)}

    @soundpost.instrument(name, labels=labels)
    def infer(x): ...

    infer(3)
    assert scrape().outcomes(name, **dict.fromkeys(labels, "3")) == {"ok": 1}


def test_any_text_is_a_valid_label_or_field(name, scrape, telemetry):
    @soundpost.instrument(name, labels={"x": "x"}, fields={"x": "x"}, request_id="x")
    def infer(x): ...

    calls = 0

    @given(text=st.text() | st.text(st.characters(categories=["Cs"])))
    def try_text(text):
        nonlocal calls
        calls += 2
        infer(text)
        with soundpost.call(name, labels={"x": text}, request_id=text, field=text) as call:
            call.set(other=text)

    try_text()
    assert scrape().sum("tests_request_total", operation=name) == calls
    Scrape(telemetry.render(openmetrics=True), openmetrics=True)


def test_lone_surrogates_are_replaced(name, scrape):
    @soundpost.instrument(name, labels={"x": "x"}, request_id="x")
    def infer(x):
        return soundpost.current_call().request_id

    assert "\ufffd" in infer("a\ud800b")
    assert [
        dict(labels)["x"]
        for metric, labels in scrape().samples
        if metric == "tests_request_total" and ("operation", name) in labels
    ] == ["a\ufffd\ufffd\ufffdb"]


def test_call_without_gpu_has_no_gpu_figures(name):
    with soundpost.call(name) as call:
        assert call.gpu is None
        with soundpost.call("inner") as inner:
            assert inner.gpu is None
    assert call.gpu is None
