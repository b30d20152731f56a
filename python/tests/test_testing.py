"""`soundpost.testing`: the calls and log events of a test."""

import subprocess
import sys
import textwrap

import pytest

import soundpost

pytest_plugins = ["soundpost.testing"]


def test_capture_has_what_happened_since_its_start(telemetry, name, logger):
    from soundpost.testing import capture

    work = soundpost.instrument(name, audio=lambda result: result)(lambda seconds: seconds)
    work(1.0)
    logger.info("before")
    with capture() as captured:
        work(0.5)
        with pytest.raises(ZeroDivisionError):
            soundpost.instrument(name)(lambda: 1 / 0)()
        logger.warning("%s words", 3)
        own = [call for call in captured.calls if call.operation == name]
        assert [(call.outcome, call.audio_seconds) for call in own] == [("ok", 0.5), ("error", 0.0)]
        assert [(log.level, log.message) for log in captured.logs if log.logger == logger.name] == [
            ("warning", "3 words")
        ]


def test_fixture_captures(soundpost_capture, telemetry, name):
    soundpost.instrument(name)(lambda: None)()
    assert [call.operation for call in soundpost_capture.calls] == [name]


PROGRAM = """
    import logging
    import os
    import soundpost
    from soundpost.testing import capture

    @soundpost.instrument("work", labels={"kind": "kind"})
    def work(kind):
        logging.getLogger("app").warning("working")

    work("outside")
    os.environ |= {"SOUNDPOST_SINKS": "jsonl:shipped.jsonl", "SOUNDPOST_LABELS": "site=live"}
    for kind in ("a", "b"):
        with capture() as captured:
            work(kind)
            (call,), (log,) = captured.calls, captured.logs
            assert call.labels == {"kind": kind}, call
            assert (log.message, log.request_id) == ("working", call.request_id), log
            directory = soundpost._init.running()["directory"]
        assert not os.path.exists(directory), directory
    assert not os.path.exists("shipped.jsonl")
    os.environ["SOUNDPOST_DISABLED"] = "1"
    try:
        with capture():
            raise SystemExit("it records")
    except ValueError as error:
        assert "SOUNDPOST_DISABLED" in str(error)
    del os.environ["SOUNDPOST_DISABLED"]
    soundpost.init("x", store=False, listen=None, gpu=False, directory=DIRECTORY)
    try:
        with capture():
            raise SystemExit("it has no store")
    except ValueError as error:
        assert "store=True" in str(error)
"""


def test_capture_before_init_has_telemetry_of_its_own(tmp_path):
    program = textwrap.dedent(PROGRAM).replace("DIRECTORY", repr(str(tmp_path)))
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
