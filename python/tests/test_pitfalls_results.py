"""Pitfalls of naive wrappers, by number: outcomes, and recorded values."""

from __future__ import annotations

import numpy as np
import pytest
from workload import RATE, chunk

import soundpost

pytestmark = pytest.mark.usefixtures("telemetry")


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
def test_pitfall_13_none_result_is_empty(name, scrape, result, outcome):
    infer = soundpost.instrument(name, audio=soundpost.audio(RATE))(lambda: result)
    assert infer() is result
    assert scrape().outcomes(name) == {outcome: 1}


def test_pitfall_13_missing_or_empty_file_is_empty(name, scrape, tmp_path):
    infer = soundpost.instrument(name, audio=soundpost.audio())(lambda path: path)
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
def test_pitfall_13_yielded_error_is_error(name, scrape, text, outcome, closes):
    @soundpost.instrument(name, audio=lambda item: soundpost.Error(item) if isinstance(item, str) else 0.1)
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


def test_pitfall_13_generator_without_output_is_empty(name, scrape):
    @soundpost.instrument(name)
    def infer(n):
        yield from range(n)

    @soundpost.instrument(name + "_audio", audio=soundpost.audio(RATE, key="audio"))
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
def test_pitfall_13_silence_when_checked_is_silent(name, scrape, items, outcome, asked):
    @soundpost.instrument(name, audio=soundpost.audio(RATE, silence=asked))
    def infer():
        yield from items

    list(infer())
    soundpost.instrument(name, audio=soundpost.audio(RATE, silence=asked))(lambda: items[0])()
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


def test_pitfall_15_arguments_are_not_recorded_by_default(name, scrape, telemetry):
    secret = "a sentence nobody asked to record"

    @soundpost.instrument(name)
    def infer(text, path="/a/path", seed=86753094218):
        raise ValueError(text)

    with pytest.raises(ValueError, match="nobody asked"):
        infer(secret)
    exposed = scrape().text + telemetry.render(openmetrics=True)
    assert secret not in exposed
    assert "/a/path" not in exposed
    assert "86753094218" not in exposed


def test_pitfall_15_label_with_too_many_values_overflows(python):
    ran = python(
        """
        import soundpost
        from scrape import Scrape

        telemetry = soundpost.init()

        @soundpost.instrument("infer", labels={"voice": "voice"})
        def infer(voice): ...

        for i in range(5000):
            infer(f"voice {i}")
        scrape = Scrape(telemetry.render(), prefix="program")
        series = [labels for name, labels in scrape.samples if name == "program_request_total"]
        print(len(series), int(scrape.sum("program_request_total")), scrape.outcomes("overflow"))
        """
    )
    assert ran.stdout.strip() == "2001 5000 {'overflow': 3000}"
