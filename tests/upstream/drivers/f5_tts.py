import tempfile
from types import SimpleNamespace

from fakes import CONTENTS, samples, speak, tensor

CONTENTS["torchaudio"] = {"load": lambda path: (tensor([[0.5] * 24_000]), 24_000)}

from f5_tts.api import F5TTS  # noqa: E402
from f5_tts.infer import utils_infer  # noqa: E402

utils_infer.convert_char_to_pinyin = lambda texts: texts
utils_infer.chunk_text = lambda text, max_chars: [part for part in text.split(".") if part]
REFERENCE = "hello."


class Mel:
    """A spectrogram of a text."""

    def __init__(self, letters):
        self.letters = letters

    def to(self, dtype):
        return self

    def permute(self, *axes):
        return self

    def __getitem__(self, key):
        return self if isinstance(key, tuple) else samples(1, 1000)


class Engine:
    def __init__(self):
        self.tts = tts = F5TTS.__new__(F5TTS)
        tts.device, tts.mel_spec_type = "cpu", "vocos"
        tts.ema_model = SimpleNamespace(sample=sample)
        tts.vocoder = SimpleNamespace(decode=lambda mel: samples(mel.letters, 24_000))
        self.file = tempfile.NamedTemporaryFile(suffix=".wav")

    def whole(self, text):
        self.tts.infer(self.file.name, "hello", text, progress=None)

    def stream(self, text):
        model, vocoder = self.tts.ema_model, self.tts.vocoder
        audio = (tensor([[0.5] * 24_000]), 24_000)
        return utils_infer.infer_batch_process(
            audio, "hello. ", [text], model, vocoder, progress=None, streaming=True
        )


def sample(text, **_):
    return Mel(speak(text[0].partition(REFERENCE)[2].strip())), None
