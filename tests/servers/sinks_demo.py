"""`make demo SINKS=1`: the demo with InfluxDB, VictoriaLogs and a Graylog input."""

import signal
import sys
import tempfile
from pathlib import Path

from demo.__main__ import main
from demo.service import SERVICE
from gelf import Graylog
from influxdb import InfluxDb
from victoria_logs import VictoriaLogs


def demonstrate(folder: Path, arguments: list[str]) -> int:
    print("Starting InfluxDB, VictoriaLogs and Graylog's GELF input ...", flush=True)
    with InfluxDb(new(folder, "influxdb")) as influxdb, VictoriaLogs(new(folder, "logs")) as logs:
        influxdb.create_database()
        with Graylog(new(folder, "graylog"), "tcp") as graylog:
            urls = [
                f"influxdb+{influxdb.url}?database={influxdb.DATABASE}",
                f"loki+{logs.push_url}",
                f"graylog+tcp://127.0.0.1:{graylog.port}",
            ]
            print(*(f"  {url}" for url in urls), sep="\n", flush=True)
            holders = {
                "InfluxDB": lambda: [
                    point["request_id"]
                    for point in influxdb.query(
                        f"SELECT request_id FROM generate_calls WHERE service = '{SERVICE}'"
                    )
                ],
                "VictoriaLogs (as Loki)": lambda: [
                    entry.labels["request_id"]
                    for entry in logs.entries(f'{{job="{SERVICE}"}} "Audio generation"')
                ],
                "Graylog (its GELF input)": lambda: [
                    message["request_id"]
                    for message in graylog.messages()
                    if message["message"].startswith("Audio generation")
                ],
            }
            return main(["--sinks", *urls, *arguments], holders)


def new(folder: Path, name: str) -> Path:
    path = folder / name
    path.mkdir()
    return path


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends the servers as well
    with tempfile.TemporaryDirectory(prefix="tts-demo-servers-") as directory:
        sys.exit(demonstrate(Path(directory), sys.argv[1:]))
