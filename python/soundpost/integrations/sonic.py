"""Sonic: a portrait that speaks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from soundpost._audio import video
from soundpost._native import Error
from soundpost.integrations._table import Hook, Integration, load

if TYPE_CHECKING:
    from soundpost._native import Call


def _judge(result: object, call: Call) -> Error | None:
    """Returns an error without a file: the result is 0 also where ffmpeg failed, and -1 without a face."""
    path = call.arguments["output_path"]
    return None if result == -1 or os.path.exists(path) else Error(f"wrote no file {path}")


INTEGRATION = Integration(
    name="sonic",
    hooks=(
        load("sonic:Sonic.__init__"),
        Hook(
            target="sonic:Sonic.process",
            operation="animate",
            needs=("image_path", "audio_path", "output_path"),
            options={
                "fields": {"min_resolution": "min_resolution", "steps": "inference_steps", "seed": "seed"},
                "audio": video(path="output_path"),
                "outcome": _judge,
            },
        ),
        # The page calls it before `process`; without a face it raises.
        Hook(target="sonic:Sonic.preprocess", operation="preprocess", needs=("image_path",)),
        # The names that `sonic` imported are those it calls.
        Hook(target="sonic:image_audio_to_tensor", stage="features"),
        Hook(target="sonic:save_videos_grid", stage="save"),
    ),
    generic=frozenset({"sonic"}),
)
