"""Chatterbox: English, multilingual and turbo speech, and voice conversion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from soundpost.integrations._sources import characters, constant, one_of
from soundpost.integrations._table import Hook, Integration, load

if TYPE_CHECKING:
    from soundpost._instrument import Options
    from soundpost._native import Call

_ENGLISH = "chatterbox.tts:ChatterboxTTS"
_MULTILINGUAL = "chatterbox.mtl_tts:ChatterboxMultilingualTTS"
_TURBO = "chatterbox.tts_turbo:ChatterboxTurboTTS"
_CONVERSION = "chatterbox.vc:ChatterboxVC"
_T3 = "chatterbox.models.t3.t3:T3"


def _seconds(result: Any, call: Call) -> float:
    """Returns the length of a tensor `[1, samples]` at the model's rate."""
    return float(result.shape[-1]) / float(call.arguments["self"].sr)


def _call(owner: str, model: str, **labels: Any) -> Hook:
    options: Options = {
        "labels": {"model": constant(model), **labels},
        "fields": {
            "char_count": characters(),
            "exaggeration": "exaggeration",
            "temperature": "temperature",
        },
        "audio": _seconds,
        # It checks the request's language.
        "invalid": ValueError,
    }
    return Hook(target=f"{owner}.generate", operation="synthesize", needs=("text",), options=options)


INTEGRATION = Integration(
    name="chatterbox",
    hooks=(
        *(load(f"{owner}.from_local") for owner in (_ENGLISH, _MULTILINGUAL, _TURBO, _CONVERSION)),
        _call(_ENGLISH, "english"),
        _call(_MULTILINGUAL, "multilingual", language=one_of("language_id")),
        _call(_TURBO, "turbo"),
        Hook(
            target=f"{_CONVERSION}.generate",
            operation="convert",
            needs=("audio",),
            options={"audio": _seconds},
        ),
        *(
            Hook(target=f"{owner}.prepare_conditionals", stage="reference")
            for owner in (_ENGLISH, _MULTILINGUAL, _TURBO)
        ),
        Hook(target=f"{_CONVERSION}.set_target_voice", stage="reference"),
        Hook(target=f"{_T3}.inference", stage="llm"),
        Hook(target=f"{_T3}.inference_turbo", stage="llm"),
        Hook(target="chatterbox.models.s3gen.s3gen:S3Token2Wav.inference", stage="vocoder"),
    ),
)
