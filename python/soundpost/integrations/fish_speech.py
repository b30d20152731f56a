"""fish-speech."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from soundpost._audio import audio
from soundpost._native import Error, Skip
from soundpost.integrations._sources import length
from soundpost.integrations._table import Hook, Integration, load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from soundpost._native import Call

_ENGINE, _MANAGER = "fish_speech.inference_engine", "tools.server.model_manager"


def _judge(item: Any, call: Call) -> Any:
    """Judges a result by its code: errors are yielded, and `final` repeats all segments of a stream."""
    code = getattr(item, "code", None)
    if code == "error":
        error = getattr(item, "error", None)
        return error if isinstance(error, BaseException) else Error(str(error))
    if code == "final":
        return ("last", Skip) if _streams(call.arguments) else "last"
    return Skip if code == "header" else None


def _streams(arguments: Mapping[str, Any]) -> bool:
    return bool(getattr(arguments["req"], "streaming", False))


INTEGRATION = Integration(
    name="fish_speech",
    hooks=(
        load("fish_speech.models.dac.inference:load_model"),
        load("fish_speech.models.text2semantic.inference:launch_thread_safe_queue"),
        Hook(
            target=f"{_ENGINE}:TTSInferenceEngine.inference",
            operation="synthesize",
            needs=("req",),
            options={
                "fields": {
                    "char_count": lambda arguments: length(getattr(arguments["req"], "text", None)),
                    "reference": lambda arguments: getattr(arguments["req"], "reference_id", None),
                },
                "streaming": _streams,
                "text": lambda arguments: getattr(arguments["req"], "text", None),
                "audio": audio(key="audio"),
                "outcome": _judge,
            },
        ),
        Hook(target=f"{_ENGINE}:TTSInferenceEngine.get_audio_segment", stage="vocoder"),
        Hook(target=f"{_ENGINE}.vq_manager:VQManager.encode_reference", stage="reference"),
        load(f"{_MANAGER}:ModelManager.warm_up", "warmup", "tts_inference_engine"),
    ),
    generic=frozenset({_MANAGER}),
)
