"""Soundpost records the calls of an inference service from the inside.

Decorate the generating functions, call `init` once, and scrape `/metrics`::

    import soundpost

    soundpost.init(service="indextts2")

    @soundpost.instrument(labels={"emotion": "emotion"}, audio=soundpost.audio(sample_rate=22050))
    def infer(text, emotion="neutral"): ...

Before `init` every function and class can be used and records nothing. After it, a fault of Soundpost raises
nothing in the service: it is counted in `soundpost_errors_total` and logged once. `SOUNDPOST_STRICT=1` raises
faults.
"""

from typing import TYPE_CHECKING

from soundpost import (  # noqa: F401 - only the binding uses them, and freezers find them here
    _deferred,
    _metric_context,
    _threads,
)
from soundpost._audio import audio, video
from soundpost._init import flush, init, shutdown
from soundpost._instrument import instrument
from soundpost._loading import loading
from soundpost._native import (
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
    Video,
    call,
    current_call,
    set_ready,
    stage,
    warmup,
)
from soundpost._patch import patch

if TYPE_CHECKING:
    __version__: str
    from soundpost._apps import make_asgi_app, make_wsgi_app
    from soundpost._logging import LogHandler
    from soundpost._reading import (
        CallRecord,
        CallRecords,
        ErasedRecords,
        LogRecord,
        LogRecords,
        StageTime,
        erase,
        read_calls,
        read_logs,
    )
    from soundpost._sinks import Graylog, InfluxDB, JsonLines, Loki
    from soundpost.integrations import instrument_all

__all__ = [
    "Audio",
    "Call",
    "CallRecord",
    "CallRecords",
    "Counter",
    "Enum",
    "ErasedRecords",
    "Error",
    "Gauge",
    "GpuUse",
    "Graylog",
    "Histogram",
    "InfluxDB",
    "Info",
    "JsonLines",
    "LogHandler",
    "LogRecord",
    "LogRecords",
    "Loki",
    "Skip",
    "StageTime",
    "Summary",
    "Telemetry",
    "Video",
    "__version__",
    "audio",
    "call",
    "current_call",
    "erase",
    "flush",
    "init",
    "instrument",
    "instrument_all",
    "loading",
    "make_asgi_app",
    "make_wsgi_app",
    "patch",
    "read_calls",
    "read_logs",
    "set_ready",
    "shutdown",
    "stage",
    "video",
    "warmup",
]


_LAZY = {
    "_apps": ("make_asgi_app", "make_wsgi_app"),
    "_logging": ("LogHandler",),
    "_reading": (
        "CallRecord",
        "CallRecords",
        "ErasedRecords",
        "LogRecord",
        "LogRecords",
        "StageTime",
        "erase",
        "read_calls",
        "read_logs",
    ),
    "_sinks": ("Graylog", "InfluxDB", "JsonLines", "Loki"),
    "integrations": ("instrument_all",),
}


def __getattr__(name: str) -> object:
    """Imports what not every service uses at its first use."""
    if name == "__version__":
        from importlib import metadata

        return metadata.version("soundpost")
    for module, names in _LAZY.items():
        if name in names:
            from importlib import import_module

            return getattr(import_module(f"soundpost.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
