"""Queries the store for the slowest and the failed calls."""

from typing import Any

import soundpost
from demo.service import SERVICE, Service

COLUMNS = ("operation", "outcome", "took", "first audio", "audio", "RTF", "GPU peak", "request id", "error")


def stored(service: Service, **filters: Any) -> soundpost.CallRecords:
    """Returns the service's stored calls."""
    return soundpost.read_calls(service=SERVICE, directory=service.directory, **filters)


def asked(service: Service) -> str:
    """Returns lines for the slowest and the failed calls."""
    slowest = stored(service, order="slowest", limit=3)
    failed = stored(service, status="error", limit=5)
    return "\n".join(
        [
            "What the store says (also: soundpost calls)",
            "  slowest",
            *lines(slowest),
            "  failed",
            *lines(failed),
        ]
    )


def lines(rows: list[soundpost.CallRecord]) -> list[str]:
    """Returns a line per call below a line of titles, without empty columns."""
    cells = [_cells(row) for row in rows]
    shown = [index for index in range(len(COLUMNS)) if any(row[index] for row in cells)]
    table = [[COLUMNS[index] for index in shown], *([row[index] for index in shown] for row in cells)]
    widths = [max(len(row[index]) for row in table) for index in range(len(shown))]
    return (
        ["    " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in table] if rows else ["    none"]
    )


def _cells(row: soundpost.CallRecord) -> list[str]:
    return [
        row.operation,
        row.outcome,
        _with_unit(row.duration_ms, "{:.0f} ms"),
        _with_unit(row.first_audio_ms, "{:.0f} ms"),
        _with_unit(row.audio_seconds or None, "{:.1f} s"),
        _with_unit(row.rtf, "{:.2f}"),
        _with_unit(row.gpu_memory_peak_mb, "{:.0f} MiB"),
        row.request_id[:12],
        _error(row),
    ]


def _error(row: soundpost.CallRecord) -> str:
    if row.outcome == "died":
        return f"in stage {row.died_in}" if row.died_in else "its process ended"
    return ": ".join(text for text in (row.error_type, row.error) if text)


def _with_unit(value: object, form: str) -> str:
    return "" if value is None else form.format(value)
