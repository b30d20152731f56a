"""Results that come later: followed to their end, or a fault."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import io
import itertools

import pytest
from workload import RATE, chunk, until

import soundpost

pytestmark = pytest.mark.usefixtures("telemetry")

Result = collections.namedtuple("Result", ["segments", "info"])


class Stream:
    """A custom iterator with attributes of its own."""

    def __init__(self, count):
        self.left = count
        self.is_closed = False

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left -= 1
        until(0.002)
        return chunk()

    def __len__(self):
        return self.left

    def close(self):
        self.is_closed = True


class Response:
    """An object that has its audio as an attribute, or is only iterable."""

    def __init__(self):
        self.body = (chunk() for _ in range(2))

    def __iter__(self):
        return iter([chunk(), chunk()])


def pieces():
    for _ in range(2):
        until(0.002)
        yield chunk()


def make_response():
    return Response()


def taken(result):
    return len(list(result))


FOLLOWED = {
    "generator in a tuple": (lambda: (pieces(), {"language": "en"}), {}, lambda result: taken(result[0])),
    "generator in a named tuple": (lambda: Result(pieces(), 1), {}, lambda result: taken(result.segments)),
    "generator behind a rate": (lambda: (24_000, pieces()), {}, lambda result: taken(result[1])),
    "map": (lambda: map(chunk, [0.1, 0.1]), {}, taken),
    "islice": (lambda: itertools.islice(pieces(), 2), {}, taken),
    "custom iterator": (lambda: Stream(2), {}, taken),
    "dict by key": (
        lambda: {"wav": pieces(), "rate": 1},
        {"iterates": "wav"},
        lambda result: taken(result["wav"]),
    ),
    "list by position": (lambda: ["text", pieces()], {"iterates": 1}, lambda result: taken(result[1])),
    "tuple by name": (
        lambda: Result(pieces(), 1),
        {"iterates": "segments"},
        lambda result: taken(result.segments),
    ),
    "attribute": (make_response, {"iterates": "body"}, lambda result: taken(result.body)),
    "iterable": (make_response, {"iterates": True}, taken),
}


@pytest.mark.parametrize("case", FOLLOWED)
def test_later_result_is_followed(name, scrape, case):
    make, options, consume = FOLLOWED[case]
    result = soundpost.instrument(name, audio=soundpost.audio(RATE), **options)(make)()
    assert scrape().outcomes(name) == {}
    assert consume(result) == 2
    assert scrape().outcomes(name) == {"ok": 1}
    assert scrape().total("audio_seconds_total", name) == pytest.approx(0.2)
    assert scrape().count("time_to_first_audio_seconds", name) == 1


def test_custom_iterator_keeps_class_and_attributes(name, scrape):
    stream = soundpost.instrument(name, audio=soundpost.audio(RATE))(lambda: Stream(3))()
    assert isinstance(stream, Stream)
    assert (len(stream), stream.left) == (3, 3)
    next(stream)
    assert len(stream) == 2
    stream.note = "set"
    assert stream.note == "set"
    stream.close()
    assert stream.is_closed
    assert scrape().outcomes(name) == {"abandoned": 1}


def test_named_tuple_keeps_its_class(name):
    result = soundpost.instrument(name)(lambda: Result(pieces(), "info"))()
    assert isinstance(result, Result)
    assert result.info == "info"
    assert taken(result.segments) == 2


@pytest.mark.parametrize("fails", [False, True])
def test_future_of_a_pool_is_followed(name, scrape, fails):
    def work():
        until(0.01)
        if fails:
            raise ValueError("boom")
        return chunk()

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        infer = soundpost.instrument(name, audio=soundpost.audio(RATE))(lambda: pool.submit(work))
        future = infer()
        assert isinstance(future, concurrent.futures.Future)
        concurrent.futures.wait([future])
    assert scrape().outcomes(name) == {"error" if fails else "ok": 1}
    assert scrape().total("request_busy_seconds", name) >= 0.01


def test_task_and_coroutine_in_a_tuple_are_followed(name, scrape):
    async def work():
        await asyncio.sleep(0)
        return chunk()

    record = soundpost.instrument(name, audio=soundpost.audio(RATE))

    async def main():
        await record(lambda: asyncio.ensure_future(work()))()
        coroutine, _ = record(lambda: (work(), "info"))()
        await coroutine
        await asyncio.sleep(0)

    asyncio.run(main())
    assert scrape().outcomes(name) == {"ok": 2}
    assert scrape().total("audio_seconds_total", name) == pytest.approx(0.2)


@pytest.mark.parametrize("result", [lambda: {"wav": pieces()}, lambda: [pieces()]])
def test_later_part_that_is_not_followed_is_a_fault(name, scrape, lenient, result):
    before = scrape().errors("iterates")
    soundpost.instrument(name)(result)()
    assert scrape().errors("iterates") == before + 1
    assert scrape().outcomes(name) == {}


def test_later_part_can_be_left_out(name, scrape):
    soundpost.instrument(name, iterates=False)(lambda: {"wav": pieces()})()
    assert scrape().outcomes(name) == {"ok": 1}


def test_part_that_cannot_be_replaced_is_a_fault(name, scrape, lenient):
    class Fixed:
        __slots__ = ()

        @property
        def body(self):
            return pieces()

    before = scrape().errors("iterates")
    soundpost.instrument(name, iterates="body")(lambda: [Fixed()][0])()
    assert scrape().errors("iterates") == before + 1


@pytest.mark.parametrize("result", [io.BytesIO(b"1"), chunk(), "text", None, (1, 2), [chunk()], {"a": 1}])
def test_result_that_is_there_ends_the_call(name, scrape, result):
    assert soundpost.instrument(name)(lambda: result)() is result
    assert scrape().outcomes(name) == {"ok": 1}
