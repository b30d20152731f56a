from types import SimpleNamespace

from fakes import samples, speak
from voxcpm.core import VoxCPM


class Engine:
    def __init__(self):
        self.tts = tts = VoxCPM.__new__(VoxCPM)
        tts.denoiser = None
        tts.tts_model = SimpleNamespace(sample_rate=16_000, _generate_with_prompt_cache=generate)

    def whole(self, text):
        self.tts.generate(text)

    def stream(self, text):
        return self.tts.generate_streaming(text)


def generate(target_text, streaming, **_):
    for part in target_text if streaming else [target_text]:
        yield samples(speak(part), 16_000), None, None
