"""A real Prometheus scrapes the running demo, in both formats, and PromQL over it gives the demo's figures."""

import subprocess

import pytest
from demo.scrape import fetch
from prometheus import BIN
from scraped import Scraped
from text_only import TEXT

FORMATS = ["openmetrics", "text"]
OPERATIONS = ["synthesize", "synthesize_stream"]


def test_promtool_has_nothing_to_say(scraped: Scraped) -> None:
    text = fetch(scraped.service.metrics_url, TEXT)

    checked = subprocess.run(
        [BIN / "promtool", "check", "metrics"], input=text, text=True, capture_output=True
    )

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.mark.parametrize("job", FORMATS)
def test_scrapes_without_an_error(scraped: Scraped, job: str) -> None:
    target = scraped.prometheus.targets()[job]

    assert (target["health"], target["lastError"]) == ("up", "")
    # Prometheus leaves out samples that it cannot take, and says how many only in these.
    for count in ("scrape_samples_scraped", "scrape_samples_post_metric_relabeling"):
        assert scraped.prometheus.query(f'{count}{{job="{job}"}}')[()] > 100


def test_each_job_gets_its_format(scraped: Scraped) -> None:
    """In OpenMetrics a counter's family has no `_total`, in the text format it has."""
    openmetrics, text = map(scraped.prometheus.metadata, FORMATS)

    assert openmetrics["tts_demo_request"] == text["tts_demo_request_total"] == "counter"
    assert "tts_demo_request_total" not in openmetrics
    assert "tts_demo_request" not in text


@pytest.mark.parametrize("job", FORMATS)
def test_calls_by_outcome_are_what_was_sent(scraped: Scraped, job: str) -> None:
    calls = scraped.prometheus.query(
        f'sum by (operation, outcome) (tts_demo_request_total{{job="{job}"}}) > 0', "operation", "outcome"
    )

    assert calls == scraped.sent.calls


@pytest.mark.parametrize("job", FORMATS)
def test_audio_is_what_the_demo_shows(scraped: Scraped, job: str) -> None:
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
def test_quantiles_are_what_the_demo_shows(
    scraped: Scraped, job: str, operation: str, q: float, name: str, where: dict[str, str]
) -> None:
    labels = {"job": job, "operation": operation, **where}
    selector = ", ".join(f'{label}="{value}"' for label, value in labels.items())

    answer = scraped.prometheus.query(
        f"histogram_quantile({q}, sum by (le) (tts_demo_{name}_bucket{{{selector}}}))"
    )

    shown = scraped.scrape.histogram(name, operation=operation, **where).quantile(q)
    assert answer[()] == pytest.approx(shown)


def test_nothing_is_in_flight(scraped: Scraped) -> None:
    assert set(scraped.prometheus.query("sum by (job) (tts_demo_requests_in_flight)", "job").values()) == {
        0.0
    }


def test_exemplars_come_with_openmetrics(scraped: Scraped) -> None:
    """Each names the request, so that a slow bucket leads to a call."""
    exemplars = scraped.prometheus.exemplars('tts_demo_request_duration_seconds_bucket{job="openmetrics"}')

    assert exemplars
    assert all(exemplar["labels"].get("request_id") for exemplar in exemplars)
