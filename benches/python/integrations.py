"""Cost of a call through an integration, beside the same instrumentation by hand; and of the bootstrap without a match.

    python benches/python/integrations.py [--quick]

The services are the look-alikes of the tests, which take next to no time themselves. A copy of each is instrumented by
hand and another one by its integration. Both run in turns in one process; a value is the median of the turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import soundpost
from soundpost.integrations import BOOTSTRAP

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python" / "tests" / "look_alikes"))
SERVICES = ("cosyvoice", "qwen3_tts", "gpt_sovits", "faster_whisper")
PACKAGES = ("cosyvoice", "qwen_tts", "GPT_SoVITS", "faster_whisper")


def engines() -> dict[str, Any]:
    """Imports the services, and forgets their modules: the next time they are imported anew."""
    from cosyvoice.cli.cosyvoice import CosyVoice
    from faster_whisper.transcribe import WhisperModel
    from GPT_SoVITS.TTS_infer_pack.TTS import TTS
    from qwen_tts.inference.qwen3_tts_model import Qwen3TTSModel

    made = dict(zip(SERVICES, (CosyVoice(), Qwen3TTSModel(), TTS(), WhisperModel()), strict=True))
    for name in [name for name in sys.modules if name.partition(".")[0] in PACKAGES]:
        del sys.modules[name]
    return made


def use(name: str, engine: Any) -> Callable[[], object]:
    """Returns a function that makes one call."""
    inputs = {"text": "abc.de", "text_lang": "en"}
    return {
        "cosyvoice": lambda: list(engine.inference_sft("abc.de", "anna")),
        "qwen3_tts": lambda: engine.generate_custom_voice("abc", "Vivian", language="English"),
        "gpt_sovits": lambda: list(engine.run(inputs)),
        "faster_whisper": lambda: list(engine.transcribe("abc", language="en")[0]),
    }[name]


def instrument_by_hand(made: dict[str, Any]) -> None:
    """Instruments the classes of the engines as their users would."""
    voice, qwen, sovits, whisper = (type(engine) for engine in made.values())

    def stages(**owners: tuple[Any, str]) -> None:
        for name, (owner, function) in owners.items():
            setattr(owner, function, soundpost.stage(name, decides=name == "llm")(getattr(owner, function)))

    voice.inference_sft = soundpost.instrument(
        "synthesize",
        labels={"mode": lambda _: "sft"},
        fields={
            "char_count": lambda arguments: len(arguments["tts_text"]),
            "speed": "speed",
            "text_frontend": "text_frontend",
            "speaker": "spk_id",
        },
        streaming="stream",
        audio=lambda item, call: item["tts_speech"].shape[-1] / call.arguments["self"].sample_rate,
    )(voice.inference_sft)
    parts = made["cosyvoice"]
    stages(
        frontend=(type(parts.frontend), "text_normalize"),
        llm=(type(parts.model), "llm_job"),
        vocoder=(type(parts.model), "token2wav"),
    )
    qwen.generate_custom_voice = soundpost.instrument(
        "synthesize",
        labels={
            "mode": lambda _: "custom_voice",
            "language": lambda arguments: (arguments["language"] or "auto").lower(),
        },
        fields={
            "char_count": lambda arguments: len(arguments["text"]),
            "texts": lambda arguments: 1 if isinstance(arguments["text"], str) else len(arguments["text"]),
            "speaker": lambda arguments: arguments["speaker"].lower(),
        },
        audio=soundpost.audio(),
    )(qwen.generate_custom_voice)
    stages(
        llm=(type(made["qwen3_tts"].model), "generate"), vocoder=(type(made["qwen3_tts"].tokenizer), "decode")
    )
    sovits.run = soundpost.instrument(
        "synthesize",
        labels={"language": lambda arguments: arguments["inputs"]["text_lang"]},
        fields={
            "char_count": lambda arguments: len(arguments["inputs"]["text"]),
            "speed": lambda arguments: arguments["inputs"].get("speed_factor"),
            "seed": lambda arguments: arguments["inputs"].get("seed"),
        },
        streaming=lambda arguments: bool(arguments["inputs"].get("streaming_mode")),
        audio=lambda item: len(item[1]) / item[0],
    )(sovits.run)
    stages(
        frontend=(type(made["gpt_sovits"].text), "preprocess"),
        llm=(type(made["gpt_sovits"].model), "infer_panel_batch_infer"),
        postprocess=(sovits, "audio_postprocess"),
    )
    whisper.transcribe = soundpost.instrument(
        "transcribe", labels={"task": "task"}, fields={"language": "language", "beam_size": "beam_size"}
    )(whisper.transcribe)
    stages(encoder=(whisper, "encode"), decoder=(whisper, "generate_with_fallback"))


def microseconds(function: Callable[[], object], calls: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - began) / calls * 1e6


def calls(turns: int, size: int) -> None:
    """Prints the time of a call of each service, and the ratio."""
    plain, by_hand = engines(), engines()
    instrument_by_hand(by_hand)
    soundpost.instrument_all(only=SERVICES)
    hooked = engines()
    print(f"\n{'service':>16} {'bare':>8} {'by hand':>8} {'hooked':>8}  µs a call    hooked / by hand")
    for name in SERVICES:
        kinds = [use(name, made[name]) for made in (plain, by_hand, hooked)]
        for each in kinds:
            microseconds(each, size)
        rows = [[microseconds(each, size) for each in kinds] for _ in range(turns)]
        bare, hand, integration = (statistics.median(column) for column in zip(*rows, strict=True))
        ratio = statistics.median(row[2] / row[1] for row in rows)
        print(f"{name:>16} {bare:8.1f} {hand:8.1f} {integration:8.1f} {ratio:28.2f}")


PROBE = """
import resource
used = resource.getrusage(resource.RUSAGE_SELF)
status = open("/proc/self/status").read()
print(used.ru_utime + used.ru_stime, status.split("VmHWM:")[1].split()[0])
"""


def starts(turns: int) -> None:
    """Prints what the bootstrap adds to a process that imports no known service."""
    hooked = {**os.environ, "PYTHONPATH": BOOTSTRAP, "SOUNDPOST_INSTRUMENT": "auto"}
    bare = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "SOUNDPOST_INSTRUMENT")
    }
    used: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for _ in range(turns):
        for is_hooked, environment in ((False, bare), (True, hooked)):
            ran = subprocess.run(
                [sys.executable, "-c", PROBE], env=environment, capture_output=True, check=True
            )
            seconds, kibibytes = map(float, ran.stdout.split())
            used[is_hooked].append((seconds, kibibytes))
    medians = {
        key: [statistics.median(column) for column in zip(*rows, strict=True)] for key, rows in used.items()
    }
    seconds, kibibytes = (after - before for before, after in zip(medians[False], medians[True], strict=True))
    print(
        f"\nwithout a known service: {seconds * 1000:.1f} ms of processor time (bar 10), {kibibytes / 1024:.2f} MiB (bar 3)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    is_quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as directory:
        soundpost.init(service="benches", listen="none", gpu=False, logs=False, directory=directory)
        calls(5 if is_quick else 31, 100 if is_quick else 500)
        starts(5 if is_quick else 41)
        soundpost.shutdown()


if __name__ == "__main__":
    main()
