"""Prometheus on a free loopback port, with its own data directory."""

import os
from pathlib import Path
from typing import Any

from server import Server, free_ports, get, get_json

BIN = Path(os.environ.get("PROMETHEUS_BIN", "/usr/bin"))  # `make test-servers` sets it

Labels = tuple[str, ...]


class Prometheus(Server):
    """Scrapes the given targets, `host:port` by job name, every second."""

    def __init__(self, folder: Path, targets: dict[str, str]) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        config = folder / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n"
            + "".join(
                f"  - {{job_name: {job}, static_configs: [{{targets: ['{target}']}}]}}\n"
                for job, target in targets.items()
            )
        )
        super().__init__(
            folder,
            [
                str(BIN / "prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--enable-feature=exemplar-storage",
            ],
        )

    def ready(self) -> bool:
        get(f"{self.url}/-/ready")
        return True

    def query(self, promql: str, *labels: str) -> dict[Labels, float]:
        """Returns the values of an instant query by these labels."""
        result = self._get("query", query=promql)["result"]
        return {
            tuple(each["metric"].get(label, "") for label in labels): float(each["value"][1])
            for each in result
        }

    def metadata(self, job: str) -> dict[str, str]:
        """Returns the type of each family that a job scrapes, by name."""
        families = self._get("targets/metadata", match_target=f'{{job="{job}"}}')
        return {family["metric"]: family["type"] for family in families}

    def exemplars(self, selector: str) -> list[dict[str, Any]]:
        series = self._get("query_exemplars", query=selector, start="0", end="9999999999")
        return [exemplar for each in series for exemplar in each["exemplars"]]

    def targets(self) -> dict[str, dict[str, Any]]:
        """Returns the state of each target, by job."""
        return {target["labels"]["job"]: target for target in self._get("targets")["activeTargets"]}

    def last_scrapes(self) -> dict[str, str]:
        """Returns the start of the last scrape of each job, as text that sorts."""
        return {job: target["lastScrape"] for job, target in self.targets().items()}

    def _get(self, path: str, **parameters: str) -> Any:
        return get_json(f"{self.url}/api/v1/{path}", **parameters)["data"]
