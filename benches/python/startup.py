"""Basic cost of soundpost: import, init, resident memory, the wheel."""

from __future__ import annotations

import pathlib
import statistics

import fresh
from table import Row

MEASURED = """
before = resident()
began = time.perf_counter()
{imports}
imported = time.perf_counter()
{starts}
started = time.perf_counter()
print(json.dumps([(imported - began) * 1e3, (started - imported) * 1e3, (resident() - before) / 2**20]))
"""
OURS = MEASURED.format(
    imports="import soundpost",
    starts="soundpost.init('bench', listen='127.0.0.1:0', gpu=False, directory=DIRECTORY)",
)
PROMETHEUS = MEASURED.format(
    imports="import prometheus_client", starts="prometheus_client.start_http_server(0, '127.0.0.1')"
)
OPENTELEMETRY = MEASURED.format(
    imports="from opentelemetry.sdk.metrics import MeterProvider\n"
    "from opentelemetry.sdk.metrics.export import InMemoryMetricReader",
    starts="MeterProvider([InMemoryMetricReader()]).get_meter('bench')",
)


def medians(program: str, rounds: int) -> list[float]:
    """Returns milliseconds to import and to start, and MiB, over so many interpreters."""
    return [
        statistics.median(figures)
        for figures in zip(*(fresh.run(program) for _ in range(rounds)), strict=True)
    ]


def wheel() -> list[Row]:
    """Returns the size of the wheel that was built last, if there is one."""
    root = pathlib.Path(__file__).parents[2]
    wheels = [
        *root.glob(".whl/soundpost-*.whl"),
        *root.glob("dist/soundpost-*.whl"),
        *root.glob("target/wheels/soundpost-*.whl"),
    ]
    newest = max(wheels, key=lambda path: path.stat().st_mtime, default=None)
    return [] if newest is None else [Row("wheel", "MiB", newest.stat().st_size / 2**20, bar=6)]


def measure(*, quick: bool) -> list[Row]:
    """Returns the rows of the table."""
    rounds = 3 if quick else 21
    ours, prometheus, others = (medians(program, rounds) for program in (OURS, PROMETHEUS, OPENTELEMETRY))
    return [
        Row("import", "ms", ours[0], prometheus[0], others[0], bar=20),
        Row("init, with an endpoint", "ms", ours[1], prometheus[1], others[1], bar=50),
        Row("resident memory of both", "MiB", ours[2], prometheus[2], others[2], bar=12),
        *wheel(),
    ]
