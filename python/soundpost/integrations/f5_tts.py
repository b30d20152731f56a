"""F5-TTS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundpost._audio import audio
from soundpost.integrations._sources import characters
from soundpost.integrations._table import Hook, Integration, load

if TYPE_CHECKING:
    from soundpost._instrument import Options

_INFER = "f5_tts.infer.utils_infer"


def _call(target: str, text: str, *, streaming: str | bool = False) -> Hook:
    """Returns the hook of a function that returns samples, rate and spectrogram; without text no samples."""
    options: Options = {
        "fields": {"char_count": characters(text), "speed": "speed", "steps": "nfe_step"},
        "streaming": streaming,
        "audio": audio(),
    }
    return Hook(target=target, operation="synthesize", needs=(text,), options=options)


INTEGRATION = Integration(
    name="f5_tts",
    hooks=(
        load("f5_tts.api:F5TTS.__init__"),
        _call("f5_tts.api:F5TTS.infer", "gen_text"),
        # Its web page and its socket server call these; inside another call they are stages of it.
        _call(f"{_INFER}:infer_process", "gen_text"),
        _call(f"{_INFER}:infer_batch_process", "gen_text_batches", streaming="streaming"),
        Hook(target=f"{_INFER}:preprocess_ref_audio_text", stage="reference"),
        Hook(target=f"{_INFER}:transcribe", stage="asr"),
        # It runs in a pool of threads, one task a sentence.
        Hook(target="f5_tts.model.cfm:CFM.sample", stage="flow"),
    ),
)
