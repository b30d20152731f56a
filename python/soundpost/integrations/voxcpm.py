"""VoxCPM 1 and 2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from soundpost.integrations._sources import characters
from soundpost.integrations._table import Hook, Integration, load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from soundpost._native import Call

_V1, _V2 = "voxcpm.model.voxcpm:VoxCPMModel", "voxcpm.model.voxcpm2:VoxCPM2Model"
_VAE = "voxcpm.modules.audiovae.audio_vae"


def _seconds(item: Any, call: Call) -> float:
    """Returns the length of an array at the output rate of the loaded model."""
    return float(item.shape[-1]) / float(call.arguments["self"].tts_model.sample_rate)


def _mode(arguments: Mapping[str, Any]) -> str:
    """Returns the origin of the voice."""
    parts = {"continuation": "prompt_wav_path", "reference": "reference_wav_path"}
    return "_".join(mode for mode, path in parts.items() if arguments.get(path) is not None) or "zero_shot"


INTEGRATION = Integration(
    name="voxcpm",
    hooks=(
        load("voxcpm.core:VoxCPM.__init__"),
        # `generate` takes one item of this generator and closes it, `generate_streaming` returns it.
        Hook(
            target="voxcpm.core:VoxCPM._generate",
            operation="synthesize",
            needs=("text",),
            options={
                "labels": {"mode": _mode},
                "fields": {
                    "char_count": characters(),
                    "steps": "inference_timesteps",
                    "cfg": "cfg_value",
                    "denoise": "denoise",
                },
                "streaming": "streaming",
                "audio": _seconds,
                # It checks the request's text and files.
                "invalid": (ValueError, FileNotFoundError),
            },
        ),
        *(Hook(target=f"{model}.build_prompt_cache", stage="reference") for model in (_V1, _V2)),
        *(Hook(target=f"{model}._inference", stage="model") for model in (_V1, _V2)),
        Hook(target=f"{_VAE}:AudioVAE.decode", stage="vocoder"),
        Hook(target=f"{_VAE}_v2:AudioVAE.decode", stage="vocoder"),
        Hook(target=f"{_VAE}_v2:StreamingVAEDecoder.decode_chunk", stage="vocoder"),
        Hook(target="voxcpm.zipenhancer:ZipEnhancer.enhance", stage="denoise"),
    ),
)
