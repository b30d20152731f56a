"""Auscult listens to an inference service from the inside.

Decorate what generates, call `init` once, and scrape `/metrics`::

    import auscult

    auscult.init(service="indextts2")

    @auscult.instrument(labels={"emotion": "emotion"}, audio=auscult.audio(sample_rate=22050))
    def infer(text, emotion="neutral"): ...

Before `init` everything here can be called and does nothing. After it nothing here raises because of auscult:
faults are counted in `auscult_errors_total` and logged once; `AUSCULT_STRICT=1` raises them.
"""

from typing import TYPE_CHECKING

from auscult._audio import audio
from auscult._calls import calls
from auscult._init import flush, init, shutdown
from auscult._instrument import instrument
from auscult._native import (
    Audio,
    Call,
    Counter,
    Enum,
    Error,
    Gauge,
    GpuUse,
    Histogram,
    Info,
    Skip,
    Summary,
    Telemetry,
    call,
    current_call,
    stage,
)
from auscult._patch import patch
from auscult._sinks import Graylog, InfluxDB, JsonLines, Loki

if TYPE_CHECKING:
    from auscult._logging import LogHandler

__all__ = [
    "Audio",
    "Call",
    "Counter",
    "Enum",
    "Error",
    "Gauge",
    "GpuUse",
    "Graylog",
    "Histogram",
    "InfluxDB",
    "Info",
    "JsonLines",
    "LogHandler",
    "Loki",
    "Skip",
    "Summary",
    "Telemetry",
    "audio",
    "call",
    "calls",
    "current_call",
    "flush",
    "init",
    "instrument",
    "patch",
    "shutdown",
    "stage",
]


def __getattr__(name: str) -> object:
    """`LogHandler` is made when it is asked for: not every service imports `logging`."""
    if name == "LogHandler":
        from auscult._logging import LogHandler

        return LogHandler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
