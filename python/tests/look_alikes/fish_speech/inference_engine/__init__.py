"""Results with a code: errors are yielded, and the last one repeats all segments."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fish_speech.inference_engine.vq_manager import VQManager


@dataclass
class Request:
    text: str
    streaming: bool = False
    reference_id: Any = None


@dataclass
class Result:
    code: str
    audio: Any
    error: Any


class TTSInferenceEngine(VQManager):
    def inference(self, req):
        if req.streaming:
            yield Result("header", (44_100, np.zeros(44)), None)
        segments = []
        for sentence in filter(None, req.text.split(".")):
            if "!" in sentence:
                yield Result("error", None, RuntimeError("CUDA out of memory"))
                return
            segments.append(self.get_audio_segment(sentence))
            if req.streaming:
                yield Result("segment", (44_100, segments[-1]), None)
        yield Result("final", (44_100, np.concatenate(segments)), None)

    def get_audio_segment(self, result):
        return np.ones(4410 * len(result))
