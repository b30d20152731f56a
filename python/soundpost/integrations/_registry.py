"""The modules of each integration. The bootstrap loads this file by its path, without the package.

A test compares it with the integrations' own declarations.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Freezers find them here.
    from soundpost.integrations import (  # noqa: F401
        chatterbox,
        chattts,
        cosyvoice,
        f5_tts,
        faster_whisper,
        fish_speech,
        gpt_sovits,
        indextts,
        kokoro_fastapi,
        qwen3_tts,
        sonic,
        voxcpm,
    )

MODULES = {
    "chatterbox": (
        "chatterbox.models.s3gen.s3gen",
        "chatterbox.models.t3.t3",
        "chatterbox.mtl_tts",
        "chatterbox.tts",
        "chatterbox.tts_turbo",
        "chatterbox.vc",
    ),
    "chattts": ("ChatTTS.core",),
    "cosyvoice": ("cosyvoice.cli.cosyvoice", "cosyvoice.cli.frontend", "cosyvoice.cli.model"),
    "f5_tts": ("f5_tts.api", "f5_tts.infer.utils_infer", "f5_tts.model.cfm"),
    "faster_whisper": ("faster_whisper.transcribe",),
    "fish_speech": ("fish_speech.inference_engine", "fish_speech.inference_engine.vq_manager"),
    "gpt_sovits": (
        "GPT_SoVITS.AR.models.t2s_model",
        "GPT_SoVITS.TTS_infer_pack.TTS",
        "GPT_SoVITS.TTS_infer_pack.TextPreprocessor",
        "AR.models.t2s_model",
        "TTS_infer_pack.TTS",
        "TTS_infer_pack.TextPreprocessor",
    ),
    "indextts": (
        "indextts.gpt.model_v2",
        "indextts.infer",
        "indextts.infer_v2",
        "indextts.infer_v2_5",
        "indextts.s2mel.modules.bigvgan.bigvgan",
        "indextts.s2mel.modules.flow_matching",
    ),
    "kokoro_fastapi": ("api.src.inference.kokoro_v1", "api.src.services.tts_service"),
    "qwen3_tts": (
        "qwen_tts.core.models.modeling_qwen3_tts",
        "qwen_tts.inference.qwen3_tts_model",
        "qwen_tts.inference.qwen3_tts_tokenizer",
    ),
    "sonic": ("sonic",),
    "voxcpm": (
        "voxcpm.core",
        "voxcpm.model.voxcpm",
        "voxcpm.model.voxcpm2",
        "voxcpm.modules.audiovae.audio_vae",
        "voxcpm.modules.audiovae.audio_vae_v2",
        "voxcpm.zipenhancer",
    ),
}


def selected(text: str) -> tuple[list[str], list[str]]:
    """Returns the integrations that a value of `SOUNDPOST_INSTRUMENT` selects, and its unknown names."""
    words = [word.strip().lower() for word in text.replace(" ", ",").split(",") if word.strip()]
    if words in ([], ["0"], ["false"], ["no"], ["off"], ["none"]):
        return [], []
    if any(word in ("1", "all", "auto", "on", "true", "yes") for word in words):
        return sorted(MODULES), []
    return [word for word in words if word in MODULES], [word for word in words if word not in MODULES]
