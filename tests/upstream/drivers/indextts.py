import threading
from types import SimpleNamespace

import numpy as np
from fakes import CONTENTS, Mel, Thing, samples, speak, tensor

CONTENTS["librosa"] = {"load": lambda path, sr=22_050: (np.zeros(100, dtype=np.float32), sr)}
FAKED = (
    "indextts.gpt.transformers_modeling_utils",
    "indextts.gpt.transformers_generation_utils",
    "indextts.gpt.transformers_gpt2",
)

from indextts.infer_v2 import IndexTTS2  # noqa: E402

RATE = 22_050
STOP = 0
now = threading.local()


class Engine:
    def __init__(self):
        self.tts = tts = IndexTTS2.__new__(IndexTTS2)
        tts.gr_progress = tts.qwen_emo = tts.dtype = None
        tts.device, tts.stop_mel_token = "cpu", STOP
        tts.cache_spk_audio_prompt = tts.cache_emo_audio_prompt = "anna.wav"
        tts.cache_spk_cond = tts.cache_emo_cond = tensor(np.zeros((1, 1)))
        tts.cache_s2mel_style, tts.cache_s2mel_prompt = None, tensor(np.zeros((1, 1, 1)))
        tts.cache_mel = tensor(np.zeros((1, 1, 0)))
        tts.tokenizer = SimpleNamespace(
            tokenize=list,
            split_segments=lambda tokens, *_, **__: [part for part in "".join(tokens).split(".") if part],
            convert_tokens_to_ids=lambda tokens: list(map(ord, tokens)),
            unk_token_id=-1,
        )
        tts.gpt = Gpt()
        tts.semantic_codec = Thing()
        regulate = lambda *_, **__: [tensor(np.zeros((1, 1, 1)))]  # noqa: E731
        flow = SimpleNamespace(inference=lambda *_, **__: Mel(now.letters))
        tts.s2mel = SimpleNamespace(
            models={"gpt_layer": lambda given: given, "length_regulator": regulate, "cfm": flow}
        )
        tts.bigvgan = lambda mel: samples(mel.letters, RATE)

    def whole(self, text):
        self.tts.infer("anna.wav", text, None, interval_silence=0)

    def stream(self, text):
        return self.tts.infer("anna.wav", text, None, stream_return=True, interval_silence=0)


class Gpt(Thing):
    def inference_speech(self, condition, text_tokens, *_, **__):
        letters = speak("".join(map(chr, text_tokens[0])))
        return tensor([[1] * letters + [STOP]]), None

    def __call__(self, latent, text_tokens, *_, **__):
        now.letters = text_tokens.shape[-1]
        return 0
