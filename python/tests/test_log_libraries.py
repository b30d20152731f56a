"""Events of loguru and structlog that `init(logs=...)` records: their fields, levels and calls."""

from __future__ import annotations

import json

import pytest

PROGRAM = """
    import json, sys, soundpost
    from stored_events import events
    telemetry = soundpost.init(logs={level!r})
    {source}
    keys = ("level", "logger", "message", "request_id", "line", "fields")
    json.dump([{{key: event[key] for key in keys}} for event in events(telemetry.directory)], sys.stdout)
"""


@pytest.fixture
def recorded(python):
    def run(source, level=True):
        program = PROGRAM.format(level=level, source=source.strip().replace("\n", "\n    "))
        return json.loads(python(program).stdout.splitlines()[-1])

    return run


LOGURU = """
from loguru import logger
logger.remove()
"""
STRUCTLOG = """
import structlog
log = structlog.get_logger().bind(voice="anna")
"""


def test_loguru_fields_context_and_exception_are_recorded(recorded):
    bound, failed = recorded(
        LOGURU
        + """
with soundpost.call("synthesize", request_id="r1"), logger.contextualize(zone="a"):
    logger.bind(voice="anna").info("said {} of {total}", 1, total=2)
try:
    raise ValueError("no voice")
except ValueError:
    logger.exception("it failed")
"""
    )
    assert (bound["message"], bound["level"], bound["request_id"]) == ("said 1 of 2", "info", "r1")
    assert bound["fields"] == {"zone": "a", "voice": "anna", "total": 2}
    assert (bound["logger"], bound["line"]) == ("__main__", 9)
    fields = failed["fields"]
    assert (failed["level"], fields["error_type"], fields["error"]) == ("error", "ValueError", "no voice")


@pytest.mark.parametrize(
    ("level", "setup", "expected"),
    [
        (True, "", ["debug", "info", "error"]),
        (True, "logger.add(sys.stderr, level='INFO')", ["info", "error"]),
        ("ERROR", "logger.add(sys.stderr, level='INFO')", ["error"]),
        (
            "DEBUG",
            "logger.configure(handlers=[dict(sink=sys.stderr, level='ERROR')])",
            ["debug", "info", "error"],
        ),
        (True, "logger.disable('__main__')", []),
    ],
)
def test_loguru_level_is_that_of_init_or_the_handlers(recorded, level, setup, expected):
    source = (
        LOGURU + setup + "\nfor level in ('trace', 'debug', 'info', 'error'): getattr(logger, level)(level)"
    )
    assert [event["message"] for event in recorded(source, level)] == expected


def test_loguru_patched_record_harms_no_service(recorded):
    (event,) = recorded(
        LOGURU
        + """
import io
out = io.StringIO()
logger.add(out, format="{message}")
logger.patch(lambda record: record.pop("time")).info("without a time")
logger.patch(lambda record: record.update(message="changed")).info("as patched")
assert out.getvalue() == "without a time\\nchanged\\n"
"""
    )
    assert event["message"] == "changed"


def test_loguru_copy_records_and_shutdown_restores(recorded):
    found = recorded(
        """
import copy
from loguru import logger
handlers = repr(logger)
copied = copy.deepcopy(logger.bind()) if logger.remove() is None else None
copied.info("by a copy")
logger.info("by the logger")
soundpost.flush(10)
soundpost.shutdown()
assert (repr(logger), type(logger._core).__name__) == ("<loguru.logger handlers=[]>", "Core")
logger.info("after")
copied.info("after")
telemetry = soundpost.init(logs=True)
logger.info("again")
"""
    )
    assert [event["message"] for event in found] == ["by a copy", "by the logger", "again"]


def test_structlog_keys_are_fields_of_printed_events(recorded):
    printed, failed = recorded(
        STRUCTLOG
        + """
structlog.configure(processors=[structlog.contextvars.merge_contextvars, structlog.processors.KeyValueRenderer()])
log = structlog.get_logger().bind(voice="anna")
with soundpost.call("synthesize", request_id="r1"), structlog.contextvars.bound_contextvars(zone="a"):
    log.info("said", seconds=3)
try:
    raise ValueError("no voice")
except ValueError:
    log.exception("it failed")
"""
    )
    assert (printed["message"], printed["level"], printed["request_id"]) == ("said", "info", "r1")
    assert printed["fields"] == {"voice": "anna", "seconds": 3, "zone": "a"}
    assert (printed["logger"], printed["line"]) == ("__main__", 11)
    assert (failed["level"], failed["fields"]["error_type"]) == ("error", "ValueError")


@pytest.mark.parametrize("renderer", ["JSONRenderer()", "KeyValueRenderer()", "LogfmtRenderer()"])
def test_structlog_keys_are_fields_of_events_for_logging(recorded, renderer):
    (event,) = recorded(
        STRUCTLOG
        + f"""
import logging
logging.basicConfig(level="INFO")
structlog.configure(
    processors=[structlog.stdlib.filter_by_level, structlog.processors.{renderer}],
    wrapper_class=structlog.stdlib.BoundLogger,
    logger_factory=structlog.stdlib.LoggerFactory(),
)
log = structlog.get_logger("tts").bind(voice="anna")
log.debug("dropped")
log.info("said", seconds=3)
"""
    )
    assert (event["logger"], event["message"]) == ("tts", "said")
    assert event["fields"] == {"voice": "anna", "seconds": 3}


def test_structlog_event_of_a_wrapped_object_is_recorded_once(recorded):
    (event,) = recorded(
        """
import logging, structlog
class Wrapped:
    def info(self, message):
        logging.getLogger("wrapped").warning(message)
structlog.configure(processors=[structlog.processors.JSONRenderer()])
structlog.wrap_logger(Wrapped()).info("said", seconds=3)
"""
    )
    assert (event["message"], event["fields"]) == ("said", {"seconds": 3})


def test_structlog_dropped_or_captured_event_is_not_recorded(recorded):
    found = recorded(
        STRUCTLOG
        + """
from structlog.testing import capture_logs
with capture_logs() as captured:
    log.info("captured")
def drop(*_arguments):
    raise structlog.DropEvent
structlog.configure(processors=[drop, structlog.processors.JSONRenderer()])
structlog.get_logger().info("dropped")
assert [each["event"] for each in captured] == ["captured"]
"""
    )
    assert found == []


def test_loguru_handlers_of_the_service_are_all_that_it_sees(python):
    source = """
        import sys
        {init}
        from loguru import logger

        core = logger._core
        print([handler._levelno for handler in core.handlers.values()], len(core.handlers), logger)
        for handler in list(core.handlers):
            logger.remove(handler)
        if not core.handlers:
            logger.add(sys.stdout, format="{{message}}")
        logger.info("seen")
    """
    init = "import soundpost; soundpost.init('program', logs=True)"
    ran = python(source.format(init=init))
    assert ran.stdout == python(source.format(init="")).stdout
    assert ran.stdout.endswith("seen\n")
