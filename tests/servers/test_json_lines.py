"""JSON lines have every call and log event through rotation and a kill."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import jq
import pytest
from guide import queries
from outage import settle
from recorder import OUT_OF_MEMORY, VOICE
from service import Recorder

Line = dict[str, Any]


class Shipped(NamedTuple):
    recorder: Recorder
    files: list[Path]
    lines: list[Line]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    folder = tmp_path_factory.mktemp("recorder")
    target = folder / "logs" / "tts.jsonl"
    target.parent.mkdir()
    with Recorder(folder, [f"jsonl:{target}?rotate_bytes=60000&keep=100&batch=20"]) as recorder:
        recorder.record(100)
        recorder.kill_while_recording()
        recorder.start()
        recorder.record(100)
        settle(recorder, lambda: requests(read(target), "Audio generation"))
        yield Shipped(recorder, files(target), read(target))


def files(target: Path) -> list[Path]:
    """Returns the rotated files, which have a number, and the current one."""
    return [*sorted(target.parent.glob(target.name + ".*")), *([target] if target.exists() else [])]


def read(target: Path) -> list[Line]:
    found: list[Line] = []
    for path in files(target):
        whole, _, half = path.read_bytes().rpartition(b"\n")
        assert not half or path == target  # only the current file may end in an unfinished line
        found += map(json.loads, whole.splitlines())
    return found


def requests(lines: list[Line], message: str) -> set[str]:
    return {line["request_id"] for line in lines if line["message"].startswith(message)}


def test_files_rotate_at_the_limit(shipped: Shipped) -> None:
    assert len(shipped.files) > 1
    assert all(path.stat().st_size <= 60_000 for path in shipped.files)


def test_calls_equal_those_of_the_store(shipped: Shipped) -> None:
    calls = {call["request_id"]: call for call in shipped.recorder.calls()}

    assert requests(shipped.lines, "Audio generation") == calls.keys()
    for line in shipped.lines:
        if line["message"].startswith("Audio generation"):
            call = calls[line["request_id"]]
            assert line["outcome"] == call["outcome"]
            assert line["char_count"] == call["char_count"]
            assert line["duration_ms"] == pytest.approx(call["duration_ms"], abs=1e-3)


def test_log_events_have_their_fields(shipped: Shipped) -> None:
    logged = requests(shipped.lines, "Speaking number")

    assert shipped.recorder.confirmed() <= logged <= shipped.recorder.attempted()
    for line in shipped.lines:
        if line["message"].startswith("Speaking number"):
            assert line["message"] == f"Speaking number {line['number']}"
            assert line["request_id"] == f"req-{line['number']}"
            assert (line["level"], line["logger"], line["voice"]) == ("info", "indextts2", VOICE)


def test_times_are_rfc_3339(shipped: Shipped) -> None:
    for line in shipped.lines:
        assert line["time"].endswith("Z")
        assert datetime.fromisoformat(line["time"][:26]).year >= 2024  # Python reads six decimals


def test_query_of_the_guide_finds_failures(shipped: Shipped) -> None:
    (program,) = re.findall(r"^jq -r '(.*)' logs/tts.jsonl$", "\n".join(queries("json-lines.md", "sh")), re.M)
    found = [
        row.split("\t")
        for row in jq.compile(program).input_text("\n".join(map(json.dumps, shipped.lines))).all()
    ]

    failed = {call["request_id"] for call in shipped.recorder.calls() if call["outcome"] == "oom"}
    assert {request for _, request, _ in found} == failed
    assert {error for _, _, error in found} == {OUT_OF_MEMORY}
