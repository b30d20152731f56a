"""A server process of the tests on free loopback ports, with its own folder."""

import json
import os
import random
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from demo.service import poll
from typing_extensions import Self

START_SECONDS = 120
EPHEMERAL = 32_768  # first port that Linux assigns to connecting sockets
PORTS = 1_500  # of each test process, so that none takes a port of a stopped server of another


class Server:
    """Runs a command inside a `with` block. A server that is stopped and started again keeps its ports and data.

    A subclass implements `ready` and its queries.
    """

    def __init__(self, folder: Path, command: list[str], environment: Mapping[str, str] = {}) -> None:
        self.folder = folder
        self._command = ["setpriv", "--pdeathsig", "KILL", *command]  # even if the tests are killed
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        with self.log_file.open("ab") as log, self.output().open("ab") as output:
            self._process = subprocess.Popen(
                self._command, stdout=output, stderr=log, cwd=self.folder, env=self._environment or None
            )
        try:
            poll(self._answers, f"{self} to be ready", START_SECONDS)
        except BaseException as error:
            self.stop()
            if isinstance(error, Exception):
                raise RuntimeError(f"{self} did not start. Its log:\n{self.log()}") from error
            raise

    def stop(self) -> None:
        """Terminates the process, which stores what it accepted."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def ready(self) -> bool:
        """Returns whether the server accepts records; `OSError` counts as no."""
        raise NotImplementedError

    def output(self) -> Path:
        """Returns the file of its standard output."""
        return self.log_file

    @property
    def log_file(self) -> Path:
        return self.folder / "server.log"

    def log(self) -> str:
        """Returns the end of its log."""
        return self.log_file.read_text(errors="replace")[-8000:]

    def __repr__(self) -> str:
        return type(self).__name__

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"it ended with status {self._process.returncode}")
        return self.ready()


def free_ports(count: int) -> list[int]:
    """Returns free ports below the ephemeral range, so that no client gets one while its server is down."""
    found: list[int] = []
    last = EPHEMERAL - PORTS * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while len(found) < count:
        port = random.randrange(last - PORTS, last)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found += [port] * (port not in found)
    return found


def get(url: str, method: str = "GET", headers: Mapping[str, str] = {}, **parameters: str) -> bytes:
    """Returns the body of a successful response; any other status raises `HTTPError`, an `OSError`."""
    request = urllib.request.Request(
        f"{url}?{urllib.parse.urlencode(parameters)}", headers=dict(headers), method=method
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return bytes(response.read())


def get_json(url: str, method: str = "GET", **parameters: str) -> Any:
    return json.loads(get(url, method, {}, **parameters))
