"""`outcome=`, `call.mark`, deciding stages and `invalid=`: the outcome is what happened."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import enum
import threading

import numpy as np
import pytest
from workload import RATE, chunk, until

import soundpost

pytestmark = pytest.mark.usefixtures("telemetry")


class OutOfMemoryError(RuntimeError):
    """Named like the class of PyTorch."""


def test_last_item_then_drop_is_ok(name, scrape):
    @soundpost.instrument(name, outcome=lambda item: "last" if item == 3 else None)
    def count():
        yield from (1, 2, 3, 4)

    for taken in (2, 3):
        generator = count()
        for _ in range(taken):
            next(generator)
        generator.close()
    assert scrape().outcomes(name) == {"abandoned": 1, "ok": 1}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (None, "ok"),
        ("error", "error"),
        ("invalid", "invalid"),
        ("truncated", "truncated"),
        (OutOfMemoryError("no"), "oom"),
        (soundpost.Error("device-side assert"), "poisoned"),
        (soundpost.Error, "error"),
        (("last", "silent"), "silent"),
        (soundpost.Skip, "ok"),
    ],
)
def test_answer_of_outcome_function_is_the_outcome(name, scrape, answer, outcome):
    soundpost.instrument(name, outcome=lambda item: answer)(lambda: 1)()

    @soundpost.instrument(name + "_item", outcome=lambda item, call: None if call.done else answer)
    def stream():
        yield 1
        yield 2

    list(stream())
    assert scrape().outcomes(name) == {outcome: 1}
    # Skipped items are no output.
    assert scrape().outcomes(name + "_item") == {"empty" if answer is soundpost.Skip else outcome: 1}


def test_outcome_ok_overrules_missing_output(name, scrape):
    infer = soundpost.instrument(name, audio=soundpost.audio(RATE), outcome=lambda item: "ok")(lambda: None)
    infer()
    assert scrape().outcomes(name) == {"ok": 1}


@pytest.mark.parametrize("answer", [object(), "nonsense", 1.5])
def test_unusable_answer_is_a_fault(name, scrape, lenient, answer):
    before = scrape().errors("outcome")
    soundpost.instrument(name, outcome=lambda item: answer)(lambda: 1)()
    assert scrape().outcomes(name) == {"ok": 1}
    assert scrape().errors("outcome") == before + 1


def test_function_that_raises_costs_only_its_answer(name, scrape, lenient):
    def broken(item, call):
        raise ZeroDivisionError

    @soundpost.instrument(name, audio=broken, outcome=broken, streaming=broken)
    def stream():
        yield chunk()

    assert len(list(stream())) == 1
    assert scrape().outcomes(name) == {"ok": 1}


@pytest.mark.parametrize("kind", ["plain", "coroutine", "generator", "async_generator", "returned"])
def test_functions_get_call_arguments_and_state(name, scrape, kind):
    seen = []

    def outcome(item, call):
        assert soundpost.current_call() is call
        call.state["items"] = call.state.get("items", 0) + 1
        seen.append((item, call.arguments["text"], call.arguments["rate"], call.state["items"], call.done))

    def audio(item, call):
        assert soundpost.current_call() is call
        return 1.0 / call.arguments["rate"]

    record = soundpost.instrument(name, audio=audio, outcome=outcome)
    if kind == "plain":
        record(lambda text, rate=4: "item")("hello")
    elif kind == "coroutine":

        @record
        async def infer(text, *, rate=4):
            return "item"

        asyncio.run(infer("hello"))
    elif kind == "async_generator":

        @record
        async def stream(text, rate=4):
            yield "item"

        async def consume():
            return [item async for item in stream("hello")]

        asyncio.run(consume())
    else:

        def stream(text, rate=4):
            yield "item"
            return "end"

        if kind == "generator":
            list(record(stream)("hello"))
        else:
            list(record(lambda text, rate=4: stream(text))("hello"))
    item = ("item", "hello", 4, 1, kind in ("plain", "coroutine"))
    end = {"generator": "end", "returned": "end", "async_generator": None}
    assert seen == [item, *([(end[kind], "hello", 4, 2, True)] if kind in end else [])]
    assert soundpost.current_call() is None
    assert scrape().outcomes(name) == {"ok": 1}
    assert scrape().total("audio_seconds_total", name) == 0.25


def test_streaming_function_may_take_the_call(name, scrape):
    def streaming(arguments, call):
        return arguments["stream"] and call.operation == name

    @soundpost.instrument(name, audio=soundpost.audio(RATE), streaming=streaming)
    def infer(stream):
        yield chunk()
        yield chunk()

    for stream in (True, False):
        next(infer(stream))
    assert scrape().outcomes(name) == {"abandoned": 1, "ok": 1}


def test_marked_call_goes_on(name, scrape):
    with soundpost.call(name) as call:
        call.chunk(1.0)
        call.mark(truncated=True)
        until(0.01)
        call.chunk(1.0)
    after = scrape()
    assert after.outcomes(name) == {"truncated": 1}
    assert after.total("audio_seconds_total", name) == 2.0
    assert after.total("request_busy_seconds", name) >= 0.01


@pytest.mark.parametrize(
    ("marks", "raised", "outcome"),
    [
        ([{"error": OutOfMemoryError("x")}], None, "oom"),
        ([{"error": "CUDA out of memory"}], None, "oom"),
        ([{"error": OutOfMemoryError("x")}], ValueError, "oom"),
        ([{"truncated": True}], ValueError, "error"),
        ([{"truncated": False, "error": None}], None, "ok"),
        ([{"outcome": "silent"}, {"outcome": "ok"}], None, "ok"),
        ([{"outcome": "invalid"}, {"error": "boom"}], None, "invalid"),
    ],
)
def test_first_failure_that_was_marked_counts(name, scrape, marks, raised, outcome):
    @soundpost.instrument(name)
    def infer():
        for mark in marks:
            keywords = {key: value for key, value in mark.items() if key != "outcome"}
            soundpost.current_call().mark(mark.get("outcome"), **keywords)
        if raised:
            raise raised

    with contextlib.suppress(ValueError):
        infer()
    assert scrape().outcomes(name) == {outcome: 1}


@pytest.mark.parametrize("arguments", [(object(),), ("nonsense",), (3,)])
def test_mark_with_no_outcome_is_a_fault(name, scrape, lenient, arguments):
    with soundpost.call(name) as call:
        call.mark(*arguments)
    assert scrape().outcomes(name) == {"ok": 1}


def test_block_is_judged_at_its_end(name, scrape):
    def outcome(item, call):
        return "truncated" if call.done and call.cold else None

    for _ in range(2):
        with soundpost.call(name, outcome=outcome, invalid=KeyError):
            pass
    with pytest.raises(KeyError), soundpost.call(name, outcome=outcome, invalid=KeyError):
        raise KeyError
    assert scrape().outcomes(name) == {"truncated": 1, "ok": 1, "invalid": 1}


@pytest.mark.parametrize("starts", ["thread", "pool", "context", "call_stage"])
@pytest.mark.parametrize("decides", [True, False])
def test_failed_stage_decides_also_in_a_thread(name, scrape, starts, decides):
    @soundpost.stage("llm", decides=decides)
    def llm():
        raise OutOfMemoryError("CUDA out of memory")

    def swallow(run):
        with contextlib.suppress(OutOfMemoryError):
            run()

    @soundpost.instrument(name)
    def infer():
        call = soundpost.current_call()
        if starts == "thread":
            thread = threading.Thread(target=swallow, args=[llm])
            thread.start()
            thread.join()
        elif starts == "pool":
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                assert isinstance(pool.submit(llm).exception(), OutOfMemoryError)
        elif starts == "context":
            swallow(llm)
        else:
            thread = threading.Thread(target=swallow, args=[lambda: staged(call)])
            thread.start()
            thread.join()
        return "shorter audio"

    def staged(call):
        with call.stage("llm", decides=decides):
            raise OutOfMemoryError

    assert infer() == "shorter audio"
    assert scrape().outcomes(name) == {"oom" if decides else "ok": 1}
    assert soundpost.current_call() is None


def test_pool_thread_belongs_to_the_submitting_call(name):
    soundpost.stage("any", decides=True)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with soundpost.call(name) as first:
            assert pool.submit(soundpost.current_call).result() is first
            with soundpost.call(name + "_inner"):
                assert pool.submit(soundpost.current_call).result() is first
        assert pool.submit(soundpost.current_call).result() is None


@pytest.mark.parametrize("error", [GeneratorExit, asyncio.CancelledError, KeyboardInterrupt])
def test_interrupted_stage_decides_nothing(name, scrape, error):
    with soundpost.call(name):
        try:
            with soundpost.stage("llm", decides=True):
                raise error
        except BaseException:
            pass
    assert scrape().outcomes(name) == {"ok": 1}


@pytest.mark.parametrize(
    ("item", "outcome"),
    [(np.zeros(100), "silent"), (None, "empty"), (np.zeros(0), "empty"), (np.ones(100), "abandoned")],
)
@pytest.mark.parametrize("drop", ["close", "delete"])
def test_dropped_output_is_judged(name, scrape, item, outcome, drop):
    @soundpost.instrument(name, audio=soundpost.audio(RATE, silence=True))
    def infer():
        yield item
        yield chunk()

    generator = infer()
    next(generator)
    if drop == "close":
        generator.close()
    del generator
    assert scrape().outcomes(name) == {outcome: 1}


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (OutOfMemoryError("CUDA out of memory"), "oom"),
        (ValueError("boom"), "error"),
        (KeyError("x"), "abandoned"),
    ],
)
def test_generator_dropped_in_its_handler_has_failed(name, scrape, error, outcome):
    @soundpost.instrument(name, audio=soundpost.audio(RATE))
    def infer():
        try:
            raise error
        except Exception:
            yield chunk(1.0)
            raise

    try:
        raise RuntimeError("of the consumer")
    except RuntimeError:
        generator = infer()
        next(generator)
        generator.close()
    assert scrape().outcomes(name) == {outcome: 1}


def test_consumers_exception_is_not_the_generators(name, scrape):
    @soundpost.instrument(name)
    def infer():
        yield 1

    generator = infer()
    next(generator)
    try:
        raise RuntimeError("of the consumer")
    except RuntimeError:
        generator.close()
    assert scrape().outcomes(name) == {"abandoned": 1}


def test_generator_that_ignores_close_raises_as_without(name, scrape):
    @soundpost.instrument(name)
    def infer():
        try:
            yield 1
        except GeneratorExit:
            yield 2

    generator = infer()
    next(generator)
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        generator.close()
    assert scrape().outcomes(name) == {"abandoned": 1}


class HTTPException(Exception):
    """Like that of Starlette; `code` is Werkzeug's."""

    def __init__(self, status_code=None, code=None):
        self.status_code, self.code = status_code, code


class RpcError(Exception):
    """Like that of gRPC."""

    class StatusCode(enum.Enum):
        INVALID_ARGUMENT = 3
        INTERNAL = 13

    def __init__(self, name):
        self.name = name

    def code(self):
        return self.StatusCode[self.name]


class ValidationError(ValueError):
    """Named like the class of pydantic."""


class HTTPError(Exception):
    """Like that of a client library, whose server was at fault."""

    code = status = 404


def abort(code, details):
    """Raises like `abort` of gRPC's servicer context."""
    raise Exception(details)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (HTTPException(400), "invalid"),
        (HTTPException(422), "invalid"),
        (HTTPException(500), "error"),
        (HTTPException(code=404), "invalid"),
        (HTTPError(), "error"),
        (RpcError("INVALID_ARGUMENT"), "invalid"),
        (RpcError("INTERNAL"), "error"),
        (ValidationError("1 validation error"), "invalid"),
        (ValueError("of the service"), "error"),
        (LookupError("named"), "invalid"),
        (KeyError("a subclass"), "invalid"),
        (TimeoutError("named"), "invalid"),
        (RuntimeError("CUDA out of memory"), "oom"),
    ],
)
def test_request_at_fault_is_invalid(name, scrape, error, outcome):
    @soundpost.instrument(name, invalid=(LookupError, TimeoutError))
    def infer():
        raise error

    with pytest.raises(type(error)):
        infer()
    assert scrape().outcomes(name) == {outcome: 1}
    status = {"invalid": "rejected"}.get(outcome, "error")
    assert scrape().sum("tests_request_total", operation=name, status=status) == 1


@pytest.mark.parametrize(("status", "outcome"), [("INVALID_ARGUMENT", "invalid"), ("INTERNAL", "error")])
def test_grpc_abort_is_read_from_its_frame(name, scrape, status, outcome):
    infer = soundpost.instrument(name)(lambda: abort(RpcError.StatusCode[status], "no text"))
    with pytest.raises(Exception, match="no text"):
        infer()
    assert scrape().outcomes(name) == {outcome: 1}


@pytest.mark.parametrize("option", [{"outcome": 3}, {"invalid": "ValueError"}, {"invalid": [int]}])
def test_option_of_wrong_type_is_a_fault(name, scrape, lenient, option):
    before = scrape().errors("outcome")
    soundpost.instrument(name, **option)(lambda: 1)()
    with soundpost.call(name, **option):
        pass
    assert scrape().outcomes(name) == {"ok": 2}
    assert scrape().errors("outcome") > before
