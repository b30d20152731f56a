"""The stubs match the binary, and the package is typed."""

from __future__ import annotations

import importlib.util
import pathlib
import subprocess
import sys

import pytest

import soundpost

PACKAGE = pathlib.Path(soundpost.__file__).parent
CONFIGURATION = next(
    (
        folder / "pyproject.toml"
        for folder in pathlib.Path(__file__).parents
        if (folder / "pyproject.toml").exists()
    ),
    None,
)


def run(*arguments, cwd):
    ran = subprocess.run(
        [sys.executable, "-m", *map(str, arguments)], check=False, capture_output=True, text=True, cwd=cwd
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
def test_stubs_match_the_binary(tmp_path):
    run("mypy.stubtest", "soundpost._native", cwd=tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
def test_package_passes_mypy(tmp_path):
    run("mypy", "--strict", "--cache-dir", tmp_path / "cache", "-p", "soundpost", cwd=tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
def test_user_code_is_type_checked(tmp_path):
    (tmp_path / "user.py").write_text(
        """
import soundpost

telemetry: soundpost.Telemetry = soundpost.init("s", listen=None, labels={"a": "b"}, sinks=[])
address: str | None = telemetry.address

@soundpost.instrument
def bare(text: str) -> int: return 1

@soundpost.instrument("name", labels={"x": "text", "y": lambda a: a["text"]}, audio=soundpost.audio(22050), streaming=True)
def named(text: str) -> int: return 1

@soundpost.instrument("name", labels=["text"], fields=("text",))
def listed(text: str) -> int: return 1

@soundpost.stage("part")
async def part(x: int) -> str: return ""

number: int = bare("a") + named("b")

with soundpost.call("block", labels={"a": 1}, request_id="x", field=3) as call, call.stage("part"):
    call.chunk(audio_seconds=1.0)
    call.set(a=1)

async def main() -> None:
    async with soundpost.call("block") as call:
        call.progress()

current = soundpost.current_call()
if current is not None:
    identity: str = current.request_id
counter = soundpost.Counter("c", "d", ["l"])
counter.labels(l="x").inc()

@soundpost.Histogram("h", "d").time()
def timed(x: int) -> int: return x

timed(3)
records: list[soundpost.CallRecord] = soundpost.read_calls(last="1h", order="slowest", limit=3)
events: list[soundpost.LogRecord] = soundpost.read_logs(last="1h", level="warning", order="oldest")
erased: soundpost.ErasedRecords = soundpost.erase(request_id=["a", "b"], where={"user": 4711}, dry_run=True)
durations: list[float] = [record.duration_ms for record in records]
undo = soundpost.patch(str, "upper", audio=lambda item: soundpost.Audio(1.0))
undo()
""".lstrip()
    )
    (tmp_path / "wrong.py").write_text(
        "import soundpost\n\n@soundpost.instrument\ndef f(x: int) -> int: return x\n\nf('a')\n"
    )
    run("mypy", "--strict", "--cache-dir", tmp_path / "cache", "user.py", cwd=tmp_path)
    with pytest.raises(AssertionError, match="incompatible type"):
        run("mypy", "--strict", "--cache-dir", tmp_path / "cache", "wrong.py", cwd=tmp_path)


@pytest.mark.skipif(
    importlib.util.find_spec("ruff") is None or CONFIGURATION is None, reason="ruff is not installed"
)
def test_package_passes_ruff():
    # The sources: the rules are given by their paths.
    run("ruff", "check", "--config", CONFIGURATION, CONFIGURATION.parent / "python", cwd=CONFIGURATION.parent)
