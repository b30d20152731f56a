import asyncio
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
from api.src.inference import kokoro_v1
from api.src.services import tts_service
from fakes import samples, speak

TRIM = 0.01
"""Seconds of each sentence that the service trims at most."""


async def nothing(*_):
    pass


async def split(text, **_):
    for sentence in filter(None, text.split(".")):
        yield sentence, [1], None


tts_service.smart_split = split
kokoro_v1.paths.save_voice_tensor = nothing


class Backend(kokoro_v1.KokoroV1):
    is_loaded = True

    def __init__(self):
        self._device, self._model = "cpu", None

    async def _get_voice_tensor(self, path):
        return np.zeros(1)

    def _get_pipeline(self, language):
        return pipeline


def pipeline(text, voice, speed, model):
    yield SimpleNamespace(audio=samples(speak(text), 24_000)[0], graphemes=text, phonemes=text, tokens=None)


async def path(voice):
    return "af_anna.pt"


class Engine:
    def __init__(self):
        backend = Backend()
        self.service = service = tts_service.TTSService()
        service.model_manager = SimpleNamespace(
            ensure_backend=nothing, get_backend=lambda: backend, generate=backend.generate
        )
        service._voice_manager = SimpleNamespace(get_voice_path=path)
        tts_service.TTSService._chunk_semaphore = nullcontext()
        self.writer = SimpleNamespace(write_chunk=lambda audio=None, finalize=False: b"")

    def whole(self, text):
        asyncio.run(self.service.generate_audio(text, "af_anna", self.writer))

    def stream(self, text):
        chunks = self.service.generate_audio_stream(text, "af_anna", self.writer, output_format=None)
        return Chunks(chunks)


class Chunks:
    """Drives an asynchronous generator from a thread."""

    def __init__(self, chunks):
        self._chunks, self._loop = chunks, asyncio.new_event_loop()

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return self._loop.run_until_complete(anext(self._chunks))
        except StopAsyncIteration:
            self._loop.close()
            raise StopIteration from None

    def close(self):
        self._loop.run_until_complete(self._chunks.aclose())
        self._loop.close()
