"""What the tests look at."""

from dataclasses import dataclass

from demo.load import Sent
from demo.scrape import Scrape
from demo.service import Service
from prometheus import Prometheus


@dataclass(frozen=True)
class Scraped:
    """The demo after its requests, and the Prometheus that scrapes it in both formats."""

    service: Service
    sent: Sent
    scrape: Scrape
    prometheus: Prometheus
