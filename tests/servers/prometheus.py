"""A real Prometheus on a free loopback port, with a data directory of its own."""

import json
import os
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from demo.service import free_ports, poll

BIN = Path(os.environ.get("PROMETHEUS_BIN", "/usr/bin"))  # `make test-servers` sets it

Labels = tuple[str, ...]


class Prometheus:
    """Scrapes the given targets, `host:port` by job name, every second."""

    def __init__(self, directory: Path, targets: dict[str, str]) -> None:
        (port,) = free_ports(1)
        self._url = f"http://127.0.0.1:{port}"
        self._log = directory / "prometheus.log"
        config = directory / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n"
            + "".join(
                f"  - {{job_name: {job}, static_configs: [{{targets: ['{target}']}}]}}\n"
                for job, target in targets.items()
            )
        )
        self._command = [
            str(BIN / "prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--enable-feature=exemplar-storage",
        ]

    def __enter__(self) -> "Prometheus":
        with self._log.open("w") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)
        try:
            poll(self._ready, "Prometheus to be ready", 30)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def query(self, promql: str, *labels: str) -> dict[Labels, float]:
        """The value of an instant query, by these labels."""
        result = self._get("query", query=promql)["result"]
        return {
            tuple(each["metric"].get(label, "") for label in labels): float(each["value"][1])
            for each in result
        }

    def metadata(self, job: str) -> dict[str, str]:
        """The type of each family that a job scrapes, by the family's name."""
        families = self._get("targets/metadata", match_target=f'{{job="{job}"}}')
        return {family["metric"]: family["type"] for family in families}

    def exemplars(self, selector: str) -> list[dict[str, Any]]:
        series = self._get("query_exemplars", query=selector, start="0", end="9999999999")
        return [exemplar for each in series for exemplar in each["exemplars"]]

    def targets(self) -> dict[str, dict[str, Any]]:
        """The state of each target, by job."""
        return {target["labels"]["job"]: target for target in self._get("targets")["activeTargets"]}

    def last_scrapes(self) -> dict[str, str]:
        """When the last scrape of each job began, in a form that sorts."""
        return {job: target["lastScrape"] for job, target in self.targets().items()}

    def _get(self, path: str, **parameters: str) -> Any:
        url = f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=5) as response:
            return json.load(response)["data"]

    def _ready(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(
                f"Prometheus ended with status {self._process.returncode}:\n{self._log.read_text()}"
            )
        with urllib.request.urlopen(f"{self._url}/-/ready", timeout=5):
            return True
