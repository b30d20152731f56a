from types import SimpleNamespace

import numpy as np
from cosyvoice.cli.cosyvoice import CosyVoice2
from cosyvoice.cli.frontend import CosyVoiceFrontEnd
from cosyvoice.cli.model import CosyVoice2Model
from fakes import speak, tensor

LETTER = 0.2
"""Five tokens."""
LOOKAHEAD = 3


class Engine:
    def __init__(self):
        self.voice = voice = CosyVoice2.__new__(CosyVoice2)
        voice.sample_rate = 24_000
        voice.frontend = frontend = CosyVoiceFrontEnd.__new__(CosyVoiceFrontEnd)
        frontend.spk2info = {"anna": {"embedding": tensor([[0.0]])}}
        frontend.tokenizer = SimpleNamespace(encode=lambda text, **_: list(map(ord, text)))
        frontend.allowed_special, frontend.device = "all", "cpu"
        flow = SimpleNamespace(inference=mel, token_mel_ratio=2, pre_lookahead_len=LOOKAHEAD)
        voice.model = CosyVoice2Model(
            SimpleNamespace(inference=tokens), flow, SimpleNamespace(inference=wave)
        )

    def whole(self, text):
        list(self.stream(text, stream=False))

    def stream(self, text, stream=True):
        return self.voice.inference_sft(text, "anna", stream=stream, text_frontend=False)


def tokens(text, **_):
    text = "".join(map(chr, text[0]))
    for letter in text:
        speak(letter)
        yield from range(5)


def mel(token, finalize, **_):
    length = token.shape[1] - (0 if finalize else LOOKAHEAD)
    return tensor(np.ones((1, 80, 2 * length), dtype=np.float32)), None


def wave(speech_feat, cache_source):
    length = 480 * speech_feat.shape[2]
    return tensor(np.ones((1, length), dtype=np.float32)), tensor(np.ones((1, 1, length), dtype=np.float32))
