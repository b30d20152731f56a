"""ChatTTS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from soundpost._native import Audio
from soundpost.integrations._sources import characters, texts
from soundpost.integrations._table import Hook, Integration, load

if TYPE_CHECKING:
    from soundpost._native import Call

SAMPLE_RATE = 24_000


def _audio(item: Any) -> Any:
    """Measures arrays of all rows: a list of them, or a chunk `[rows, samples]`. Texts have no audio."""
    arrays = item if isinstance(item, (list, tuple)) else [item]
    shapes = [array.shape for array in arrays if not isinstance(array, str)]
    rows = [shape[-1] * (shape[0] if len(shape) > 1 else 1) for shape in shapes]
    return Audio(sum(rows) / SAMPLE_RATE)


def _judge(_item: Any, call: Call) -> str | None:
    """Refined text is what the caller asked for, though it is no audio."""
    return "ok" if call.arguments.get("refine_text_only") else None


INTEGRATION = Integration(
    name="chattts",
    hooks=(
        load("ChatTTS.core:Chat.download_models", "download"),
        load("ChatTTS.core:Chat.load"),
        Hook(
            target="ChatTTS.core:Chat.infer",
            operation="synthesize",
            needs=("text",),
            options={
                "labels": {"refine_only": "refine_text_only"},
                "fields": {"char_count": characters(), "texts": texts()},
                "streaming": "stream",
                "audio": _audio,
                "outcome": _judge,
            },
        ),
        Hook(target="ChatTTS.core:Chat._refine_text", stage="refine"),
        Hook(target="ChatTTS.core:Chat._infer_code", stage="llm"),
        Hook(target="ChatTTS.core:Chat._decode_to_wavs", stage="vocoder"),
    ),
)
