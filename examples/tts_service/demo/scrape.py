"""Reads and queries `/metrics`."""

import math
import urllib.request
from collections import defaultdict

from prometheus_client.parser import text_string_to_metric_families

Labels = dict[str, str]
Sums = defaultdict[tuple[str, ...], float]  # by label values


class Scrape:
    """The samples of one scrape of the service, by name without the service's prefix."""

    def __init__(self, text: str, prefix: str = "tts_demo_") -> None:
        self._samples: defaultdict[str, list[tuple[Labels, float]]] = defaultdict(list)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._samples[sample.name.removeprefix(prefix)].append((sample.labels, sample.value))

    def sum_by(self, name: str, *labels: str) -> Sums:
        """Returns the sums by these labels, like PromQL's `sum by`, without zeros."""
        sums: Sums = defaultdict(float)
        for sample, value in self._samples[name]:
            if value:
                sums[tuple(sample.get(label, "") for label in labels)] += value
        return sums

    def samples(self, name: str) -> list[tuple[Labels, float]]:
        """Returns all samples of this name, with their labels."""
        return self._samples[name]

    def histogram(self, name: str, **where: str) -> "Histogram":
        """Returns the sum of the histograms with these labels."""
        buckets: defaultdict[float, float] = defaultdict(float)
        for sample, value in self._samples[name + "_bucket"]:
            if where.items() <= sample.items():
                buckets[float(sample["le"])] += value
        return Histogram(sorted(buckets.items()))


class Histogram:
    """Cumulative counts by upper bound, the last of which is infinity."""

    def __init__(self, buckets: list[tuple[float, float]]) -> None:
        self.buckets = buckets

    @property
    def count(self) -> float:
        return self.buckets[-1][1] if self.buckets else 0.0

    def quantile(self, q: float) -> float:
        """Returns a quantile as PromQL's `histogram_quantile`: linear within a bucket, NaN without data."""
        if not self.count:
            return math.nan
        rank = q * self.count
        lower, below = 0.0, 0.0
        for upper, count in self.buckets:
            if count >= rank:
                return (
                    lower if math.isinf(upper) else lower + (upper - lower) * (rank - below) / (count - below)
                )
            lower, below = upper, count
        return lower

    def in_first_bucket(self, value: float) -> bool:
        """Returns whether the quantile is in the first bucket."""
        return value <= self.buckets[0][0]


def fetch(url: str, accept: str = "text/plain") -> str:
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=5) as response:
        return str(response.read(), "utf-8")
