"""Speaks a text at the start of the server."""

from fish_speech.inference_engine import Request, TTSInferenceEngine


class ModelManager:
    def __init__(self):
        self.engine = TTSInferenceEngine()
        self.warm_up(self.engine)

    def warm_up(self, tts_inference_engine):
        list(tts_inference_engine.inference(Request("Hello world.")))
