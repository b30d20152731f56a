"""The text of a call is in no error of it: neither in the call's record nor in log events that carry the exception."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import urllib.parse

import pytest

import soundpost

TEXT = 'Wie geht\'s, "Käthe"?\nGut, und bellt der Hund von nebenan heute auch?'
PARTS = ["Käthe", "Hund", "nebenan", "geht"]


class EngineError(Exception):
    pass


def fails(text):
    try:
        raise KeyError(f"no token for {text[30:60]}")
    except KeyError as error:
        raise EngineError(
            f"cannot say {text!r} ({json.dumps(text)}, {urllib.parse.quote(text)}, {text.encode()})"
        ) from error


def call_of(name):
    (call,) = [call for call in soundpost.read_calls(limit=500) if call.operation == name]
    return call


def is_clean(value):
    return not any(part in str(value) for part in PARTS)


def block(name):
    text = TEXT
    with soundpost.call(name):
        fails(text)


def function(name):
    soundpost.instrument(name)(fails)(TEXT)


def coroutine(name):
    @soundpost.instrument(name)
    async def speak(prompt_text):
        await asyncio.sleep(0)
        fails(prompt_text)

    asyncio.run(speak(TEXT))


def generator(name):
    @soundpost.instrument(name)
    def stream(texts):
        yield b"\0" * 480
        fails(texts[0])

    list(stream([TEXT]))


def field(name):
    def engine(words):
        raise EngineError("cannot say " + words)

    engine = soundpost.instrument(name, fields={"text": lambda arguments: arguments["words"]})(engine)
    engine(TEXT)


def deciding_stage(name):
    with soundpost.call(name) as call:
        try:
            with call.stage("vocoder", decides=True):
                fails(TEXT)
        except EngineError:
            pass


KINDS = [block, function, coroutine, generator, field, deciding_stage]


@pytest.mark.parametrize("kind", KINDS)
def test_text_of_a_call_is_in_no_error(telemetry, logger, recorded, kind):
    name = f"text_{kind.__name__}"
    try:
        kind(name)
    except EngineError as error:
        # As a web framework does, after the call and on another thread.
        log = threading.Thread(target=logger.error, args=("failed: %s", error), kwargs={"exc_info": error})
        log.start()
        log.join()
        (event,) = recorded()
        assert is_clean(event), event
        assert event["message"].startswith("failed: cannot say ")
        assert event["fields"]["error"].startswith("cannot say ")
        traceback = event["fields"]["traceback"]
        assert "[text of " in traceback, traceback
        assert "EngineError: " in traceback, traceback
    assert soundpost.flush(10)
    call = call_of(name)
    assert call.outcome == "error"
    assert call.error.startswith("cannot say ")
    assert "[text of " in call.error, call
    assert is_clean(call), call


def test_text_is_hidden_in_events_within_the_call(logger, recorded):
    with pytest.raises(EngineError), soundpost.call("text_within") as call:
        call.set(text=TEXT)
        logger.warning("retry with %s", TEXT[10:40])
        logger.info("said %s", "something else")
        try:
            fails(TEXT)
        except EngineError:
            logger.info("failed", exc_info=True)
            raise
    retry, other, failed = recorded()
    assert is_clean([retry, failed]), (retry, failed)
    assert retry["message"].startswith("retry with [text of ")
    assert other["message"] == "said something else"


def test_locals_of_a_traceback_are_not_kept_alive():
    class Tensor:
        pass

    tensor = Tensor()
    before = sys.getrefcount(tensor)

    def speak(text, tensor):
        with soundpost.call("text_alive"):
            raise EngineError(text)

    def retried():
        held = tensor
        try:
            with soundpost.call("text_alive"):
                speak("a text that is long enough", held)
        except EngineError:
            pass
        del held
        return sys.getrefcount(tensor)

    assert retried() == before


def test_other_values_stay(logger, recorded):
    prompt, text = "voices/anna.wav", "47"
    try:
        raise FileNotFoundError(2, "No such file", prompt)
    except FileNotFoundError:
        logger.exception("line %s", text)
    (event,) = recorded()
    assert event["message"] == "line 47"
    assert "voices/anna.wav" in event["fields"]["error"]
