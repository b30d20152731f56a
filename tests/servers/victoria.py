"""VictoriaMetrics, which takes InfluxDB's v2 writes, asked through its export."""

import json
import os
from pathlib import Path

from server import Server, free_ports, get

BIN = Path(os.environ.get("VICTORIA_BIN", "/usr/bin"))  # `make test-servers` sets it

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
        """Values in the order of their time, by the labels of their series; new series are found after a second."""
        get(f"{self.url}/internal/force_flush")
        lines = get(f"{self.url}/api/v1/export", **{"match[]": selector}).splitlines()
        found: dict[Series, list[float]] = {}
        for series in map(json.loads, lines):
            found.setdefault(tuple(sorted(series["metric"].items())), []).extend(series["values"])
        return found
