"""Kokoro-FastAPI, and kokoro without it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from soundpost._audio import audio
from soundpost.integrations._sources import characters
from soundpost.integrations._table import Hook, Integration, load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from soundpost._instrument import Options

SAMPLE_RATE = 24_000
_SERVICE, _MANAGER = "api.src.services.tts_service", "api.src.inference.model_manager"


def _voice(arguments: Mapping[str, Any]) -> str:
    """Returns the name of a voice, also one that is given by the path of its file."""
    voice = arguments["voice"]
    return os.path.basename(voice).removesuffix(".pt") if isinstance(voice, str) else ""


_OPTIONS: Options = {
    "labels": {"voice": "voice"},
    "fields": {"char_count": characters(), "speed": "speed", "format": "output_format"},
    "audio": audio(SAMPLE_RATE, key="audio"),
}
INTEGRATION = Integration(
    name="kokoro_fastapi",
    hooks=(
        load("api.src.inference.kokoro_v1:KokoroV1.load_model"),
        Hook(
            target=f"{_SERVICE}:TTSService.generate_audio_stream",
            operation="synthesize",
            needs=("text", "voice"),
            options=_OPTIONS,
        ),
        Hook(
            target=f"{_SERVICE}:TTSService.generate_audio",
            operation="synthesize",
            needs=("text", "voice"),
            options={**_OPTIONS, "fields": {"char_count": characters(), "speed": "speed"}},
        ),
        Hook(
            target="kokoro.pipeline:KPipeline.__call__",
            operation="synthesize",
            needs=("text", "voice"),
            options={
                "labels": {"voice": _voice},
                "fields": {"char_count": characters()},
                "audio": audio(SAMPLE_RATE, key="audio"),
            },
        ),
        load(f"{_MANAGER}:ModelManager.initialize_with_warmup", "warmup"),
        # The service logs its exceptions and goes on with the next sentence.
        Hook(target="api.src.inference.kokoro_v1:KokoroV1.generate", stage="model", decides=True),
    ),
    generic=frozenset({_SERVICE, _MANAGER}),
)
