"""Prometheus scrapes the running demo in both formats, and PromQL returns the demo's figures."""

import subprocess

import pytest
from demo.scrape import fetch
from demo_scrape import DemoScrape
from prometheus import BIN
from text_only import TEXT

FORMATS = ["openmetrics", "text"]
OPERATIONS = ["synthesize", "synthesize_stream"]


def test_promtool_reports_no_problem(scraped: DemoScrape) -> None:
    text = fetch(scraped.service.metrics_url, TEXT)

    checked = subprocess.run(
        [BIN / "promtool", "check", "metrics"], input=text, text=True, capture_output=True
    )

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.mark.parametrize("job", FORMATS)
def test_scrapes_succeed(scraped: DemoScrape, job: str) -> None:
    target = scraped.prometheus.targets()[job]

    assert (target["health"], target["lastError"]) == ("up", "")
    # Prometheus omits invalid samples, and reports their number only in these metrics.
    for count in ("scrape_samples_scraped", "scrape_samples_post_metric_relabeling"):
        assert scraped.prometheus.query(f'{count}{{job="{job}"}}')[()] > 100


def test_jobs_receive_their_format(scraped: DemoScrape) -> None:
    """A counter's family has the suffix `_total` in the text format only."""
    openmetrics, text = map(scraped.prometheus.metadata, FORMATS)

    assert openmetrics["tts_demo_request"] == text["tts_demo_request_total"] == "counter"
    assert "tts_demo_request_total" not in openmetrics
    assert "tts_demo_request" not in text


@pytest.mark.parametrize("job", FORMATS)
def test_calls_by_outcome_equal_the_requests(scraped: DemoScrape, job: str) -> None:
    calls = scraped.prometheus.query(
        f'sum by (operation, outcome) (tts_demo_request_total{{job="{job}"}}) > 0', "operation", "outcome"
    )

    assert calls == scraped.sent.calls


@pytest.mark.parametrize("job", FORMATS)
def test_audio_equals_the_scrape(scraped: DemoScrape, job: str) -> None:
    audio = scraped.prometheus.query(
        f'sum by (operation) (tts_demo_audio_seconds_total{{job="{job}"}})', "operation"
    )

    assert audio == pytest.approx(dict(scraped.scrape.sum_by("audio_seconds_total", "operation")))


@pytest.mark.parametrize("job", FORMATS)
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("q", [0.5, 0.95])
@pytest.mark.parametrize(
    ("name", "where"),
    [("request_duration_seconds", {"status": "success"}), ("real_time_factor", {})],
)
def test_quantiles_equal_the_scrape(
    scraped: DemoScrape, job: str, operation: str, q: float, name: str, where: dict[str, str]
) -> None:
    labels = {"job": job, "operation": operation, **where}
    selector = ", ".join(f'{label}="{value}"' for label, value in labels.items())

    answer = scraped.prometheus.query(
        f"histogram_quantile({q}, sum by (le) (tts_demo_{name}_bucket{{{selector}}}))"
    )

    shown = scraped.scrape.histogram(name, operation=operation, **where).quantile(q)
    assert answer[()] == pytest.approx(shown)


def test_nothing_is_in_flight(scraped: DemoScrape) -> None:
    assert set(scraped.prometheus.query("sum by (job) (tts_demo_requests_in_flight)", "job").values()) == {
        0.0
    }


def test_exemplars_come_with_openmetrics(scraped: DemoScrape) -> None:
    """An exemplar has the request id, which leads from a slow bucket to a call."""
    exemplars = scraped.prometheus.exemplars('tts_demo_request_duration_seconds_bucket{job="openmetrics"}')

    assert exemplars
    assert all(exemplar["labels"].get("request_id") for exemplar in exemplars)
