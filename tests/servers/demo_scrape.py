"""The demo and a scrape of it."""

from dataclasses import dataclass

from demo.load import Sent
from demo.scrape import Scrape
from demo.service import Service
from prometheus import Prometheus


@dataclass(frozen=True)
class DemoScrape:
    """The demo after its requests, with a Prometheus that scrapes both formats."""

    service: Service
    sent: Sent
    scrape: Scrape
    prometheus: Prometheus
