"""Graylog's own inputs decode every call and log event to the fields of searches, through an outage."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from demo.service import poll
from gelf import Graylog
from guide import queries
from outage import DELIVERY_SECONDS, outage
from recorder import OUT_OF_MEMORY, OWN_NAMES, VOICE, emotion, fails
from service import Recorder

Message = dict[str, Any]
LEVELS = {"success": 6, "error": 3}


class Shipped(NamedTuple):
    server: Graylog
    recorder: Recorder
    finished: list[Message]  # calls
    logged: list[Message]  # log events


@pytest.fixture(scope="module", params=["tcp", "tls", "http", "bulk", "udp"])
def shipped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    server, sink = input_of(request.param, tmp_path_factory.mktemp("graylog"))
    with server, Recorder(tmp_path_factory.mktemp("recorder"), [f"{sink}longest_wait=1"]) as recorder:
        outage(server, recorder, lambda: requests(finished(server)))
        poll(lambda: recorder.confirmed() <= requests(logged(server)), "log events", DELIVERY_SECONDS)
        yield Shipped(server, recorder, finished(server), logged(server))


def input_of(transport: str, folder: Path) -> tuple[Graylog, str]:
    """Returns an input, and the URL of a sink for it up to its options."""
    if transport == "bulk":
        server = Graylog(folder, "bulk")
        return server, f"graylog+http://127.0.0.1:{server.port}?bulk=true&"
    # UDP has no flow control: a receiver that waits for the processor needs a buffer.
    room = ["recv_buffer_size=4194304"] if transport == "udp" else []
    server = Graylog(folder, transport, *room)
    trust = f"ca_file={server.authority}&" if transport == "tls" else ""
    return server, f"graylog+{transport}://127.0.0.1:{server.port}?{trust}"


def finished(server: Graylog) -> list[Message]:
    return [each for each in server.messages() if each["message"].startswith("Audio generation")]


def logged(server: Graylog) -> list[Message]:
    return [each for each in server.messages() if each["message"].startswith("Speaking number")]


def requests(messages: list[Message]) -> set[str]:
    return {message["request_id"] for message in messages}


def test_inputs_refuse_nothing(shipped: Shipped) -> None:
    assert shipped.server.refused() == []


def test_calls_equal_those_of_the_store(shipped: Shipped) -> None:
    calls = {call["request_id"]: call for call in shipped.recorder.calls()}

    assert requests(shipped.finished) == calls.keys()
    for message in shipped.finished:
        call = calls[message["request_id"]]
        assert message["level"] == LEVELS[call["status"]]
        assert (message["service"], message["version"]) == ("indextts2", "V23")
        assert (message["operation"], message["outcome"]) == ("synthesize", call["outcome"])
        assert message["char_count"] == call["char_count"]
        assert message["duration_ms"] == pytest.approx(call["duration_ms"], abs=1e-3)
        if call["outcome"] != "died":
            number = int(message["request_id"].removeprefix("req-"))
            assert message["emotion"] == emotion(number)
            assert message["model_version"] == "V23"
            assert message.get("error") == (OUT_OF_MEMORY if fails(number) else None)


def test_log_events_have_their_fields(shipped: Shipped) -> None:
    recorder = shipped.recorder

    assert recorder.confirmed() <= requests(shipped.logged) <= recorder.attempted()
    for message in shipped.logged:
        number = message["number"]
        assert message["message"] == f"Speaking number {number}"
        assert message["request_id"] == f"req-{number}"
        assert (message["level"], message["logger"], message["thread"]) == (6, "indextts2", "MainThread")
        assert message["operation"] == "synthesize"
        assert message["voice"] == VOICE
        assert {name: message[f"{name}_"] for name in OWN_NAMES} == OWN_NAMES
        assert message["file"].endswith("recorder.py")
        assert message["line"] > 0


def test_exceptions_arrive_with_their_traceback(shipped: Shipped) -> None:
    failed = {number for number in shipped.recorder.journal().ended if fails(number)}

    def exceptions() -> dict[int, Message]:
        return {
            each["number"]: each
            for each in shipped.server.messages()
            if "error_type" in each and "number" in each
        }

    poll(lambda: failed <= exceptions().keys(), "exceptions", DELIVERY_SECONDS)
    for number, message in exceptions().items():
        assert message["message"] == f"Number {number} failed"
        assert message["full_message"].startswith(
            f"{message['message']}\nTraceback (most recent call last):\n"
        )
        assert message["full_message"].endswith(f"RuntimeError: {OUT_OF_MEMORY}")


def test_unacknowledged_batches_may_arrive_twice(shipped: Shipped) -> None:
    """The outage and the kill each cause a retry of at most one batch."""
    for messages in (shipped.finished, shipped.logged):
        counted = Counter(message["request_id"] for message in messages)
        twice = [request for request, count in counted.items() if count > 1]
        assert len(twice) < len(counted) / 2
        assert max(counted.values()) <= 3


def test_messages_are_in_the_order_of_the_calls(shipped: Shipped) -> None:
    """The first copy counts. Calls that died are excluded, since they are detected later."""
    ended = shipped.recorder.confirmed()
    for messages in (shipped.finished, shipped.logged):
        arrived = [request for request in dict.fromkeys(map(request_id, messages)) if request in ended]
        numbers = [int(request.removeprefix("req-")) for request in arrived]
        assert numbers == sorted(numbers)


def request_id(message: Message) -> str:
    return str(message["request_id"])


def test_searches_of_the_guide_find_something(shipped: Shipped) -> None:
    """Matches names and values of fields; the search engine itself is not part of the tests."""
    for query in queries("graylog.md", "lucene"):
        assert any(map(found_by(query), shipped.server.messages())), query


def found_by(query: str) -> Callable[[Message], bool]:
    """Returns a filter for `name:value`, `name:prefix*`, `name:"words"` and `name:>number`, joined by AND."""
    terms = [term.split(":", 1) for term in query.split(" AND ")]

    def matches(message: Message, name: str, wanted: str) -> bool:
        value = message.get(name)
        if value is None:
            return False
        if wanted.startswith(">"):
            return float(value) > float(wanted[1:])
        if wanted.endswith("*"):
            return str(value).startswith(wanted[:-1])
        return wanted[1:-1] in str(value) if wanted.startswith('"') else str(value) == wanted

    return lambda message: all(matches(message, name, wanted) for name, wanted in terms)
