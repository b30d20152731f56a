"""Results with a code: errors are yielded, and the last one repeats all segments.

A worker thread, which a question mark kills, makes the tokens.
"""

import queue
import threading
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
    def __init__(self):
        self.requests = queue.Queue()
        threading.Thread(target=self.work, daemon=True).start()

    def work(self):
        while True:
            text, responses = self.requests.get()
            if "?" in text:
                return
            for sentence in filter(None, text.split(".")):
                responses.put(RuntimeError("CUDA out of memory") if "!" in sentence else sentence)
            responses.put(None)

    def inference(self, req):
        if req.streaming:
            yield Result("header", (44_100, np.zeros(44)), None)
        segments = []
        responses = queue.Queue()
        self.requests.put((req.text, responses))
        while (response := responses.get()) is not None:
            if isinstance(response, Exception):
                yield Result("error", None, response)
                return
            segments.append(self.get_audio_segment(response))
            if req.streaming:
                yield Result("segment", (44_100, segments[-1]), None)
        yield Result("final", (44_100, np.concatenate(segments)), None)

    def get_audio_segment(self, result):
        return np.ones(4410 * len(result))
