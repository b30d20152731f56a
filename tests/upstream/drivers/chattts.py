import logging
from types import SimpleNamespace

from ChatTTS.core import Chat
from fakes import Thing, samples, speak, tensor

RATE = 24_000


class Result(SimpleNamespace):
    def destroy(self):
        pass


class Engine:
    def __init__(self):
        self.chat = chat = Chat.__new__(Chat)
        chat.config = chat.context = Thing()
        chat.config.gpt = SimpleNamespace(num_audio_tokens=626, num_vq=4)
        chat.logger = logging.getLogger("ChatTTS")
        chat.has_loaded = lambda use_decoder: True
        chat.normalizer = lambda text, *_: text
        chat.device = chat.device_gpt = "cpu"
        chat.embed = lambda *_: None
        chat.speaker = SimpleNamespace(decorate_code_prompts=lambda text, *_: text)
        chat.tokenizer = SimpleNamespace(encode=lambda text, *_, **__: (Text(text), None, None))
        chat.gpt = SimpleNamespace(is_vllm=False, generate=generate)
        chat.decoder = lambda batch: batch
        chat.vocos = SimpleNamespace(decode=lambda mel: samples(mel.shape[-1], RATE))

    def whole(self, text):
        self.chat.infer(text, skip_refine_text=True)

    def stream(self, text):
        return self.chat.infer(text, stream=True, skip_refine_text=True)


class Text:
    def __init__(self, texts):
        self.text, self.shape = "".join(texts), (1, 1)


def generate(emb, input_ids, stream=False, **_):
    letters = speak(input_ids.text)
    for length in range(1, letters + 1) if stream else [letters]:
        yield Result(hiddens=[tensor([[1.0]] * length)], ids=[])
