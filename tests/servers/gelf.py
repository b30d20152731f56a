"""Graylog's own GELF inputs, as processes: what they decode is what Graylog would index."""

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

from server import Server, free_ports

CLASS_PATH = os.environ.get("GRAYLOG_CLASS_PATH", "")  # `make test-servers` sets it


class Graylog(Server):
    """An input of a transport: `tcp`, `tls`, `udp` or `http`."""

    def __init__(self, folder: Path, transport: str, *settings: str) -> None:
        (self.port,) = free_ports(1)
        self.transport = transport
        self.authority = folder / "server.pem"  # of `tls`: who trusts it, trusts the input
        command = ["java", "-Xmx256m", "-cp", CLASS_PATH, "Receiver"]
        if transport == "tls":
            settings += _tls(folder)
        super().__init__(folder, [*command, transport.replace("tls", "tcp"), str(self.port), *settings])
        self._said = 0

    def start(self) -> None:
        self._said = self.log_file.stat().st_size if self.log_file.exists() else 0
        super().start()

    def ready(self) -> bool:
        if self.transport != "udp":
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        return b"ready" in self.log_file.read_bytes()[self._said :]

    def output(self) -> Path:
        return self.folder / "messages.jsonl"

    def send(self, frames: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(frames)

    def messages(self) -> list[dict[str, Any]]:
        """The fields of each message so far, in the order of their coming."""
        whole, _, _ = self.output().read_bytes().rpartition(b"\n")  # the last may be half written
        return [json.loads(line) for line in whole.splitlines()]

    def refused(self) -> list[str]:
        """What the input could not decode."""
        log = self.log_file.read_text(errors="replace").splitlines()
        return [line for line in log if line.startswith("refused") or "ERROR" in line]


def _tls(folder: Path) -> tuple[str, ...]:
    """The settings with a new certificate."""
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
