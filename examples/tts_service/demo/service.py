"""A service in its own process, with free ports and its own directory."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from demo.scrape import fetch

HERE = Path(__file__).resolve().parent.parent
START_SECONDS = 30.0
SERVICE = "tts_demo"

T = TypeVar("T")


class Service:
    """Starts a service on two free ports, and ends it with all its processes.

    `command` makes the command line from the port of the service and the port of its metrics. Of the environment,
    `{directory}` is where the service keeps its files. The service is ready when `ready` answers.
    """

    def __init__(
        self,
        command: Callable[[int, int], list[str]],
        environment: Mapping[str, str] = {},
        ready: str = "/voices",
        seconds: float = START_SECONDS,
    ) -> None:
        self._ready, self._seconds = ready, seconds
        self.port, self.metrics_port = free_ports(2)
        self.metrics_url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        self._command = command(self.port, self.metrics_port)
        self._environment = environment

    def __enter__(self) -> "Service":
        self._directory = tempfile.TemporaryDirectory(prefix="tts-demo-")
        self._log = Path(self._directory.name, "service.log").open("w+")
        environment = {
            name: value.format(directory=self.directory) for name, value in self._environment.items()
        }
        self._process = subprocess.Popen(
            self._command,
            cwd=HERE,
            env={**os.environ, **environment, "SOUNDPOST_DIRECTORY": self.directory},
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal is for the demo, which then ends the service
        )
        try:
            poll(self._answers, "the service to answer", self._seconds)
        except BaseException as error:
            log = self.log()
            self.__exit__(None, None, None)
            if isinstance(error, Exception):
                raise RuntimeError(f"the service did not start. It wrote:\n{log}") from error
            raise
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)  # the group that start_new_session made
            self._process.wait()
        self._log.close()
        self._directory.cleanup()

    @property
    def directory(self) -> str:
        """Returns the service's directory."""
        return self._directory.name

    def log(self) -> str:
        return Path(self._log.name).read_text()

    def wait(self) -> None:
        self._process.wait()

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"it ended with status {self._process.returncode}")
        fetch(f"http://127.0.0.1:{self.port}{self._ready}")
        fetch(self.metrics_url)
        return True


def python_service(workers: int = 2, sinks: Sequence[str] = ()) -> Service:
    """Starts the FastAPI service beside this file, which ships to these sinks and to a file."""
    start = [sys.executable, "-m", "tts_service", "--workers", str(workers)]
    return Service(
        lambda port, metrics_port: [*start, "--port", str(port), "--metrics-port", str(metrics_port)],
        {"SOUNDPOST_SINKS": ",".join([*sinks, "jsonl:{directory}/calls.jsonl"])},
    )


def frozen_service(program: str) -> Service:
    """Starts a frozen program of the service, in one process."""
    return Service(
        lambda port, metrics_port: [
            program,
            "--workers",
            "1",
            "--port",
            str(port),
            "--metrics-port",
            str(metrics_port),
        ]
    )


def poll(question: Callable[[], T], what: str, seconds: float) -> T:
    """Polls until the result is true or the time is over. A refused connection counts as false."""
    deadline = time.monotonic() + seconds
    while True:
        refused: Exception | None = None
        try:
            if answer := question():
                return answer
        except OSError as error:
            refused = error
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}") from refused
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
