"""No recording function raises, whatever it is given; each wrong object is a fault, and costs only its value."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest
from any_object import ANYTHING, KEYS, SCALARS, hostile
from hypothesis import given, settings
from hypothesis import strategies as st

import soundpost

pytestmark = [
    pytest.mark.usefixtures("telemetry", "lenient"),
    # NumPy warns about what `float()` does with one of its arrays.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning"),
]
MANY = settings(max_examples=300)


@pytest.fixture(scope="module")
def metrics():
    return [
        soundpost.Counter("any_counter", "d"),
        soundpost.Counter("any_counter_labelled", "d", ["a", "b"]),
        soundpost.Gauge("any_gauge", "d"),
        soundpost.Gauge("any_gauge_labelled", "d", ["a"]),
        soundpost.Histogram("any_histogram", "d", exemplars=True),
        soundpost.Histogram("any_histogram_labelled", "d", ["a"]),
        soundpost.Summary("any_summary", "d", ["a"]),
        soundpost.Info("any_info", "d"),
        soundpost.Info("any_info_labelled", "d", ["a"]),
        soundpost.Enum("any_enum", "d", states=["a", "b"]),
        soundpost.Enum("any_enum_labelled", "d", ["a"], states=["a", "b"]),
    ]


METHODS = {
    "Counter": [("inc", 1), ("inc", 2), ("count_exceptions", 1)],
    "Gauge": [("inc", 1), ("dec", 1), ("set", 1), ("set_function", 1)],
    "Histogram": [("observe", 1), ("observe", 2)],
    "Summary": [("observe", 1)],
    "Info": [("info", 1)],
    "Enum": [("state", 1)],
}


@MANY
@given(
    data=st.data(),
    arguments=st.lists(ANYTHING, min_size=2, max_size=3),
    names=st.dictionaries(KEYS, ANYTHING),
)
def test_metric_methods_take_any_object(metrics, data, arguments, names):
    metric = data.draw(st.sampled_from(metrics))
    names = {str(name): value for name, value in names.items()}
    for target in (metric, metric.labels(*arguments), metric.labels(arguments[0]), metric.labels(**names)):
        for method, count in METHODS[type(metric).__name__]:
            result = getattr(target, method)(*arguments[:count])
            if result is not None:
                with contextlib.suppress(LookupError), result:
                    raise LookupError
        for method in ("time", "track_inprogress"):
            if hasattr(target, method):
                with getattr(target, method)() as timer:
                    timer.labels(*arguments)
                    timer.labels(**names)
    metric.remove(*arguments)


@MANY
@given(operation=ANYTHING, value=ANYTHING, values=st.dictionaries(KEYS, ANYTHING, max_size=3), more=ANYTHING)
def test_blocks_take_any_object(operation, value, values, more):
    named = {str(name): value for name, value in values.items()}
    for fields in ({}, {f"field_{name}": value for name, value in named.items()}):
        block = soundpost.call(
            operation,
            labels=more,
            request_id=value,
            traceparent=value,
            queued_at=value,
            streaming=value,
            outcome=more,
            invalid=value,
            **fields,
        )
        with block as call:
            assert call.request_id
            assert isinstance(call.operation, str)
            with soundpost.stage(operation, more), call.stage(value, decides=more):
                call.chunk(value)
                call.audio(value)
            call.set(**named)
            call.set(a=value)
            call.mark(more, truncated=value, error=more)
    with soundpost.call("any_labels", labels=values) as call:
        call.fail(value)
    assert soundpost.current_call() is None


@MANY
@given(values=st.lists(ANYTHING, min_size=6, max_size=6))
def test_sources_return_any_object(values):
    label, field, request_id, traceparent, queued_at, answer = values
    options = {
        "labels": {"a": lambda _: label},
        "fields": {"b": lambda _: field, "char_count": lambda _: label},
        "request_id": lambda _: request_id,
        "traceparent": lambda _: traceparent,
        "queued_at": lambda _: queued_at,
        "streaming": lambda _: queued_at,
        "audio": lambda _: answer,
        "outcome": lambda _, call: label,
        "invalid": field,
    }

    def generator():
        yield answer

    async def coroutine():
        return answer

    async def async_generator():
        yield answer

    async def items(recorded):
        return [item async for item in recorded]

    recorded = soundpost.instrument("any_sources", **options)
    assert recorded(lambda: answer)() is answer or hasattr(answer, "__next__")
    assert next(iter(recorded(generator)())) is answer
    assert asyncio.run(recorded(coroutine)()) is answer or hasattr(answer, "__next__")
    assert asyncio.run(items(recorded(async_generator)()))[0] is answer
    assert soundpost.current_call() is None


@MANY
@given(item=ANYTHING, key=SCALARS)
def test_audio_measures_any_object(item, key):
    for measure in (soundpost.audio(1000), soundpost.audio(1000, key=key, silence=True)):
        with contextlib.suppress(TypeError):
            result = soundpost.instrument("any_audio", audio=measure)(lambda: item)()
            # An iterator is followed by another one.
            assert result is item or hasattr(item, "__next__")


@MANY
@given(
    message=SCALARS,
    arguments=st.lists(ANYTHING, max_size=2),
    extra=st.dictionaries(KEYS, ANYTHING, max_size=3),
)
def test_log_handler_takes_any_object(message, arguments, extra):
    record = logging.LogRecord("any_object", logging.INFO, __file__, 1, message, tuple(arguments), None)
    vars(record).update({str(name): value for name, value in extra.items() if name not in vars(record)})
    before, logging.raiseExceptions = logging.raiseExceptions, False
    try:
        soundpost.LogHandler().handle(record)
    finally:
        logging.raiseExceptions = before


@pytest.mark.parametrize(
    ("record", "part"),
    [
        (lambda name: soundpost.Gauge(name, "d").set("soon"), "metric"),
        (lambda name: soundpost.Histogram(name, "d").observe(None), "metric"),
        (lambda name: soundpost.Histogram(name, "d", exemplars=True).observe(1, exemplar="x"), "metric"),
        (lambda name: soundpost.Counter(name, "d", ["a"]).labels(hostile("str")), "metric"),
        (
            lambda name: soundpost.Counter(name, "d").count_exceptions(3).__exit__(None, ValueError()),
            "metric",
        ),
        (lambda name: soundpost.Gauge(name, "d").set_function(3), "metric"),
        (lambda name: soundpost.Info(name, "d").info([]), "metric"),
        (lambda name: soundpost.Enum(name, "d", states=["a"]).state(None), "metric"),
        (lambda name: soundpost.call(name, labels=["a"]), "label"),
        (lambda name: soundpost.call(name, queued_at="now").__enter__().fail("over"), "request_id"),
        (lambda name: soundpost.call(None), "operation"),
        (lambda name: soundpost.stage(None), "operation"),
    ],
)
def test_wrong_object_is_counted_and_logged_once(name, scrape, caplog, record, part):
    before = scrape().errors(part)
    for _ in range(2):
        record(name)
    assert scrape().errors(part) == before + 2
    logged = [entry.getMessage() for entry in caplog.records if entry.name == "soundpost"]
    assert len([text for text in logged if name in text or "None" in text or "NoneType" in text]) <= 1


def test_wrong_object_costs_only_its_value(name, scrape):
    gauge = soundpost.Gauge(name, "d")
    gauge.set("3.5")
    gauge.set(None)
    assert scrape().get(name) == 3.5
    with soundpost.call(name, labels={"voice": "x", "bad": hostile("str")}, queued_at="now") as call:
        call.chunk(None)
        call.chunk("0.5")
        call.audio("0.25")
        call.audio([])
    scraped = scrape()
    assert scraped.outcomes(name, voice="x", bad="") == {"ok": 1}
    assert scraped.get("tests_audio_seconds_total", operation=name, voice="x", bad="") == 0.75


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_exit_from_a_conversion_is_passed_on(name, error):
    with pytest.raises(error):
        soundpost.Counter(name, "d", ["a"]).labels(hostile("str", error()))
    with pytest.raises(error), soundpost.call(name, labels={"a": hostile("str", error())}):
        pass
    assert soundpost.current_call() is None
