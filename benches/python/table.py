"""Rows of the table: soundpost's value beside the peers', and its bar."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One measurement in `unit`; smaller is better."""

    what: str
    unit: str
    ours: float
    prometheus: float | None = None
    opentelemetry: float | None = None
    bar: float | None = None
    """Maximum in `unit`."""
    of_prometheus: float | None = None
    """Maximum as a share of prometheus_client's value."""
    of_opentelemetry: float | None = None

    def met(self) -> bool | None:
        """Returns whether the value meets its bars; None without bars."""
        bars = [
            (self.bar, 1.0),
            (self.of_prometheus, self.prometheus),
            (self.of_opentelemetry, self.opentelemetry),
        ]
        held = [self.ours <= share * peer for share, peer in bars if share is not None and peer is not None]
        return all(held) if held else None


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _ratio(row: Row, peer: float | None) -> str:
    return f"1/{peer / row.ours:.1f}" if peer and row.ours > 0 else ""


def _bar(row: Row) -> str:
    parts = []
    if row.bar is not None:
        parts.append(_figure(row.bar))
    if row.of_prometheus is not None:
        parts.append(f"1/{1 / row.of_prometheus:.3g} of prometheus_client")
    if row.of_opentelemetry is not None:
        parts.append(f"1/{1 / row.of_opentelemetry:.3g} of OpenTelemetry")
    return ", ".join(parts)


def markdown(rows: list[Row]) -> str:
    """Returns the table."""
    head = ["what", "unit", "soundpost", "prometheus_client", "", "OpenTelemetry", "", "at most", ""]
    lines = [head, ["---", "---"] + ["---:"] * 5 + ["---", "---"]]
    for row in rows:
        met = row.met()
        lines.append(
            [
                row.what,
                row.unit,
                _figure(row.ours),
                _figure(row.prometheus),
                _ratio(row, row.prometheus),
                _figure(row.opentelemetry),
                _ratio(row, row.opentelemetry),
                _bar(row),
                "" if met is None else "yes" if met else "**no**",
            ]
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    )
