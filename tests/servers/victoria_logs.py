"""VictoriaLogs, which accepts Loki's push requests with structured metadata, queried in LogsQL."""

import json
import os
from pathlib import Path

from loki import Entry, unix_nanos
from server import Server, free_ports, get

BIN = Path(os.environ.get("VICTORIA_LOGS_BIN", "/usr/bin"))  # `make test-servers` sets it


class VictoriaLogs(Server):
    def __init__(self, folder: Path) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self.push_url = f"{self.url}/insert"  # of a sink
        super().__init__(
            folder,
            [
                str(BIN / "victoria-logs"),
                f"-storageDataPath={folder / 'data'}",
                f"-httpListenAddr=127.0.0.1:{port}",
                "-memory.allowedBytes=256MiB",
            ],
        )

    def ready(self) -> bool:
        return get(f"{self.url}/health") == b"OK"

    def entries(self, logsql: str, tenant: int = 0) -> list[Entry]:
        """Returns the matching entries, oldest first. Stream labels and metadata are fields alike."""
        get(f"{self.url}/internal/force_flush")
        body = get(f"{self.url}/select/logsql/query", headers={"AccountID": str(tenant)}, query=logsql)
        rows = map(json.loads, body.splitlines())
        entries = [Entry(unix_nanos(row.pop("_time")), row.pop("_msg"), row) for row in rows]
        return sorted(entries, key=lambda entry: entry.unix_nanos)
