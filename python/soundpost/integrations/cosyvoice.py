"""CosyVoice 1, 2 and 3."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

from soundpost._native import stage
from soundpost.integrations._sources import characters, constant
from soundpost.integrations._table import Hook, Integration, load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from soundpost._instrument import Options
    from soundpost._native import Call

_CLI, _MODEL, _FRONTEND = "cosyvoice.cli.cosyvoice", "cosyvoice.cli.model", "cosyvoice.cli.frontend"
_now = threading.local()


def _seconds(item: Any, call: Call) -> float:
    """Returns the length of a piece: `{"tts_speech": [1, samples]}` at the model's rate."""
    return float(item["tts_speech"].shape[-1]) / float(call.arguments["self"].sample_rate)


def _counting(text_normalize: Any) -> Any:
    """Returns the stage that splits a text, and notes its number of parts for the call in this thread."""
    staged = stage("frontend")(text_normalize)

    @functools.wraps(text_normalize)
    def count(*arguments: Any, **options: Any) -> Any:
        parts = staged(*arguments, **options)
        _now.parts = len(parts) if isinstance(parts, list) else 1
        return parts

    return count


def _streams(arguments: Mapping[str, Any], call: Call) -> bool:
    """Returns whether audio follows this item: also without streaming each part of a text is an item."""
    if "parts" not in call.state:
        call.state["parts"] = vars(_now).pop("parts", 1)
    call.state["parts"] -= 1
    return bool(arguments.get("stream")) or call.state["parts"] > 0


def _call(name: str, *needs: str, owner: str = "CosyVoice") -> Hook:
    mode = name.removeprefix("inference_")
    options: Options = {
        "labels": {"mode": constant(mode)},
        "fields": {"char_count": characters("tts_text"), "speed": "speed", "text_frontend": "text_frontend"},
        "streaming": _streams,
        "audio": _seconds,
    }
    if "spk_id" in needs:
        options["fields"] = {**options["fields"], "speaker": "spk_id"}  # type: ignore[dict-item]
    if mode == "vc":
        options["fields"], options["streaming"] = {"speed": "speed"}, "stream"
    return Hook(target=f"{_CLI}:{owner}.{name}", operation="synthesize", needs=needs, options=options)


INTEGRATION = Integration(
    name="cosyvoice",
    hooks=(
        *(load(f"{_CLI}:{owner}.__init__") for owner in ("CosyVoice", "CosyVoice2", "CosyVoice3")),
        _call("inference_sft", "tts_text", "spk_id"),
        _call("inference_zero_shot", "tts_text", "prompt_text"),
        _call("inference_cross_lingual", "tts_text"),
        _call("inference_instruct", "tts_text", "spk_id", "instruct_text"),
        _call("inference_instruct2", "tts_text", "instruct_text", owner="CosyVoice2"),
        _call("inference_vc", "source_wav"),
        Hook(target=f"{_FRONTEND}:CosyVoiceFrontEnd.text_normalize", wrap=_counting),
        Hook(target=f"{_FRONTEND}:CosyVoiceFrontEnd._extract_speech_token", stage="speech_token"),
        Hook(target=f"{_FRONTEND}:CosyVoiceFrontEnd._extract_spk_embedding", stage="speaker_embedding"),
        # It runs in a thread of its own, whose exceptions reach only the log.
        Hook(target=f"{_MODEL}:CosyVoiceModel.llm_job", stage="llm", decides=True),
        Hook(target=f"{_MODEL}:CosyVoiceModel.token2wav", stage="vocoder"),
        Hook(target=f"{_MODEL}:CosyVoice2Model.token2wav", stage="vocoder"),
        Hook(target=f"{_MODEL}:CosyVoice3Model.token2wav", stage="vocoder"),
    ),
)
