"""The modules of each integration. The bootstrap loads this file by its path, without the package.

A test compares it with the integrations' own declarations.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    # Freezers find them here.
    from soundpost.integrations import (  # noqa: F401
        chatterbox,
        chattts,
        cosyvoice,
        f5_tts,
        fastapi,
        faster_whisper,
        fish_speech,
        flask,
        gpt_sovits,
        gradio,
        grpc,
        indextts,
        kokoro_fastapi,
        qwen3_tts,
        sonic,
        starlette,
        voxcpm,
    )
    from soundpost.integrations._imports import Callback, ImportHook

GROUP = "soundpost.integrations"
"""Group of third parties' entry points. The name of one is the package, or module, whose import loads it."""

_MAX_ENTRY_POINTS = 1 << 20
"""Maximum length of a file with entry points, bytes."""

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
    "fastapi": ("fastapi.applications",),
    "faster_whisper": ("faster_whisper.transcribe",),
    "fish_speech": (
        "fish_speech.inference_engine",
        "fish_speech.inference_engine.vq_manager",
        "fish_speech.models.dac.inference",
        "fish_speech.models.text2semantic.inference",
        "tools.server.model_manager",
    ),
    "flask": ("flask.app",),
    "gpt_sovits": (
        "GPT_SoVITS.AR.models.t2s_model",
        "GPT_SoVITS.TTS_infer_pack.TTS",
        "GPT_SoVITS.TTS_infer_pack.TextPreprocessor",
        "AR.models.t2s_model",
        "TTS_infer_pack.TTS",
        "TTS_infer_pack.TextPreprocessor",
    ),
    "gradio": ("gradio.queueing",),
    "grpc": ("grpc", "grpc.aio"),
    "indextts": (
        "indextts.gpt.model_v2",
        "indextts.infer",
        "indextts.infer_v2",
        "indextts.infer_v2_5",
        "indextts.s2mel.modules.bigvgan.bigvgan",
        "indextts.s2mel.modules.flow_matching",
    ),
    "kokoro_fastapi": (
        "api.src.inference.kokoro_v1",
        "api.src.inference.model_manager",
        "api.src.services.tts_service",
        "kokoro.pipeline",
    ),
    "qwen3_tts": (
        "qwen_tts.core.models.modeling_qwen3_tts",
        "qwen_tts.inference.qwen3_tts_model",
        "qwen_tts.inference.qwen3_tts_tokenizer",
    ),
    "sonic": ("sonic",),
    "starlette": ("starlette.applications",),
    "voxcpm": (
        "voxcpm.core",
        "voxcpm.model.voxcpm",
        "voxcpm.model.voxcpm2",
        "voxcpm.modules.audiovae.audio_vae",
        "voxcpm.modules.audiovae.audio_vae_v2",
        "voxcpm.zipenhancer",
    ),
}


def selected(text: str) -> tuple[list[str], dict[str, str], list[str]]:
    """Returns the selection of `SOUNDPOST_INSTRUMENT`: integrations, third parties' ones, unknown names."""
    words = [word.strip() for word in text.replace(" ", ",").split(",") if word.strip()]
    lowered = {word.lower() for word in words}
    if not lowered or lowered in ({"0"}, {"false"}, {"no"}, {"off"}, {"none"}):
        return [], {}, []
    if lowered & {"1", "all", "auto", "on", "true", "yes"}:
        return sorted(MODULES), third_parties(), []
    own = [word.lower() for word in words if word.lower() in MODULES]
    rest = [word for word in words if word.lower() not in MODULES]
    others = third_parties() if rest else {}
    unknown = [word for word in rest if word not in others]
    return own, {word: others[word] for word in rest if word in others}, unknown


def third_parties() -> dict[str, str]:
    """Returns the entry points of third parties: the package whose import loads each, and the object to load.

    `importlib.metadata` does the same in ten times the time, which each Python process would need.
    """
    found = {}
    for directory in sys.path:
        try:
            names = os.listdir(directory or ".")
        except OSError:
            continue
        for name in names:
            if name.endswith((".dist-info", ".egg-info")):
                found.update(_declared(os.path.join(directory, name, "entry_points.txt")))
    return {name: value for name, value in found.items() if name not in MODULES}


def _declared(path: str) -> dict[str, str]:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return {}
    try:
        data = os.read(file, _MAX_ENTRY_POINTS)
    except OSError:
        return {}
    finally:
        os.close(file)
    if GROUP.encode() not in data:
        return {}
    found, is_ours = {}, False
    for line in map(str.strip, data.decode("utf-8", "replace").splitlines()):
        if line.startswith("["):
            is_ours = line == "[" + GROUP + "]"
        elif is_ours and "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            found[name.strip()] = value.strip()
    return found


def watch(hook: ImportHook, own: Iterable[str], others: dict[str, str]) -> None:
    """Applies integrations to their modules when these are imported."""
    for name in own:
        for module in MODULES[name]:
            watch_module(hook, name, module)
    for name, value in others.items():
        hook.watch(name, name, _loader(hook, name, value))


def watch_module(hook: ImportHook, name: str, module: str) -> None:
    """Applies an integration to a module when it is imported."""

    def imported(found: ModuleType) -> None:
        from soundpost.integrations import _apply

        _apply.apply(name, module, found)

    hook.watch(module, name, imported)


def _loader(hook: ImportHook, name: str, value: str) -> Callback:
    def imported(found: ModuleType) -> None:
        # It is loaded once, also if it fails.
        hook.callbacks[name].pop(name, None)
        from soundpost.integrations import _apply

        _apply.load(name, value)
        for module in _apply.integration(name).modules():
            watch_module(hook, name, module)
        if found.__name__ in _apply.integration(name).modules():
            _apply.apply(name, found.__name__, found)

    return imported
