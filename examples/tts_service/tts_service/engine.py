"""eSpeak NG through its C library: text in, pieces of 16-bit mono PCM out, during synthesis."""

import ctypes
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import espeakng_loader

# From espeak-ng/speak_lib.h.
_SYNCHRONOUS = (
    2  # AUDIO_OUTPUT_SYNCHRONOUS: audio goes to the callback; espeak_Synth returns after the last of it
)
_DONT_EXIT = 0x8000  # without it the library ends the process when it finds no data
_CHARS_UTF8 = 1
_CONTINUE, _STOP = 0, 1
_OK = 0

_PIECE_MS = 60
_PIECES_AHEAD = 16  # maximum lead of the engine over its consumer: about one second of audio
_BYTES_PER_SAMPLE = 2


class EngineError(RuntimeError):
    """The engine could not be started, or failed during synthesis."""


class UnknownVoice(ValueError):
    """No voice of this name is installed."""


@dataclass(frozen=True)
class Voice:
    id: str
    name: str
    language: str


class _VoiceRecord(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),  # one byte of priority, then the language
        ("identifier", ctypes.c_char_p),  # the voice's file, such as "sit/cmn"
    ]


_AudioCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class Engine:
    """The engine of this process. Its state is global, so it synthesises one text at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path()
        self.sample_rate: int = self._lib.espeak_Initialize(
            _SYNCHRONOUS, _PIECE_MS, data.encode(), _DONT_EXIT
        )
        if self.sample_rate <= 0:
            # The library keeps this path in 160 bytes; a deep installation is the usual reason.
            raise EngineError(f"eSpeak NG did not start with the data in {data}")
        self.voices = _voices(self._lib)

    def stream(self, text: str, voice: str) -> Iterator[bytes]:
        """Yields PCM during synthesis, and nothing for a text without words. Closing it stops the engine."""
        if voice not in self.voices:
            raise UnknownVoice(f"unknown voice {voice!r}: GET /voices lists the {len(self.voices)} there are")
        if not any(character.isalnum() for character in text):
            return  # the engine would return a few samples of silence
        with self._lock:
            if self._lib.espeak_SetVoiceByName(voice.encode()) != _OK:
                raise EngineError(f"eSpeak NG could not load the voice {voice!r}")
            yield from _speak(self._lib, text.encode())


def _voices(lib: ctypes.CDLL) -> dict[str, Voice]:
    lib.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_VoiceRecord))
    records = lib.espeak_ListVoices(None)
    voices: dict[str, Voice] = {}
    while records[len(voices)]:  # the array ends with a null
        record = records[len(voices)].contents
        voice = PurePosixPath(record.identifier.decode()).name.lower()
        voices[voice] = Voice(voice, record.name.decode().strip(), record.languages[1:].decode())
    return voices


def _speak(lib: ctypes.CDLL, text: bytes) -> Iterator[bytes]:
    """Turns the engine's callback into a generator. The engine runs in a thread and waits if it is too far ahead."""
    made: queue.Queue[bytes | int] = queue.Queue(_PIECES_AHEAD)  # pieces, then the engine's status
    closed = threading.Event()

    def on_audio(samples: int | None, count: int, _events: int | None) -> int:
        if samples and count:
            made.put(ctypes.string_at(samples, count * _BYTES_PER_SAMPLE))
        return _STOP if closed.is_set() else _CONTINUE

    callback = _AudioCallback(on_audio)  # kept as long as the engine may call it

    def run() -> None:
        lib.espeak_SetSynthCallback(callback)
        made.put(lib.espeak_Synth(text, len(text) + 1, 0, 0, 0, _CHARS_UTF8, None, None))

    threading.Thread(target=run, name="espeak", daemon=True).start()
    item: bytes | int = b""
    try:
        while isinstance(item := made.get(), bytes):
            yield item
        if item != _OK:
            raise EngineError(f"eSpeak NG failed with status {item}")
    finally:
        closed.set()
        while isinstance(item, bytes):  # releases a waiting callback, and waits until the engine is free
            item = made.get()
