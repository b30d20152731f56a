from types import SimpleNamespace

from fakes import samples, speak
from qwen_tts.inference.qwen3_tts_model import Qwen3TTSModel


class Text(str):
    def to(self, device):
        return self

    def dim(self):
        return 2


class Engine:
    def __init__(self):
        self.tts = tts = Qwen3TTSModel.__new__(Qwen3TTSModel)
        tts.device, tts.generate_defaults = "cpu", {}
        tts.processor = lambda text, **_: {"input_ids": Text(text.split("\n")[1].removesuffix("<|im_end|>"))}
        tokenizer = SimpleNamespace(
            decode=lambda codes: ([samples(each["audio_codes"], 24_000)[0] for each in codes], 24_000)
        )
        tts.model = SimpleNamespace(
            tts_model_type="custom_voice",
            tts_model_size="1b7",
            generate=generate,
            speech_tokenizer=tokenizer,
            get_supported_languages=lambda: None,
            get_supported_speakers=lambda: None,
        )

    def whole(self, text):
        self.tts.generate_custom_voice(text, "Vivian", language="English")


def generate(input_ids, **_):
    return [speak(text) for text in input_ids], None
