"""Records that were made, formatted or copied elsewhere: in another thread or process, or by structlog."""

from __future__ import annotations

import logging
import logging.handlers
import pickle
import queue

import pytest
import structlog

import soundpost

pytestmark = pytest.mark.usefixtures("telemetry")


def failing(logger, **options):
    try:
        raise ValueError("no voice")
    except ValueError:
        logger.error("it failed: %s", "badly", exc_info=True, **options)


@pytest.fixture
def made(name):
    """Returns the records that a function logs."""
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    source = logging.getLogger(name + ".elsewhere")
    source.propagate = False
    source.addHandler(handler)

    def make(log):
        log(source)
        return records

    yield make
    source.handlers.clear()


def through_socket(record):
    packed = logging.handlers.SocketHandler("localhost", 1).makePickle(record)
    return logging.makeLogRecord(pickle.loads(packed[4:]))


def through_queue(record):
    return logging.handlers.QueueHandler(queue.Queue()).prepare(record)


def through_process(record):
    return pickle.loads(pickle.dumps(through_queue(record)))


@pytest.mark.parametrize("carry", [through_socket, through_queue, through_process])
def test_carried_record_keeps_its_parts(logger, recorded, made, carry):
    extra = {"request_id": "req-7", "voice": "anna"}
    [record] = made(lambda source: failing(source, extra=extra, stack_info=True))
    record.name = logger.name
    logger.handle(carry(record))
    [event] = recorded()
    assert event["message"] == "it failed: badly"
    assert event["request_id"] == "req-7"
    assert event["fields"]["voice"] == "anna"
    assert event["fields"]["error_type"] == "ValueError"
    assert event["fields"]["error"] == "no voice"
    assert event["fields"]["traceback"].startswith("Traceback (most recent call last):\n")
    assert event["fields"]["traceback"].endswith("ValueError: no voice")
    assert event["fields"]["stack"].startswith("Stack (most recent call last):\n")


def test_record_with_an_exception_instead_of_a_tuple_has_it(logger, recorded):
    try:
        raise KeyError("x")
    except KeyError as error:
        caught = error
    # The formatter of `logging` takes only tuples, so other handlers fail.
    soundpost.LogHandler().handle(
        logging.makeLogRecord({"name": logger.name, "msg": "m", "exc_info": caught})
    )
    [event] = recorded()
    assert event["fields"]["error_type"] == "KeyError"
    assert "test_log_elsewhere.py" in event["fields"]["traceback"]


def test_message_that_only_resembles_a_traceback_stays(logger, recorded):
    text = "a\nTraceback (most recent call last):\n  b"
    logger.error(text)
    assert [event["message"] for event in recorded()] == [text]


def test_recorded_record_is_unchanged_for_other_handlers(logger, recorded, made):
    [record] = made(lambda source: source.error("m"))
    before = dict(vars(record))
    record.name = before["name"] = logger.name
    logger.handle(record)
    assert vars(record) == before
    # A second handler, also behind a queue, does not record it again; another process does.
    logger.handle(record)
    logger.handle(through_queue(record))
    assert len(recorded()) == 1
    assert type(through_socket(record).lineno) is int


@pytest.mark.parametrize("exc_info", [True, "instance", "formatted"])
def test_structlog_event_is_message_and_fields(logger, recorded, exc_info):
    formatted = [structlog.processors.format_exc_info] if exc_info == "formatted" else []
    log = structlog.wrap_logger(
        logger, processors=[*formatted, structlog.stdlib.ProcessorFormatter.wrap_for_formatter]
    ).bind(voice="anna")
    try:
        raise ValueError("no voice")
    except ValueError as error:
        log.error("it failed", count=3, exc_info=error if exc_info == "instance" else True)
    log.info("plain", request_id="req-9")
    failed, plain = recorded()
    assert (failed["message"], plain["message"]) == ("it failed", "plain")
    fields = failed["fields"]
    assert (fields["voice"], fields["count"], fields["error_type"]) == ("anna", 3, "ValueError")
    assert fields["traceback"].endswith("ValueError: no voice")
    assert {"_logger", "_name", "event", "exc_info", "exception"}.isdisjoint(fields)
    assert plain["fields"] == {"voice": "anna", "request_id": "req-9"} or plain["request_id"] == "req-9"
