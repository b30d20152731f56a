"""Sends requests to the service, and collects the expected records."""

import http.client
import json
import socket
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tts_service import wav

from demo.scrape import Sums
from demo.texts import ENGLISH, MANDARIN, NOVEL

AT_ONCE = 6
TIMEOUT = 60.0
PATHS = {"synthesize": "/v1/tts", "synthesize_stream": "/v1/tts/stream"}
# The voice of clients that disconnect: the amount of audio made for them is unknown here.
LEAVER_VOICE = "en-gb-scotland"


@dataclass(frozen=True)
class Request:
    operation: str
    text: str
    voice: str
    outcome: str = "ok"


@dataclass
class Sent:
    """Responses, in the terms of a scrape."""

    calls: Counter[tuple[str, ...]] = field(default_factory=Counter)  # by operation and outcome
    audio_seconds: Sums = field(default_factory=lambda: defaultdict(float))  # by operation and voice
    surprises: list[str] = field(default_factory=list)


def plan() -> list[Request]:
    """Returns forty good requests, whole and streamed, short and long, English and Mandarin, and seven faulty ones."""
    requests = [
        Request(operation, " ".join([text] * times), voice)
        for operation in PATHS
        for voice, texts in (("en-us", ENGLISH), ("cmn", MANDARIN))
        for text in texts
        for times in (1, 8)
    ]
    for operation in PATHS:
        requests.append(Request(operation, "", "en-us", "empty"))
        requests.append(Request(operation, ENGLISH[0], "klingon-opera", "error"))
    requests += [Request("synthesize_stream", NOVEL, LEAVER_VOICE, "abandoned")] * 3
    # Every fifth, then every fifth after the first, and so on: a reproducible mixture.
    return [request for first in range(5) for request in requests[first::5]]


def send(port: int, requests: Iterable[Request]) -> Sent:
    """Sends the requests, a few at a time."""
    sent = Sent()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = pool.map(lambda request: (request, _send(port, request)), requests)
        for request, (seconds, surprise) in results:
            sent.calls[request.operation, request.outcome] += 1
            sent.audio_seconds[request.operation, request.voice] += seconds
            if surprise:
                sent.surprises.append(f"{request.operation} ({request.voice}): {surprise}")
    return sent


def _send(port: int, request: Request) -> tuple[float, str | None]:
    """Returns the seconds of audio received, and the fault of the response."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.sock = connect(port, leaves=request.outcome == "abandoned")
        body = json.dumps({"text": request.text, "voice": request.voice})
        connection.request("POST", PATHS[request.operation], body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        wanted = {"empty": 422, "error": 400}.get(request.outcome, 200)
        if response.status != wanted:
            return 0.0, f"status {response.status} where {wanted} was due: {response.read(200)!r}"
        if wanted != 200:
            return 0.0, None
        if request.outcome == "abandoned":
            return _seconds(response.read(8192)), None  # and disconnects
        audio = response.read()
        return _seconds(audio), None if len(audio) > wav.HEADER_BYTES else "no audio"
    except (OSError, http.client.HTTPException) as error:
        return 0.0, f"{type(error).__name__}: {error}"
    finally:
        connection.close()


def connect(port: int, leaves: bool) -> socket.socket:
    """Opens a connection to the service, with a small buffer if the client will disconnect."""
    connection = socket.socket()
    connection.settimeout(TIMEOUT)
    if leaves:  # so that the service cannot finish before the client disconnects
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", port))
    return connection


def _seconds(audio: bytes) -> float:
    """Returns the length of a WAV file by its data, because the header of a stream has none."""
    rate = int.from_bytes(audio[24:28], "little")
    return (len(audio) - wav.HEADER_BYTES) / 2 / rate
