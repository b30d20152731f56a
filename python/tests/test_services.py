"""Look-alikes of speech services: their generators, threads and handlers, with models that are none."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from workload import RATE

import soundpost

pytestmark = pytest.mark.usefixtures("telemetry")


class OutOfMemoryError(RuntimeError):
    """Named like the class of PyTorch."""


def test_fish_speech_consumer_leaves_at_final(name, scrape):
    """Segments, then `final` with all of them again, where the server drops the generator."""

    def rules(item, call):
        return ("last", soundpost.Skip) if item["code"] == "final" else None

    @soundpost.instrument(name, audio=soundpost.audio(key="audio"), outcome=rules)
    def inference():
        segments = [np.ones(RATE), np.ones(2 * RATE), np.ones(70)]
        for segment in segments:
            yield {"code": "segment", "audio": (RATE, segment)}
        yield {"code": "final", "audio": (RATE, np.concatenate(segments))}

    for item in inference():
        if item["code"] == "final":
            break
    assert scrape().outcomes(name) == {"ok": 1}
    assert scrape().total("audio_seconds_total", name) == pytest.approx(3.07)


@pytest.mark.parametrize(("text", "outcome"), [("hello", "oom"), ("", "silent")])
def test_gpt_sovits_server_takes_one_item(name, scrape, text, outcome):
    """A second of silence for an exception, which is raised only when resumed, and for no text."""

    @soundpost.instrument(name, audio=soundpost.audio(silence=True))
    def run(text):
        silence = 16_000, np.zeros(16_000, dtype=np.int16)
        if not text:
            yield silence
            return
        try:
            raise OutOfMemoryError("CUDA out of memory")
        except Exception:
            yield silence
            raise

    next(run(text))
    assert scrape().outcomes(name) == {outcome: 1}


def test_cosyvoice_llm_thread_dies(name, scrape):
    """The thread of the language model dies, and shorter audio comes back."""

    class Model:
        @soundpost.stage("llm", decides=True)
        def llm_job(self, tokens):
            tokens.append(1)
            raise OutOfMemoryError("CUDA out of memory")

        @soundpost.instrument(name, audio=soundpost.audio(RATE, key="tts_speech"), streaming="stream")
        def inference(self, stream=False):
            tokens = []
            thread = threading.Thread(target=self.llm_job, args=(tokens,))
            thread.start()
            thread.join()
            yield {"tts_speech": np.ones((1, 100 * len(tokens)))}

    before, threading.excepthook = threading.excepthook, lambda arguments: None
    try:
        list(Model().inference())
    finally:
        threading.excepthook = before
    assert scrape().outcomes(name) == {"oom": 1}


def test_indextts_growing_list_counts_once(name, scrape):
    """Each item is the list of all audio so far."""

    def audio(item, call):
        seconds = sum(len(piece) for piece in item) / RATE
        fresh = seconds - call.state.get("seconds", 0.0)
        call.state["seconds"] = seconds
        return fresh

    @soundpost.instrument(name, audio=audio)
    def infer():
        pieces = []
        for _ in range(3):
            pieces.append(np.ones(RATE))
            yield pieces

    list(infer())
    assert scrape().total("audio_seconds_total", name) == pytest.approx(3.0)


def test_kokoro_swallows_an_error_in_the_middle(name, scrape):
    """An exception of one sentence is logged, and the next sentence follows."""

    @soundpost.stage("sentence", decides=True)
    def sentence(number):
        if number == 1:
            raise OutOfMemoryError("CUDA out of memory")
        return np.ones(RATE)

    @soundpost.instrument(name, audio=soundpost.audio(RATE))
    def generate():
        for number in range(3):
            try:
                yield sentence(number)
            except OutOfMemoryError:
                continue

    assert len(list(generate())) == 2
    assert scrape().outcomes(name) == {"oom": 1}


def test_chattts_counts_all_rows(name, scrape):
    """Chunks are `[batch, N]`, and the same function may return text."""
    infer = soundpost.instrument(name, audio=soundpost.audio(RATE, batch_axis=0))(lambda result: result)
    infer(np.ones((4, RATE)))
    infer(["refined text [uv_break]"])
    assert scrape().outcomes(name) == {"ok": 2}
    assert scrape().total("audio_seconds_total", name) == 4.0
