"""The log handler: its installation, forks, and the end of the interpreter."""

from __future__ import annotations

import logging

from stored_events import events

import soundpost


def test_handler_outside_init_and_shutdown_does_nothing(python):
    ran = python(
        """
        import logging, soundpost
        logging.getLogger().addHandler(soundpost.LogHandler())
        logging.warning("before %d", 1, extra={"a": 1})
        soundpost.init()
        soundpost.shutdown()
        logging.warning("after")
        logging.warning("%d", "not even looked at")
        """
    )
    assert ran.stderr == ""


def test_init_installs_the_handler_once(python):
    ran = python(
        """
        import logging, soundpost
        from test_logs import events
        root = logging.getLogger()
        assert root.handlers == [] and root.level == logging.WARNING
        telemetry = soundpost.init(logs="INFO")
        assert soundpost.init(logs="INFO") is telemetry
        assert [type(handler).__name__ for handler in root.handlers] == ["_StderrHandler", "LogHandler"]
        assert root.level == logging.INFO
        logging.getLogger("tts").debug("less")
        logging.getLogger("tts").info("more")
        logging.getLogger("tts").warning("also shown")
        assert [event["message"] for event in events(telemetry.directory, "tts")] == ["more", "also shown"]
        soundpost.shutdown()
        assert root.handlers == [] and root.level == logging.WARNING
        """
    )
    assert ran.stderr == "also shown\n"


def test_removed_handler_is_reinstalled(python):
    python(
        """
        import logging, logging.config, time, soundpost
        from test_logs import events
        telemetry = soundpost.init(logs="INFO", sample_interval=0.1)
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
        soundpost.shutdown()
        assert root.handlers == []
        """
    )


def test_level_set_by_the_host_is_kept(python):
    python(
        """
        import logging, soundpost
        soundpost.init(logs="INFO")
        logging.getLogger().setLevel(logging.ERROR)
        soundpost.shutdown()
        assert logging.getLogger().level == logging.ERROR
        """
    )


def test_existing_handler_is_kept(python):
    python(
        """
        import logging, soundpost
        mine = soundpost.LogHandler()
        logging.getLogger().addHandler(mine)
        soundpost.init(logs=True)
        assert logging.getLogger().handlers == [mine]
        soundpost.shutdown()
        assert logging.getLogger().handlers == [mine]
        """
    )


def test_forked_child_records(python):
    python(
        """
        import logging, os, soundpost
        from test_logs import events
        telemetry = soundpost.init(logs="INFO")
        logging.info("parent")
        children = []
        for number in range(4):
            pid = os.fork()
            if pid == 0:
                logging.info("child %d", number)
                assert soundpost.flush(30)
                os._exit(0)
            children.append(pid)
        assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
        found = {event["message"]: event["pid"] for event in events(telemetry.directory, "root")}
        assert found == {"parent": os.getpid()} | {f"child {n}": pid for n, pid in enumerate(children)}, found
        """
    )


def test_record_at_interpreter_exit_is_recorded(python):
    python(
        """
        import atexit, logging, threading, soundpost
        soundpost.init(logs="INFO")
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


def test_record_at_several_handlers_is_recorded_once(telemetry, logger, recorded):
    child = logger.getChild("child")
    child.addHandler(formatted := soundpost.LogHandler())
    formatted.setFormatter(logging.Formatter("child: %(message)s"))
    child.addHandler(only_errors := soundpost.LogHandler(logging.ERROR))
    try:
        child.info("said", extra={f"f{number}": number for number in range(100)})
        only_errors.setLevel(logging.INFO)
        child.removeHandler(formatted)
        child.info("again")
        logger.info("parent")
    finally:
        child.handlers.clear()
    assert [event["message"] for event in events(telemetry.directory, child.name)] == ["child: said", "again"]
    assert [event["message"] for event in recorded()] == ["parent"]


def test_record_skipped_by_one_handler_is_recorded_by_the_next(telemetry, logger, recorded):
    logger.handlers[0].addFilter(lambda record: False)
    logger.addHandler(soundpost.LogHandler())
    logger.info("said")
    assert [event["message"] for event in recorded()] == ["said"]


def test_formatter_and_filters_set_directly_are_used(logger, recorded):
    handler = logger.handlers[0]
    handler.formatter = logging.Formatter("%(levelname)s: %(message)s")
    logger.info("one")
    handler.formatter = None
    handler.filters = [lambda record: record.msg != "less"]
    logger.info("less")
    logger.info("two")
    handler.filters = []
    logger.info("less")
    assert [event["message"] for event in recorded()] == ["INFO: one", "two", "less"]
