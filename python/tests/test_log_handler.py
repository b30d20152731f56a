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


def test_init_records_until_shutdown_and_changes_no_handler(python):
    ran = python(
        """
        import logging, soundpost
        from test_logs import events
        root, original = logging.getLogger(), logging.Logger.callHandlers
        telemetry = soundpost.init(logs="INFO")
        assert soundpost.init(logs="INFO") is telemetry
        assert (root.handlers, root.level) == ([], logging.INFO)
        logging.getLogger("tts").debug("less")
        logging.getLogger("tts").info("more")
        logging.getLogger("tts").warning("also shown")
        assert [event["message"] for event in events(telemetry.directory, "tts")] == ["more", "also shown"]
        soundpost.shutdown()
        assert (root.handlers, root.level) == ([], logging.WARNING)
        assert logging.Logger.callHandlers is original
        """
    )
    assert ran.stderr == "also shown\n"


def test_method_replaced_by_the_host_is_kept(python):
    ran = python(
        """
        import logging, soundpost
        from test_logs import events
        telemetry = soundpost.init(logs=True)
        ours = logging.Logger.callHandlers
        def theirs(self, record):
            print(record.getMessage())
            ours(self, record)
        logging.Logger.callHandlers = theirs
        logging.warning("first")
        soundpost.shutdown()
        assert logging.Logger.callHandlers is theirs
        logging.warning("second")
        assert soundpost.init(logs=True)
        logging.warning("third")
        soundpost.shutdown()
        soundpost.init()
        logging.warning("fourth")
        found = [event["message"] for event in events(telemetry.directory)]
        assert found == ["first", "third"], found
        """
    )
    assert ran.stdout.split() == ["first", "second", "third", "fourth"]


def test_disabled_and_filtered_loggers_are_not_recorded(python):
    python(
        """
        import logging, soundpost
        from test_logs import events
        telemetry = soundpost.init(logs=True)
        disabled, filtered = logging.getLogger("disabled"), logging.getLogger("filtered")
        disabled.disabled = True
        filtered.addFilter(lambda record: record.msg == "kept")
        for logger in (disabled, filtered):
            logger.warning("dropped")
            logger.warning("kept")
        found = [(event["logger"], event["message"]) for event in events(telemetry.directory)]
        assert found == [("filtered", "kept")], found
        """
    )


def test_handler_with_a_formatter_comes_first(python):
    python(
        """
        import logging, soundpost
        from test_logs import events
        telemetry = soundpost.init(logs=True)
        handler = soundpost.LogHandler()
        handler.setFormatter(logging.Formatter("formatted %(message)s"))
        handler.addFilter(lambda record: record.msg != "filtered")
        logging.getLogger("tts").addHandler(handler)
        for name in ("tts.api", "other"):
            logging.getLogger(name).warning("event")
            logging.getLogger(name).warning("filtered")
        found = [event["message"] for event in events(telemetry.directory)]
        assert found == ["formatted event", "filtered", "event", "filtered"], found
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
