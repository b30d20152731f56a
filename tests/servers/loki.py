"""Grafana Loki, queried in LogQL.

The version is of January 2021: later ones are under the AGPL. It drops structured metadata, so a sink needs
`extras=logfmt`, and its JSON push is broken.
"""

import os
import time
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from server import Server, free_ports, get, get_json

BIN = Path(os.environ.get("LOKI_BIN", "/usr/bin"))  # `make test-servers` sets it

CONFIG = """\
auth_enabled: false
server:
  http_listen_address: 127.0.0.1
  http_listen_port: {http}
  grpc_listen_address: 127.0.0.1
  grpc_listen_port: {grpc}
  log_level: warn
ingester:
  lifecycler:
    address: 127.0.0.1
    ring: {{kvstore: {{store: inmemory}}, replication_factor: 1}}
    min_ready_duration: 0s
    final_sleep: 0s
  max_transfer_retries: 0
schema_config:
  configs:
    - from: 2020-10-24
      store: boltdb
      object_store: filesystem
      schema: v11
      index: {{prefix: index_, period: 24h}}
storage_config:
  boltdb: {{directory: {folder}/index}}
  filesystem: {{directory: {folder}/chunks}}
ruler:
  storage: {{type: local, local: {{directory: {folder}/rules}}}}
  rule_path: {folder}/rules-temporary
"""

NANOSECONDS = 1_000_000_000


class Entry(NamedTuple):
    unix_nanos: int
    line: str
    labels: dict[str, str]  # of the stream, with structured metadata or what a parser found in the line


def unix_nanos(rfc3339: str) -> int:
    """Converts a UTC time with up to nine decimals, more than `datetime` reads."""
    seconds, _, decimals = rfc3339.removesuffix("Z").partition(".")
    whole = int(datetime.fromisoformat(f"{seconds}+00:00").timestamp())
    return whole * NANOSECONDS + int(decimals.ljust(9, "0"))


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
        """Returns the matching lines of the last hour, oldest first."""
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
        """Returns the current values of a metric query by these labels."""
        result: list[dict[str, Any]] = get_json(f"{self.url}/loki/api/v1/query", query=logql)["data"][
            "result"
        ]
        return {
            tuple(each["metric"].get(label, "") for label in labels): float(each["value"][1])
            for each in result
        }
