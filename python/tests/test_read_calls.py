"""`soundpost.read_calls` and `flush`: finished calls from the store of a service."""

from __future__ import annotations

import dataclasses
import datetime
import json
import subprocess
import sys
import uuid

import pandas
import polars
import pytest

import soundpost


@pytest.fixture
def operation(telemetry):
    """The name of an operation that no other test has."""
    return f"op_{uuid.uuid4().hex}"


def test_read_calls_after_flush_returns_the_call(operation):
    with soundpost.call(operation, labels={"voice": "anna"}, request_id="req-1", char_count=128) as call:
        with call.stage("llm"):
            pass
        call.chunk(audio_seconds=0.5)
        call.set(model_version="V23", warm=False, speed=1.25)
    assert soundpost.flush(float("inf"))
    (row,) = soundpost.read_calls(operation=operation)
    assert isinstance(row, soundpost.CallRecord)
    assert (row.request_id, row.operation, row.status, row.outcome) == ("req-1", operation, "success", "ok")
    assert row.labels == {"voice": "anna"}
    assert row.fields == {"char_count": 128, "model_version": "V23", "warm": False, "speed": 1.25}
    assert (row.char_count, row.chunks, row.audio_seconds, row.error) == (128, 1, 0.5, None)
    assert 0 <= row.stages["llm"].ms <= row.duration_ms
    assert (row.stages["llm"].count, row.stages["llm"].failures) == (1, 0)
    assert abs(row.time - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(minutes=1)
    assert row.time.utcoffset() == datetime.timedelta(0)


def test_records_keep_their_version_and_instance(python):
    ran = python(
        """
        import logging, soundpost
        for version, instance in (("V1", "pod-1"), ("V2", None)):
            soundpost.init("deployed", version=version, instance=instance, logs=True)
            with soundpost.call("speak"):
                logging.warning("slow")
            soundpost.shutdown()
        for read in (soundpost.read_calls, soundpost.read_logs):
            records = read(service="deployed", order="oldest")
            print([record.version for record in records if getattr(record, "message", "slow") == "slow"])
            print(records[0].instance, bool(records[-1].instance) and records[-1].instance != "pod-1")
        """
    )
    assert ran.stdout == "['V1', 'V2']\npod-1 True\n" * 2, ran.stderr


def test_read_calls_with_filters_returns_matching_calls(operation):
    for index in range(3):
        with soundpost.call(operation, labels={"n": str(index)}, request_id=f"req-{index}"):
            pass
    with pytest.raises(RuntimeError), soundpost.call(operation, request_id="failed"):
        raise RuntimeError("CUDA out of memory")
    assert soundpost.flush(10)

    def ids(**wanted):
        return [row.request_id for row in soundpost.read_calls(operation=operation, **wanted)]

    assert ids(order="oldest") == ["req-0", "req-1", "req-2", "failed"]
    assert ids(limit=1) == ["failed"]
    assert ids(outcome="oom") == ids(status="error") == ["failed"]
    assert ids(labels={"n": "1"}) == ["req-1"]
    assert ids(request_id="req-2") == ["req-2"]
    assert ids(slower_than=60.0) == [] == ids(slower_than="1h 30m") == ids(slower_than=datetime.timedelta(1))
    assert len(ids(last="1h")) == len(ids(last=3600)) == 4
    hour = datetime.timedelta(hours=1)
    now = datetime.datetime.now(datetime.timezone.utc)
    assert len(ids(since=now - hour, until=now + hour)) == 4
    assert ids(until=now - hour) == ids(since=now + hour) == []
    assert len(ids(since=(now - hour).isoformat(), until=f"{now + hour:%Y-%m-%dT%H:%M:%SZ}")) == 4
    (failed,) = soundpost.read_calls(operation=operation, outcome="oom")
    assert (failed.error_type, failed.error) == ("RuntimeError", "CUDA out of memory")


NAMES = [field.name for field in dataclasses.fields(soundpost.CallRecord)]


def test_call_records_as_frames_keep_rows_and_columns(operation):
    for _ in range(2):
        with soundpost.call(operation, labels={"voice": "anna"}) as call, call.stage("llm"):
            pass
    assert soundpost.flush(10)
    records = soundpost.read_calls(last="1h", operation=operation)
    pandas_frame, polars_frame = records.to_pandas(), records.to_polars()
    assert isinstance(pandas_frame, pandas.DataFrame)
    assert isinstance(polars_frame, polars.DataFrame)
    for frame in (pandas_frame, polars_frame):
        assert list(frame.columns) == NAMES
        assert len(frame) == 2
        assert set(frame["outcome"]) == {"ok"}
        assert list(frame["time"]) == [record.time for record in records]
        assert (frame["duration_ms"] >= 0).all()
    assert str(pandas_frame["time"].dt.tz) == "UTC"
    assert list(pandas_frame["labels"]) == [{"voice": "anna"}] * 2
    assert [json.loads(text) for text in polars_frame["labels"]] == [{"voice": "anna"}] * 2
    assert json.loads(polars_frame["stages"][0])["llm"]["count"] == 1


def test_call_records_without_calls_keep_the_columns(telemetry):
    none = soundpost.read_calls(operation="unknown")
    assert none == []
    pandas_frame, polars_frame = none.to_pandas(), none.to_polars()
    assert list(pandas_frame.columns) == polars_frame.columns == NAMES
    assert len(pandas_frame) == len(polars_frame) == 0
    assert str(pandas_frame["time"].dt.tz) == "UTC"
    assert polars_frame.schema["duration_ms"] == polars.Float64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"last": "soon"}, "^last: 'soon' is no duration"),
        ({"last": "5"}, "^last: '5' is no duration"),
        ({"last": -1}, "^last: -1 is no duration"),
        ({"last": True}, "^last: True is no duration"),
        ({"last": "1h", "since": "2026-01-02T03:04:05Z"}, "^last: since or until"),
        ({"slower_than": "soon"}, "^slower_than: 'soon' is no duration"),
        ({"outcome": "splendid"}, '^outcome: "splendid" is none of ok, '),
        ({"status": "splendid"}, '^status: "splendid" is none of success, '),
        ({"since": datetime.datetime(2026, 1, 2)}, "^since: .* is no moment"),
        ({"until": "yesterday"}, "^until: 'yesterday' is no moment"),
        ({"order": "best"}, '^order: "best" is none of newest, oldest, slowest'),
        ({"limit": -1}, "^limit: -1 is no number of calls"),
    ],
)
def test_read_calls_with_a_wrong_argument_names_it(telemetry, arguments, message):
    with pytest.raises(ValueError, match=message):
        soundpost.read_calls(**arguments)


def test_read_calls_of_an_unknown_service_fails(telemetry):
    with pytest.raises(soundpost.Error, match="nobody"):
        soundpost.read_calls(service="nobody")


def test_read_calls_agrees_with_the_program(telemetry, operation):
    with soundpost.call(operation, labels={"voice": "anna"}, char_count=3) as call, call.stage("llm"):
        call.chunk(0.5)
    assert soundpost.flush(10)
    options = ["--service", "tests", "--directory", str(telemetry.directory.parent)]
    command = [sys.executable, "-m", "soundpost", "calls", "--json", "--operation", operation, *options]
    output = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
    (row,) = map(json.loads, output.splitlines())
    (record,) = soundpost.read_calls(operation=operation)
    expected = {name: value for name, value in dataclasses.asdict(record).items() if value is not None}
    expected["time"] = row["time"]
    expected["stages"] = {"llm": {"ms": record.stages["llm"].ms}}
    assert row == expected
    assert abs(
        datetime.datetime.fromisoformat(row["time"][:23] + "+00:00") - record.time
    ) < datetime.timedelta(milliseconds=2)


def test_read_calls_after_shutdown_uses_the_variables(python, tmp_path):
    ran = python(
        """
        import soundpost, os
        soundpost.init(listen=None, sample_interval=0.1)
        with soundpost.call("made", request_id="one"):
            pass
        soundpost.shutdown()
        assert soundpost.flush() is True
        assert [row.request_id for row in soundpost.read_calls()] == ["one"]
        """
    )
    assert ran.returncode == 0, ran.stderr


def test_read_calls_recovers_a_process_that_ended_at_once(python, tmp_path):
    python(
        """
        import os, soundpost
        soundpost.init()
        with soundpost.call("synthesize", request_id="req-1"):
            pass
        block = soundpost.call("synthesize", request_id="req-2")
        block.__enter__()
        os._exit(0)
        """
    )
    for _ in range(2):
        calls = soundpost.read_calls(service="program", directory=tmp_path / "state")
        assert sorted((call.request_id, call.outcome) for call in calls) == [
            ("req-1", "ok"),
            ("req-2", "died"),
        ]
