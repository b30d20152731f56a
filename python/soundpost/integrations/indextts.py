"""IndexTTS 1, 2 and 2.5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from soundpost._audio import audio
from soundpost._native import Error, Skip, current_call
from soundpost.integrations._sources import characters, constant
from soundpost.integrations._table import Hook, Integration, load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from soundpost._native import Call

_V1, _V2, _V25 = "indextts.infer", "indextts.infer_v2", "indextts.infer_v2_5"
_TRUNCATED = "max_mel_tokens"
"""Part of the warning that the language model stopped before its end."""


def _measure(sample_rate: int) -> Callable[[Any, Call], Any]:
    """Returns the measure of a path, a pair of rate and samples, a tensor, or the list of all so far."""
    measure: Any = audio(sample_rate=sample_rate)

    def seconds(item: Any, call: Call) -> Any:
        known = call.state.get("pieces", 0)
        if not isinstance(item, list):
            call.state["pieces"] = known + 1
            return measure(item)
        call.state["pieces"] = max(known, len(item))
        return measure(item[known:]) if len(item) > known else Skip

    return seconds


def _judge(result: Any, call: Call) -> Error | None:
    """Returns an error for None in the place of a result: `infer` hides an `IndexError` behind it."""
    is_result = call.done and not call.arguments.get("stream_return")
    return Error("returned None") if is_result and result is None else None


def _emotion(arguments: Mapping[str, Any]) -> str:
    """Returns where the emotion comes from."""
    if arguments.get("use_emo_text"):
        return "text"
    if arguments.get("emo_vector") is not None:
        return "vector"
    return "speaker" if arguments.get("emo_audio_prompt") is None else "audio"


def _call(target: str, version: str, sample_rate: int, **labels: Any) -> Hook:
    return Hook(
        target=target,
        operation="synthesize",
        needs=("text", "output_path"),
        options={
            "labels": {"version": constant(version), **labels},
            "fields": {"char_count": characters(), "segment_tokens": "max_text_tokens_per_segment"},
            "audio": _measure(sample_rate),
            "outcome": _judge,
        },
    )


def _watch_warnings(module: ModuleType) -> None:
    """Marks the call of a warning that its audio is cut. Python shows such a warning only once a process."""
    original: Any = vars(module).get("warnings")
    if original is None or isinstance(original, _Warnings):
        return
    module.warnings = _Warnings(original)  # type: ignore[attr-defined]


class _Warnings:
    """The module `warnings` as one other module sees it."""

    def __init__(self, original: Any) -> None:
        self._original = original

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def warn(self, message: Any, category: Any = None, stacklevel: int = 1, **options: Any) -> None:
        call = current_call() if _TRUNCATED in str(message) else None
        if call is not None:
            call.mark(truncated=True)
        self._original.warn(message, category, stacklevel + 1, **options)


_EMOTION = {"emotion": _emotion}
INTEGRATION = Integration(
    name="indextts",
    hooks=(
        load(f"{_V1}:IndexTTS.__init__"),
        *(load(f"{module}:IndexTTS2.__init__") for module in (_V2, _V25)),
        _call(f"{_V1}:IndexTTS.infer", "1", 24_000),
        _call(f"{_V1}:IndexTTS.infer_fast", "1", 24_000),
        _call(f"{_V2}:IndexTTS2.infer", "2", 22_050, **_EMOTION),
        _call(f"{_V25}:IndexTTS2.infer", "2.5", 22_050, lang="lang", **_EMOTION),
        *(Hook(target=f"{module}:IndexTTS2.get_emb", stage="speaker_embedding") for module in (_V2, _V25)),
        *(Hook(target=f"{module}:QwenEmotion.inference", stage="emotion") for module in (_V2, _V25)),
        Hook(target="indextts.gpt.model_v2:UnifiedVoice.inference_speech", stage="gpt"),
        Hook(target="indextts.gpt.model_v2:UnifiedVoice.forward", stage="gpt_forward"),
        Hook(target="indextts.s2mel.modules.flow_matching:BASECFM.inference", stage="s2mel"),
        Hook(target="indextts.s2mel.modules.bigvgan.bigvgan:BigVGAN.forward", stage="vocoder"),
    ),
    adapt=dict.fromkeys((_V1, _V2, _V25), _watch_warnings),
)
