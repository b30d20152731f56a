"""The engine alone: no HTTP, no Soundpost."""

import threading

import pytest
from tts_service.engine import Engine, UnknownVoice


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.mark.parametrize(
    ("voice", "text"), [("en-us", "Good morning to you all."), ("cmn", "早上好，很高兴见到你。")]
)
def test_text_yields_audio(engine: Engine, voice: str, text: str) -> None:
    pieces = list(engine.stream(text, voice))

    assert len(pieces) > 5
    assert 1.0 < sum(map(len, pieces)) / 2 / engine.sample_rate < 4.0
    assert any(any(piece) for piece in pieces)


@pytest.mark.parametrize("text", ["", "  \n", "...", "。"])
def test_text_without_words_yields_nothing(engine: Engine, text: str) -> None:
    assert list(engine.stream(text, "en-us")) == []


def test_unsupported_voice_is_an_error(engine: Engine) -> None:
    with pytest.raises(UnknownVoice, match="unknown voice 'nobody'"):
        next(engine.stream("Hello", "nobody"))


def test_voices_are_listed(engine: Engine) -> None:
    assert engine.voices["cmn"].language == "cmn"
    assert engine.voices["en-us"].name == "English (America)"


def test_closed_generator_frees_the_engine(engine: Engine) -> None:
    leaver = engine.stream("word " * 2000, "en-us")
    next(leaver)
    leaver.close()

    assert list(engine.stream("Hello", "en-us"))
    assert not [thread for thread in threading.enumerate() if thread.name == "espeak" and thread.is_alive()]


def test_engine_synthesises_one_text_at_a_time(engine: Engine) -> None:
    sizes: list[int] = []

    def speak() -> None:
        sizes.append(sum(map(len, engine.stream("The quick brown fox jumps over the lazy dog.", "en-us"))))

    threads = [threading.Thread(target=speak) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(sizes) == 8
    assert max(sizes) - min(sizes) < 0.05 * max(sizes)
