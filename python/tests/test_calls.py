"""`soundpost.calls` and `flush`: what the store has of a service, asked from Python."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import uuid

import pandas
import pytest

import soundpost


@pytest.fixture
def operation(telemetry):
    """The name of an operation that no other test has."""
    return f"op_{uuid.uuid4().hex}"


def test_a_flushed_call_is_in_the_store(operation):
    with soundpost.call(operation, labels={"voice": "anna"}, request_id="req-1", char_count=128) as call:
        with call.stage("llm"):
            pass
        call.chunk(audio_seconds=0.5)
        call.set(model_version="V23", warm=False, speed=1.25)
    assert soundpost.flush(float("inf"))
    (row,) = soundpost.calls(operation=operation, frame=False)
    assert (row["request_id"], row["operation"], row["status"], row["outcome"]) == (
        "req-1",
        operation,
        "success",
        "ok",
    )
    assert row["labels"] == {"voice": "anna"}
    assert row["fields"] == {"char_count": 128, "model_version": "V23", "warm": False, "speed": 1.25}
    assert (row["char_count"], row["chunks"], row["audio_seconds"]) == (128, 1, 0.5)
    assert 0 <= row["stages"]["llm"]["ms"] <= row["duration_ms"]
    ended = datetime.datetime.fromisoformat(row["time"].replace("Z", "+00:00"))
    assert abs(ended - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(minutes=1)


def test_filters(operation):
    for index in range(3):
        with soundpost.call(operation, labels={"n": str(index)}, request_id=f"req-{index}"):
            pass
    with pytest.raises(RuntimeError), soundpost.call(operation, request_id="failed"):
        raise RuntimeError("CUDA out of memory")
    assert soundpost.flush(10)

    def ids(**wanted):
        return [row["request_id"] for row in soundpost.calls(operation=operation, frame=False, **wanted)]

    assert ids(order="oldest") == ["req-0", "req-1", "req-2", "failed"]
    assert ids(limit=1) == ["failed"]
    assert ids(outcome="oom") == ids(status="error") == ["failed"]
    assert ids(labels={"n": "1"}) == ["req-1"]
    assert ids(request_id="req-2") == ["req-2"]
    assert ids(slower_than=60.0) == [] == ids(slower_than="1h") == ids(slower_than=datetime.timedelta(1))
    assert len(ids(last="1h")) == len(ids(last=3600)) == 4
    hour = datetime.timedelta(hours=1)
    now = datetime.datetime.now(datetime.timezone.utc)
    assert len(ids(since=now - hour, until=now + hour)) == 4
    assert ids(until=now - hour) == ids(since=now + hour) == []
    (failed,) = soundpost.calls(operation=operation, outcome="oom", frame=False)
    assert (failed["error_type"], failed["error"]) == ("RuntimeError", "CUDA out of memory")


def test_a_frame(operation):
    for _ in range(2):
        with soundpost.call(operation):
            pass
    assert soundpost.flush(10)
    table = soundpost.calls(last="1h", operation=operation)
    assert isinstance(table, pandas.DataFrame)
    assert len(table) == 2
    assert set(table["outcome"]) == {"ok"}
    assert str(table["time"].dt.tz) == "UTC"
    assert (table["duration_ms"] >= 0).all()
    assert len(soundpost.calls(operation="nobody called it")) == 0


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"last": "soon"}, "^invalid value 'soon' for last="),
        ({"last": -1}, "last"),
        ({"slower_than": "soon"}, "for slower_than="),
        ({"outcome": "splendid"}, "splendid"),
        ({"since": datetime.datetime(2026, 1, 2)}, "since"),
        ({"order": "best"}, "best"),
    ],
)
def test_what_cannot_be_asked(telemetry, wanted, says):
    with pytest.raises(ValueError, match=says):
        soundpost.calls(**wanted)


def test_a_service_that_is_not_there(telemetry):
    with pytest.raises(soundpost.Error, match="nobody"):
        soundpost.calls(service="nobody")


def test_the_program_says_the_same(telemetry, operation):
    with soundpost.call(operation):
        pass
    assert soundpost.flush(10)
    options = ["--service", "tests", "--directory", str(telemetry.directory.parent)]
    command = [sys.executable, "-m", "soundpost", "calls", "--json", "--operation", operation, *options]
    told = subprocess.run(command, capture_output=True, check=True, timeout=30)
    assert [json.loads(line) for line in told.stdout.splitlines()] == soundpost.calls(
        operation=operation, frame=False
    )


def test_without_init_the_variables_count(python, tmp_path):
    ran = python(
        """
        import soundpost, os
        soundpost.init(listen=None, sample_interval=0.1)
        with soundpost.call("made", request_id="one"):
            pass
        soundpost.shutdown()
        assert soundpost.flush() is True
        assert [row["request_id"] for row in soundpost.calls(frame=False)] == ["one"]
        """
    )
    assert ran.returncode == 0, ran.stderr
