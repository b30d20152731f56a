"""The service's work and its instrumentation: two functions, one per kind of response."""

import logging
import unicodedata
from collections.abc import Iterator
from typing import Any

import soundpost
from tts_service.engine import Engine

engine = Engine()
log = logging.getLogger(__name__)


def voice_label(arguments: dict[str, Any]) -> str:
    """Maps unsupported voices to one value, because the client chooses the voice and a label needs few values."""
    voice = arguments["voice"]
    return voice if voice in engine.voices else "unknown"


def characters(arguments: dict[str, Any]) -> int:
    return len(arguments["text"])


def normalise(text: str) -> str:
    """Normalises characters (such as full-width digits and letters) and white space."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


@soundpost.instrument(
    "synthesize",
    labels={"voice": voice_label},
    fields={"char_count": characters},
    audio=soundpost.audio(sample_rate=engine.sample_rate),
)
def synthesize(text: str, voice: str) -> bytes:
    """Returns the whole text as PCM."""
    with soundpost.stage("frontend"):
        text = normalise(text)
    log.info("Speaking the whole text", extra={"voice": voice, "words": len(text.split())})
    with soundpost.stage("vocoder"):
        return b"".join(engine.stream(text, voice))


@soundpost.instrument(
    "synthesize_stream",
    labels={"voice": voice_label},
    fields={"char_count": characters},
    audio=soundpost.audio(sample_rate=engine.sample_rate),
)
def synthesize_stream(text: str, voice: str) -> Iterator[bytes]:
    """Yields the text as pieces of PCM during synthesis."""
    with soundpost.stage("frontend"):
        text = normalise(text)
    log.info("Speaking as the client listens", extra={"voice": voice, "words": len(text.split())})
    yield from engine.stream(text, voice)
