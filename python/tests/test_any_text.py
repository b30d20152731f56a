"""Texts with lone surrogates, NUL and any length, wherever a caller may give one."""

from __future__ import annotations

import pytest

import soundpost

pytestmark = [pytest.mark.usefixtures("telemetry", "lenient")]
TEXTS = {
    "surrogates": ("a\ud800b\udfff", "a\ufffd\ufffd\ufffdb\ufffd\ufffd\ufffd"),
    "nul": ("a\0b", "a\0b"),
    "control": ("\x1b[31m\x7f\u2028", "\x1b[31m\x7f\u2028"),
    "subclass": (type("Text", (str,), {"__str__": lambda self: "other"})("own"), "own"),
    "long": ("x" * (10 << 20), "x" * 256),
    "wide": ("漢" * (10 << 20), "漢" * 85),
}


@pytest.fixture(params=TEXTS)
def texts(request, name):
    """Returns a text as it is given, and as it is recorded, each unique to the test."""
    given, recorded = TEXTS[request.param]
    if type(given) is not str:
        return type(given)(name + given), name + recorded
    return name + given, (name + recorded).encode()[:256].decode(errors="ignore")


def functions(text):
    def block():
        with soundpost.call(text), soundpost.stage(text):
            pass

    def call_stage():
        with soundpost.call(text) as call, call.stage(text):
            pass

    @soundpost.instrument(text)
    def decorated():
        with soundpost.stage(text):
            pass

    @soundpost.instrument(text)
    def staged():
        soundpost.stage(text)(lambda: None)()

    @soundpost.instrument(text)
    def generator():
        with soundpost.stage(text):
            yield

    return [block, call_stage, decorated, staged, lambda: list(generator())]


def test_text_names_operations_and_stages(texts, scrape):
    given, recorded = texts
    for function in functions(given):
        function()
    assert scrape().outcomes(recorded) == {"ok": 5}
    assert scrape().stages(recorded) == {recorded: 5}


def test_text_is_a_label_value_and_an_id(texts, name, scrape):
    given, recorded = texts
    infer = soundpost.instrument(name, labels=["voice"], request_id="voice", traceparent="voice")
    infer(lambda voice: None)(given)
    with soundpost.call(name, labels={"voice": given}, request_id=given, traceparent=given) as call:
        assert 0 < len(call.request_id.encode()) <= 64
        call.set(**{given: given})
        call.fail(given)
    counter = soundpost.Counter(name, given, ["voice"])
    counter.labels(given).inc()
    counter.labels(voice=given).inc()
    expected = recorded if isinstance(given, str) and type(given) is str else "other"
    scraped = scrape()
    assert scraped.outcomes(name, voice=expected) == {"ok": 1, "error": 1}
    assert scraped.get(name + "_total", voice=expected) == 2


def test_text_as_a_label_name_drops_the_labels(texts, name, scrape):
    given, _ = texts
    with soundpost.call(name, labels={given: "x", "a" + given: "y"}):
        pass
    soundpost.instrument(name, labels=[given])(lambda **_: None)()
    assert sum(scrape().outcomes(name).values()) == 2
    with pytest.raises(ValueError, match="label"):
        soundpost.Counter(name, "d", ["-" + given])
