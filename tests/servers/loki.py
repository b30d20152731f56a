"""Grafana Loki, asked in LogQL."""

import os
import time
from pathlib import Path
from typing import Any, NamedTuple

from server import Server, free_ports, get, get_json

BIN = Path(os.environ.get("LOKI_BIN", "/usr/bin"))  # `make test-servers` sets it

# One process with the limits that Loki has by default.
CONFIG = """\
auth_enabled: false
analytics: {{reporting_enabled: false}}
server:
  http_listen_address: 127.0.0.1
  http_listen_port: {http}
  grpc_listen_address: 127.0.0.1
  grpc_listen_port: {grpc}
  log_level: warn
common:
  path_prefix: {folder}
  replication_factor: 1
  instance_addr: 127.0.0.1
  ring: {{kvstore: {{store: inmemory}}}}
  storage: {{filesystem: {{chunks_directory: {folder}/chunks, rules_directory: {folder}/rules}}}}
# It would take 10 s to find itself.
frontend: {{scheduler_dns_lookup_period: 100ms}}
frontend_worker: {{dns_lookup_duration: 100ms}}
ingester:
  lifecycler: {{min_ready_duration: 0s, final_sleep: 0s}}
schema_config:
  configs:
    - from: 2024-01-01
      store: tsdb
      object_store: filesystem
      schema: v13
      index: {{prefix: index_, period: 24h}}
"""

NANOSECONDS = 1_000_000_000


class Entry(NamedTuple):
    unix_nanos: int
    line: str
    labels: dict[str, str]  # of the stream, and structured metadata beside them


class Loki(Server):
    def __init__(self, folder: Path) -> None:
        http, grpc = free_ports(2)
        self.url = f"http://127.0.0.1:{http}"
        config = folder / "loki.yml"
        config.write_text(CONFIG.format(folder=folder, http=http, grpc=grpc))
        super().__init__(folder, [str(BIN / "loki"), f"-config.file={config}", "-target=all"])

    def ready(self) -> bool:
        return get(f"{self.url}/ready") == b"ready\n"

    def entries(self, logql: str) -> list[Entry]:
        """The lines that a query finds within the last hour, oldest first."""
        now = time.time_ns()
        found = get_json(
            f"{self.url}/loki/api/v1/query_range",
            query=logql,
            start=str(now - 3600 * NANOSECONDS),
            end=str(now + 60 * NANOSECONDS),
            limit="5000",
            direction="forward",
        )["data"]["result"]
        entries = [
            Entry(int(at), line, stream["stream"]) for stream in found for at, line, *_ in stream["values"]
        ]
        return sorted(entries, key=lambda entry: entry.unix_nanos)

    def value(self, logql: str, *labels: str) -> dict[tuple[str, ...], float]:
        """What a metric query gives now, by these labels."""
        result: list[dict[str, Any]] = get_json(f"{self.url}/loki/api/v1/query", query=logql)["data"][
            "result"
        ]
        return {
            tuple(each["metric"].get(label, "") for label in labels): float(each["value"][1])
            for each in result
        }
