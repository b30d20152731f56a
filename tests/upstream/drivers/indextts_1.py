from types import SimpleNamespace

import numpy as np
from fakes import samples, speak, tensor
from indextts.infer import IndexTTS

FAKED = (
    "indextts.gpt.transformers_modeling_utils",
    "indextts.gpt.transformers_generation_utils",
    "indextts.gpt.transformers_gpt2",
)
RATE = 24_000
STOP = 0


class Engine:
    def __init__(self):
        self.tts = tts = IndexTTS.__new__(IndexTTS)
        tts.gr_progress = tts.dtype = None
        tts.device, tts.stop_mel_token = "cpu", STOP
        tts.cache_audio_prompt, tts.cache_cond_mel = "anna.wav", tensor(np.zeros((1, 1, 1)))
        tts.tokenizer = SimpleNamespace(
            tokenize=list,
            split_segments=lambda tokens, *_: ["".join(tokens)],
            convert_tokens_to_ids=lambda tokens: list(map(ord, tokens)),
        )
        tts.gpt = Gpt()
        tts.bigvgan = lambda latent, condition: (samples(latent, RATE)[None], None)

    def whole(self, text):
        self.tts.infer("anna.wav", text, None)


class Gpt:
    mel_length_compression = 1

    def inference_speech(self, condition, text_tokens, **_):
        return tensor([[1] * speak("".join(map(chr, text_tokens[0]))) + [STOP]])

    def __call__(self, condition, text_tokens, *_, **__):
        return text_tokens.shape[-1]
