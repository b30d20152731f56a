"""Speech of the eSpeak NG engine as arrays of samples."""

import re
from collections.abc import Iterator

import numpy as np
from tts_service.engine import Engine

engine = Engine()
Speech = tuple[int, np.ndarray]


def synthesize(text: str, voice: str) -> Speech:
    """Returns the sample rate and the samples of the whole text."""
    return engine.sample_rate, _samples(text, voice)


def synthesize_stream(text: str, voice: str) -> Iterator[Speech]:
    """Yields the sample rate and the samples of one sentence after the other."""
    for sentence in re.findall(r"[^.!?。！？]+[.!?。！？]*", text) or [text]:
        samples = _samples(sentence, voice)
        if samples.size:
            yield engine.sample_rate, samples


def _samples(text: str, voice: str) -> np.ndarray:
    return np.frombuffer(b"".join(engine.stream(text, voice)), np.int16)
