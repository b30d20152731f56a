"""Messages and values of log records of any type, also with texts that raise."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import pathlib

import numpy
import pytest


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
    """A tensor on a GPU: conversion to text would wait for the device."""

    shape = (1, 80, 200)
    dtype = "torch.float32"
    is_cuda = True

    def __str__(self):
        raise AssertionError("its text was asked for")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ([1, "a", None], '[1, "a", null]'),
        (list(range(1_000_000)), '[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, "..."]'),
        ({"a": {"b": (1, True)}}, '{"a": {"b": [1, true]}}'),
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
def test_any_value_is_recorded(logger, recorded, value, shown):
    logger.info("value", extra={"value": value})
    (event,) = recorded()
    assert event["fields"].get("value") == shown


def test_raising_value_is_replaced_by_a_note(logger, recorded, scrape):
    before = scrape().errors("log")
    logger.info("value", extra={"value": Raises(), "other": 1})
    (event,) = recorded()
    assert event["fields"] == {"value": "[raised ZeroDivisionError]", "other": 1}
    assert scrape().errors("log") == before + 1


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
def test_any_message_is_recorded(logger, recorded, message, arguments, text):
    logger.info(message, *arguments)
    (event,) = recorded()
    assert event["message"] == text


def test_lone_surrogates_are_replaced(python):
    # A lone surrogate is three bytes, none of which is valid UTF-8.
    python(
        """
        import logging, soundpost
        from test_logs import events
        telemetry = soundpost.init(logs="INFO")
        logging.info("\\ud800 lone \\udfff", extra={"\\ud800 name": "\\udfff value"})
        (event,) = events(telemetry.directory)
        cleaned = "\\ufffd" * 3
        assert event["message"] == f"{cleaned} lone {cleaned}"
        assert event["fields"] == {f"{cleaned} name": f"{cleaned} value"}
        """
    )


def test_long_and_many_values_are_truncated(logger, recorded, scrape):
    logger.info(
        "é" * 1_000_000, extra={f"f{number}": "x" * 10_000_000 * (number == 0) for number in range(10_000)}
    )
    (event,) = recorded()
    assert event["message"] == "é" * 32_768
    assert event["fields"]["f0"] == "x" * 32_768
    assert len(event["fields"]) == 64
    assert scrape().get("soundpost_events_altered_total", reason="too_many_fields") >= 9936
    assert scrape().get("soundpost_events_altered_total", reason="shortened") >= 2


def test_value_that_logs_recursively_terminates(logger, recorded, scrape):
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


def test_recursive_value_terminates(logger, recorded):
    endless = []
    endless.append(endless)
    logger.info(
        "value", extra={"value": endless, "wide": [["x" * 100] * 16] * 16, "odd": [RaisesInside(), Tensor()]}
    )
    (event,) = recorded()
    assert event["fields"]["value"] == '[[[["..."]]]]'
    assert len(event["fields"]["wide"]) > 16 * 16 * 100
    assert event["fields"]["odd"] == '["[raised ZeroDivisionError]", "<Tensor (1, 80, 200) torch.float32>"]'


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_base_exception_is_raised(logger, recorded, kind):
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


def test_panic_is_counted_and_not_raised(logger, recorded, scrape):
    """An exception of a panic panics again in Rust."""
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
