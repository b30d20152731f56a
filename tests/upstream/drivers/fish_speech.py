import queue
import threading
from types import SimpleNamespace

from fakes import samples, speak
from fish_speech.inference_engine import TTSInferenceEngine
from fish_speech.models.dac.modded_dac import DAC
from fish_speech.models.text2semantic.inference import GenerateResponse, WrappedGenerateResponse
from fish_speech.utils.schema import ServeTTSRequest

RATE = 44_100


class Decoder(DAC):
    def __init__(self):
        self.device, self.spec_transform = SimpleNamespace(type="cpu"), SimpleNamespace(sample_rate=RATE)

    def from_indices(self, codes):
        return (samples(codes.letters, RATE),)


class Codes:
    """The codes of a letter."""

    letters, shape = 1, (1,)

    def __getitem__(self, key):
        return self


class Engine:
    def __init__(self):
        requests = queue.Queue()
        threading.Thread(target=work, args=(requests,), daemon=True).start()
        self.engine = TTSInferenceEngine(requests, Decoder(), None, False)

    def whole(self, text, streaming=False):
        for item in self.engine.inference(ServeTTSRequest(text=text, streaming=streaming)):
            if item.code == "final":
                break

    def stream(self, text):
        results = self.engine.inference(ServeTTSRequest(text=text, streaming=True))
        return (item for item in results if item.code == "segment")


def work(requests):
    """Answers each request in a thread of its own, since one of them waits."""
    while True:
        threading.Thread(target=answer, args=(requests.get(),), daemon=True).start()


def answer(item):
    try:
        speak(item.request["text"])
        for _ in item.request["text"]:
            response = GenerateResponse(action="sample", codes=Codes(), text="")
            item.response_queue.put(WrappedGenerateResponse("success", response))
        item.response_queue.put(WrappedGenerateResponse("success", GenerateResponse(action="next")))
    except RuntimeError as error:
        item.response_queue.put(WrappedGenerateResponse("error", error))
