from types import SimpleNamespace

from chatterbox.models.s3gen.s3gen import S3Token2Wav  # noqa: F401
from chatterbox.tts import ChatterboxTTS
from fakes import samples, speak, tensor


class Text(str):
    def to(self, device):
        return self


class Engine:
    def __init__(self):
        self.tts = tts = ChatterboxTTS.__new__(ChatterboxTTS)
        tts.sr, tts.device = 24_000, "cpu"
        tts.conds = SimpleNamespace(t3=SimpleNamespace(emotion_adv=tensor([[[0.5]]])), gen=None)
        tts.tokenizer = SimpleNamespace(
            text_to_tokens=lambda text: tensor([[ord(letter) for letter in text]])
        )
        tts.t3 = SimpleNamespace(
            hp=SimpleNamespace(start_text_token=1, stop_text_token=2), inference=self.infer
        )
        tts.s3gen = SimpleNamespace(
            inference=lambda speech_tokens, ref_dict: (samples(len(speech_tokens), tts.sr), 1)
        )
        tts.watermarker = SimpleNamespace(apply_watermark=lambda wave, sample_rate: wave)

    def infer(self, text_tokens, **_):
        # It capitalises the text, and adds a full stop, a start and an end.
        text = "".join(map(chr, text_tokens[0]))
        return tensor([[0] * speak(text[1:-2] if text[-2] == "." else text[1:-1])])

    def whole(self, text):
        self.tts.generate(text)
