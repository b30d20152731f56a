"""The text of a call is in no error of it: neither in the call's record nor in log events that carry the exception."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
import urllib.parse
import weakref

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


LINES = [
    "synthesis text {text}",
    "synthesis text {sentence} is too short than prompt text {text}, this may lead to bad performance",
    "Processing English text: {text:.30}...",
    "Next chunk: '{text:.12}...' (7 tokens)",
    "Yielding chunk 1: '{sentence}' (7 tokens)",
    "Encoded text: {text}",
    "Added timestamp for word 'Käthe': 0.1s - 0.2s, 'bellt': 0.2s, 'Hund' 0.3s",
    "No phonemes generated for text: {normalised!r}",
    'request {{"input": {quoted}, "voice": "anna"}}',
    "target texts (after sentence segmentation): {sentences}",
]
SPOKEN = "Wie geht's, Käthe?\nGut, danke. Und bellt der Hund von nebenan heute auch? Ja, leider."


@pytest.mark.parametrize("line", LINES)
def test_text_is_hidden_in_each_line_of_its_call(logger, recorded, line):
    @soundpost.instrument("text_lines")
    def speak(tts_text, prompt_wav="voices/anna.wav"):
        *_, sentence, last = sentences = tts_text.replace("\n", " ").replace("?", ".").split(". ")
        normalised = tts_text.lower().replace("\n", " ")
        values = {"text": tts_text, "quoted": json.dumps(tts_text), "normalised": normalised}
        logger.info(line.format(**values, sentence=sentence, sentences=sentences))
        logger.debug("as argument: %s", tts_text, extra={"seen": tts_text, "wav": prompt_wav, "part": last})

    speak(SPOKEN)
    formatted, argument = recorded()
    leaks = ("Käthe", "käthe", "nebenan", "Hund", "geht's", "bellt")
    recorded_texts = str([(event["message"], event["fields"]) for event in (formatted, argument)])
    assert not any(leak in recorded_texts for leak in leaks), recorded_texts
    assert argument["message"].startswith("as argument: [text of ")
    assert argument["fields"]["wav"] == "voices/anna.wav"


def decorated(function):
    def around(*arguments, **options):
        return function(*arguments, **options)

    around.__wrapped__ = function
    return around


SOURCES = {
    "by_name": ({}, lambda text: ((text,), {})),
    "behind_a_decorator": ({}, lambda text: ((), {"text": text})),
    "list": ({}, lambda text: (([text, "and more"],), {})),
    "named": ({"text": "words"}, lambda text: ((), {"words": text})),
    "names": ({"text": ("text", "words")}, lambda text: ((), {"words": text})),
    "function": (
        {"text": lambda arguments: arguments["words"]["text"]},
        lambda text: ((), {"words": {"text": text}}),
    ),
}


@pytest.mark.parametrize("source", SOURCES)
def test_text_of_each_source_is_hidden(logger, recorded, source):
    options, arguments = SOURCES[source]

    def speak(text=None, words=None):
        logger.info("saying %s", TEXT)

    function = decorated(speak) if source == "behind_a_decorator" else speak
    positional, named = arguments(TEXT)
    soundpost.instrument("text_source", **options)(function)(*positional, **named)
    logger.info("saying %s", "goodbye")
    inside, outside = recorded()
    assert is_clean(inside), inside
    assert outside["message"] == "saying goodbye"


def nested_function():
    soundpost.instrument("text_nested")(lambda text: text)(TEXT)


def nested_generator():
    next(soundpost.instrument("text_nested")(lambda text: (item for item in text))(TEXT))


def nested_field():
    soundpost.instrument("text_nested", fields={"prompt_text": lambda arguments: TEXT})(lambda: None)()


def nested_block():
    with soundpost.call("text_nested", text=TEXT):
        pass


async def awaited(text):
    await asyncio.sleep(0)


def nested_coroutine():
    asyncio.run(soundpost.instrument("text_nested")(awaited)(TEXT))


@pytest.mark.parametrize(
    "nested", [nested_function, nested_generator, nested_field, nested_block, nested_coroutine]
)
def test_text_of_a_nested_call_is_hidden_in_the_outer_one(logger, recorded, nested):
    @soundpost.instrument("text_outer")
    def answer(text):
        for number in range(100):
            soundpost.instrument("text_earlier")(lambda text: None)(f"another text with the number {number}")
        nested()
        logger.info("said %s after %s", TEXT, text)

    answer("the request's own words")
    logger.info("said %s", "something else")
    inside, outside = recorded()
    assert is_clean(inside), inside
    assert outside["message"] == "said something else"


@soundpost.instrument("text_open")
def spoken(text):
    yield text
    yield text


@soundpost.instrument("text_open", outcome=lambda item: None)
def judged(text):
    yield text
    yield text


@soundpost.instrument("text_open")
def returned(text):
    return (item for item in [text, text])


def in_block(text):
    with soundpost.call("text_open", text=text):
        yield text
        yield text


def in_generator(text):
    yield from spoken(text)


@soundpost.instrument("text_open")
def set_inside(words):
    soundpost.current_call().set(prompt_text=words)
    yield words
    yield words


STREAMS = [spoken, judged, returned, in_block, in_generator, set_inside]


@pytest.mark.parametrize("stream", STREAMS)
def test_text_is_hidden_between_the_items_of_a_stream(logger, recorded, stream):
    @soundpost.instrument("text_consumer")
    def send(item):
        logger.info("sent %s", item)

    for item in stream(TEXT):
        logger.info("got %s", item)
        send(item)
    logger.info("other %s", TEXT)
    *events, after = recorded()
    assert [event["message"].split(" [")[0] for event in events] == ["got", "sent"] * 2
    assert is_clean(events), events
    assert TEXT in after["message"]


def test_text_is_hidden_until_its_stream_is_closed(logger, recorded):
    texts = [letter * 20 for letter in "abcdefghijkl"]
    streams = [spoken(text) for text in texts]
    for stream in streams:
        next(stream)
    logger.info("open %s", texts[-8:])
    for stream in streams[:8]:
        stream.close()
    list(streams.pop())
    del streams[-1], stream
    logger.info("ended %s, open %s", [texts[0], texts[-1], texts[-2]], texts[8:10])
    opened, left = recorded()
    assert opened["message"] == f"open {['[text of 20 characters]'] * 8}"
    ended = [texts[0], texts[-1], texts[-2]]
    assert left["message"] == f"ended {ended}, open {['[text of 20 characters]'] * 2}"


def test_text_is_hidden_between_items_of_async_streams(logger, recorded):
    @soundpost.instrument("text_open")
    async def stream(text):
        yield text
        await asyncio.sleep(0)
        yield text

    async def consume(text, other):
        async for item in stream(text):
            logger.info("got %s", item)
            logger.info("other %s", other)

    async def both():
        await asyncio.gather(
            consume("the words of one task", "first"), consume("a" * 20, "the words of one task")
        )

    asyncio.run(both())
    events = sorted(event["message"].split("[")[0] for event in recorded())
    assert events == ["got "] * 4 + ["other first"] * 2 + ["other the words of one task"] * 2


def test_text_is_hidden_in_a_forked_child(python):
    python(
        """
        import logging, os, soundpost
        from test_logs import events

        telemetry, logger = soundpost.init(logs="INFO"), logging.getLogger("tts")
        text, prompt = "nobody else reads these words", "neither are these ones for others"

        @soundpost.instrument
        def retry(words):
            logger.info("again %s, %s", text, prompt)

        @soundpost.instrument
        def speak(text):
            with soundpost.call("part") as call:
                call.set(prompt_text=prompt)
            child = os.fork()
            if child == 0:
                logger.info("child %s, %s", text, prompt)
                retry("else")
                soundpost.flush(5)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0

        def block():
            with soundpost.call("block", text=text):
                speak(text)

        speak(text)
        block()
        logger.info("outside %s", text)
        messages = [event["message"] for event in events(telemetry.directory)]
        hidden = f"[text of {len(text)} characters], [text of {len(prompt)} characters]"
        assert sorted(messages) == sorted([f"again {hidden}", f"child {hidden}"] * 2 + [f"outside {text}"]), messages
        """
    )


@pytest.mark.parametrize("text", ["the", "info", "GET", "47", "a b"])
def test_ordinary_word_is_hidden_as_an_argument_only(logger, recorded, text):
    @soundpost.instrument("text_word")
    def speak(text):
        logger.info("the info of GET 47: 好")
        logger.info("synthesized %s (%d)", text, 47)
        logger.info("synthesized %(text)s", {"text": text})
        logger.warning(f"synthesized {text!r}", extra={"seen": text, "other": f"no {text}."})
        logger.info(text)
        raise ValueError(text)

    with pytest.raises(ValueError, match=text):
        speak(text)
    plain, positional, named, quoted, whole = recorded()
    mark = f"[text of {len(text)} characters]"
    assert plain["message"] == "the info of GET 47: 好"
    assert positional["message"].startswith(f"synthesized {mark} (")
    assert named["message"] == f"synthesized {mark}"
    assert quoted["message"] == f"synthesized '{mark}'"
    assert quoted["fields"] == {"seen": mark, "other": f"no {text}."}
    assert whole["message"] == mark
    assert soundpost.flush(10)
    assert soundpost.read_calls(limit=1)[0].error == mark


def test_error_of_a_text_from_a_function_is_hidden(telemetry, logger, recorded):
    @soundpost.instrument("text_request", text=lambda arguments: arguments["request"]["words"])
    def speak(request):
        with soundpost.stage("vocoder", decides=True):
            raise EngineError("cannot say " + request["words"])

    with pytest.raises(EngineError):
        speak({"words": TEXT})
    assert soundpost.flush(10)
    call = call_of("text_request")
    assert call.error.startswith("cannot say [text of "), call.error
    assert is_clean(call)


def test_text_is_not_kept_by_a_call_that_ended():
    class Text(str):
        __slots__ = ("__weakref__",)

    kept = []

    @soundpost.instrument("text_kept")
    def stream(text):
        kept.append(weakref.ref(text))
        yield text

    items = stream(Text("a text that is long enough"))
    assert len(list(items)) == 1
    gc.collect()
    assert kept[0]() is None


def test_text_is_recorded_if_asked_for(python):
    python(
        """
        import logging, soundpost
        from test_logs import events
        telemetry = soundpost.init(logs="INFO", record_text=True)

        @soundpost.instrument
        def speak(text):
            logging.getLogger("tts").info("saying %s", text)

        speak("a text that is long enough")
        assert [event["message"] for event in events(telemetry.directory)] == ["saying a text that is long enough"]
        """
    )
