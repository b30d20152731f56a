"""Containers in log records: JSON text without secrets."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import json
import math

import numpy
import pytest

import soundpost


class Color(str, enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Masked(str):
    def __str__(self):
        return "***"


Login = collections.namedtuple("Login", ["user", "password"])


@dataclasses.dataclass
class Voice:
    name: str
    speed: float = 1.0
    secret_note: str = dataclasses.field(default="hidden", repr=False)


@dataclasses.dataclass
class OwnText:
    name: str

    def __repr__(self):
        return "OwnText(...)"


def test_container_is_json_text(logger, recorded):
    value = {
        "n": [1, -2.5, True, None, Level.HIGH, 1 << 70],
        "text": None,
        3: 'a "quoted"\nline \x00 你好',
        "none": [math.inf, -math.inf, math.nan],
        "other": [
            datetime.date(2026, 1, 2),
            decimal.Decimal("1.50"),
            b"12",
            Color.RED,
            Masked("x"),
            OwnText("a"),
        ],
        "numpy": [numpy.float32(0.5), numpy.int64(7), numpy.zeros(3, dtype="int16")],
        "sets": [{1}, frozenset([2]), collections.deque([3]), ()],
        "voice": Voice("anna"),
        "empty": [{}, [], {"a": {}}],
    }
    logger.info("value", extra={"value": value, "voice": Voice("berta", 1.5), "own": OwnText("a")})
    (event,) = recorded()
    assert json.loads(event["fields"]["value"]) == {
        "n": [1, -2.5, True, None, 3, 1 << 70],
        "text": None,
        "3": 'a "quoted"\nline \x00 你好',
        "none": ["inf", "-inf", "nan"],
        "other": ["2026-01-02", "1.50", "<2 bytes>", str(Color.RED), "***", "OwnText(...)"],
        "numpy": [0.5, 7, "<ndarray (3,) int16>"],
        "sets": [[1], [2], [3], []],
        "voice": {"name": "anna", "speed": 1.0},
        "empty": [{}, [], {"a": {}}],
    }
    assert json.loads(event["fields"]["voice"]) == {"name": "berta", "speed": 1.5}
    assert event["fields"]["own"] == "OwnText(...)"


def test_many_and_deep_items_are_json_text(logger, recorded):
    deep = {"a": {"b": {"c": {"d": {"e": 1}}}}}
    logger.info("value", extra={"many": dict.fromkeys(range(17), 0), "deep": deep, "full": list(range(16))})
    (event,) = recorded()
    many = json.loads(event["fields"]["many"])
    assert many == {str(number): 0 for number in range(16)} | {"...": "..."}
    assert json.loads(event["fields"]["deep"]) == {"a": {"b": {"c": {"d": "..."}}}}
    assert json.loads(event["fields"]["full"]) == list(range(16))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"password": "hunter2", "n": 1}, '{"password": "[REDACTED:key]", "n": 1}'),
        ({"password": 'a "b" c\n', "n": 1}, '{"password": "[REDACTED:key]", "n": 1}'),
        ([{"api_key": "hunter2"}], '[{"api_key": "[REDACTED:key]"}]'),
        (Login("lin", "hunter2"), '{"user": "lin", "password": "[REDACTED:key]"}'),
        ([("cookie", "sid=hunter2"), ("n", "1")], '[["cookie", "[REDACTED:key]"], ["n", "1"]]'),
        ([("text", "it's, private"), ("n", "1")], '[["text", "[text of 13 characters]"], ["n", "1"]]'),
        ({"input": "hello, you", "voice": "x"}, '{"input": "[text of 10 characters]", "voice": "x"}'),
        (["lin@example.com"], '["[REDACTED:email]"]'),
    ],
    ids=range(8),
)
def test_secrets_in_containers_are_removed(logger, recorded, value, shown):
    logger.info("value", extra={"value": value})
    (event,) = recorded()
    assert event["fields"]["value"] == shown


def test_text_of_speech_requests_is_not_recorded(logger, recorded):
    logger.info("synthesis text 你好 %s", "张三")
    logger.info("Text to synthesize: %s", "it's private,\nall of it")
    logger.info("request", extra={"input": "private", "normalized": "private", "content": "stays"})
    with soundpost.call(logger.name, input="private") as call:
        logger.info("inside", extra={"token": 17})
    assert "private" not in str(call)
    first, second, third, inside = recorded()
    assert first["message"] == "synthesis text [text of 5 characters]"
    assert second["message"] == "Text to synthesize: [text of 23 characters]"
    length = "[text of 7 characters]"
    assert third["fields"] == {"input": length, "normalized": length, "content": "stays"}
    assert inside["fields"] == {"token": 17}
