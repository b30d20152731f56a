import logging
import threading
from types import SimpleNamespace

import numpy as np
from fakes import speak
from faster_whisper.transcribe import WhisperModel

LETTER = 0
"""Its audio is an argument."""
heard = threading.local()


class Engine:
    def __init__(self):
        self.model = model = WhisperModel.__new__(WhisperModel)
        model.logger = logging.getLogger("faster_whisper")
        model.feature_extractor = Features()
        model.hf_tokenizer = SimpleNamespace(
            token_to_id=lambda token: 1000,
            encode=lambda *_, **__: SimpleNamespace(ids=[0]),
            decode=lambda _: "a",
        )
        model.input_stride, model.num_samples_per_token, model.frames_per_second = 2, 320, 100
        model.tokens_per_second, model.time_precision, model.max_length = 50, 0.02, 448
        model.model = SimpleNamespace(
            is_multilingual=False,
            device="cpu",
            device_index=[0],
            encode=lambda features, to_cpu: features,
            generate=generate,
        )

    def whole(self, text):
        list(self.stream(text))

    def stream(self, text):
        heard.text = text
        segments, _ = self.model.transcribe(np.zeros(100 * len(text), dtype=np.float32), language="en")
        return segments


class Features:
    """Makes one window of each letter."""

    sampling_rate, nb_max_frames, time_per_frame = 16_000, 10, 0.01

    def __call__(self, audio, chunk_length=None):
        return np.zeros((80, len(audio) // 10 + 1), dtype=np.float32)


def generate(*_, **__):
    speak(heard.text)
    return [SimpleNamespace(sequences_ids=[[1, 2]], scores=[-0.1], no_speech_prob=0.0)]
