"""`Counter`, `Gauge`, `Histogram`, `Summary`, `Info`, `Enum`: updates, timers, functions and refusals."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import math
import os
import threading
import time

import prometheus_client
import pytest

import soundpost

pytestmark = pytest.mark.usefixtures("telemetry")


@pytest.mark.parametrize(
    ("make", "fix"),
    [
        (lambda name: soundpost.Counter(name + " bad", "d"), "_bad"),
        (lambda name: soundpost.Counter("0" + name, "d"), "_0"),
        (lambda name: soundpost.Counter(name + "_é", "d"), "__"),
        (lambda name: soundpost.Counter(name, "d", ["a-b"]), "a_b"),
        (lambda name: soundpost.Counter(name, "d", ["quantile"]), "rename it"),
        (lambda name: soundpost.Counter(name, "d", ["a", "a"]), "twice"),
    ],
)
def test_invalid_metric_raises_with_the_remedy(name, make, fix):
    with pytest.raises(ValueError, match=fix) as raised:
        make(name)
    assert name in str(raised.value)


def test_same_definition_shares_the_family(name, scrape):
    for _ in range(2):
        soundpost.Counter(name, "d", ["a"]).labels("x").inc()
    assert scrape().get(name + "_total", a="x") == 2


def test_registry_argument_is_refused(name):
    with pytest.raises(ValueError, match="registry"):
        soundpost.Counter(name, "d", registry=prometheus_client.REGISTRY)


def test_same_labels_return_the_same_object(name):
    counter = soundpost.Counter(name, "d", ["a", "b"])
    series = counter.labels("1", "2")
    assert series is counter.labels(1, 2) is counter.labels(a="1", b=2) is counter.labels(b="2", a="1")
    assert series is not counter.labels("2", "1")
    assert counter.labels("True", "x") is counter.labels(True, "x") is not counter.labels(1, "x")
    assert isinstance(series, soundpost.Counter)
    assert 'a="1"' in repr(series)
    assert repr(counter).endswith("{a, b}>")


def test_non_finite_observations_are_rejected(name, scrape):
    counter, histogram = soundpost.Counter(name, "d"), soundpost.Histogram(name + "_h", "d")
    before = scrape().sum("soundpost_observations_rejected_total")
    counter.inc(math.nan)
    counter.inc(math.inf)
    histogram.observe(math.nan)
    histogram.observe(-math.inf)
    after = scrape()
    assert after.sum("soundpost_observations_rejected_total") == before + 4
    assert after.get(name + "_total") == 0
    assert after.get(name + "_h_count") == 0


@pytest.mark.parametrize("kind", ["Histogram", "Summary"])
def test_time_measures_blocks_and_functions(name, scrape, kind):
    metric = getattr(soundpost, kind)(name, "d")

    @metric.time()
    def function(x):
        "Doc."
        return function(x - 1) if x else 0

    @metric.time()
    async def coroutine():
        await asyncio.sleep(0)

    @metric.time()
    def generator():
        return (yield from (1, 2))

    @metric.time()
    async def async_generator():
        yield 1

    async def consume():
        return [item async for item in async_generator()]

    assert function(2) == 0
    assert function.__doc__ == "Doc."
    asyncio.run(coroutine())
    assert list(generator()) == [1, 2]
    assert asyncio.run(consume()) == [1]
    with metric.time(), pytest.raises(ZeroDivisionError), metric.time():
        _ = 1 / 0
    assert inspect.iscoroutinefunction(coroutine)
    assert inspect.isgeneratorfunction(generator)
    assert scrape().get(name + "_count") == 8


def test_time_with_late_labels_is_observed(name, scrape):
    histogram = soundpost.Histogram(name, "d", ["l"])
    with histogram.time() as timer:
        timer.labels("late")
    assert scrape().get(name + "_count", l="late") == 1


def test_gauge_set_to_current_time_is_now(name, scrape):
    gauge = soundpost.Gauge(name, "d", ["l"])
    gauge.labels("now").set_to_current_time()
    with gauge.labels("took").time():
        pass
    after = scrape()
    assert 0 <= after.get(name, l="took") < 10
    import time

    assert abs(time.time() - after.get(name, l="now")) < 60


def test_in_progress_is_counted(name, scrape):
    gauge = soundpost.Gauge(name, "d")
    seen = []

    @gauge.track_inprogress()
    def inside():
        seen.append(scrape().get(name))

    with gauge.track_inprogress():
        inside()
    assert [*seen, scrape().get(name)] == [2, 0]


def test_gauge_function_sets_the_value(name, scrape):
    asked = threading.Event()
    values = itertools.count(1)

    def value():
        asked.set()
        return next(values)

    gauge = soundpost.Gauge(name, "d")
    gauge.set_function(value)
    assert asked.wait(10)
    while not scrape().get(name):
        pass
    assert scrape().get(name) >= 1


def test_raising_gauge_function_is_a_fault(name, scrape, lenient):
    gauge = soundpost.Gauge(name, "d")
    gauge.set_function(lambda: 1 / 0)
    while not scrape().errors("set_function"):
        pass
    gauge.set_function(lambda: 1)
    while not scrape().get(name):
        pass


def test_removed_gauge_stops_calling_its_function(name, scrape):
    def asked_again(asked):
        """Returns whether a function is called during a few intervals."""
        rounds = itertools.count()
        soundpost.Gauge(name + "_rounds", "d").set_function(lambda: next(rounds))
        before = scrape().get(name + "_rounds") or 0
        count = len(asked)
        while (scrape().get(name + "_rounds") or 0) < before + 3:
            time.sleep(0.02)  # a scrape takes much of a processor
        return len(asked) > count + 1

    gauge, plain = soundpost.Gauge(name, "d", ["k"]), soundpost.Gauge(name + "_plain", "d")
    asked = {key: [] for key in ("a", "b", "plain")}
    gauge.labels("a").set_function(lambda: asked["a"].append(1) or 1)
    gauge.labels("b").set_function(lambda: asked["b"].append(1) or 1)
    plain.set_function(lambda: asked["plain"].append(1) or 1)
    assert all(asked_again(asked[key]) for key in asked)
    gauge.remove("a")
    assert [asked_again(asked[key]) for key in asked] == [False, True, True]
    gauge.clear()
    plain.clear()
    assert [asked_again(asked[key]) for key in asked] == [False] * 3
    assert scrape().get(name, k="a") is None
    with pytest.raises(soundpost.Error, match="labels are missing"):
        gauge.set_function(lambda: 1)


def test_unbounded_labels_take_bounded_memory(name, scrape):
    counter = soundpost.Counter(name, "d", ["k"])
    kept = [counter.labels(f"{i:040}") for i in range(2_000)]
    before = resident()
    for i in range(100_000):
        counter.labels(f"{i:040}").inc()
    assert resident() - before < 4 << 20
    assert counter.labels(f"{1_999:040}") is kept[-1]
    assert scrape().get(name + "_total", k="overflow") == 98_000


def resident():
    """Returns the resident memory of this process in bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_exemplar_is_kept_per_bucket(name, telemetry):
    histogram = soundpost.Histogram(name, "d", buckets=[1, 2], exemplars=True)
    histogram.observe(0.5, exemplar={"trace_id": "abc"})
    histogram.observe(1.5, {"other": "def"})
    histogram.observe(9, {})
    lines = [
        line for line in telemetry.render(openmetrics=True).splitlines() if line.startswith(name + "_bucket")
    ]
    assert '"abc"} 0.5' in lines[0]
    assert '"def"} 1.5' in lines[1]
    assert "#" not in lines[2]


def test_updates_of_many_threads_are_complete(name, scrape):
    counter = soundpost.Counter(name, "d", ["l"])
    histogram = soundpost.Histogram(name + "_h", "d")

    def work(thread):
        for i in range(2000):
            counter.labels(str(i % 7)).inc()
            histogram.observe(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = scrape()
    assert after.sum(name + "_total") == 8000
    assert after.get(name + "_h_count") == 8000


def test_metric_defined_again_keeps_all_values(name, scrape, lenient, caplog):
    first = soundpost.Histogram(name + "_seconds", "One.", ["a", "b"], unit="seconds", buckets=[1, 2])
    again = soundpost.Histogram(name + "_seconds", "Another.", ["b", "a"], buckets=[1, 3])
    for metric in (first, again):
        metric.labels(a="x", b="y").observe(1.5)
    again.labels("y", "x").observe(1.5)
    scraped = scrape()
    assert scraped.get(name + "_seconds_bucket", a="x", b="y", le="2") == 3
    assert scraped.families[name + "_seconds"].documentation == "One."
    for other in (soundpost.Summary, soundpost.Counter):
        with pytest.raises(ValueError, match="another name|rename|different"):
            other(name + "_seconds", "One.", ["a", "b"])
    with pytest.raises(ValueError, match="labels"):
        soundpost.Histogram(name + "_seconds", "One.", ["a"], buckets=[1, 2])


def test_metric_defined_twice_before_init_is_one(python):
    ran = python(
        """
        import logging
        import soundpost
        from scrape import Scrape

        logging.basicConfig(format="%(message)s", stream=__import__("sys").stdout)
        for help in ("One.", "Two.", "One."):
            soundpost.Counter("twice", help, ["a"])
        counters = [soundpost.Counter("twice", help, ["a"]) for help in ("One.", "Two.")]
        try:
            soundpost.Gauge("twice", "One.", ["a"])
        except ValueError:
            print("refused")
        telemetry = soundpost.init()
        for counter in counters:
            counter.labels("x").inc()
        print(Scrape(telemetry.render()).get("twice_total", a="x"))
        """
    )
    lines = ran.stdout.splitlines()
    assert lines[0] == "refused"
    assert lines[-1] == "2"
    assert len([line for line in lines if "registered again with another help" in line]) == 1
