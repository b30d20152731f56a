"""Speaks a text at the start of the server."""

from kokoro.pipeline import KPipeline


class ModelManager:
    async def initialize_with_warmup(self, voice_manager):
        list(KPipeline()("Warmup text.", voice="anna"))
        return "cpu"
