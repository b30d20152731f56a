"""LogQL finds every call and log event in Loki, whose version here needs `extras=logfmt`.

VictoriaLogs shows outages, structured metadata and JSON. Metadata in LogQL is new in Loki 3, which the tests do not run.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from demo.service import poll
from guide import queries
from loki import Entry, Loki
from outage import DELIVERY_SECONDS, settle
from recorder import OUT_OF_MEMORY, OWN_NAMES, VOICE, emotion, fails
from service import Recorder

SELECTOR = '{job="indextts2"}'
FINISHED = f'{SELECTOR} |= "Audio generation" | logfmt'
LOGGED = f'{SELECTOR} |= "Speaking number" | logfmt'


class Shipped(NamedTuple):
    server: Loki
    recorder: Recorder


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    with Loki(tmp_path_factory.mktemp("loki")) as server:
        sink = f"loki+{server.url}?longest_wait=1&extras=logfmt"
        with Recorder(tmp_path_factory.mktemp("recorder"), [sink]) as recorder:
            recorder.record(60)
            settle(recorder, lambda: requests(server.entries(FINISHED)))
            poll(
                lambda: recorder.confirmed() <= requests(server.entries(LOGGED)),
                "log events",
                DELIVERY_SECONDS,
            )
            yield Shipped(server, recorder)


def requests(entries: list[Entry]) -> set[str]:
    return {entry.labels["request_id"] for entry in entries}


def test_entries_without_a_retry_are_stored_once(shipped: Shipped) -> None:
    for query in (FINISHED, LOGGED):
        counted = Counter(each.labels["request_id"] for each in shipped.server.entries(query))
        assert counted.most_common(1)[0][1] == 1


def test_entries_are_in_the_order_of_the_calls(shipped: Shipped) -> None:
    for query in (FINISHED, LOGGED):
        for level in ("info", "error"):
            entries = [each for each in shipped.server.entries(query) if each.labels["level"] == level]
            numbers = [int(entry.labels["request_id"].removeprefix("req-")) for entry in entries]
            assert numbers == sorted(numbers)


def test_log_events_have_their_fields_in_the_line(shipped: Shipped) -> None:
    for entry in shipped.server.entries(LOGGED):
        number = int(entry.labels["number"])
        assert entry.line.startswith("[INFO] ")
        assert f"Speaking number {number} " in entry.line
        wanted = {
            "job": "indextts2",
            "level": "info",
            "logger": "indextts2",
            "version": "V23",
            "request_id": f"req-{number}",
            "operation": "synthesize",
            "voice": VOICE,
            **{f"{name}_": value for name, value in OWN_NAMES.items()},
        }
        assert entry.labels.items() >= wanted.items()


def test_failed_calls_are_found_by_their_error(shipped: Shipped) -> None:
    found = shipped.server.entries(
        f'{SELECTOR} |= "Audio generation failed" |= "CUDA out of memory" | logfmt'
    )

    calls = shipped.recorder.calls()
    assert requests(found) == {call["request_id"] for call in calls if call["outcome"] == "oom"}
    assert all(OUT_OF_MEMORY in entry.line for entry in found)


def test_logged_exceptions_are_found_by_their_text(shipped: Shipped) -> None:
    failed = shipped.recorder.confirmed(fails)

    def found() -> list[Entry]:
        return shipped.server.entries(f'{SELECTOR} |= "{OUT_OF_MEMORY}" |= "Traceback"')

    poll(lambda: len(found()) >= len(failed), "exceptions", DELIVERY_SECONDS)


def test_labels_and_fields_filter(shipped: Shipped) -> None:
    recorder, server = shipped.recorder, shipped.server

    errors = server.entries('{job="indextts2", level="error"} | logfmt | outcome="oom"')
    assert requests(errors) == {call["request_id"] for call in recorder.calls() if call["outcome"] == "oom"}
    angry = server.entries(f'{SELECTOR} | logfmt | operation="synthesize" | emotion="angry" | outcome="ok"')
    assert requests(angry) == recorder.confirmed(
        lambda number: emotion(number) == "angry" and not fails(number)
    )
    assert len(server.entries(f'{SELECTOR} | logfmt | request_id="req-7" |= "Audio"')) == 1


def test_counts_and_rates_are_those_of_the_store(shipped: Shipped) -> None:
    counted = shipped.server.value(f"sum by (outcome) (count_over_time({FINISHED} [1h]))", "outcome")
    rated = shipped.server.value(f"sum(rate({FINISHED} [1h]))")

    calls = shipped.recorder.calls()
    assert counted == {(outcome,): n for outcome, n in Counter(call["outcome"] for call in calls).items()}
    assert rated[()] == pytest.approx(len(calls) / 3600)


def test_queries_of_the_guide_find_something(shipped: Shipped) -> None:
    """Each query gets `| logfmt` in front of its first filter, which stands in for structured metadata."""
    for query in queries("loki.md", "logql"):
        parsed = with_parser(query)
        is_metric = any(function in query for function in ("rate(", "_over_time("))
        assert shipped.server.value(parsed) if is_metric else shipped.server.entries(parsed), parsed


def with_parser(query: str) -> str:
    """Inserts `| logfmt` behind the line filters."""
    return re.sub(r"(?= \| | \[)|$", " | logfmt", query, count=1)
