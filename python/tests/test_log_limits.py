"""Limits of the size and time of log records."""

from __future__ import annotations

import logging
import time


def test_error_is_kept_beside_many_fields(logger, recorded):
    filler = {f"f{number}": "x" * 10_000 for number in range(100)}

    def deeper(depth):
        if depth:
            deeper(depth - 1)
            return
        raise ValueError("the error " + "x" * 200_000)

    try:
        deeper(300)
    except ValueError:
        logger.exception("failed", extra=filler, stack_info=True)
    (event,) = recorded()
    fields = event["fields"]
    assert fields["error_type"] == "ValueError"
    assert fields["error"] == ("the error " + "x" * 200_000)[:8192]
    assert fields["stack"].startswith("Stack (most recent call last):")
    traceback = fields["traceback"]
    assert 20_000 < len(traceback) <= 32_768
    assert traceback.startswith("Traceback (most recent call last):")
    assert 'raise ValueError("the error " + "x" * 200_000)\nValueError: the error xxx' in traceback


def test_long_traceback_keeps_its_ends(logger, recorded):
    def left(depth):
        right(depth - 1)

    def right(depth):
        if depth <= 0:
            raise RuntimeError("CUDA out of memory")
        left(depth)

    try:
        left(450)
    except RuntimeError:
        logger.exception("failed")
    (event,) = recorded()
    traceback = event["fields"]["traceback"]
    assert traceback.startswith("Traceback (most recent call last):")
    assert "test_long_traceback_keeps_its_ends" in traceback
    assert " lines left out]\n  File " in traceback
    assert traceback.endswith("RuntimeError: CUDA out of memory")


def test_huge_record_takes_bounded_time(telemetry, logger):
    """Ten MiB and ten thousand fields take no longer than the part that is kept."""
    handler = logger.handlers[0]

    def taken(**extra):
        spent = []
        for _ in range(5):
            record = logging.makeLogRecord({"name": logger.name, "msg": "m", "levelno": 20, **extra})
            began = time.thread_time()
            handler.handle(record)
            spent.append(time.thread_time() - began)
        return min(spent)

    class Long(str):
        def __len__(self):
            return 1

    for long, short in (("é" * (5 << 20), "é" * (80 << 10)), ("a\udc80" * (5 << 20), "a\udc80" * (40 << 10))):
        bound = 3 * taken(f=short, msg=short) + 0.002
        assert taken(f=long) < bound
        assert taken(msg=long) < bound
        assert taken(f=Long(long)) < bound
    many = {f"f{number}": "x" for number in range(10_000)}
    assert taken(**many) < 3 * taken(**{f"f{number}": "x" for number in range(64)}) + 0.001
