"""Pitfalls of naive wrappers, by number: timed spans."""

from __future__ import annotations

import asyncio
import gc

import pytest
from workload import RATE, chunk, until

import soundpost

pytestmark = [pytest.mark.usefixtures("telemetry"), pytest.mark.timed]


def test_pitfall_1_generator_is_timed_while_it_runs(name, scrape):
    @soundpost.instrument(name)
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
def test_pitfall_1_unstarted_generator_is_not_counted(name, scrape):
    @soundpost.instrument(name)
    def generator():
        yield 1

    @soundpost.instrument(name)
    async def coroutine(): ...

    @soundpost.instrument(name)
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
def test_pitfall_1_unstarted_deferred_result_is_not_counted(name, scrape, kind):
    def generator():
        yield 1

    async def coroutine(): ...

    async def async_generator():
        yield 1

    @soundpost.instrument(name)
    def infer():
        return locals_of[kind]()

    locals_of = {"generator": generator, "coroutine": coroutine, "async_generator": async_generator}
    infer()
    gc.collect()
    after = scrape()
    assert after.outcomes(name) == {}
    assert after.in_flight(name) == 0


@pytest.mark.parametrize("is_async", [False, True])
def test_pitfall_2_consumer_time_is_not_busy(name, scrape, is_async):
    @soundpost.instrument(name, audio=soundpost.audio(RATE))
    def infer():
        for _ in range(3):
            until(0.01)
            yield chunk(1.0)

    @soundpost.instrument(name, audio=soundpost.audio(RATE))
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
    duration = after.total("request_duration_seconds", name)
    assert duration >= 0.18
    assert duration - busy >= 0.15
    assert after.total("real_time_factor", name) == pytest.approx(busy / 3, rel=0.01)


def test_pitfall_2_awaiting_coroutine_is_busy(name, scrape):
    @soundpost.instrument(name)
    async def infer():
        await asyncio.get_running_loop().run_in_executor(None, until, 0.03)

    asyncio.run(infer())
    assert scrape().total("request_busy_seconds", name) >= 0.03


def test_pitfall_3_header_is_not_the_first_audio(name, scrape):
    @soundpost.instrument(name, audio=lambda item: soundpost.Skip if item == "header" else 0.5)
    def infer():
        yield "header"
        until(0.03)
        yield "audio"

    list(infer())
    after = scrape()
    assert after.count("time_to_first_audio_seconds", name) == 1
    assert after.total("time_to_first_audio_seconds", name) >= 0.03
    assert after.total("audio_seconds_total", name) == 0.5


def test_pitfall_3_wave_header_is_not_the_first_audio(name, scrape):
    header = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0\xe8\x03\0\0\xd0\x07\0\0\x02\0\x10\0data\xff\xff\xff\xff"

    @soundpost.instrument(name, audio=soundpost.audio(RATE))
    def infer():
        yield header
        until(0.03)
        yield bytes(2 * RATE)

    list(infer())
    after = scrape()
    assert after.total("time_to_first_audio_seconds", name) >= 0.03
    assert after.total("audio_seconds_total", name) == 1.0


def test_pitfall_3_inserted_silence_is_not_the_first_audio(name, scrape):
    @soundpost.instrument(name, audio=soundpost.audio(RATE, silence=True))
    def infer():
        yield chunk(0.2)
        until(0.03)
        yield chunk(0.3) + 0.5

    list(infer())
    after = scrape()
    assert after.total("time_to_first_audio_seconds", name) >= 0.03
    assert after.total("audio_seconds_total", name) == pytest.approx(0.5)
    assert after.outcomes(name) == {"ok": 1}
