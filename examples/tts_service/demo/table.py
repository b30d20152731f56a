"""Prints the metrics with one column per operation."""

import math
from collections.abc import Callable
from functools import partial

from demo.scrape import Histogram, Scrape

WIDTH, COLUMN = 34, 22


def table(scrape: Scrape) -> str:
    calls = scrape.sum_by("request_total", "operation", "outcome")
    audio = scrape.sum_by("audio_seconds_total", "operation")
    in_flight = scrape.sum_by("requests_in_flight", "operation")
    operations = sorted({operation for operation, _ in calls})
    outcomes = sorted({outcome for _, outcome in calls}, key=lambda outcome: (outcome != "ok", outcome))

    def row(title: str, cell: Callable[[str], str]) -> str:
        return title.ljust(WIDTH) + "".join(cell(operation).rjust(COLUMN) for operation in operations)

    def quantiles(name: str, show: Callable[[float], str], **where: str) -> Callable[[str], str]:
        return lambda operation: _quantiles(scrape.histogram(name, operation=operation, **where), show)

    lines = [row("", str), "-" * (WIDTH + COLUMN * len(operations))]
    lines += [row("calls", lambda operation: _count(sum(calls[operation, outcome] for outcome in outcomes)))]
    for outcome in outcomes:
        lines.append(
            row(
                f"  {outcome}", partial(lambda outcome, operation: _count(calls[operation, outcome]), outcome)
            )
        )
    lines += [
        row("in flight now", lambda operation: _count(in_flight[operation,])),
        row("audio made", lambda operation: f"{audio[operation,]:.1f} s"),
        "",
        row("", lambda _: "p50 / p95"),
        row("duration of a good call", quantiles("request_duration_seconds", _time, status="success")),
        row("time to first audio", quantiles("time_to_first_audio_seconds", _time)),
        row("real-time factor (below 1 is fast)", quantiles("real_time_factor", "{:.2f}".format)),
    ]
    return "\n".join(line.rstrip() for line in lines)


def _quantiles(histogram: Histogram, show: Callable[[float], str]) -> str:
    if not histogram.count:
        return "-"
    return " / ".join(_quantile(histogram, q, show) for q in (0.5, 0.95))


def _quantile(histogram: Histogram, q: float, show: Callable[[float], str]) -> str:
    value = histogram.quantile(q)
    return f"< {show(histogram.buckets[0][0])}" if histogram.in_first_bucket(value) else show(value)


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _count(number: float) -> str:
    return "-" if math.isclose(number, 0) else f"{number:.0f}"
