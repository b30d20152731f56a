"""`make demo SINKS=1` finds the same calls in all sinks."""

from pathlib import Path

import pytest
from sinks_demo import demonstrate


def test_demo_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = demonstrate(tmp_path, [])

    output = capsys.readouterr().out
    assert status == 0, output
    for sink in (
        "JSON lines (calls.jsonl)",
        "InfluxDB",
        "VictoriaLogs (as Loki)",
        "Graylog (its GELF input)",
    ):
        assert f"  {sink}".ljust(34) + "48 calls" in output
