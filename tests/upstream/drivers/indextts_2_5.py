import re
import threading
from types import SimpleNamespace

import numpy as np
from fakes import Mel, Thing, samples, speak, tensor

FAKED = (
    "indextts.gpt.transformers_modeling_utils",
    "indextts.gpt.transformers_generation_utils",
    "indextts.gpt.transformers_gpt2",
)

from indextts import infer_v2_5  # noqa: E402

RATE = 22_050
STOP = 0
now = threading.local()
infer_v2_5.lang_to_token = lambda language: 0


class Engine:
    def __init__(self):
        self.tts = tts = infer_v2_5.IndexTTS2.__new__(infer_v2_5.IndexTTS2)
        tts.gr_progress = tts.qwen_emo = tts.dtype = None
        tts.device, tts.stop_mel_token, tts.low_vram = "cpu", STOP, False
        tts.cache_spk_audio_prompt = tts.cache_emo_audio_prompt = "anna.wav"
        tts.cache_spk_cond = tts.cache_emo_cond = tensor(np.zeros((1, 1)))
        tts.cache_s2mel_style, tts.cache_s2mel_prompt = None, tensor(np.zeros((1, 1, 1)))
        tts.cache_mel = tensor(np.zeros((1, 1, 0)))
        tts.text_process = SimpleNamespace(clean_pattern=re.compile("$^"), char_rep_map={})
        tts.tokenizer = SimpleNamespace(encode=lambda text, **_: list(map(ord, text)))
        tts.split_text_by_tokens = lambda text, *_: [part for part in text.split(".") if part]
        tts.gpt = Gpt()
        tts.semantic_codec = SimpleNamespace(decode=lambda codes: codes)
        regulate = lambda *_, **__: [tensor(np.zeros((1, 1, 1)))]  # noqa: E731
        flow = SimpleNamespace(inference=lambda *_, **__: Mel(now.letters))
        tts.s2mel = SimpleNamespace(models={"length_regulator": regulate, "cfm": flow})
        tts.bigvgan = lambda mel: samples(mel.letters, RATE)

    def whole(self, text):
        self.tts.infer("anna.wav", text, None, "de", interval_silence=0)

    def stream(self, text):
        return self.tts.infer("anna.wav", text, None, "de", stream_return=True, interval_silence=0)


class Gpt(Thing):
    def inference_speech(self, condition, text_tokens, *_, **__):
        # Before the text is the language, behind it an end.
        text = "".join(map(chr, text_tokens[0])).partition("|> ")[2][:-1]
        now.letters = speak(text)
        return tensor([[1] * now.letters + [STOP]]), None
