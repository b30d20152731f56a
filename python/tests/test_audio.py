"""`soundpost.audio`: the length of results and items."""

from __future__ import annotations

import array
import collections
import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import soundpost
from soundpost import Audio, Skip, audio


def wav(seconds, rate=8000, channels=1, width=2):
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(bytes(round(seconds * rate) * channels * width))
    return file.getvalue()


def flac(samples, rate):
    stream_info = (
        struct.pack(">HH", 4096, 4096)
        + bytes(6)
        + struct.pack(">Q", rate << 44 | 15 << 36 | samples)
        + bytes(16)
    )
    return b"fLaC\x80\x00\x00\x22" + stream_info


Result = collections.namedtuple("Result", ["code", "audio", "error"])


class Results:
    def __init__(self, audio):
        self.audio = audio


@pytest.mark.parametrize(
    ("item", "options", "seconds"),
    [
        (np.zeros(1000), {}, 1.0),
        (np.zeros((1, 1000)), {}, 1.0),
        (np.zeros((1000, 1), dtype=np.int16), {}, 1.0),
        (np.zeros((2, 1000)), {}, 1.0),
        (np.zeros((1000, 2)), {}, 1.0),
        (np.float32(0), {}, None),
        ([np.zeros(1000), np.zeros(500)], {}, 1.5),
        ((np.zeros(1000), np.zeros(500), np.zeros(500)), {}, 2.0),
        ([[np.zeros(1000)], [np.zeros(500)]], {}, 1.5),
        ((500, np.zeros(1000)), {}, 2.0),
        ((500.0, np.zeros((1000, 1), dtype=np.int16)), {}, 2.0),
        ({"tts_speech": np.zeros((1, 1000))}, {"key": "tts_speech"}, 1.0),
        ({"audio": (500, np.zeros(1000))}, {"key": "audio"}, 2.0),
        (Results((500, np.zeros(1000))), {"key": "audio"}, 2.0),
        (bytes(2000), {}, 1.0),
        (bytearray(2000), {}, 1.0),
        (memoryview(bytes(2000)), {}, 1.0),
        (memoryview(array.array("h", [0] * 1000)), {}, 1.0),
        (bytes(12000), {"sample_width": 3, "channels": 2}, 2.0),
        (wav(1.5), {}, 1.5),
        (wav(1.5, rate=44100, channels=2), {"sample_rate": None}, 1.5),
        (flac(44100, 22050), {"sample_rate": None}, 2.0),
    ],
)
def test_item_with_audio_has_its_length(item, options, seconds):
    measured = audio(**{"sample_rate": 1000, **options})(item)
    assert measured == (None if seconds is None else Audio(seconds))


@pytest.mark.parametrize(
    ("item", "options"),
    [
        (None, {}),
        (np.zeros((1, 0)), {}),
        (np.zeros((0, 1)), {}),
        (b"", {}),
        (b"x", {}),
        ([], {}),
        ((), {}),
        ([np.zeros(0)], {}),
        ((500, np.zeros(0)), {}),
        ({"a": np.zeros(0)}, {"key": "a"}),
        ({"audio": None}, {"key": "audio"}),
        (Results(None), {"key": "audio"}),
        ("missing.wav", {}),
    ],
)
def test_item_without_output_is_nothing(item, options):
    assert audio(1000, **options)(item) is None


@pytest.mark.parametrize(
    ("item", "options"),
    [
        ({"text": "header"}, {"key": "audio"}),
        (0, {}),
        (True, {}),
        (wav(0), {}),
    ],
)
def test_item_without_audio_is_skipped(item, options):
    assert isinstance(audio(1000, **options)(item), Skip)


@pytest.mark.parametrize(("item", "text"), [(-1, "returned -1"), (False, "returned False")])
def test_item_that_is_an_error_is_an_error(item, text):
    error = audio(1000)(item)
    assert isinstance(error, soundpost.Error)
    assert str(error) == text


@pytest.mark.parametrize(
    ("item", "options", "match"),
    [
        (np.zeros(10), {"sample_rate": None}, "sample_rate="),
        (bytes(10), {"sample_rate": None}, "sample_rate="),
        ({"audio": 1}, {}, "key="),
        (object(), {}, "cannot measure a object"),
        (1.5, {}, "cannot measure a float"),
        ((i for i in "ab"), {}, "cannot measure a generator"),
        ([[[[[[np.zeros(1)]]]]]], {}, "too deep"),
    ],
)
def test_unmeasurable_item_raises_type_error(item, options, match):
    with pytest.raises(TypeError, match=match):
        audio(**{"sample_rate": 1000, **options})(item)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"sample_rate": 0}, "sample_rate"),
        ({"sample_rate": -1}, "sample_rate"),
        ({"sample_rate": float("nan")}, "sample_rate"),
        ({"sample_width": 0}, "sample_width"),
        ({"channels": 0}, "channels"),
    ],
)
def test_arguments_out_of_range_raise_value_error(options, match):
    with pytest.raises(ValueError, match=match):
        audio(**options)


def test_audio_file_has_its_length(tmp_path):
    measure = audio()
    (tmp_path / "a.wav").write_bytes(wav(2.5, rate=22050))
    (tmp_path / "a.flac").write_bytes(flac(48000, 24000))
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    (tmp_path / "empty.wav").touch()
    assert measure(tmp_path / "a.wav") == measure(str(tmp_path / "a.wav")) == Audio(2.5)
    assert measure(tmp_path / "a.flac") == Audio(2.0)
    assert isinstance(measure(tmp_path / "a.mp4"), Skip)
    assert measure(tmp_path / "empty.wav") is None
    assert measure(tmp_path) is None
    assert measure(str(tmp_path / "a\ud800.wav")) is None


def test_streamed_wave_file_has_its_length():
    data = bytearray(wav(1.0))
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    assert audio()(bytes(data)) == Audio(1.0)
    data[40:44] = bytes(4)
    assert audio()(bytes(data)) == Audio(1.0)


@given(
    data=st.binary()
    | st.binary().map(lambda tail: wav(0.01) + tail)
    | st.binary().map(lambda tail: b"RIFF" + tail)
)
def test_broken_bytes_never_panic(data):
    measured = audio(1000)(data)
    assert measured is None or isinstance(measured, (Audio, Skip))


@given(cut=st.integers(0, 60), flips=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 255)), max_size=4))
def test_broken_header_never_panics(cut, flips):
    for header in (wav(0.001), flac(100, 8000)):
        broken = bytearray(header[:60])
        for at, value in flips:
            if at < len(broken):
                broken[at] = value
        audio(1000)(bytes(broken[:cut]))


@given(rate=st.integers(1, 2**20 - 1), samples=st.integers(1, 2**36 - 1))
def test_flac_header_has_its_length(rate, samples):
    assert audio()(flac(samples, rate)) == Audio(samples / rate)


@given(
    frames=st.integers(1, 500),
    rate=st.integers(1, 96000),
    channels=st.integers(1, 3),
    width=st.integers(1, 4),
)
def test_wave_header_has_its_length(frames, rate, channels, width):
    data = io.BytesIO()
    with wave.open(data, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(bytes(frames * channels * width))
    assert audio()(data.getvalue()).seconds == pytest.approx(frames / rate)


@pytest.mark.parametrize(
    ("item", "silent"),
    [
        (np.zeros(10), True),
        (np.full(10, 0.0005), True),
        (np.full(10, -0.5), False),
        (np.full(10, 30, dtype=np.int16), True),
        (np.full(10, 40, dtype=np.int16), False),
        ([np.zeros(10), np.ones(10)], False),
        ([np.zeros(10), np.zeros(10)], True),
        ((1000, np.zeros(10)), True),
        (bytes(20), True),
        (b"\x00\x40" * 10, False),
    ],
)
def test_silent_items_are_silence(item, silent):
    assert audio(1000, silence=True)(item).silent is silent
    assert audio(1000)(item).silent is False


def test_differentiated_tensor_is_detached_for_silence():
    class Tensor:
        """Warns like PyTorch if a differentiated tensor becomes a number."""

        shape, dtype, device = (1, 1000), "torch.float32", "cpu"

        def __init__(self, *, requires_grad):
            self.requires_grad = requires_grad

        def detach(self):
            return Tensor(requires_grad=False)

        def max(self):
            assert not self.requires_grad, "a UserWarning"
            return 0.0

        def min(self):
            return self.max()

    assert audio(1000, silence=True)(Tensor(requires_grad=True)).silent is True


def test_results_compare_by_value():
    assert Audio(1.5) == Audio(1.5) != Audio(2.0)
    assert repr(Audio(1.5)) == "Audio(1.5)"
    assert repr(Audio(1.5, silent=True)) == "Audio(1.5, silent=True)"
    assert repr(Skip()) == "Skip()"


@pytest.mark.parametrize(
    ("said", "outcome", "seconds"),
    [
        (1.5, "ok", 1.5),
        (2, "ok", 2.0),
        (np.float32(0.5), "ok", 0.5),
        (0, "empty", 0.0),
        (None, "empty", 0.0),
        (soundpost.Skip, "ok", 0.0),
        (soundpost.Skip(), "ok", 0.0),
        (soundpost.Audio(2.5), "ok", 2.5),
        (soundpost.Audio(2.5, silent=True), "silent", 2.5),
        (soundpost.Error("no face found"), "error", 0.0),
        (soundpost.Error("CUDA out of memory"), "oom", 0.0),
    ],
)
def test_function_result_is_interpreted(name, scrape, said, outcome, seconds):
    soundpost.instrument(name, audio=lambda item: said)(lambda: 1)()
    after = scrape()
    assert after.outcomes(name) == {outcome: 1}
    assert after.total("audio_seconds_total", name) == seconds


@pytest.mark.parametrize("said", [float("nan"), -1.0, "text", object()])
def test_wrong_function_result_raises_type_error(name, scrape, lenient, said):
    soundpost.instrument(name, audio=lambda item: said)(lambda: 1)()
    assert scrape().outcomes(name) == {"ok": 1}
    assert scrape().errors("audio") >= 1
