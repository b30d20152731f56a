"""The console of a service with its own logging set-up: equal with and without Soundpost, but for times."""

from __future__ import annotations

import collections
import re
import textwrap

import pytest
from stored_events import events

NOTHING = ""

BASIC = """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(funcName)s:%(lineno)d %(message)s")
"""

WITHOUT_LEVEL = """
    logging.basicConfig(stream=sys.stdout)
"""

DICT = """
    import logging.config
    logging.getLogger("before").info("exists")
    logging.config.dictConfig({
        "version": 1,
        "disable_existing_loggers": True,
        "formatters": {"line": {"format": "%(levelname)s|%(name)s|%(message)s"}},
        "handlers": {"out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "line"}},
        "root": {"level": "WARNING", "handlers": ["out"]},
        "loggers": {"tts": {"level": "DEBUG"}},
    })
    logging.getLogger("before").error("disabled")
"""

LIKE_CHATTTS = """
    class Formatter(logging.Formatter):
        def format(self, record):
            return f"[{record.levelname[:4]}] {record.name} | {record.getMessage()}"

    def get_logger(name, level=logging.INFO, format_root=False):
        logger = logging.getLogger(name)
        logger.setLevel(level)
        if not logger.hasHandlers():
            handler = logging.StreamHandler()
            handler.setFormatter(Formatter())
            logger.addHandler(handler)
        else:
            for handler in logger.handlers:
                handler.setFormatter(Formatter())
        if format_root:
            for handler in logger.root.handlers:
                handler.setFormatter(Formatter())
        return logger

    get_logger("tts", format_root=True)
"""

LIKE_COSYVOICE = """
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(levelname)s %(message)s")
"""

ALONE = """
    alone = logging.getLogger("tts")
    alone.propagate = False
    alone.addHandler(logging.StreamHandler(sys.stdout))
    alone.setLevel("INFO")
"""

QUEUE = """
    import atexit, io, logging.handlers, queue
    records, lines = queue.Queue(), io.StringIO()
    logging.basicConfig(level="INFO", handlers=[logging.handlers.QueueHandler(records)])
    listener = logging.handlers.QueueListener(records, logging.StreamHandler(lines))
    listener.start()
    atexit.register(lambda: (listener.stop(), print(lines.getvalue())))
"""

OWN_CLASSES = """
    class Own(logging.Logger):
        def callHandlers(self, record):
            print("own", record.name, record.getMessage() if record.args != ("wrong",) else "")

    class Passing(logging.Logger):
        def callHandlers(self, record):
            print("passing", record.name)
            super().callHandlers(record)

    logging.setLoggerClass(Own)
    logging.getLogger("tts.api")
    logging.setLoggerClass(Passing)
    logging.getLogger("other")
    logging.basicConfig(level="DEBUG")
"""

SERVER = """
    logging.basicConfig(format="%(name)s %(message)s")
    made = logging.makeLogRecord({"name": "remote", "levelno": 20, "levelname": "INFO", "msg": "made elsewhere"})
    logging.getLogger("remote").handle(made)
"""

INTERCEPT = """
    from loguru import logger

    class Intercept(logging.Handler):
        def emit(self, record):
            frame, depth = sys._getframe(6), 6
            while frame and frame.f_code.co_filename == logging.__file__:
                frame, depth = frame.f_back, depth + 1
            try:
                message = record.getMessage()
            except TypeError:
                message = "wrong"
            logger.opt(depth=depth, exception=record.exc_info).log(record.levelname, message)

    logging.basicConfig(handlers=[Intercept()], level=0, force=True)
"""

PROPAGATE = """
    from loguru import logger

    class Propagate(logging.Handler):
        def emit(self, record):
            logging.getLogger(record.name).handle(record)

    logging.basicConfig(level="INFO")
    logger.remove()
    logger.add(Propagate(), format="{message}")
    logger.info("through loguru")
"""

LOGURU = """
    from loguru import logger
    logger.info("by default")
    logger.remove()
    logger.error("to nothing")
    number = logger.add(sys.stdout, format="{level} {name}:{function}:{line} {message} {extra}", level="INFO")
    print(number)
    logger.debug("less")
    with logger.contextualize(request="r1"):
        logger.bind(voice="anna").info("through {}", "loguru")
    logger.configure(handlers=[{"sink": sys.stderr, "format": "{message}"}], extra={"zone": "a"})
    logger.warning("configured")
    try:
        logger.remove(-1)
    except ValueError as error:
        print(error)
"""

STRUCTLOG = """
    import structlog
    log = structlog.get_logger().bind(voice="anna")
    log.info("printed", seconds=3)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.CallsiteParameterAdder(),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    logging.basicConfig(level="INFO", format="%(filename)s:%(lineno)d %(message)s", stream=sys.stdout)
    structlog.get_logger("rendered").bind(voice="ben").warning("as JSON", seconds=4)
    structlog.get_logger("rendered").debug("dropped")
"""

LOGS = """
    log = logging.getLogger("tts.api")
    def work():
        log.debug("a debug event")
        log.info("event %d", 1)
        log.warning("a warning", extra={"voice": "anna"})
        log.warning("%d", "wrong")
        logging.getLogger("other").info("another event")
        try:
            raise RuntimeError("CUDA out of memory")
        except RuntimeError:
            log.exception("it failed", stack_info=True)
        print(logging.getLogger().handlers, log.handlers, log.hasHandlers())
    work()
"""

SETUPS = {
    name.lower(): value
    for name, value in list(globals().items())
    if name.isupper() and isinstance(value, str)
}
SETUPS.pop("logs")
TIMES = re.compile(r"\d\d:\d\d:\d\d(?:[.,]\d+)?|0x\w+|\"(?:process|thread)\": ?\d+")


@pytest.mark.parametrize("setup", SETUPS)
def test_console_is_equal_and_each_event_is_recorded_once(python, tmp_path, setup):
    def console(before="", after="", state="state"):
        parts = ["import logging, sys", before, textwrap.dedent(SETUPS[setup]), after, textwrap.dedent(LOGS)]
        variables = {"SOUNDPOST_DIRECTORY": str(tmp_path / state)}
        ran = python("\n".join(parts), **variables)
        return TIMES.sub("", ran.stdout), TIMES.sub("", ran.stderr)

    expected = console()
    assert console(before="import soundpost; soundpost.init(logs='INFO')", state="before") == expected
    assert console(after="import soundpost; soundpost.init(logs=True)", state="after") == expected
    for state in ("before", "after"):
        found = events(tmp_path / state / "program")
        counts = collections.Counter(event["message"] for event in found)
        assert (counts["a warning"], counts["it failed"]) == (1, 1), (state, counts)
        assert max(counts.values()) == 1, counts
        if state == "before":
            assert set(counts) >= {"event 1", *EXTRA.get(setup, [])}, counts


EXTRA = {
    "propagate": ["through loguru"],
    "loguru": ["by default", "to nothing", "through loguru", "configured"],
    "structlog": ["printed", "as JSON"],
    "server": ["made elsewhere"],
    "own_classes": ["another event"],
}
