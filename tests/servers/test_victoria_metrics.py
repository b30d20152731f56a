"""VictoriaMetrics, which accepts InfluxDB's v2 writes, has every call through an outage.

It stores numbers by time and labels, so the tests identify a call by its characters. It may store a point twice.
"""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from outage import outage
from recorder import emotion, fails
from service import Recorder
from victoria_metrics import VictoriaMetrics

CHARACTERS = '{__name__="generate_calls_char_count"}'


class Shipped(NamedTuple):
    server: VictoriaMetrics
    recorder: Recorder


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    with VictoriaMetrics(tmp_path_factory.mktemp("victoria")) as server:
        sink = f"influxdb+{server.url}?org=tts&bucket=performance_monitor&longest_wait=1"
        with Recorder(tmp_path_factory.mktemp("recorder"), [sink]) as recorder:
            outage(server, recorder, lambda: set(calls(server)))
            yield Shipped(server, recorder)


def calls(server: VictoriaMetrics) -> dict[str, dict[str, str]]:
    """Returns labels by request id: the recorder adds 100 to a call's number for its characters."""
    return {
        f"req-{value - 100:.0f}": dict(labels)
        for labels, values in server.export(CHARACTERS).items()
        for value in values
    }


def test_tags_become_labels(shipped: Shipped) -> None:
    found = calls(shipped.server)

    for call in shipped.recorder.calls():
        labels = found[call["request_id"]]
        assert labels["outcome"] == call["outcome"]
        assert labels["service"] == "indextts2"
        if call["outcome"] != "died":
            number = int(call["request_id"].removeprefix("req-"))
            assert labels["emotion"] == emotion(number)
            assert labels["status"] == ("error" if fails(number) else "success")


def test_durations_equal_those_of_the_store(shipped: Shipped) -> None:
    """The bound is the nanosecond that a double can hold."""
    exported = shipped.server.export('{__name__="generate_calls_duration_ms"}')

    found = sorted(value for values in exported.values() for value in values)
    assert found == pytest.approx(sorted(call["duration_ms"] for call in shipped.recorder.calls()), abs=1e-3)


def test_vitals_are_stored(shipped: Shipped) -> None:
    for name in ("cpu_usage_percent", "memory_used_mb", "requests_in_flight"):
        assert shipped.server.export(f'{{__name__="system_metrics_{name}", service="indextts2"}}'), name
