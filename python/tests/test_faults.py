"""Faults of Soundpost are counted and logged once; `SOUNDPOST_STRICT=1` raises them."""

from __future__ import annotations

import logging

import pytest

import soundpost

pytestmark = pytest.mark.usefixtures("telemetry")


def raises(_):
    raise KeyError("mine")


CASES = {
    "label": {"labels": {"x": raises}},
    "field": {"fields": {"x": raises}},
    "audio": {"audio": raises},
    "streaming": {"streaming": raises},
    "request_id": {"request_id": raises},
}


@pytest.mark.parametrize("part", CASES)
@pytest.mark.parametrize("kind", ["function", "generator"])
def test_raising_function_costs_only_its_value(name, scrape, lenient, caplog, part, kind):
    def function():
        return "result"

    def generator():
        yield "result"

    infer = soundpost.instrument(name, **CASES[part])(function if kind == "function" else generator)
    before = scrape().errors(part)
    for _ in range(3):
        assert infer() == "result" if kind == "function" else list(infer()) == ["result"]
    after = scrape()
    assert after.outcomes(name) == {"ok": 3}
    assert after.errors(part) == before + 3
    if part == "label":
        assert (
            after.outcomes(name, x="") == {"ok": 3}
            or after.get("tests_request_total", operation=name, status="success", outcome="ok") == 3
        )
    messages = [record.getMessage() for record in caplog.records if record.name == "soundpost"]
    assert len(messages) == 1
    assert name in messages[0]
    assert "KeyError: 'mine'" in messages[0]


@pytest.mark.parametrize("part", CASES)
def test_strict_raises_faults(name, part):
    infer = soundpost.instrument(name, **CASES[part])(lambda: "result")
    with pytest.raises(soundpost.Error, match="KeyError") as raised:
        infer()
    assert isinstance(raised.value.__cause__, KeyError)


@pytest.mark.parametrize(
    "options",
    [
        {"labels": {"x": "missing"}},
        {"fields": {"x": "missing"}},
        {"streaming": "missing"},
        {"request_id": "missing"},
    ],
)
def test_missing_parameter_costs_only_its_value(name, scrape, lenient, options):
    infer = soundpost.instrument(name, **options)(lambda a=1: "result")
    assert infer() == "result"
    assert scrape().outcomes(name) == {"ok": 1}


def test_missing_parameter_raises_when_strict(name):
    with pytest.raises(soundpost.Error, match="no parameter 'missing' for a label"):
        soundpost.instrument(name, labels={"x": "missing"})(lambda a: a)


@pytest.mark.parametrize("label", ["operation", "status", "le", "a-b", "__a", ""])
def test_invalid_label_name_drops_the_labels(name, scrape, lenient, label):
    infer = soundpost.instrument(name, labels={label: "a"})(lambda a: a)
    before = scrape().errors("operation")
    assert infer(3) == 3
    with soundpost.call(name, labels={label: 1}):
        pass
    assert scrape().errors("operation") == before + 2
    # The calls are recorded, and the refused label is counted once.
    assert infer(4) == 4
    assert scrape().outcomes(name) == {"ok": 3}
    assert scrape().errors("operation") == before + 2


def test_fault_names_its_operation(name, scrape, lenient, caplog):
    before = scrape().errors("audio")

    def unmeasurable():
        return object()

    for operation in (name + "_a", name + "_b"):
        soundpost.instrument(operation, audio=soundpost.audio(1000))(unmeasurable)()
        with soundpost.call(operation, labels={"x": Unspeakable()}, traceparent=Unspeakable()) as call:
            call.set(array=Unspeakable())
    assert scrape().errors("audio") == before + 2
    messages = [record.getMessage() for record in caplog.records if record.name == "soundpost"]
    for operation in (name + "_a", name + "_b"):
        for part in ("audio", "label", "request_id", "field"):
            assert len([m for m in messages if repr(operation)[1:-1] in m and f" {part} " in m]) == 1, (
                messages
            )


class Unspeakable:
    def __str__(self):
        raise KeyError("mine")


@pytest.mark.parametrize("decorate", [soundpost.instrument, soundpost.instrument("x"), soundpost.stage("x")])
@pytest.mark.parametrize("what", [type("Model", (), {}), property(lambda self: 3), 3, ()])
def test_object_without_call_is_returned_unchanged(scrape, lenient, decorate, what):
    before = scrape().errors("operation")
    assert decorate(what) is what
    assert scrape().errors("operation") == before + 1
    from soundpost import _native

    _native.set_strict(True)
    with pytest.raises(soundpost.Error, match=r"instrument was put on|stage was put on"):
        decorate(what)


def test_list_of_parameters_names_the_labels(name, scrape):
    infer = soundpost.instrument(name, labels=["voice"], fields=("text",))(lambda text, voice: text)
    assert infer("t", "v") == "t"
    assert scrape().outcomes(name, voice="v") == {"ok": 1}
    owner = type("Model", (), {"infer": staticmethod(lambda voice: voice)})
    soundpost.patch(owner, "infer", operation=name, labels=("voice",))
    assert owner.infer("w") == "w"
    assert scrape().outcomes(name, voice="w") == {"ok": 1}


@pytest.mark.parametrize(
    ("options", "part", "message"),
    [
        ({"labels": "voice"}, "label", "labels= was given a str; give a dict"),
        ({"labels": 3}, "label", "labels= was given a int; give a dict"),
        ({"labels": [3]}, "label", "labels= was given a int; give a dict"),
        ({"labels": {3: "a"}}, "label", "labels= was given a int; give a dict"),
        ({"labels": {"x": 3}}, "label", "x= was given a int; give the name"),
        ({"fields": ["a", None]}, "field", "fields= was given a NoneType; give a dict"),
        ({"fields": {"x": []}}, "field", "x= was given a list; give the name"),
        ({"audio": 24_000}, "audio", r"audio= was given a int; give soundpost.audio\(...\) or a function"),
        ({"streaming": 3}, "streaming", "streaming= was given a int; give the name"),
        ({"request_id": 3}, "request_id", "request_id= was given a int; give the name"),
        ({"queued_at": 3.0}, "request_id", "queued_at= was given a float; give the name"),
    ],
)
def test_wrong_argument_type_is_a_fault(name, scrape, lenient, options, part, message):
    before = scrape().errors(part)
    infer = soundpost.instrument(name, **options)(lambda a=1: a)
    assert scrape().errors(part) == before + 1
    assert infer(2) == 2
    assert scrape().outcomes(name) == {"ok": 1}
    from soundpost import _native

    _native.set_strict(True)
    with pytest.raises(soundpost.Error, match=f"{name}': {message}"):
        soundpost.instrument(name, **options)(lambda a=1: a)


def test_array_as_field_is_a_fault(name, scrape, lenient):
    import numpy as np

    before = scrape().errors("field")
    with soundpost.call(name) as call:
        call.set(array=np.zeros(3), scalar=np.int64(3), zero=np.float32(1.5))
    assert scrape().errors("field") == before + 1
    assert scrape().outcomes(name) == {"ok": 1}


@pytest.mark.parametrize(
    ("owner", "attribute", "reason"),
    [
        (type("Model", (), {}), "missing", "there is no such name"),
        (type("Model", (), {"rate": 3}), "rate", "it is a int, not a function"),
        (type("Model", (), {"rate": property(lambda self: 3)}), "rate", "it is a property, not a function"),
        (type("Model", (), {"Inner": int}), "Inner", "it is a class; patch its methods"),
        (type("Model", (), {"__call__": lambda self: 3})(), "__call__", "patch Model"),
        (str, "upper", "immutable type"),
    ],
)
def test_unpatchable_attribute_is_unchanged(scrape, lenient, owner, attribute, reason):
    before = scrape().errors("patch")
    soundpost.patch(owner, attribute)()
    assert scrape().errors("patch") == before + 1
    from soundpost import _native

    _native.set_strict(True)
    with pytest.raises(soundpost.Error, match=reason):
        soundpost.patch(owner, attribute)


def test_fault_is_logged_once_despite_raising_handler(name, lenient):
    class Broken(logging.Handler):
        def emit(self, record):
            raise RuntimeError("a handler that raises")

    logger = logging.getLogger("soundpost")
    handler = Broken()
    logger.addHandler(handler)
    try:
        infer = soundpost.instrument(name, labels={"x": raises})(lambda: "result")
        assert [infer(), infer()] == ["result", "result"]
    finally:
        logger.removeHandler(handler)


def test_metrics_misused_count_a_fault(name, scrape, lenient):
    counter = soundpost.Counter(name, "d", ["a", "b"])
    before = scrape().errors("metric")
    counter.inc()
    counter.labels("x").inc()
    counter.labels("x", "y", "z").inc()
    counter.labels(a="x").inc()
    counter.labels(a="x", c="y").inc()
    counter.labels("x", b="y").inc()
    counter.labels("x", "y").labels("x", "y").inc()
    counter.remove("x")
    soundpost.Enum(name + "_state", "d", states=["on"]).state("off")
    soundpost.Histogram(name + "_h", "d").observe(1, exemplar={"trace_id": "x"})
    assert scrape().errors("metric") == before + 10
    assert scrape().get(name + "_total", a="x", b="y") == 0


def test_metrics_misused_raise_when_strict(name):
    counter = soundpost.Counter(name, "d", ["a"])
    for wrong in (
        counter.inc,
        lambda: counter.labels("x", "y"),
        lambda: counter.labels(b="x"),
        lambda: counter.labels("x").labels("y"),
    ):
        with pytest.raises(soundpost.Error, match=name):
            wrong()
    with pytest.raises(ValueError, match="only grow"):
        counter.labels("x").inc(-1)
