"""A scrape, read by prometheus_client's parser."""

from __future__ import annotations

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text


class Scrape:
    """The samples of one scrape."""

    def __init__(self, text, *, prefix="tests", openmetrics=False):
        self.text = text
        self.prefix = prefix
        self.families = {
            family.name: family for family in (read_openmetrics if openmetrics else read_text)(text)
        }
        self.samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def get(self, name, **labels):
        """Returns the value of a sample by its full name, or None."""
        return self.samples.get((name, frozenset(labels.items())))

    def sum(self, name, **labels):
        """Returns the sum of all samples of this name with these labels."""
        wanted = set(labels.items())
        return sum(
            value for (found, pairs), value in self.samples.items() if found == name and wanted <= pairs
        )

    def outcomes(self, operation, **labels):
        """Returns the number of finished calls of an operation by outcome."""
        wanted = {("operation", operation), *labels.items()}
        found = {}
        for (name, pairs), value in self.samples.items():
            if name == f"{self.prefix}_request_total" and wanted <= pairs and value:
                outcome = dict(pairs)["outcome"]
                found[outcome] = found.get(outcome, 0) + int(value)
        return found

    def count(self, metric, operation, **labels):
        """Returns the number of observations in a histogram of the request metrics."""
        return int(self.sum(f"{self.prefix}_{metric}_count", operation=operation, **labels))

    def total(self, metric, operation, **labels):
        """Returns the sum of a histogram, or the value of a counter, of the request metrics."""
        name = f"{self.prefix}_{metric}"
        return self.sum(name if metric.endswith("_total") else name + "_sum", operation=operation, **labels)

    def in_flight(self, operation):
        """Returns the number of calls in flight."""
        return self.sum(f"{self.prefix}_requests_in_flight", operation=operation)

    def stages(self, operation):
        """Returns the number of ended stages of an operation by name."""
        found = {}
        for (name, pairs), value in self.samples.items():
            if (
                name == f"{self.prefix}_stage_duration_seconds_count"
                and ("operation", operation) in pairs
                and value
            ):
                stage = dict(pairs)["stage"]
                found[stage] = found.get(stage, 0) + int(value)
        return found

    def errors(self, part):
        """Returns the number of Soundpost's own faults."""
        return int(self.sum("soundpost_errors_total", part=part))
