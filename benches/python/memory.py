"""Resident memory of one series: a counter, and a histogram of 15 buckets."""

from __future__ import annotations

import statistics

import fresh
from table import Row

GROWTH = """
import gc
BUCKETS = [2.0**power for power in range(15)]
texts = [f"value {{number}}" for number in range(1000)]
kept = []

def counters(prefix, families):
    for family in range(families):
        counter = {make}.Counter(f"{{prefix}}_counter_{{family}}", "d", ["a"])
        for text in texts:
            counter.labels(text).inc()
        kept.append(counter)

def histograms(prefix, families):
    for family in range(families):
        histogram = {make}.Histogram(f"{{prefix}}_histogram_{{family}}", "d", ["a"], buckets=BUCKETS)
        for text in texts:
            histogram.labels(text).observe(3)
        kept.append(histogram)

figures = []
for make in (counters, histograms):
    make("warm", 2)
    gc.collect()
    before = resident()
    make("measured", 20)
    gc.collect()
    figures.append((resident() - before) / 20_000)
print(json.dumps(figures))
"""
OURS = """
import soundpost
soundpost.init("bench", listen=None, gpu=False, directory=DIRECTORY, segment_bytes=64 << 20)
""" + GROWTH.format(make="soundpost")
PROMETHEUS = """
import prometheus_client
prometheus_client.disable_created_metrics()
""" + GROWTH.format(make="prometheus_client")


def measure(*, quick: bool) -> list[Row]:
    """Returns the rows of the table."""
    rounds = 1 if quick else 5
    ours, theirs = (
        [
            statistics.median(figures)
            for figures in zip(*(fresh.run(program) for _ in range(rounds)), strict=True)
        ]
        for program in (OURS, PROMETHEUS)
    )
    return [
        Row("memory of a counter series", "bytes", ours[0], theirs[0], of_prometheus=1),
        Row("memory of a histogram series, 15 buckets", "bytes", ours[1], theirs[1], of_prometheus=1),
    ]
