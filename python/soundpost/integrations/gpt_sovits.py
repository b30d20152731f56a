"""GPT-SoVITS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from soundpost.integrations._sources import length
from soundpost.integrations._table import Hook, Integration, load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PIPELINE = "GPT_SoVITS.TTS_infer_pack.TTS"
_TEXT = "GPT_SoVITS.TTS_infer_pack.TextPreprocessor"
_MODEL = "GPT_SoVITS.AR.models.t2s_model"


def _seconds(item: Any) -> Any:
    """Measures audio. A second of silence is none: it follows an exception or `stop`, or there is no text."""
    rate, samples = item
    return None if len(samples) == rate and not samples.any() else len(samples) / rate


def _input(name: str, default: object = None) -> Callable[[Mapping[str, Any]], Any]:
    """Returns a source that reads an item of the request."""
    return lambda arguments: arguments["inputs"].get(name, default)


def _streams(arguments: Mapping[str, Any]) -> bool:
    inputs = arguments["inputs"]
    return bool(inputs.get("streaming_mode") or inputs.get("return_fragment"))


INTEGRATION = Integration(
    name="gpt_sovits",
    hooks=(
        Hook(
            target=f"{_PIPELINE}:TTS.run",
            operation="synthesize",
            needs=("inputs",),
            options={
                "labels": {"language": _input("text_lang", "")},
                "fields": {
                    "char_count": lambda arguments: length(arguments["inputs"].get("text")),
                    "speed": _input("speed_factor"),
                    "seed": _input("seed"),
                },
                "streaming": _streams,
                "text": lambda arguments: [arguments["inputs"].get(key) for key in ("text", "prompt_text")],
                "audio": _seconds,
            },
        ),
        load(f"{_PIPELINE}:TTS.__init__"),
        Hook(target=f"{_PIPELINE}:TTS.set_ref_audio", stage="reference"),
        Hook(target=f"{_PIPELINE}:TTS.audio_postprocess", stage="postprocess"),
        Hook(target=f"{_TEXT}:TextPreprocessor.preprocess", stage="frontend"),
        Hook(target=f"{_MODEL}:Text2SemanticDecoder.infer_panel_batch_infer", stage="llm"),
        Hook(target=f"{_MODEL}:Text2SemanticDecoder.infer_panel_naive_batched", stage="llm"),
    ),
    # Its servers put the directory `GPT_SoVITS` on the path.
    aliases={name: (name.removeprefix("GPT_SoVITS."),) for name in (_PIPELINE, _TEXT, _MODEL)},
    generic=frozenset({"AR.models.t2s_model"}),
)
