"""VictoriaLogs, which accepts Loki's protocol, has every call and log event through an outage."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import pytest
from demo.service import poll
from loki import Entry
from outage import DELIVERY_SECONDS, outage, settle
from recorder import OUT_OF_MEMORY, OWN_NAMES, VOICE, emotion, fails
from service import Recorder
from victoria_logs import VictoriaLogs

STREAM = '{job="indextts2"}'
FINISHED = f'{STREAM} "Audio generation"'
LOGGED = f'{STREAM} "Speaking number"'


class Shipped(NamedTuple):
    server: VictoriaLogs
    recorder: Recorder


@pytest.fixture(scope="module", params=["protobuf", "json"])
def shipped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    with VictoriaLogs(tmp_path_factory.mktemp("victoria-logs")) as server:
        sink = f"loki+{server.push_url}?longest_wait=1&encoding={request.param}"
        with Recorder(tmp_path_factory.mktemp("recorder"), [sink]) as recorder:
            outage(server, recorder, lambda: requests(server.entries(FINISHED)))
            poll(
                lambda: recorder.confirmed() <= requests(server.entries(LOGGED)),
                "log events",
                DELIVERY_SECONDS,
            )
            yield Shipped(server, recorder)


def requests(entries: list[Entry]) -> set[str]:
    return {entry.labels["request_id"] for entry in entries}


def test_an_entry_sent_twice_is_the_same_entry(shipped: Shipped) -> None:
    """Loki ignores an entry whose time and line it has already; VictoriaLogs keeps both."""
    for query in (FINISHED, LOGGED):
        entries = shipped.server.entries(query)
        distinct = {(entry.unix_nanos, entry.line, *sorted(entry.labels.items())) for entry in entries}
        assert len(distinct) == len(requests(entries))
        assert len(entries) - len(distinct) < len(distinct) / 2  # at most one batch of each


def test_log_events_have_their_fields_as_metadata(shipped: Shipped) -> None:
    entries = shipped.server.entries(LOGGED)

    assert shipped.recorder.confirmed() <= requests(entries) <= shipped.recorder.attempted()
    for entry in entries:
        number = int(entry.labels["number"])
        assert entry.line.startswith("[INFO] ")
        assert entry.line.endswith(f"Speaking number {number}")
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


def test_streams_have_the_labels_of_the_guide(shipped: Shipped) -> None:
    streams = {entry.labels["_stream"] for entry in shipped.server.entries(STREAM)}

    assert {label.split("=")[0] for stream in streams for label in stream[1:-1].split(",")} == {
        "job",
        "instance",
        "level",
    }


def test_entries_are_in_the_order_of_the_calls(shipped: Shipped) -> None:
    for query in (FINISHED + " completed", LOGGED):
        entries = shipped.server.entries(query)
        numbers = [int(entry.labels["request_id"].removeprefix("req-")) for entry in entries]
        assert numbers == sorted(numbers)


def test_calls_equal_those_of_the_store(shipped: Shipped) -> None:
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


def test_failed_calls_are_found_by_their_error(shipped: Shipped) -> None:
    found = shipped.server.entries(f'{STREAM} "CUDA out of memory" "Audio generation failed"')

    failed = {call["request_id"] for call in shipped.recorder.calls() if call["outcome"] == "oom"}
    assert requests(found) == failed
    assert all(OUT_OF_MEMORY in entry.line for entry in found)


def test_logged_exceptions_are_found_by_their_text(shipped: Shipped) -> None:
    failed = shipped.recorder.confirmed(fails)

    def found() -> set[str]:
        entries = shipped.server.entries(f'{STREAM} "{OUT_OF_MEMORY}" Traceback')
        return {f"req-{entry.labels['number']}" for entry in entries}

    poll(lambda: failed <= found(), "exceptions", DELIVERY_SECONDS)


def test_labels_and_metadata_filter(shipped: Shipped) -> None:
    recorder, server = shipped.recorder, shipped.server

    errors = server.entries('{job="indextts2", level="error"} outcome:=oom')
    assert requests(errors) == {call["request_id"] for call in recorder.calls() if call["outcome"] == "oom"}
    angry = requests(server.entries(f"{STREAM} operation:=synthesize emotion:=angry outcome:=ok"))

    def chosen(number: int) -> bool:
        return emotion(number) == "angry" and not fails(number)

    assert recorder.confirmed(chosen) <= angry <= recorder.attempted(chosen)
    assert requests(server.entries(f"{STREAM} request_id:=req-7 Audio")) == {"req-7"}


def test_a_tenant_has_its_own_entries(tmp_path: Path) -> None:
    """Tenants are numbers in VictoriaLogs."""
    folder = tmp_path / "recorder"
    folder.mkdir()
    with VictoriaLogs(tmp_path) as server:
        with Recorder(folder, [f"loki+{server.push_url}?longest_wait=1&tenant=7"]) as recorder:
            recorder.record(10)
            settle(recorder, lambda: requests(server.entries(FINISHED, tenant=7)))
        assert server.entries(STREAM) == []
