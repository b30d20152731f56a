"""Metrics of the same program with prometheus_client and with Soundpost."""

from __future__ import annotations

import decimal
import math
import types

import numpy as np
import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from scrape import Scrape

import soundpost

pytestmark = pytest.mark.usefixtures("telemetry")


def peer():
    """prometheus_client with its own registry, in the shape of the package."""
    registry = prometheus_client.CollectorRegistry()
    kinds = ("Counter", "Gauge", "Histogram", "Summary", "Info", "Enum")

    def made(kind):
        return lambda *args, **kwargs: getattr(prometheus_client, kind)(*args, registry=registry, **kwargs)

    made_by_kind = {kind: made(kind) for kind in kinds}
    made_by_kind["Histogram"].DEFAULT_BUCKETS = prometheus_client.Histogram.DEFAULT_BUCKETS
    options = {"registry": registry}
    return types.SimpleNamespace(classes=prometheus_client, options=options, **made_by_kind), registry


def exposed(text, name):
    """Returns families with this prefix: type, help, and all samples but creation times.

    A histogram with bounds below 0 has no sum in OpenMetrics, and with prometheus_client not in the older format either.
    """
    families = {}
    for family in text_string_to_metric_families(text):
        if family.name.startswith(name) and not family.name.endswith("_created"):
            # "1" and "1.0" are the same bound.
            samples = {
                (s.name, frozenset((k, float(v) if k == "le" else v) for k, v in s.labels.items())): s.value
                for s in family.samples
                if not s.name.endswith("_created")
            }
            if any(bound < 0 for _, labels in samples for key, bound in labels if key == "le"):
                del_sum = [key for key in samples if key[0].endswith("_sum")]
                for key in del_sum:
                    del samples[key]
            families[family.name] = (family.type, family.documentation, samples)
    return families


PROGRAMS = {}
own = types.SimpleNamespace(
    classes=soundpost,
    options={},
    **{
        kind: getattr(soundpost, kind)
        for kind in ("Counter", "Gauge", "Histogram", "Summary", "Info", "Enum")
    },
)


def program(function):
    PROGRAMS[function.__name__] = function
    return function


@program
def counters(m, name):
    plain = m.Counter(name, "Plain.")
    plain.inc()
    plain.inc(2.5)
    m.Counter(name + "_named_total", "With the suffix.").inc(3)
    labelled = m.Counter(name + "_status", "Videos made", ["status"])
    labelled.labels(status="success").inc()
    labelled.labels("success").inc(2)
    labelled.labels("failure")
    labelled.labels(status=404).inc()


@program
def names_and_units(m, name):
    m.Counter("c", "d", namespace=name, subsystem="sub").inc()
    m.Counter("wait_total", "d", namespace=name, unit="seconds").inc()
    m.Counter("wait_seconds", "d", namespace=name + "b", unit="seconds").inc()
    m.Gauge("size", "d", namespace=name, unit="bytes").set(3)
    m.Gauge("size", "d", namespace=name, subsystem="odd", unit="furlongs").set(3)
    m.Counter("odd_total", "d", namespace=name, unit="widgets").inc()
    m.Histogram("took", "d", namespace=name, unit="seconds", buckets=[1]).observe(0.5)
    m.Summary("seen", "d", namespace=name, unit="seconds").observe(0.5)


@program
def iterables(m, name):
    m.Counter(name, "d", {"a": 1}.keys()).labels("x").inc()
    m.Counter(name + "_set", "d", {"a"}).labels("x").inc()
    m.Histogram(name + "_made", "d", (label for label in ("a", "b")), buckets=(1, "2")).labels(
        "x", 3
    ).observe(1)
    m.Enum(name + "_state", "d", states=["on", "off"]).state("off")
    m.Histogram(name + "_default", "d", buckets=m.Histogram.DEFAULT_BUCKETS).observe(0.3)


@program
def numbers(m, name):
    gauge = m.Gauge(name, "d", ["l"])
    for value in (
        "3.5",
        " 7 ",
        True,
        np.bool_(True),
        np.float32(0.5),
        np.int64(3),
        decimal.Decimal("1.5"),
        10**20,
    ):
        gauge.labels(value).set(value)
    m.Histogram(name + "_h", "d", buckets=[1]).observe(np.float64(0.5))
    m.Counter(name + "_c", "d").inc(np.int32(2))


@program
def subclasses(m, name):
    class Voices(m.classes.Counter):
        def greet(self):
            self.inc(2)

    voices = Voices(name, "d", ["l"], **m.options)
    voices.labels("x").greet()
    voices.labels(l="x").greet()


@program
def gauges(m, name):
    gauge = m.Gauge(name, "Up and down", ["a", "b"])
    gauge.labels("1", "2").set(5)
    gauge.labels(b="2", a="1").inc(3)
    gauge.labels("1", "2").dec()
    gauge.labels("x", "y").set(-0.5)
    gauge.labels("nan", "").set(math.nan)
    gauge.labels("inf", "").set(math.inf)
    with gauge.labels("in", "progress").track_inprogress():
        m.Gauge(name + "_inside", "d").inc()


@program
def histograms(m, name):
    default = m.Histogram(name, "Default buckets")
    for value in (0.001, 0.005, 0.3, 7.5, 8, 100):
        default.observe(value)
    own = m.Histogram(name + "_own", "Own buckets", ["l"], buckets=(1, 2.5, float("inf")))
    own.labels("x").observe(2.5)
    own.labels(l="x").observe(3)
    own.labels("untouched")
    m.Histogram(name + "_negative", "d", buckets=[-1, 0, 1]).observe(-0.5)


@program
def summaries(m, name):
    summary = m.Summary(name, "Count and sum", ["l"])
    summary.labels("x").observe(1.5)
    summary.labels("x").observe(2)


@program
def infos(m, name):
    m.Info(name, "About").info({"version": "1.2", "commit": "abc"})
    m.Info(name + "_more", "About", ["l"]).labels("x").info({"k": "v"})
    again = m.Info(name + "_again", "About")
    again.info({"k": "1"})
    again.info({"k": "2"})


@program
def states(m, name):
    state = m.Enum(name, "State", states=["starting", "running", "stopped"])
    m.Enum(name + "_b", "State", ["l"], states=["on", "off"]).labels("x").state("off")
    state.state("running")


@program
def exceptions(m, name):
    counter = m.Counter(name, "d")

    @counter.count_exceptions()
    def fails(error):
        raise error

    for error in (ValueError(), KeyError()):
        with pytest.raises(type(error)):
            fails(error)
    only = m.Counter(name + "_only", "d")
    for error in (ValueError(), KeyError()):
        with pytest.raises(type(error)), only.count_exceptions(KeyError):
            raise error
    with pytest.raises(KeyboardInterrupt), counter.count_exceptions():
        raise KeyboardInterrupt


@program
def removals(m, name):
    counter = m.Counter(name, "d", ["l"])
    for value in "abc":
        counter.labels(value).inc()
    counter.remove("b")
    cleared = m.Gauge(name + "_cleared", "d", ["l"])
    cleared.labels("x").set(1)
    cleared.clear()
    cleared.labels("y").set(2)
    counter.labels("b").inc(5)


@program
def awkward_texts(m, name):
    counter = m.Counter(name, 'Help with \\ and "quotes" and\na new line', ["l"])
    for value in ('a"b', "a\\b", "a\\\\b", "a\nb", "\\n", "", " ", "é漢字🎵", "{}", "a,b=c", "\t\r"):
        counter.labels(value).inc()


@pytest.mark.parametrize("run", PROGRAMS.values(), ids=PROGRAMS)
def test_same_program_exposes_the_same(name, telemetry, run):
    theirs, registry = peer()
    run(theirs, name)
    run(own, name)
    expected = exposed(prometheus_client.generate_latest(registry).decode(), name)
    found = exposed(telemetry.render(), name)
    assert found.keys() == expected.keys()
    for family, (kind, documentation, samples) in expected.items():
        assert found[family][0] == kind, family
        assert found[family][1] == documentation, family
        assert found[family][2] == pytest.approx(samples, nan_ok=True), family


@pytest.mark.parametrize("run", PROGRAMS.values(), ids=PROGRAMS)
def test_openmetrics_is_parsed_by_the_peer(name, telemetry, run):
    run(own, name)
    read = Scrape(telemetry.render(openmetrics=True), openmetrics=True)
    assert any(family.startswith(name) for family in read.families)


def test_histograms_agree(name, telemetry):
    theirs, registry = peer()
    runs = 0

    @given(
        values=st.lists(st.floats(-1e6, 1e6), max_size=30),
        buckets=st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=10, unique=True),
    )
    def both(values, buckets):
        nonlocal runs
        runs += 1
        for m in (theirs, soundpost):
            histogram = m.Histogram(f"{name}_{runs}", "d", buckets=sorted(buckets))
            for value in values:
                histogram.observe(value)

    both()
    expected = exposed(prometheus_client.generate_latest(registry).decode(), name)
    found = exposed(telemetry.render(), name)
    assert found.keys() == expected.keys()
    for family, (_, _, samples) in expected.items():
        assert found[family][2] == pytest.approx(samples)


@pytest.mark.parametrize(
    "make",
    [
        lambda m, name: m.Counter("", "d"),
        lambda m, name: m.Counter(name, "d", ["__a"]),
        lambda m, name: m.Histogram(name, "d", ["le"]),
        lambda m, name: m.Histogram(name, "d", buckets=[2, 1]),
        lambda m, name: m.Histogram(name, "d", buckets=[]),
        lambda m, name: m.Enum(name, "d", states=[]),
        lambda m, name: m.Enum(name, "d", [name], states=["a"]),
        lambda m, name: m.Info(name, "d", unit="seconds"),
        lambda m, name: m.Enum(name, "d", unit="seconds", states=["a"]),
        lambda m, name: m.Gauge(name, "d", multiprocess_mode="best"),
        lambda m, name: [m.Counter(name, "d"), m.Gauge(name, "d")],
        lambda m, name: [m.Counter(name, "d"), m.Gauge(name + "_total", "d")],
        lambda m, name: [m.Histogram(name, "d"), m.Counter(name + "_count", "d")],
        lambda m, name: [m.Gauge(name, "d", ["a"]), m.Gauge(name, "d", ["b"])],
    ],
)
def test_invalid_metric_is_refused_by_both(name, make):
    theirs, _ = peer()
    with pytest.raises(ValueError):
        make(theirs, name)
    with pytest.raises(ValueError) as raised:
        make(soundpost, name)
    assert (
        name in str(raised.value)
        or "multiprocess_mode" in str(raised.value)
        or 'metric ""' in str(raised.value)
    )
