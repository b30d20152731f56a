"""Log records as log events: their content, and the records that are skipped."""

from __future__ import annotations

import asyncio
import datetime
import logging
import threading
import warnings

import loguru
import pytest
import structlog
from stored_events import events

import soundpost


def test_record_is_an_event_with_typed_fields(logger, recorded):
    extra = {"duration_ms": 942, "rtf": 0.25, "cold": True, "emotion": "sad", "voice": None, "big": 1 << 70}
    logger.info("Audio generation %s in %d ms", "completed", 942, extra=extra)
    (event,) = recorded()
    assert (event["level"], event["message"]) == ("info", "Audio generation completed in 942 ms")
    assert event["fields"] == {
        "duration_ms": 942,
        "rtf": 0.25,
        "cold": True,
        "emotion": "sad",
        "big": str(1 << 70),
    }
    assert event["file"] == __file__
    assert event["line"] == test_record_is_an_event_with_typed_fields.__code__.co_firstlineno + 2
    assert event["thread"] == threading.current_thread().name
    assert (event["request_id"], event["operation"]) == ("", "")
    now = datetime.datetime.now(datetime.timezone.utc).timestamp()
    assert now - 60 < event["unix"] <= now


def test_level_is_mapped(logger, recorded):
    for level in (
        5,
        logging.DEBUG,
        15,
        logging.INFO,
        logging.WARNING,
        35,
        logging.ERROR,
        logging.CRITICAL,
        60,
    ):
        logger.log(level, "at %d", level)
    levels = [event["level"] for event in recorded()]
    assert levels == ["debug"] * 3 + ["info"] + ["warning"] * 2 + ["error"] + ["critical"] * 2


def test_custom_level_is_mapped(logger, recorded):
    logger.handlers[0].setLevel(logging.WARNING)
    logger.info("less")
    logger.warning("more")
    assert [event["message"] for event in recorded()] == ["more"]


def test_record_has_the_current_call(telemetry, logger, recorded, name):
    with soundpost.call(name, request_id="req-7d8e9f"):
        logger.info("inside")

    async def task(number):
        with soundpost.call(name, request_id=f"task-{number}"):
            await asyncio.sleep(0)
            logger.info("%d", number)

    async def main():
        await asyncio.gather(*map(task, range(3)))

    asyncio.run(main())
    found = [(event["message"], event["request_id"], event["operation"]) for event in recorded()]
    assert found[0] == ("inside", "req-7d8e9f", name)
    assert sorted(found[1:]) == [(str(number), f"task-{number}", name) for number in range(3)]


def test_exception_and_stack_are_recorded(logger, recorded):
    class CudaError(RuntimeError): ...

    try:
        raise CudaError("CUDA out of memory")
    except CudaError:
        logger.exception("failed", extra={"voice": "anna"})
    logger.warning("where", stack_info=True)
    failed, where = recorded()
    fields = failed["fields"]
    assert (failed["level"], fields["voice"]) == ("error", "anna")
    assert (fields["error_type"], fields["error"]) == ("CudaError", "CUDA out of memory")
    assert fields["traceback"].startswith("Traceback (most recent call last):\n")
    assert "test_exception_and_stack_are_recorded" in fields["traceback"]
    assert "test_exception_and_stack_are_recorded" in where["fields"]["stack"]


@pytest.mark.parametrize(
    ("init", "handler"), [("", "soundpost.LogHandler()"), ("logs=True", "logging.StreamHandler()")]
)
def test_wrong_format_is_reported_by_logging(python, init, handler):
    ran = python(
        f"""
        import logging, soundpost
        from scrape import Scrape
        from test_logs import events
        telemetry = soundpost.init({init})
        root = logging.getLogger()
        root.setLevel("INFO")
        root.addHandler({handler})
        logging.info("%d seconds", "four")
        logging.info("goes on")
        assert [event["message"] for event in events(telemetry.directory)] == ["goes on"]
        assert Scrape(telemetry.render()).errors("log") == 1
        """
    )
    assert ran.stderr.count("--- Logging error ---") == 1, ran.stderr
    assert "TypeError" in ran.stderr
    assert "Message: '%d seconds'" in ran.stderr


def test_formatter_and_filters_are_used(logger, recorded):
    handler = logger.handlers[0]
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logger.info("one", extra={"n": 1})
    handler.setFormatter(None)
    logger.info("two")
    handler.addFilter(only_even := lambda record: record.n % 2 == 0)
    for n in range(3):
        logger.info("n", extra={"n": n})
    handler.removeFilter(only_even)
    logger.info("three")
    found = [(event["message"], event["fields"]) for event in recorded()]
    assert found == [("INFO: one", {"n": 1}), ("two", {}), ("n", {"n": 0}), ("n", {"n": 2}), ("three", {})]


def test_overridden_methods_are_called(telemetry, logger, recorded):
    class Louder(soundpost.LogHandler):
        def emit(self, record):
            record.msg = record.msg.upper()
            super().emit(record)

    logger.handlers[:] = [Louder()]
    logger.info("quiet")
    assert [event["message"] for event in recorded()] == ["QUIET"]


def test_record_subclass_formats_its_message(logger, recorded):
    class Own(logging.LogRecord):
        def getMessage(self):
            return "own message"

    logger.handle(Own(logger.name, logging.INFO, "f.py", 3, "msg", (), None))
    logger.handle(logging.makeLogRecord({"name": logger.name, "msg": "made", "levelno": 20, "voice": "anna"}))
    own, made = recorded()
    assert (own["message"], own["file"], own["line"]) == ("own message", "f.py", 3)
    assert (made["message"], made["fields"]) == ("made", {"voice": "anna"})


@pytest.mark.parametrize("created", [float("inf"), float("nan"), -1.0, 1e300, 1e10, None, "then"])
def test_invalid_record_time_is_now(logger, recorded, created):
    record = logging.makeLogRecord({"name": logger.name, "msg": "when", "levelno": 20})
    record.created = created
    logger.handle(record)
    (event,) = recorded()
    assert abs(event["unix"] - datetime.datetime.now(datetime.timezone.utc).timestamp()) < 60


def test_own_records_are_skipped(telemetry, logger, recorded):
    for name in ("soundpost", "soundpost.sink"):
        logging.getLogger(name).handle(logging.makeLogRecord({"name": name, "msg": "ours", "levelno": 40}))
        logger.handle(logging.makeLogRecord({"name": name, "msg": "ours", "levelno": 40}))
    logger.info("theirs")
    assert [event["message"] for event in recorded()] == ["theirs"]
    assert not [event for event in events(telemetry.directory) if event["message"] == "ours"]


def test_loguru_records_are_recorded(logger, recorded):
    number = loguru.logger.add(soundpost.LogHandler(), format="{message}", level="INFO")
    try:
        bound = loguru.logger.patch(lambda record: record.update(name=logger.name)).bind(
            emotion="sad", token="t"
        )
        bound.debug("less")
        bound.info("Audio generation {}", "completed", rtf=0.25)
        try:
            raise ValueError("no voice")
        except ValueError:
            bound.exception("failed")
    finally:
        loguru.logger.remove(number)
    completed, failed = recorded()
    assert (completed["message"], completed["level"]) == ("Audio generation completed", "info")
    assert completed["fields"] == {"emotion": "sad", "token": "[REDACTED:key]", "rtf": 0.25}
    assert completed["file"] == __file__
    assert (failed["fields"]["error_type"], failed["fields"]["error"]) == ("ValueError", "no voice")
    assert "test_loguru_records_are_recorded" in failed["fields"]["traceback"]


def test_structlog_records_are_recorded(logger, recorded):
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    try:
        structlog.get_logger(logger.name).bind(emotion="sad").info("Audio generation completed", rtf=0.25)
    finally:
        structlog.reset_defaults()
    (event,) = recorded()
    assert event["message"] == "Audio generation completed"
    assert event["fields"] == {"emotion": "sad", "rtf": 0.25}


def test_warnings_are_recorded(telemetry, recorded):
    logging.captureWarnings(True)
    handler = soundpost.LogHandler()
    logging.getLogger("py.warnings").addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(False)
            logging.captureWarnings(True)
            warnings.warn("generation stopped due to exceeding `max_mel_tokens`", RuntimeWarning)
    finally:
        logging.captureWarnings(False)
        logging.getLogger("py.warnings").removeHandler(handler)
    found = [
        event for event in events(telemetry.directory, "py.warnings") if "max_mel_tokens" in event["message"]
    ]
    assert [event["level"] for event in found] == ["warning"]


def test_records_of_many_threads_are_complete(logger, recorded, telemetry):
    def log(thread):
        for number in range(200):
            logger.info("%d", number, extra={"thread_number": thread})

    threads = [threading.Thread(target=log, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [(event["fields"]["thread_number"], int(event["message"])) for event in recorded()]
    assert sorted(found) == [(thread, number) for thread in range(4) for number in range(200)]


def test_lowest_levels_record_each_record_once(python):
    """With the lowest level on all loggers, recording causes no further records."""
    ran = python(
        """
        import logging, urllib.request, soundpost
        from test_logs import events
        logging.getLogger().setLevel(1)
        logging.getLogger("soundpost").setLevel(1)
        telemetry = soundpost.init(listen="127.0.0.1:0", logs=1, sample_interval=0.1)
        for number in range(50):
            logging.getLogger("tts").log(1, "%d", number)
            with soundpost.call("synthesize", api_key="k"):
                pass
            urllib.request.urlopen(f"http://{telemetry.address}/metrics").read()
        first = events(telemetry.directory)
        assert [event["message"] for event in first if event["logger"] == "tts"] == [str(n) for n in range(50)]
        # Only the logged records are stored, also later.
        assert {event["logger"] for event in first} == {"tts"}, first
        assert len(first) == 50
        assert len(events(telemetry.directory)) == len(first)
        """
    )
    assert "Recursion" not in ran.stderr


def test_start_event_has_version_and_commit(python, tmp_path):
    head = tmp_path / ".git" / "HEAD"
    head.parent.mkdir()
    head.write_text("0123456789abcdef0123456789abcdef01234567\n")
    python(
        """
        import soundpost
        from test_logs import events
        telemetry = soundpost.init(version="V23")
        (start,) = events(telemetry.directory, "soundpost")
        assert start["message"] == "Starting program V23 @ commit 0123456", start
        assert start["fields"] == {"version": "V23", "commit": "0123456789abcdef0123456789abcdef01234567"}
        assert 'commit="0123456789abcdef0123456789abcdef01234567"' in telemetry.render()
        """
    )
