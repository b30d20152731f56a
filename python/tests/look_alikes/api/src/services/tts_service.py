"""Logs an exception of a sentence, and goes on with the next one."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from api.src.inference.kokoro_v1 import KokoroV1


@dataclass
class Chunk:
    audio: Any
    output: bytes = b""


class TTSService:
    def __init__(self):
        self.model = KokoroV1()

    async def generate_audio_stream(
        self, text, voice, writer, speed=1.0, output_format="wav", lang_code=None
    ):
        for sentence in filter(None, text.split(".")):
            try:
                async for samples in self.model.generate(sentence, voice):
                    yield Chunk(samples)
            except Exception:
                continue

    async def generate_audio(self, text, voice, writer, speed=1.0, return_timestamps=False):
        chunks = [chunk.audio async for chunk in self.generate_audio_stream(text, voice, writer, speed)]
        return Chunk(np.concatenate(chunks))
