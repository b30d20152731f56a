"""InfluxDB 1, queried in InfluxQL."""

import os
from pathlib import Path
from typing import Any

from server import Server, free_ports, get, get_json

BIN = Path(os.environ.get("INFLUXDB_BIN", "/usr/bin"))  # `make test-servers` sets it

CONFIG = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
[http]
bind-address = "127.0.0.1:{http}"
auth-enabled = {auth}
log-enabled = false
[monitor]
store-enabled = false
"""


class InfluxDb(Server):
    """A server with the database `performance_monitor`. With a password only the user `tts` has access."""

    DATABASE = "performance_monitor"

    def __init__(self, folder: Path, password: str = "") -> None:
        self._login = {"u": "tts", "p": password} if password else {}
        http, rpc = free_ports(2)
        self.url = f"http://127.0.0.1:{http}"
        config = folder / "influxdb.conf"
        config.write_text(CONFIG.format(folder=folder, http=http, rpc=rpc, auth=str(bool(password)).lower()))
        super().__init__(folder, [str(BIN / "influxd"), "-config", str(config)])

    def ready(self) -> bool:
        get(f"{self.url}/ping")
        return True

    def create_database(self) -> None:
        if self._login:  # the first user is created without a login
            self.query(
                f"CREATE USER tts WITH PASSWORD '{self._login['p']}' WITH ALL PRIVILEGES", method="POST"
            )
        self.query(f"CREATE DATABASE {self.DATABASE}", method="POST")

    def query(self, influxql: str, method: str = "GET") -> list[dict[str, Any]]:
        """Returns the rows of a result, each with the tags of its group."""
        parameters = {"db": self.DATABASE, "q": influxql, "epoch": "ns", **self._login}
        (result,) = get_json(f"{self.url}/query", method, **parameters)["results"]
        if "error" in result:
            raise ValueError(result["error"])
        return [
            {**series.get("tags", {}), **dict(zip(series["columns"], row, strict=True))}
            for series in result.get("series", [])
            for row in series.get("values", [])
        ]
