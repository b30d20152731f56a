"""Queries the store for the slowest and the failed calls."""

import soundpost
from demo.service import SERVICE, Service

Row = dict[str, object]
COLUMNS = ("operation", "outcome", "took", "first audio", "audio", "RTF", "GPU peak", "request id", "error")


def stored(service: Service, **wanted: object) -> list[Row]:
    """Returns the service's stored calls."""
    rows: list[Row] = soundpost.calls(service=SERVICE, directory=service.directory, frame=False, **wanted)
    return rows


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


def lines(rows: list[Row]) -> list[str]:
    """Returns a line per call below a line of titles, without empty columns."""
    cells = [_cells(row) for row in rows]
    shown = [index for index in range(len(COLUMNS)) if any(row[index] for row in cells)]
    table = [[COLUMNS[index] for index in shown], *([row[index] for index in shown] for row in cells)]
    widths = [max(len(row[index]) for row in table) for index in range(len(shown))]
    return (
        ["    " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in table] if rows else ["    none"]
    )


def _cells(row: Row) -> list[str]:
    return [
        str(row["operation"]),
        str(row["outcome"]),
        _with_unit(row.get("duration_ms"), "{:.0f} ms"),
        _with_unit(row.get("first_audio_ms"), "{:.0f} ms"),
        _with_unit(row.get("audio_seconds") or None, "{:.1f} s"),
        _with_unit(row.get("rtf"), "{:.2f}"),
        _with_unit(row.get("gpu_memory_peak_mb"), "{:.0f} MiB"),
        str(row["request_id"])[:12],
        _error(row),
    ]


def _error(row: Row) -> str:
    if row["outcome"] == "died":
        return f"in stage {row['died_in']}" if "died_in" in row else "its process ended"
    return ": ".join(str(row[name]) for name in ("error_type", "error") if name in row)


def _with_unit(value: object, form: str) -> str:
    return "" if value is None else form.format(value)
