"""The parsers of prometheus_client read back any recorded text and number."""

from __future__ import annotations

import math

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

import soundpost

NASTY = [
    "",
    'a\\"b',
    "a\\\nb",
    "\\",
    "\\\\",
    "a\\b",
    "a\\\\b",
    "\n",
    "\\n",
    '"} 1\nevil{x="',
    "\n# TYPE evil counter\nevil_total 1",
    "x\n# EOF",
    '",le="0',
    ' # {request_id="evil"} 1',
    "\r\t\x00\x7f\x85\u2028\ufeff",
    "情感 😀",
    "a.b",
    "a_b",
]


@pytest.fixture(params=[False, True], ids=["text", "openmetrics"])
def read(request, telemetry):
    """Returns the families of a scrape by name, read in one of the two formats."""
    parse = read_openmetrics if request.param else read_text
    return lambda: {family.name: family for family in parse(telemetry.render(openmetrics=request.param))}


def samples(family, name):
    return [sample for sample in family.samples if sample.name == name]


def test_hostile_label_values_stay_distinct(name, read):
    counter = soundpost.Counter(name, 'Nasty \\ "help"\nof two lines', ["value"])
    for count, value in enumerate(NASTY, start=1):
        counter.labels(value).inc(count)
    family = read()[name]
    assert family.type == "counter"
    assert family.documentation == 'Nasty \\ "help"\nof two lines'
    assert {sample.labels["value"]: sample.value for sample in samples(family, f"{name}_total")} == {
        value: count for count, value in enumerate(NASTY, start=1)
    }


@pytest.mark.parametrize(
    "value", [0.0, 1.0, -1.5, 0.1, 1e-7, 1e21, 123456789.0, 5e-324, 1.7976931348623157e308]
)
def test_floats_read_back(name, read, value):
    soundpost.Gauge(name, "A number").set(value)
    (sample,) = read()[name].samples
    assert sample.value == value


def test_last_bucket_equals_count(name, read):
    histogram = soundpost.Histogram(name, "Sizes", ["value"], buckets=(0.005, 1, 2.5, 1e6))
    for value in NASTY:
        for amount in (0.001, 1, 2, 1e7):
            histogram.labels(value).observe(amount)
    family = read()[name]
    assert family.type == "histogram"
    for value in NASTY:
        own = [sample for sample in family.samples if sample.labels["value"] == value]
        buckets = {
            float(sample.labels["le"]): sample.value for sample in own if sample.name == f"{name}_bucket"
        }
        assert buckets == {0.005: 1, 1.0: 2, 2.5: 3, 1e6: 3, math.inf: 4}
        (count,) = [sample.value for sample in own if sample.name == f"{name}_count"]
        assert count == buckets[math.inf]


def test_hostile_request_id_keeps_scrape_valid(name, read):
    histogram = soundpost.Histogram(name, "Sizes", ["n"], buckets=(1.0,), exemplars=True)
    for n, request_id in enumerate(["req-7d8e9f", *NASTY, "x" * 1000, "é" * 119]):
        histogram.labels(n).observe(0.5, exemplar={"request_id": request_id})
    family = read()[name]
    assert len(family.samples) == 4 * (len(NASTY) + 3)
    for sample in family.samples:
        if sample.exemplar:
            (value,) = sample.exemplar.labels.values()
            assert sample.exemplar.value == 0.5
            assert value.isprintable()
            assert not set(value) & {'"', "\\"}
            assert sample.labels["n"] != "0" or value == "req-7d8e9f"


def test_every_kind_has_its_type(name, telemetry):
    soundpost.Summary(f"{name}_s", "Summary").observe(2.5)
    soundpost.Info(f"{name}_i", "Info").info({"voice": 'a"b'})
    soundpost.Enum(f"{name}_e", "Enum", states=["idle", "busy"]).state("busy")
    families = {family.name: family for family in read_openmetrics(telemetry.render(openmetrics=True))}
    assert families[f"{name}_s"].type == "summary"
    assert {s.name: s.value for s in families[f"{name}_s"].samples} == {
        f"{name}_s_sum": 2.5,
        f"{name}_s_count": 1,
    }
    assert families[f"{name}_i"].type == "info"
    (info,) = families[f"{name}_i"].samples
    assert (info.labels["voice"], info.value) == ('a"b', 1)
    assert families[f"{name}_e"].type == "stateset"
    assert {s.labels[f"{name}_e"]: s.value for s in families[f"{name}_e"].samples} == {"idle": 0, "busy": 1}


def test_only_openmetrics_has_an_end_marker(telemetry):
    assert telemetry.render(openmetrics=True).endswith("\n# EOF\n")
    assert "# EOF" not in telemetry.render().splitlines()
