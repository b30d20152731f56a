"""Log records as log events: what they say, what is left out, and what the host does not notice."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import datetime
import decimal
import json
import logging
import pathlib
import sqlite3
import threading
import warnings

import loguru
import numpy
import pytest
import structlog

import auscult


def events(directory, logger=None):
    """The stored events but the start's, or those of one logger; each a dict, its fields in it as a dict."""
    assert auscult.flush(10)
    store = sqlite3.connect(f"file:{pathlib.Path(directory) / 'store.sqlite'}?mode=ro", uri=True)
    try:
        store.row_factory = sqlite3.Row
        rows = [dict(row) for row in store.execute("SELECT * FROM events ORDER BY sequence")]
    finally:
        store.close()
    for row in rows:
        row["fields"] = json.loads(row["fields"])
    return [row for row in rows if row["logger"] == logger or (logger is None and row["logger"] != "auscult")]


@pytest.fixture
def logger(name):
    """A logger with a handler of ours and no parent."""
    logger = logging.getLogger(name)
    logger.propagate = False
    logger.setLevel(1)
    logger.addHandler(auscult.LogHandler())
    yield logger
    logger.handlers.clear()


@pytest.fixture
def recorded(telemetry, logger):
    """The events of the test's logger."""
    return lambda: events(telemetry.directory, logger.name)


def test_a_record_is_an_event_with_typed_fields(logger, recorded):
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
    assert event["line"] == test_a_record_is_an_event_with_typed_fields.__code__.co_firstlineno + 2
    assert event["thread"] == threading.current_thread().name
    assert (event["request_id"], event["operation"]) == ("", "")
    now = datetime.datetime.now(datetime.timezone.utc).timestamp()
    assert now - 60 < event["unix"] <= now


def test_levels(logger, recorded):
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


def test_a_level_of_its_own_is_kept(logger, recorded):
    logger.handlers[0].setLevel(logging.WARNING)
    logger.info("less")
    logger.warning("more")
    assert [event["message"] for event in recorded()] == ["more"]


def test_it_belongs_to_the_current_call(telemetry, logger, recorded, name):
    with auscult.call(name, request_id="req-7d8e9f"):
        logger.info("inside")

    async def task(number):
        with auscult.call(name, request_id=f"task-{number}"):
            await asyncio.sleep(0)
            logger.info("%d", number)

    async def main():
        await asyncio.gather(*map(task, range(3)))

    asyncio.run(main())
    found = [(event["message"], event["request_id"], event["operation"]) for event in recorded()]
    assert found[0] == ("inside", "req-7d8e9f", name)
    assert sorted(found[1:]) == [(str(number), f"task-{number}", name) for number in range(3)]


def test_exceptions_and_stacks(logger, recorded):
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
    assert "test_exceptions_and_stacks" in fields["traceback"]
    assert "test_exceptions_and_stacks" in where["fields"]["stack"]


class Odd:
    def __str__(self):
        return "an odd one"


class Raises:
    def __str__(self):
        raise ZeroDivisionError("no text")


class RaisesInside:
    def __repr__(self):
        raise ZeroDivisionError("no text")


class Tensor:
    """Looks like one that lies on a GPU: whoever asks for its text waits for the device."""

    shape = (1, 80, 200)
    dtype = "torch.float32"
    is_cuda = True

    def __str__(self):
        raise AssertionError("its text was asked for")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ([1, "a", None], "[1, 'a', None]"),
        (list(range(1_000_000)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, ...]"),
        ({"a": {"b": (1, 2)}}, "{'a': {'b': (1, 2)}}"),
        (Odd(), "an odd one"),
        (pathlib.PurePosixPath("/models/llm.pt"), "/models/llm.pt"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (decimal.Decimal("1.50"), "1.50"),
        (b"\0" * 1000, "<1000 bytes>"),
        (numpy.float32(0.5), 0.5),
        (numpy.int64(7), 7),
        (numpy.zeros((2, 3), dtype="int16"), "<ndarray (2, 3) int16>"),
        (Tensor(), "<Tensor (1, 80, 200) torch.float32>"),
        (float("inf"), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_value(logger, recorded, value, shown):
    logger.info("value", extra={"value": value})
    (event,) = recorded()
    assert event["fields"].get("value") == shown


def test_a_value_without_a_text(logger, recorded, scrape):
    before = scrape().errors("log")
    logger.info("value", extra={"value": Raises(), "other": 1})
    (event,) = recorded()
    assert event["fields"] == {"value": "[raised ZeroDivisionError]", "other": 1}
    assert scrape().errors("log") == before + 1


def test_a_wrong_format_is_said_as_logging_says_it(python):
    ran = python(
        """
        import logging, auscult
        from scrape import Scrape
        from test_logs import events
        telemetry = auscult.init(logs="INFO")
        logging.getLogger().handlers[:] = [auscult.LogHandler()]
        logging.info("%d seconds", "four")
        logging.info("goes on")
        assert [event["message"] for event in events(telemetry.directory)] == ["goes on"]
        assert Scrape(telemetry.render()).errors("log") == 1
        """
    )
    assert ran.stderr.count("--- Logging error ---") == 1
    assert "TypeError" in ran.stderr
    assert "Message: '%d seconds'" in ran.stderr


@pytest.mark.parametrize(
    ("message", "arguments", "text"),
    [
        (Odd(), (), "an odd one"),
        ("%(a)s", ({"a": 1},), "1"),
        ("100 %", (), "100 %"),
        ("nul \0 and \x1b[31m red", (), "nul \0 and \x1b[31m red"),
        ("你好 世界 🎵", (), "你好 世界 🎵"),
        ("", (), ""),
        (7, (), "7"),
    ],
    ids=range(7),
)
def test_any_message(logger, recorded, message, arguments, text):
    logger.info(message, *arguments)
    (event,) = recorded()
    assert event["message"] == text


def test_lone_surrogates_are_cleaned(python):
    # A lone surrogate is three bytes, none of which is any text.
    python(
        """
        import logging, auscult
        from test_logs import events
        telemetry = auscult.init(logs="INFO")
        logging.info("\\ud800 lone \\udfff", extra={"\\ud800 name": "\\udfff value"})
        (event,) = events(telemetry.directory)
        cleaned = "\\ufffd" * 3
        assert event["message"] == f"{cleaned} lone {cleaned}"
        assert event["fields"] == {f"{cleaned} name": f"{cleaned} value"}
        """
    )


def test_long_and_many_values_are_cut(logger, recorded, scrape):
    logger.info(
        "é" * 1_000_000, extra={f"f{number}": "x" * 10_000_000 * (number == 0) for number in range(10_000)}
    )
    (event,) = recorded()
    assert event["message"] == "é" * 32_768
    assert event["fields"]["f0"] == "x" * 32_768
    assert len(event["fields"]) == 64
    assert scrape().get("auscult_events_altered_total", reason="too_many_fields") >= 9936
    assert scrape().get("auscult_events_altered_total", reason="shortened") >= 2


def test_formatters_and_filters_are_honoured(logger, recorded):
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


def test_a_subclass_has_its_say(telemetry, logger, recorded):
    class Louder(auscult.LogHandler):
        def emit(self, record):
            record.msg = record.msg.upper()
            super().emit(record)

    logger.handlers[:] = [Louder()]
    logger.info("quiet")
    assert [event["message"] for event in recorded()] == ["QUIET"]


def test_a_record_of_another_class(logger, recorded):
    class Own(logging.LogRecord):
        def getMessage(self):
            return "own message"

    logger.handle(Own(logger.name, logging.INFO, "f.py", 3, "msg", (), None))
    logger.handle(logging.makeLogRecord({"name": logger.name, "msg": "made", "levelno": 20, "voice": "anna"}))
    own, made = recorded()
    assert (own["message"], own["file"], own["line"]) == ("own message", "f.py", 3)
    assert (made["message"], made["fields"]) == ("made", {"voice": "anna"})


def test_a_value_that_logs_while_its_text_is_made_ends(logger, recorded, scrape):
    class Chatty:
        def __init__(self, depth=0):
            self.depth = depth

        def __str__(self):
            logger.info("nested %d", self.depth, extra={"next": Chatty(self.depth + 1)})
            return "chatty"

    before = scrape().errors("log")
    logger.info("outermost", extra={"value": Chatty()})
    assert [event["message"] for event in recorded()] == ["outermost", "nested 0", "nested 1", "nested 2"]
    assert scrape().errors("log") == before + 1


def test_secrets_are_not_recorded(logger, recorded):
    headers = {"Authorization": "Bearer abc", "accept": "x"}
    logger.info(
        "GET https://lin:hunter2@host/?token=abc",
        extra={
            "apiKey": "k",
            "headers": headers,
            "tts_text": "你好",
            "phone": 13800138000,
            "lin@example.com": 1,
            "command": ["serve", "--password", "hunter2"],
        },
    )
    (event,) = recorded()
    assert event["message"] == "GET https://[REDACTED:url]@host/?token=[REDACTED:key]"
    assert event["fields"] == {
        "apiKey": "[REDACTED:key]",
        "headers": "{'Authorization': '[REDACTED:key]', 'accept': 'x'}",
        "tts_text": "[text of 2 characters]",
        "phone": "[REDACTED:mobile]",
        "[REDACTED:email]": 1,
        "command": "['serve', '--password', '[REDACTED:key]']",
    }


SECRET = "Zq7Xw9Kd2Jf4Hg6Lp8Nv0Bm3"


class Settings:
    def __init__(self, filler):
        self.filler = filler

    def __repr__(self):
        return f"Settings(host={self.filler!r}, password='{SECRET * 5}', n=1)"


Login = collections.namedtuple("Login", ["user", "password"])


def hiding(filler):
    """Values in which a secret lies behind `filler`, by its name or by its prefix."""
    line = f"{filler} sk-{SECRET} {'z' * 300}"
    return [
        [Settings(filler)],
        {"a": Settings(filler)},
        {"note": line},
        [[line]],
        ({"b": [line]},),
        {f"{filler} password": SECRET},
        {"a": f"{filler} password={SECRET} ok"},
        [Login(filler, SECRET)],
        collections.deque([line]),
        Login(filler, SECRET),
        collections.OrderedDict(note=line),
    ]


@pytest.mark.parametrize("lengths", [range(300), range(32_500, 33_000, 31), range(36_600, 41_200, 97)])
def test_no_cut_parts_a_secret_from_what_tells_it(logger, recorded, lengths):
    """Wherever it lies: a hole in the middle would take the name and leave the secret."""
    shapes = len(hiding(""))
    for number, length in enumerate(lengths):
        for shape, value in enumerate(hiding("n" * length)):
            logger.info("hidden", extra={f"shape_{shape}": value})
        if length > 30_000 or number % 16 == 15:
            assert auscult.flush(10)
    found = recorded()
    assert len(found) == shapes * len(lengths)
    for event in found:
        ((shape, text),) = event["fields"].items()
        parts = [SECRET[at : at + 4] for at in range(len(SECRET) - 3)]
        assert not [part for part in parts if part in text], (shape, len(text), text[-400:])
        assert lengths[0] > 30_000 or "[REDACTED:" in text, (shape, text)


def test_deep_and_endless_values_end(logger, recorded):
    endless = []
    endless.append(endless)
    logger.info(
        "value", extra={"value": endless, "wide": [["x" * 100] * 16] * 16, "odd": [RaisesInside(), Tensor()]}
    )
    (event,) = recorded()
    assert event["fields"]["value"] == "[[[[[...]]]]]"
    assert len(event["fields"]["wide"]) > 16 * 16 * 100
    assert event["fields"]["odd"] == "[[raised ZeroDivisionError], <Tensor (1, 80, 200) torch.float32>]"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_is_no_exception_is_passed_on(logger, recorded, kind):
    class Ends:
        def __str__(self):
            raise kind

        __repr__ = __str__

    for log in (
        lambda: logger.info(Ends()),
        lambda: logger.info("%s", Ends()),
        lambda: logger.info("field", extra={"value": Ends()}),
        lambda: logger.info("field", extra={"value": [Ends()]}),
    ):
        with pytest.raises(kind):
            log()
    logger.info("goes on")
    assert [event["message"] for event in recorded()] == ["goes on"]


def test_a_panic_is_counted_and_not_raised(logger, recorded, scrape):
    """What the binding raises for a panic panics anew where Rust meets it."""
    logger.info("value", extra={"value": Raises()})
    kinds = [kind for kind in BaseException.__subclasses__() if kind.__name__ == "PanicException"]
    before = scrape().errors("log")
    for kind in kinds:

        class Panics:
            def __str__(self, kind=kind):
                raise kind("on purpose")

        with contextlib.suppress(kind):
            logger.info("panics", extra={"value": Panics()})
    logger.info("goes on")
    assert scrape().errors("log") == before + 1
    assert [event["message"] for event in recorded()] == ["value", "goes on"]


@pytest.mark.parametrize("created", [float("inf"), float("nan"), -1.0, 1e300, 1e10, None, "then"])
def test_a_time_that_is_none_is_now(logger, recorded, created):
    record = logging.makeLogRecord({"name": logger.name, "msg": "when", "levelno": 20})
    record.created = created
    logger.handle(record)
    (event,) = recorded()
    assert abs(event["unix"] - datetime.datetime.now(datetime.timezone.utc).timestamp()) < 60


def test_own_records_are_left_out(telemetry, logger, recorded):
    for name in ("auscult", "auscult.sink"):
        logging.getLogger(name).handle(logging.makeLogRecord({"name": name, "msg": "ours", "levelno": 40}))
        logger.handle(logging.makeLogRecord({"name": name, "msg": "ours", "levelno": 40}))
    logger.info("theirs")
    assert [event["message"] for event in recorded()] == ["theirs"]
    assert not [event for event in events(telemetry.directory) if event["message"] == "ours"]


def test_loguru(logger, recorded):
    number = loguru.logger.add(auscult.LogHandler(), format="{message}", level="INFO")
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
    assert "test_loguru" in failed["fields"]["traceback"]


def test_structlog(logger, recorded):
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


def test_warnings(telemetry, recorded):
    logging.captureWarnings(True)
    handler = auscult.LogHandler()
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


def test_before_init_and_after_shutdown_it_does_nothing(python):
    ran = python(
        """
        import logging, auscult
        logging.getLogger().addHandler(auscult.LogHandler())
        logging.warning("before %d", 1, extra={"a": 1})
        auscult.init()
        auscult.shutdown()
        logging.warning("after")
        logging.warning("%d", "not even looked at")
        """
    )
    assert ran.stderr == ""


def test_init_puts_it_on_the_root_logger_once(python):
    ran = python(
        """
        import logging, auscult
        from test_logs import events
        root = logging.getLogger()
        assert root.handlers == [] and root.level == logging.WARNING
        telemetry = auscult.init(logs="INFO")
        assert auscult.init(logs="INFO") is telemetry
        assert [type(handler).__name__ for handler in root.handlers] == ["_StderrHandler", "LogHandler"]
        assert root.level == logging.INFO
        logging.getLogger("tts").debug("less")
        logging.getLogger("tts").info("more")
        logging.getLogger("tts").warning("also shown")
        assert [event["message"] for event in events(telemetry.directory, "tts")] == ["more", "also shown"]
        auscult.shutdown()
        assert root.handlers == [] and root.level == logging.WARNING
        """
    )
    assert ran.stderr == "also shown\n"


def test_it_is_put_back_where_a_configuration_takes_it_away(python):
    python(
        """
        import logging, logging.config, time, auscult
        from test_logs import events
        telemetry = auscult.init(logs="INFO", sample_interval=0.1)
        root = logging.getLogger()
        for _ in range(2):
            logging.config.dictConfig({"version": 1, "root": {"level": "INFO", "handlers": []}})
            root.handlers.clear()
            deadline = time.monotonic() + 20
            while not root.handlers and time.monotonic() < deadline:
                pass
            assert [type(handler).__name__ for handler in root.handlers] == ["LogHandler"]
        logging.info("still recorded")
        assert [event["message"] for event in events(telemetry.directory)] == ["still recorded"]
        auscult.shutdown()
        assert root.handlers == []
        """
    )


def test_a_level_that_the_host_set_meanwhile_is_left(python):
    python(
        """
        import logging, auscult
        auscult.init(logs="INFO")
        logging.getLogger().setLevel(logging.ERROR)
        auscult.shutdown()
        assert logging.getLogger().level == logging.ERROR
        """
    )


def test_a_handler_that_is_there_already_is_left(python):
    python(
        """
        import logging, auscult
        mine = auscult.LogHandler()
        logging.getLogger().addHandler(mine)
        auscult.init(logs=True)
        assert logging.getLogger().handlers == [mine]
        auscult.shutdown()
        assert logging.getLogger().handlers == [mine]
        """
    )


def test_forked_children_record(python):
    python(
        """
        import logging, os, auscult
        from test_logs import events
        telemetry = auscult.init(logs="INFO")
        logging.info("parent")
        children = []
        for number in range(4):
            pid = os.fork()
            if pid == 0:
                logging.info("child %d", number)
                assert auscult.flush(30)
                os._exit(0)
            children.append(pid)
        assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
        found = {event["message"]: event["pid"] for event in events(telemetry.directory, "root")}
        assert found == {"parent": os.getpid()} | {f"child {n}": pid for n, pid in enumerate(children)}, found
        """
    )


def test_records_at_the_end_of_the_interpreter(python):
    python(
        """
        import atexit, logging, threading, auscult
        auscult.init(logs="INFO")
        atexit.register(lambda: logging.info("at exit", extra={"a": [1]}))
        class Late:
            def __del__(self):
                logging.info("late")
        late = Late()
        def forever():
            while True:
                logging.info("daemon", extra={"a": 1})
        for _ in range(3):
            threading.Thread(target=forever, daemon=True).start()
        logging.info("done")
        """
    )


def test_threads_lose_nothing(logger, recorded, telemetry):
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


def test_trace_everywhere_records_each_record_once(python):
    """Own log level and everybody's at the lowest, our handler on the root logger: nothing calls for more."""
    ran = python(
        """
        import logging, urllib.request, auscult
        from test_logs import events
        logging.getLogger().setLevel(1)
        logging.getLogger("auscult").setLevel(1)
        telemetry = auscult.init(listen="127.0.0.1:0", logs=1, sample_interval=0.1)
        for number in range(50):
            logging.getLogger("tts").log(1, "%d", number)
            with auscult.call("synthesize", api_key="k"):
                pass
            urllib.request.urlopen(f"http://{telemetry.address}/metrics").read()
        first = events(telemetry.directory)
        assert [event["message"] for event in first if event["logger"] == "tts"] == [str(n) for n in range(50)]
        # Nothing but what was logged, and nothing more while nobody logs.
        assert {event["logger"] for event in first} == {"tts"}, first
        assert len(first) == 50
        assert len(events(telemetry.directory)) == len(first)
        """
    )
    assert "Recursion" not in ran.stderr


def test_the_start_is_recorded_once_with_version_and_commit(python, tmp_path):
    head = tmp_path / ".git" / "HEAD"
    head.parent.mkdir()
    head.write_text("0123456789abcdef0123456789abcdef01234567\n")
    python(
        """
        import auscult
        from test_logs import events
        telemetry = auscult.init(version="V23")
        (start,) = events(telemetry.directory, "auscult")
        assert start["message"] == "Starting program V23 @ commit 0123456", start
        assert start["fields"] == {"version": "V23", "commit": "0123456789abcdef0123456789abcdef01234567"}
        assert 'commit="0123456789abcdef0123456789abcdef01234567"' in telemetry.render()
        """
    )


def test_secrets_are_nowhere(python, tmp_path):
    """Canaries in settings, labels, fields, messages and errors: not in files, scrapes, reprs, or on the screen."""
    ran = python(
        """
        import logging, os, pathlib, sys, auscult
        CANARY = "".join(["kAn", "ArY", "0123456789"])
        telemetry = auscult.init(
            listen="127.0.0.1:0", logs="DEBUG", bearer_token=CANARY, redact=["TICKET-\\\\w+"],
            labels={"env": "production"},
        )
        log = logging.getLogger("tts")
        log.warning("GET https://lin:%s@host/?token=%s", CANARY, CANARY, extra={
            "api_key": CANARY, "headers": {"Authorization": f"Bearer {CANARY}", "Cookie": f"a={CANARY}"},
            "tts_text": CANARY, "ticket": f"TICKET-{CANARY}", "environment": f"HF_TOKEN={CANARY}",
        })
        with auscult.call("synthesize", labels={"password": CANARY}, prompt_text=CANARY) as call:
            call.set(access_token=CANARY, url=f"redis://:{CANARY}@host")
            call.fail(RuntimeError(f"401: Authorization: Basic {CANARY}"))
        auscult.Counter("logins", "Logins", ["secret"]).labels(secret=CANARY).inc()
        assert auscult.flush(10)
        assert CANARY not in telemetry.render() + repr(telemetry) + repr(call) + str(auscult.calls(frame=False))
        logging.getLogger().handlers.clear()
        segments = pathlib.Path(f"/dev/shm/auscult-{os.getuid()}")
        files = [*telemetry.directory.rglob("*"), *(f for f in segments.rglob("*") if telemetry.directory.name in str(f))]
        contents = [file for file in files if file.is_file()]
        assert len(contents) >= 2, files
        for file in contents:
            assert CANARY.encode() not in file.read_bytes(), file
        assert 'auscult_redactions_total{env="production",rule="key"}' in telemetry.render()
        """
    )
    canary = "kAnArY"
    assert [line for line in ran.stderr.splitlines() if canary in line and not line.startswith("GET ")] == []
    assert canary not in ran.stdout
