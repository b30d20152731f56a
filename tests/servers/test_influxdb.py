"""InfluxDB 1 has every call once through an outage."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from guide import queries
from influxdb import InfluxDb
from outage import outage, settle
from recorder import OUT_OF_MEMORY, emotion, fails
from service import Recorder

Row = dict[str, Any]


class Shipped(NamedTuple):
    server: InfluxDb
    recorder: Recorder
    points: dict[str, Row]  # of calls, by request id


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    with InfluxDb(tmp_path_factory.mktemp("influxdb")) as server:
        server.create_database()
        sink = f"influxdb+{server.url}?database={server.DATABASE}&longest_wait=1"
        with Recorder(tmp_path_factory.mktemp("recorder"), [sink]) as recorder:
            outage(server, recorder, lambda: set(ids(server)))
            yield Shipped(server, recorder, {row["request_id"]: row for row in points(server)})


def points(server: InfluxDb) -> list[Row]:
    return server.query("SELECT * FROM generate_calls")


def ids(server: InfluxDb) -> list[str]:
    return [row["request_id"] for row in points(server)]


def test_a_call_sent_twice_is_stored_once(shipped: Shipped) -> None:
    """A retry sends the same point."""
    assert Counter(ids(shipped.server)).most_common(1)[0][1] == 1


def test_points_equal_the_calls_of_the_store(shipped: Shipped) -> None:
    for call in shipped.recorder.calls():
        point = shipped.points[call["request_id"]]
        for name in ("operation", "status", "outcome"):
            assert point[name] == call[name]
        for name in ("duration_ms", "busy_ms", "audio_seconds", "char_count"):
            # A figure that is zero is not sent.
            assert point[name] == (pytest.approx(call[name], abs=1e-3) if call[name] else None), name
        number = int(call["request_id"].removeprefix("req-"))
        assert (point["service"], point["version"]) == ("indextts2", "V23")
        if call["outcome"] != "died":
            assert (point["emotion"], point["host_"]) == (emotion(number), "mine")
            assert point["error"] == (OUT_OF_MEMORY if fails(number) else None)


def test_points_are_in_the_order_of_the_calls(shipped: Shipped) -> None:
    numbers = [int(each.removeprefix("req-")) for each in ids(shipped.server)]  # by time

    assert numbers == sorted(numbers)


def test_vitals_are_stored(shipped: Shipped) -> None:
    (fields,) = shipped.server.query("SELECT count(*) FROM system_metrics WHERE service = 'indextts2'")

    for name in ("cpu_usage_percent", "memory_used_mb", "process_resident_memory_mb", "requests_in_flight"):
        assert fields[f"count_{name}"] > 0


def test_password_reaches_no_file_of_the_service(tmp_path: Path) -> None:
    """The password is read from a file and sent in a header."""
    secret = "correct-horse-battery"
    (tmp_path / "password").write_text(secret + "\n")
    folder = tmp_path / "recorder"
    folder.mkdir()
    with InfluxDb(tmp_path, secret) as server:
        server.create_database()
        sink = f"influxdb+{server.url}?database={server.DATABASE}&user=tts&password_file={tmp_path}/password"
        with Recorder(folder, [sink]) as recorder:
            recorder.record(10)
            settle(recorder, lambda: set(ids(server)))

    kept = [path for path in folder.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if secret.encode() in path.read_bytes()]


def test_queries_of_the_guide_match_the_store(shipped: Shipped) -> None:
    latest, by_emotion, failed, memory, slow = (
        shipped.server.query(query) for query in queries("influxdb.md", "influxql")
    )

    calls = shipped.recorder.calls()
    assert [row["request_id"] for row in latest] == ids(shipped.server)[::-1][:10]
    counted = Counter(call["labels"].get("emotion") for call in calls if call["outcome"] == "ok")
    assert {row["emotion"]: row["calls"] for row in by_emotion} == counted
    counted = Counter(call["outcome"] for call in calls if call["status"] == "error")
    assert {row["outcome"]: row["calls"] for row in failed} == counted
    assert all(row["memory_used_mb"] > 0 for row in memory if row["memory_used_mb"] is not None)
    assert slow
