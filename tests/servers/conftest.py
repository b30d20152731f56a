import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NEVER = "0002"  # sorts after the time that Prometheus reports before the first scrape
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "examples" / "tts_service")]

from demo.check import differences  # noqa: E402
from demo.load import plan, send  # noqa: E402
from demo.scrape import Scrape, fetch  # noqa: E402
from demo.service import poll, python_service  # noqa: E402
from demo_scrape import DemoScrape  # noqa: E402
from prometheus import Prometheus  # noqa: E402
from text_only import TextOnly  # noqa: E402


@pytest.fixture(scope="session")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoScrape]:
    with python_service() as service, TextOnly(service.metrics_url) as text_only:
        targets = {"openmetrics": f"127.0.0.1:{service.metrics_port}", "text": text_only.target}
        with Prometheus(tmp_path_factory.mktemp("prometheus"), targets) as prometheus:
            sent = send(service.port, plan())
            poll(lambda: not differences(sent, Scrape(fetch(service.metrics_url))), "the calls to end", 15)
            scrape = Scrape(fetch(service.metrics_url))

            # Nothing changes after this, so a scrape that begins now is complete.
            before = prometheus.last_scrapes()
            poll(
                lambda: all(
                    prometheus.last_scrapes().get(job, "") > before.get(job, NEVER) for job in targets
                ),
                "one more scrape of each job",
                20,
            )
            yield DemoScrape(service, sent, scrape, prometheus)
