"""Loki has every call and every log event through an outage, and LogQL finds them."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

import pytest
from demo.service import poll
from guide import queries
from loki import Entry, Loki
from outage import DELIVERY_SECONDS, outage
from recorder import OUT_OF_MEMORY, VOICE, emotion, fails
from service import Recorder

FINISHED = '{job="indextts2"} |= "Audio generation"'
SAID = '{job="indextts2"} |= "Speaking number"'


class Shipped(NamedTuple):
    server: Loki
    recorder: Recorder


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    with Loki(tmp_path_factory.mktemp("loki")) as server:
        sink = f"loki+{server.url}?longest_wait=1"
        with Recorder(tmp_path_factory.mktemp("recorder"), [sink]) as recorder:
            outage(server, recorder, lambda: {each.labels["request_id"] for each in server.entries(FINISHED)})
            poll(lambda: recorder.ended() <= requests(server.entries(SAID)), "log events", DELIVERY_SECONDS)
            yield Shipped(server, recorder)


def requests(entries: list[Entry]) -> set[str]:
    return {entry.labels["request_id"] for entry in entries}


def test_no_entry_is_there_twice(shipped: Shipped) -> None:
    """What is sent again has the same time and line, by which Loki knows it."""
    for query in (FINISHED, SAID):
        counted = Counter(each.labels["request_id"] for each in shipped.server.entries(query))
        assert counted.most_common(1)[0][1] == 1


def test_log_events_are_what_was_said(shipped: Shipped) -> None:
    said = shipped.server.entries(SAID)

    assert shipped.recorder.ended() <= requests(said) <= shipped.recorder.begun()
    for entry in said:
        number = int(entry.labels["number"])
        assert f"Speaking number {number}" in entry.line
        assert entry.line.startswith("[INFO] ")
        assert (
            entry.labels.items()
            >= {
                "job": "indextts2",
                "level": "info",
                "logger": "indextts2",
                "version": "V23",
                "request_id": f"req-{number}",
                "operation": "synthesize",
                "voice": VOICE,
            }.items()
        )


def test_entries_are_in_the_order_of_the_calls(shipped: Shipped) -> None:
    for query in (FINISHED + ' |= "completed"', SAID):
        entries = shipped.server.entries(query)
        numbers = [int(entry.labels["request_id"].removeprefix("req-")) for entry in entries]
        assert numbers == sorted(numbers)


def test_calls_are_what_the_store_has(shipped: Shipped) -> None:
    calls = {call["request_id"]: call for call in shipped.recorder.calls()}

    for entry in shipped.server.entries(FINISHED):
        call = calls[entry.labels["request_id"]]
        assert entry.labels["outcome"] == call["outcome"]
        assert float(entry.labels["duration_ms"]) == pytest.approx(call["duration_ms"], abs=1e-3)
        assert int(entry.labels["char_count"]) == call["char_count"]
        assert datetime.fromtimestamp(entry.unix_nanos / 1e9, timezone.utc) - datetime.fromisoformat(
            call["time"].replace("Z", "+00:00")
        ) < timedelta(milliseconds=2)
        assert entry.labels["level"] == {"success": "info", "error": "error"}[call["status"]]


def test_lines_are_found_by_what_they_say(shipped: Shipped) -> None:
    """The query of who looks for a full GPU."""
    recorder = shipped.recorder
    found = shipped.server.entries('{job="indextts2"} |= "CUDA out of memory"')

    failed = {call["request_id"] for call in recorder.calls() if call["outcome"] == "oom"}
    finished = [entry for entry in found if "Audio generation failed" in entry.line]
    assert requests(finished) == failed
    assert all(OUT_OF_MEMORY in entry.line for entry in finished)


def test_logged_exceptions_are_found_by_what_they_say(shipped: Shipped) -> None:
    failed = {number for number in shipped.recorder.journal().ended if fails(number)}

    def found() -> set[int]:
        entries = shipped.server.entries(f'{{job="indextts2"}} |= "{OUT_OF_MEMORY}" |= "Traceback"')
        return {int(entry.labels["number"]) for entry in entries}

    poll(lambda: failed <= found(), "exceptions", DELIVERY_SECONDS)


def test_labels_and_metadata_filter(shipped: Shipped) -> None:
    recorder, server = shipped.recorder, shipped.server

    errors = server.entries('{job="indextts2", level="error"} | outcome="oom"')
    assert requests(errors) == {call["request_id"] for call in recorder.calls() if call["outcome"] == "oom"}
    angry = server.entries('{job="indextts2"} | operation="synthesize" | emotion="angry" | outcome="ok"')
    wanted = {
        number for number in recorder.journal().ended if emotion(number) == "angry" and not fails(number)
    }
    assert requests(angry) == {f"req-{number}" for number in wanted}
    assert len(server.entries('{job="indextts2"} | request_id="req-7" |= "Audio"')) == 1


def test_counts_and_rates(shipped: Shipped) -> None:
    counted = shipped.server.value(f"sum by (outcome) (count_over_time({FINISHED} [1h]))", "outcome")
    rated = shipped.server.value(f"sum(rate({FINISHED} [1h]))")

    calls = shipped.recorder.calls()
    assert counted == {(outcome,): n for outcome, n in Counter(call["outcome"] for call in calls).items()}
    assert rated[()] == pytest.approx(len(calls) / 3600)


def test_the_queries_of_the_guide(shipped: Shipped) -> None:
    for query in queries("loki.md", "logql"):
        is_metric = any(function in query for function in ("rate(", "_over_time("))
        assert shipped.server.value(query) if is_metric else shipped.server.entries(query), query
