"""`soundpost.read_logs`: log events from the store of a service."""

from __future__ import annotations

import dataclasses
import datetime
import logging

import pytest

import soundpost

pytestmark = pytest.mark.usefixtures("telemetry")


def read(logger, **wanted):
    return soundpost.read_logs(logger=logger.name, **wanted)


def test_read_logs_returns_typed_records(logger):
    with soundpost.call("synthesize", request_id="req-1"):
        logger.warning("slow: %d ms", 900, extra={"voice": "anna"})
    assert soundpost.flush(10)
    records = read(logger)
    (record,) = records
    assert isinstance(records, soundpost.LogRecords)
    assert isinstance(record, soundpost.LogRecord)
    assert (record.level, record.message, record.logger) == ("warning", "slow: 900 ms", logger.name)
    assert (record.request_id, record.operation) == ("req-1", "synthesize")
    assert record.fields == {"voice": "anna"}
    assert record.file.endswith("test_read_logs.py")
    assert (record.line > 0, record.thread) == (True, "MainThread")
    assert abs(record.time - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(minutes=1)


def test_read_logs_with_filters_returns_matching_events(logger):
    for level in ("debug", "info", "error", "critical"):
        with soundpost.call("synthesize", request_id=f"req-{level}"):
            getattr(logger, level)("now %s", level)
    try:
        raise ValueError("no such voice")
    except ValueError:
        logger.exception("failed")
    logger.getChild("cache").info("in a child")
    assert soundpost.flush(10)

    def messages(**wanted):
        return [record.message for record in read(logger, order="oldest", **wanted)]

    everything = ["now debug", "now info", "now error", "now critical", "failed", "in a child"]
    assert messages() == messages(last="1h") == messages(last=datetime.timedelta(hours=1)) == everything
    assert [record.message for record in read(logger, limit=2)] == ["in a child", "failed"]
    assert messages(level="error") == messages(level=logging.ERROR) == ["now error", "now critical", "failed"]
    assert messages(level="CRITICAL") == ["now critical"]
    assert messages(grep=r"^now \w+r$") == ["now error"]
    assert messages(grep="ValueError: no such") == ["failed"]
    assert messages(request_id="req-info") == ["now info"]
    assert soundpost.read_logs(logger=f"{logger.name}.cache")[0].message == "in a child"
    now = datetime.datetime.now(datetime.timezone.utc)
    assert messages(since=now) == []
    assert messages(until=now) == everything
    assert messages(since=now.isoformat()) == []


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"level": "loud"}, "level: .*debug, info"),
        ({"level": object()}, "level: "),
        ({"grep": "("}, "grep: "),
        ({"order": "slowest"}, "order: .*newest, oldest"),
        ({"last": "1x"}, "last: "),
        ({"limit": -1}, "limit: .*events"),
        ({"since": "yesterday"}, "since: "),
    ],
)
def test_read_logs_with_a_wrong_argument_names_it(telemetry, wrong, text):
    with pytest.raises(ValueError, match=text):
        soundpost.read_logs(**wrong)


def test_log_records_as_frames_have_all_columns(logger):
    logger.info("one", extra={"n": 1})
    logger.info("two")
    assert soundpost.flush(10)
    names = [field.name for field in dataclasses.fields(soundpost.LogRecord)]
    for records in (read(logger, order="oldest"), read(logger, last="0s")):
        pandas_frame, polars_frame = records.to_pandas(), records.to_polars()
        assert list(pandas_frame.columns) == polars_frame.columns == names
        assert len(pandas_frame) == polars_frame.height == len(records)
    assert list(read(logger, order="oldest").to_pandas()["message"]) == ["one", "two"]
    assert read(logger, order="oldest").to_polars()["fields"].to_list() == ['{"n": 1}', "{}"]


def test_read_logs_recovers_a_process_that_ended_at_once(python, tmp_path):
    python(
        """
        import logging, os, soundpost
        soundpost.init(logs="info")
        logging.getLogger("engine").warning("the last words")
        os._exit(0)
        """
    )
    for _ in range(2):
        events = soundpost.read_logs(service="program", directory=tmp_path / "state", logger="engine")
        assert [event.message for event in events] == ["the last words"]
