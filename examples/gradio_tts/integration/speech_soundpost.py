"""The integration of the module `speech`, which knows nothing of it."""

from collections.abc import Mapping
from typing import Any

import soundpost
from soundpost.integrations import Hook, Integration


def _voice(arguments: Mapping[str, Any]) -> str:
    """Maps unsupported voices to one value, because the client chooses the voice and a label needs few values."""
    from speech import engine

    return arguments["voice"] if arguments["voice"] in engine.voices else "unknown"


def _call(name: str) -> Hook:
    return Hook(
        target=f"speech:{name}",
        operation=name,
        needs=("text", "voice"),
        options={
            "labels": {"voice": _voice},
            "fields": {"char_count": lambda arguments: len(arguments["text"])},
            "audio": soundpost.audio(),
        },
    )


INTEGRATION = Integration(
    name="speech",
    hooks=(_call("synthesize"), _call("synthesize_stream"), Hook(target="speech:_samples", stage="vocoder")),
)
