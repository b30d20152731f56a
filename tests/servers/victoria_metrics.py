"""VictoriaMetrics, which accepts InfluxDB's v2 writes, queried through its export."""

import json
import os
from pathlib import Path

from server import Server, free_ports, get

BIN = Path(os.environ.get("VICTORIA_METRICS_BIN", "/usr/bin"))  # `make test-servers` sets it

Series = tuple[tuple[str, str], ...]


class VictoriaMetrics(Server):
    def __init__(self, folder: Path) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        super().__init__(
            folder,
            [
                str(BIN / "victoria-metrics"),
                f"-storageDataPath={folder / 'data'}",
                f"-httpListenAddr=127.0.0.1:{port}",
                "-search.latencyOffset=0s",
                "-memory.allowedBytes=256MiB",
            ],
        )

    def ready(self) -> bool:
        return get(f"{self.url}/health") == b"OK"

    def export(self, selector: str) -> dict[Series, list[float]]:
        """Returns the values by the labels of their series, oldest first. New series appear after a second."""
        get(f"{self.url}/internal/force_flush")
        lines = get(f"{self.url}/api/v1/export", **{"match[]": selector}).splitlines()
        found: dict[Series, list[float]] = {}
        for series in map(json.loads, lines):
            found.setdefault(tuple(sorted(series["metric"].items())), []).extend(series["values"])
        return found
