"""Graylog's own GELF inputs as processes, which print the messages that Graylog would index."""

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

from server import Server, free_ports

CLASS_PATH = os.environ.get("GRAYLOG_CLASS_PATH", "")  # `make test-servers` sets it


class Graylog(Server):
    """An input with the transport `tcp`, `tls`, `udp`, `http` or `bulk`.

    `bulk` is a receiver of ours in front of Graylog's codec: no open-source version has bulk receiving. It follows
    Graylog's documentation: records are separated by line feeds.
    """

    def __init__(self, folder: Path, transport: str, *settings: str) -> None:
        (self.port,) = free_ports(1)
        self.transport = transport
        self.authority = folder / "server.pem"  # the certificate of `tls`
        command = ["java", "-Xmx256m", "-cp", CLASS_PATH, "Receiver"]
        if transport == "tls":
            settings += _tls(folder)
        super().__init__(folder, [*command, transport.replace("tls", "tcp"), str(self.port), *settings])
        self._log_start = 0

    def start(self) -> None:
        self._log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        super().start()

    def ready(self) -> bool:
        if self.transport != "udp":
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        return b"ready" in self.log_file.read_bytes()[self._log_start :]

    def output(self) -> Path:
        return self.folder / "messages.jsonl"

    def send(self, frames: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(frames)

    def messages(self) -> list[dict[str, Any]]:
        """Returns the fields of each message so far, in the order of arrival."""
        whole, _, _ = self.output().read_bytes().rpartition(b"\n")  # the last line may be unfinished
        return [json.loads(line) for line in whole.splitlines()]

    def refused(self) -> list[str]:
        """Returns the log lines about messages that the input could not decode."""
        log = self.log_file.read_text(errors="replace").splitlines()
        return [line for line in log if line.startswith("refused") or "ERROR" in line]


def _tls(folder: Path) -> tuple[str, ...]:
    """Creates a certificate, and returns the settings of an input with it."""
    certificate, key = folder / "server.pem", folder / "server.key"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=graylog",
            ),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return "tls_enable=true", f"tls_cert_file={certificate}", f"tls_key_file={key}"
