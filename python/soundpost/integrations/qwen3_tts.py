"""Qwen3-TTS."""

from __future__ import annotations

from soundpost._audio import audio
from soundpost.integrations._sources import characters, constant, one_of, texts
from soundpost.integrations._table import Hook, Integration, load

_MODEL, _TOKENIZER = "qwen_tts.inference.qwen3_tts_model", "qwen_tts.inference.qwen3_tts_tokenizer"
_NETWORK = "qwen_tts.core.models.modeling_qwen3_tts"


def _call(mode: str, *needs: str, **fields: str) -> Hook:
    """Returns the hook of a method that returns a list of arrays and their rate."""
    speaker = {field: one_of(parameter) for field, parameter in fields.items()}
    return Hook(
        target=f"{_MODEL}:Qwen3TTSModel.generate_{mode}",
        operation="synthesize",
        needs=("text", *needs),
        options={
            "labels": {"mode": constant(mode), "language": one_of("language", "auto")},
            "fields": {"char_count": characters(), "texts": texts(), **speaker},
            "audio": audio(),
            # It checks the request's languages, speakers and numbers of texts.
            "invalid": ValueError,
        },
    )


INTEGRATION = Integration(
    name="qwen3_tts",
    hooks=(
        load(f"{_MODEL}:Qwen3TTSModel.from_pretrained"),
        _call("voice_clone", "ref_audio"),
        _call("voice_design", "instruct"),
        _call("custom_voice", "speaker", speaker="speaker"),
        Hook(target=f"{_MODEL}:Qwen3TTSModel.create_voice_clone_prompt", stage="reference"),
        Hook(target=f"{_NETWORK}:Qwen3TTSForConditionalGeneration.generate", stage="llm"),
        Hook(target=f"{_TOKENIZER}:Qwen3TTSTokenizer.encode", stage="speech_token"),
        Hook(target=f"{_TOKENIZER}:Qwen3TTSTokenizer.decode", stage="vocoder"),
    ),
)
