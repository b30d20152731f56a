"""Shapes of results: absence, presence of unknown form, tuples, batches, containers, levels and video."""

from __future__ import annotations

import base64
import collections
import io
import json
import struct
import types
import wave

import numpy as np
import pytest
from mp4 import mp4
from workload import RATE

import soundpost
from soundpost import Audio, Skip, Video, audio, video

pytestmark = pytest.mark.usefixtures("telemetry")

Result = collections.namedtuple("Result", ["wav", "info"])
Info = types.SimpleNamespace


def wav(samples, rate=RATE):
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(np.asarray(samples, "<i2").tobytes())
    return file.getvalue()


def mp3(frames):
    """MPEG 1 layer 3 at 128 kbit/s and 44.1 kHz: 417 bytes and 1152 samples a frame."""
    return (b"\xff\xfb\x90\x00" + bytes(413)) * frames


def adts(frames):
    """AAC frames of 1024 samples at 44.1 kHz, each of 100 bytes."""
    return (bytes([0xFF, 0xF1, 0x50, 0x80, 100 >> 3, (100 & 7) << 5 | 0x1F, 0xFC]) + bytes(93)) * frames


def crc(page):
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
    return value


def opus(seconds):
    """An Ogg file with an Opus header, and one page whose position states the length."""

    def page(kind, position, sequence, packet):
        head = b"OggS" + struct.pack("<BBqIIIB", 0, kind, position, 7, sequence, 0, 1) + bytes([len(packet)])
        checksum = crc(head + packet)
        return head[:22] + struct.pack("<I", checksum) + head[26:] + packet

    header = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48_000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 4) + b"test" + struct.pack("<I", 0)
    return page(2, 0, 0, header) + page(0, 0, 1, tags) + page(4, int(seconds * 48_000), 2, bytes(100))


EMPTY = [None, np.zeros(0), np.zeros((1, 0)), b"", []]


@pytest.mark.parametrize("absent", EMPTY)
@pytest.mark.parametrize(
    ("wrap", "options"),
    [
        (lambda absent: absent, {}),
        (lambda absent: {"wav": absent}, {"key": "wav"}),
        (lambda absent: Info(wav=absent), {"key": "wav"}),
        (lambda absent: Result(absent, 1), {"key": "wav"}),
        (lambda absent: ("text", absent), {"key": 1}),
        (lambda absent: (24_000, absent), {}),
        (lambda absent: (absent, 24_000), {}),
        (lambda absent: (absent, Info()), {}),
        (lambda absent: {"outer": (24_000, absent)}, {"key": "outer"}),
        (lambda absent: ([absent], np.int64(24_000)), {}),
    ],
)
def test_absence_is_empty_wherever_it_is(name, scrape, absent, wrap, options):
    measure = audio(RATE, **options)
    assert measure(wrap(absent)) is None
    soundpost.instrument(name, audio=measure)(lambda: wrap(absent))()

    @soundpost.instrument(name, audio=measure)
    def stream():
        yield wrap(absent)

    list(stream())
    assert scrape().outcomes(name) == {"empty": 2}


@pytest.mark.parametrize("result", [{"error": "no"}, Info(error="no"), ("only",)])
def test_result_without_its_key_is_empty(name, scrape, result):
    soundpost.instrument(name, audio=audio(RATE, key=1 if isinstance(result, tuple) else "wav"))(
        lambda: result
    )()
    assert scrape().outcomes(name) == {"empty": 1}


@pytest.mark.parametrize(
    "result",
    [
        base64.b64encode(bytes(100)).decode(),
        base64.urlsafe_b64encode(b"\xff" * 100).decode(),
        "https://host/speech.wav",
        "s3://bucket/speech",
        "data:audio/wav;base64,UklGRg==",
        "the refined text [uv_break] of a sentence.",
        ["refined text"],
        b"\x1a\x45\xdf\xa3" + bytes(50),
        b"ID3\x04\x00" + bytes(5),
    ],
)
def test_output_of_unknown_form_is_ok(name, scrape, result):
    soundpost.instrument(name, audio=audio(RATE))(lambda: result)()
    assert scrape().outcomes(name) == {"ok": 1}
    assert scrape().total("audio_seconds_total", name) == 0
    assert scrape().count("real_time_factor", name) == 0


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        (mp3(100), 100 * 1152 / 44_100),
        (adts(100), 100 * 1024 / 44_100),
        (opus(2.5), 2.5),
        (mp4(1.5, 0), 1.5),
        (wav(np.ones(1500)), 1.5),
    ],
)
def test_container_has_its_length(tmp_path, data, seconds):
    path = tmp_path / "speech"
    path.write_bytes(data)
    for item in (data, bytearray(data), memoryview(data), path, str(path)):
        measured = audio(RATE)(item)
        assert measured.seconds == pytest.approx(seconds, rel=0.05), type(item)


@pytest.mark.parametrize(
    "pieces",
    [
        [opus(2.0)[:150], opus(2.0)[150:]],
        # The first piece has a length of its own.
        [mp3(10) + mp3(1)[:200], mp3(1)[200:] + mp3(10)],
        [opus(2.0), bytes(100), opus(2.0)],
        [wav(np.ones(1500)), b"\x1a\x45\xdf\xa3" + bytes(50)],
        [[mp3(100), b"ID3\x04\x00" + bytes(5)]],
    ],
)
def test_encoded_stream_in_pieces_has_no_length(name, scrape, pieces):
    @soundpost.instrument(name, audio=audio(RATE))
    def stream():
        yield from pieces

    list(stream())
    assert scrape().outcomes(name) == {"ok": 1}
    assert scrape().total("audio_seconds_total", name) == 0
    for part in ("real_time_factor", "playback_underrun_seconds"):
        assert scrape().count(part, name) == 0


def test_whole_files_in_a_stream_have_their_lengths(name, scrape):
    @soundpost.instrument(name, audio=audio(RATE))
    def stream():
        yield from (mp3(100), opus(2.5), wav(np.ones(1500)))

    list(stream())
    assert scrape().outcomes(name) == {"ok": 1}
    assert scrape().total("audio_seconds_total", name) == pytest.approx(100 * 1152 / 44_100 + 4.0, rel=0.05)


@pytest.mark.parametrize(
    "data",
    [
        json.dumps({"error": "no such voice"}).encode(),
        b'[{"a": 1}]',
        b"<!DOCTYPE html><html>",
        b"<?xml version='1.0'?>",
        b"\x89PNG\r\n\x1a\n" + bytes(50),
        b"\xff\xd8\xff\xe0" + bytes(50),
        b"RIFF\0\0\0\0WEBPVP8 ",
    ],
)
def test_bytes_that_are_no_audio_are_a_fault(name, scrape, lenient, data):
    with pytest.raises(TypeError, match="the bytes are"):
        audio(RATE)(data)
    before = scrape().errors("audio")
    soundpost.instrument(name, audio=audio(RATE))(lambda: data)()
    assert scrape().errors("audio") == before + 1
    assert scrape().total("audio_seconds_total", name) == 0


@pytest.mark.parametrize(
    ("item", "options", "seconds"),
    [
        (np.zeros((4, 1000)), {"batch_axis": 0}, 4.0),
        (np.zeros((1000, 4)), {"batch_axis": -1}, 4.0),
        (np.zeros(1000), {"batch_axis": 0}, 1.0),
        ([np.zeros((2, 1000)), np.zeros((3, 500))], {"batch_axis": 0}, 3.5),
        ((np.zeros(1000), 500), {}, 2.0),
        ((np.int32(500), np.zeros(1000)), {}, 2.0),
        ((np.zeros(1000), np.uint16(500)), {}, 2.0),
        ((np.zeros(1000), np.array(500)), {}, 2.0),
        (([np.zeros(1000), np.zeros(500)], 500), {}, 3.0),
        ((np.zeros(1000), 500, np.zeros((80, 400))), {}, 2.0),
        ((np.zeros(1000), np.zeros((80, 4000))), {}, 1.0),
        ((np.zeros(1000), Info(language="en")), {}, 1.0),
        (("text", np.zeros(1000)), {"key": 1}, 1.0),
        ((np.zeros(1000), 0.5), {}, 1.0),
        (({"wav": np.zeros(1000)}, 500), {"key": "wav"}, 2.0),
    ],
)
def test_shape_has_its_length(item, options, seconds):
    assert audio(RATE, **options)(item) == Audio(seconds)


@pytest.mark.parametrize(
    ("item", "options", "silent"),
    [
        (np.full(10, 20.0), {"full_scale": 32_768}, True),
        (np.full(10, 200.0), {"full_scale": 32_768}, False),
        (wav(np.zeros(100)), {}, True),
        (wav(np.full(100, 5_000)), {}, False),
        (bytearray(200), {}, True),
        (bytes(300), {"sample_width": 3}, True),
    ],
)
def test_silence_is_found_in_every_form(tmp_path, item, options, silent):
    measure = audio(RATE, silence=True, **options)
    assert measure(item).silent is silent
    if isinstance(item, bytes) and item.startswith(b"RIFF"):
        (tmp_path / "speech.wav").write_bytes(item)
        assert measure(tmp_path / "speech.wav").silent is silent


@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "int16", "int32", "pcm", "wav", "file"])
def test_quality_is_measured(name, scrape, telemetry, tmp_path, kind):
    share = np.array([0.0, 0.5, -0.5, 1.0] * 250)
    integers = np.minimum(share * 32_768, 32_767).astype("<i2")
    items = {
        "int16": integers,
        "int32": (np.minimum(share * 2**31, 2**31 - 1)).astype(np.int32),
        "pcm": integers.tobytes(),
        "wav": wav(integers),
        "file": tmp_path / "speech.wav",
    }
    (tmp_path / "speech.wav").write_bytes(wav(integers))
    item = items[kind] if kind in items else share.astype(kind)

    @soundpost.instrument(name, audio=audio(RATE, quality=True))
    def stream():
        yield item
        yield item

    list(stream())
    assert scrape().outcomes(name) == {"ok": 1}
    assert scrape().count("audio_clipped_ratio", name) == 1
    assert scrape().total("audio_clipped_ratio", name) == pytest.approx(0.25)
    assert scrape().total("audio_silence_ratio", name) == pytest.approx(0.25)
    soundpost.flush()
    fields = soundpost.read_calls(service="tests", directory=telemetry.directory.parent, operation=name)[
        0
    ].fields
    assert fields["audio_peak"] == pytest.approx(1.0, abs=1e-3)
    assert fields["audio_rms"] == pytest.approx(np.sqrt(np.mean(share**2)), abs=1e-3)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_corrupt(name, scrape, broken):
    infer = soundpost.instrument(name, audio=audio(RATE, quality=True))(lambda: np.array([0.5, broken] * 50))
    infer()
    assert scrape().outcomes(name) == {"corrupt": 1}
    assert scrape().sum("tests_request_total", operation=name, status="error") == 1


def test_tensor_on_a_gpu_is_left_alone(name, scrape):
    class Tensor:
        shape, dtype, device, is_cuda = (1, 1000), "torch.float32", "cuda:0", True

        def numpy(self):
            pytest.fail("read")

        detach = cpu = max = min = numpy

    soundpost.instrument(name, audio=audio(RATE, quality=True, silence=True))(lambda: [Tensor()][0])()
    assert scrape().outcomes(name) == {"ok": 1}


def test_video_has_both_lengths(name, scrape, tmp_path):
    path = tmp_path / "talk.mp4"
    path.write_bytes(mp4(1.5, 2.5))
    assert video()(path) == Video(2.5, audio_seconds=1.5)
    assert isinstance(video()(__file__), Skip)

    @soundpost.instrument(name, audio=video(path="output_path"))
    def process(image, output_path, result=0):
        return result

    process("face.png", path)
    process("face.png", output_path=str(tmp_path / "missing.mp4"))
    process("face.png", path, result=-1)
    after = scrape()
    assert after.outcomes(name) == {"ok": 1, "empty": 1, "error": 1}
    assert after.total("video_seconds_total", name) == 2.5
    assert after.total("audio_seconds_total", name) == 1.5


def test_video_compares_and_prints_by_value():
    assert Video(1.0) == Video(1.0, audio_seconds=0) != Video(2.0)
    assert repr(Video(1.0, audio_seconds=0.5)) == "Video(1, audio_seconds=0.5)"


def test_warmup_calls_are_stored_and_not_counted(name, scrape, telemetry):
    cold = []

    @soundpost.instrument(name, audio=audio(RATE))
    def infer():
        cold.append(soundpost.current_call().cold)
        yield np.ones(100)
        yield np.ones(100)

    with soundpost.warmup():
        list(infer())
        with soundpost.call(name):
            pass
    assert scrape().outcomes(name) == {}
    list(infer())
    assert scrape().outcomes(name) == {"ok": 1}
    assert scrape().count("chunk_gap_seconds", name) == 1
    assert cold == [True, False]
    soundpost.flush()
    stored = soundpost.read_calls(
        service="tests", directory=telemetry.directory.parent, operation=name, order="oldest"
    )
    assert [(call.warmup, call.cold) for call in stored] == [(True, True), (True, False), (False, False)]
