"""Drivers: each builds one service from its real files and fake models. `whole` and `stream` speak a text."""

MODULES = {
    "chatterbox": "chatterbox.tts",
    "chattts": "ChatTTS.core",
    "cosyvoice": "cosyvoice.cli.cosyvoice",
    "f5_tts": "f5_tts.api",
    "faster_whisper": "faster_whisper.transcribe",
    "fish_speech": "fish_speech.inference_engine",
    "gpt_sovits": "GPT_SoVITS.TTS_infer_pack.TTS",
    "indextts": "indextts.infer_v2",
    "indextts_1": "indextts.infer",
    "indextts_2_5": "indextts.infer_v2_5",
    "kokoro": "kokoro.pipeline",
    "kokoro_fastapi": "api.src.services.tts_service",
    "qwen3_tts": "qwen_tts.inference.qwen3_tts_model",
    "sonic": "sonic",
    "voxcpm": "voxcpm.core",
}
"""The module of each driver's service with the engine."""
