"""The real files of each service: the state of its hooks, and the records of its situations."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import signatures

import soundpost
from soundpost.integrations import BOOTSTRAP

HERE = Path(__file__).parent
INTEGRATIONS = {"indextts_1": "indextts", "indextts_2_5": "indextts", "kokoro": "kokoro_fastapi"}
LETTERS = {"cosyvoice": 0.2, "faster_whisper": 0.0}
"""Seconds of each letter, where not 0.1. The audio of faster-whisper is an argument."""
STREAMLESS = {"chatterbox", "indextts_1", "qwen3_tts", "sonic"}
STAGES = {
    "chattts": {"llm": 1, "vocoder": 1},
    "cosyvoice": {"frontend": 1, "llm": 1, "vocoder": 1},
    "f5_tts": {"reference": 1, "synthesize": 2},
    "faster_whisper": {"encoder": 10, "decoder": 10},
    "fish_speech": {"vocoder": 10},
    "gpt_sovits": {"postprocess": 1},
    "kokoro_fastapi": {"model": 1, "synthesize": 1},
    "sonic": {"features": 1, "save": 1},
}
"""Stages of a whole call of ten letters, but for those whose functions are fakes."""


def test_hooks_of_sources_match_their_signatures(driver, root):
    states = signatures.check(root)[INTEGRATIONS.get(driver, driver)]
    assert {hook: state for hook, state in states.items() if state != signatures.OK} == {}


def test_situations_of_sources_are_recorded_as_they_were(driver, root, tmp_path):
    found = run(driver, root, tmp_path)
    calls = [record(call) for call in found]
    assert {name: stage.count for name, stage in found[0].stages.items()} == STAGES.get(driver, {})
    letter = LETTERS.get(driver, 0.1)
    streams = driver not in STREAMLESS
    # Whole, streamed, abandoned and failing, in this order; then the hanging one; then eight at once.
    assert calls.pop(0) == ("ok", pytest.approx(10 * letter, abs=0.01))
    if streams:
        assert calls.pop(0) == ("ok", pytest.approx(10 * letter, abs=0.01))
        outcome, seconds = calls.pop(0)
        assert outcome == "abandoned"
        assert 0 < seconds <= 10 * letter or letter == 0
    outcome, seconds = calls.pop(0)
    assert outcome == "oom"
    assert seconds <= 2 * letter
    assert calls.pop(0) == ("ok", pytest.approx(10 * letter, abs=0.01))
    assert {outcome for outcome, _ in calls} == {"ok"}
    expected = [2 * number * letter for number in range(1, 9)]
    assert sorted(seconds for _, seconds in calls) == pytest.approx(expected, abs=0.01)
    if driver == "cosyvoice":
        # Each of the eight has the thread of its own language model.
        assert [call.stages["llm"].count for call in found[-8:]] == [1] * 8


def record(call):
    return call.outcome, call.audio_seconds or call.video_seconds or 0.0


def run(driver, root, directory):
    """Runs the situations in a process of their own. Returns the calls by their end."""
    paths = [root, root / "GPT_SoVITS"] if driver == "gpt_sovits" else [root]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SOUNDPOST_")} | {
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join(
            [
                BOOTSTRAP,
                str(HERE),
                str(HERE.parents[1] / "python" / "tests"),
                os.environ.get("PYTHONPATH", ""),
            ]
        ),
        "SOUNDPOST_DIRECTORY": str(directory / "state"),
        "SOUNDPOST_GPU": "0",
        "SOUNDPOST_INSTRUMENT": "auto",
        "SOUNDPOST_LISTEN": "none",
        "SOUNDPOST_SERVICE": "upstream",
        "SOUNDPOST_STRICT": "1",
    }
    ran = subprocess.run(
        [sys.executable, str(HERE / "scenario.py"), driver, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        cwd=root,
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-4000:]
    return soundpost.read_calls(service="upstream", directory=directory / "state")[::-1]
