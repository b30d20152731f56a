"""Cost of one instrumented call: counter, histogram and in-flight gauge, with one label."""

from __future__ import annotations

import tempfile
import time
from typing import TYPE_CHECKING

from table import Row
from timing import over_bare

if TYPE_CHECKING:
    from collections.abc import Callable


def bare(text: str, emotion: str = "neutral") -> None:
    """Does nothing; the function to instrument."""


def of_prometheus() -> Callable[..., None]:
    """Records the same with prometheus_client, by hand."""
    import prometheus_client

    registry = prometheus_client.CollectorRegistry()
    requests = prometheus_client.Counter("requests", "d", ["emotion", "outcome"], registry=registry)
    duration = prometheus_client.Histogram("duration_seconds", "d", ["emotion"], registry=registry)
    in_flight = prometheus_client.Gauge("in_flight", "d", ["emotion"], registry=registry)

    def instrumented(text: str, emotion: str = "neutral") -> None:
        in_flight.labels(emotion).inc()
        began = time.perf_counter()
        outcome = "ok"
        try:
            return bare(text, emotion)
        except BaseException:
            outcome = "error"
            raise
        finally:
            duration.labels(emotion).observe(time.perf_counter() - began)
            requests.labels(emotion, outcome).inc()
            in_flight.labels(emotion).dec()

    return instrumented


def of_opentelemetry() -> Callable[..., None]:
    """Records the same with the OpenTelemetry SDK."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    meter = MeterProvider([InMemoryMetricReader()]).get_meter("bench")
    requests = meter.create_counter("requests")
    duration = meter.create_histogram("duration")
    in_flight = meter.create_up_down_counter("in_flight")

    def instrumented(text: str, emotion: str = "neutral") -> None:
        labels = {"emotion": emotion}
        in_flight.add(1, labels)
        began = time.perf_counter()
        outcome = "ok"
        try:
            return bare(text, emotion)
        except BaseException:
            outcome = "error"
            raise
        finally:
            duration.record(time.perf_counter() - began, labels)
            requests.add(1, {"emotion": emotion, "outcome": outcome})
            in_flight.add(-1, labels)

    return instrumented


def loop(function: Callable[..., None]) -> Callable[[int], None]:
    """Calls the function so many times."""

    def run(times: int) -> None:
        for _ in range(times):
            function("text", "neutral")

    return run


def measure(*, quick: bool) -> list[Row]:
    """Returns the rows of the table."""
    import soundpost

    times, rounds = (2_000, 5) if quick else (50_000, 15)
    ours = soundpost.instrument("synthesize", labels={"emotion": "emotion"})(bare)
    before = over_bare(loop(bare), {"before": loop(ours)}, times=times, rounds=rounds)["before"]
    with tempfile.TemporaryDirectory() as directory:
        soundpost.init("bench", listen=None, gpu=False, directory=directory)
        loops = {
            "ours": loop(ours),
            "prometheus": loop(of_prometheus()),
            "opentelemetry": loop(of_opentelemetry()),
        }
        taken = over_bare(loop(bare), loops, times=times, rounds=rounds)
        counter = soundpost.Counter("bench_counter", "d", ["emotion"])
        series = over_bare(loop(bare), _increments(counter), times=times, rounds=rounds)
        soundpost.shutdown()
    return [
        Row(
            "call of 1 label, over the bare call", "ns", **taken, of_prometheus=1 / 5, of_opentelemetry=1 / 20
        ),
        Row("the same before init", "ns", before, bar=120),
        Row("Counter.labels(x).inc()", "ns", **series),
    ]


def _increments(ours: object) -> dict[str, Callable[[int], None]]:
    import prometheus_client
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    theirs = prometheus_client.Counter("c", "d", ["emotion"], registry=prometheus_client.CollectorRegistry())
    others = MeterProvider([InMemoryMetricReader()]).get_meter("bench").create_counter("c")
    return {
        "ours": loop(lambda text, emotion: ours.labels(emotion).inc()),
        "prometheus": loop(lambda text, emotion: theirs.labels(emotion).inc()),
        "opentelemetry": loop(lambda text, emotion: others.add(1, {"emotion": emotion})),
    }
