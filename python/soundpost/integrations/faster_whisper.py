"""faster-whisper."""

from __future__ import annotations

from soundpost.integrations._table import Hook, Integration, load

_MODULE = "faster_whisper.transcribe"


def _transcribe(owner: str) -> Hook:
    """Returns the hook of a method that returns a generator of segments and the properties of the audio."""
    return Hook(
        target=f"{_MODULE}:{owner}.transcribe",
        operation="transcribe",
        needs=("audio",),
        options={"labels": {"task": "task"}, "fields": {"language": "language", "beam_size": "beam_size"}},
    )


INTEGRATION = Integration(
    name="faster_whisper",
    hooks=(
        load(f"{_MODULE}:WhisperModel.__init__"),
        _transcribe("WhisperModel"),
        _transcribe("BatchedInferencePipeline"),
        Hook(target=f"{_MODULE}:WhisperModel.encode", stage="encoder"),
        Hook(target=f"{_MODULE}:WhisperModel.generate_with_fallback", stage="decoder"),
    ),
)
