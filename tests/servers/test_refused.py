"""Records that a server refuses are counted, and the others arrive."""

import logging
import re
import sqlite3
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demo.service import poll
from documented_loki import DocumentedLoki
from influxdb import InfluxDb

import soundpost

SERVICE = "refused"
COUNT = 150  # far above the bound at which refusals without a reason pause a sink
SECONDS = 60.0
HOUR = 3600 * 10**9

Counts = Counter[str]


@contextmanager
def service(directory: Path, sink: Any) -> Iterator[Callable[[], Counts]]:
    """Runs a service with a sink; yields a function that returns the sink's counts, summed over their reasons."""
    telemetry = soundpost.init(
        service=SERVICE,
        version="1",
        listen=None,
        directory=directory,
        gpu=False,
        sample_interval=0.2,
        sinks=[sink],
    )

    def counts() -> Counts:
        found: Counts = Counter()
        for name, value in re.findall(
            r"^soundpost_sink_(\w+?)(?:_total)?\{.*\} (\d+)$", telemetry.render(), re.M
        ):
            found[name] += int(value)
        return found

    try:
        yield counts
    finally:
        soundpost.shutdown()


def log(unix_seconds: float, message: str) -> None:
    record = {"name": SERVICE, "msg": message, "levelno": logging.INFO, "created": unix_seconds}
    soundpost.LogHandler().handle(logging.makeLogRecord(record))


def calls(count: int) -> None:
    for _ in range(count):
        with soundpost.call("synthesize") as call:
            call.chunk(audio_seconds=0.5)


def test_entries_too_old_for_loki_are_counted(tmp_path: Path) -> None:
    now = time.time()
    with (
        DocumentedLoki() as server,
        service(tmp_path, soundpost.Loki(server.url, encoding="json")) as counts,
    ):
        # The entries span many seconds, so that the answer is longer than a sink reads.
        for number in range(COUNT):
            log(now - 8 * 86_400 + number, f"old {number}")
        for number in range(5):
            log(now, f"live {number}")
        poll(lambda: sum("live" in entry.line for entry in server.entries) == 5, "recent entries", SECONDS)
        poll(lambda: counts()["rejected"] == COUNT, "the old ones to be counted", SECONDS)
        assert counts()["pending"] == 0
        assert counts()["up"] == 1


def test_points_older_than_influxdb_keeps_are_counted(tmp_path: Path) -> None:
    (tmp_path / "influxdb").mkdir()
    server = InfluxDb(tmp_path / "influxdb")
    sink = soundpost.InfluxDB(server.url, database=server.DATABASE, longest_wait=1)
    with service(tmp_path, sink):
        calls(COUNT)
        soundpost.flush(10)
    with sqlite3.connect(tmp_path / SERVICE / "store.sqlite") as store:
        store.execute("UPDATE stored_calls SET ended = ended - ?", (3 * HOUR,))
    store.close()
    with server:
        server.query(
            f"CREATE DATABASE {server.DATABASE} WITH DURATION 1h REPLICATION 1 SHARD DURATION 1h NAME short",
            "POST",
        )
        with service(tmp_path, sink) as counts:
            calls(3)
            poll(lambda: len(server.query("SELECT * FROM generate_calls")) == 3, "new calls", SECONDS)
            poll(lambda: counts()["rejected"] == COUNT, "the old ones to be counted", SECONDS)

            assert counts()["up"] == 1
            assert server.query("SELECT * FROM system_metrics")


def test_fields_of_another_type_are_counted_by_influxdb(tmp_path: Path) -> None:
    (tmp_path / "influxdb").mkdir()
    with InfluxDb(tmp_path / "influxdb") as server:
        server.create_database()
        other = urllib.request.Request(
            f"{server.url}/write?db={server.DATABASE}",
            b"generate_calls,host=old duration_ms=12i",
            method="POST",
        )
        urllib.request.urlopen(other).close()
        with service(tmp_path, soundpost.InfluxDB(server.url, database=server.DATABASE)) as counts:
            calls(COUNT)
            poll(lambda: counts()["rejected"] == COUNT, "the calls to be counted", SECONDS)
            before = len(server.query("SELECT * FROM system_metrics"))
            poll(lambda: len(server.query("SELECT * FROM system_metrics")) > before > 0, "vitals", SECONDS)

            assert len(server.query("SELECT * FROM generate_calls")) == 1
            assert counts()["up"] == 1
