"""The demo passes on the real service, and fails if a record is wrong."""

import math

import pytest
from demo.__main__ import main
from demo.check import differences
from demo.load import Sent
from demo.scrape import Histogram, Scrape
from demo.table import table

RECORDED = """\
# TYPE tts_demo_request_total counter
tts_demo_request_total{operation="synthesize",status="success",outcome="ok",voice="cmn"} 3
tts_demo_request_total{operation="synthesize",status="success",outcome="ok",voice="en-us"} 2
# TYPE tts_demo_audio_seconds_total counter
tts_demo_audio_seconds_total{operation="synthesize",voice="cmn"} 4.5
# TYPE tts_demo_requests_in_flight gauge
tts_demo_requests_in_flight{operation="synthesize"} 0
# TYPE tts_demo_request_duration_seconds histogram
tts_demo_request_duration_seconds_bucket{operation="synthesize",status="success",le="0.01"} 0
tts_demo_request_duration_seconds_bucket{operation="synthesize",status="success",le="0.1"} 4
tts_demo_request_duration_seconds_bucket{operation="synthesize",status="success",le="+Inf"} 5
"""


STUCK = RECORDED.replace('in_flight{operation="synthesize"} 0', 'in_flight{operation="synthesize"} 1')


def sent(ok: int = 5, seconds: float = 4.5) -> Sent:
    sent = Sent()
    sent.calls["synthesize", "ok"] = ok
    sent.audio_seconds["synthesize", "cmn"] = seconds
    return sent


def test_demo_passes(capsys: pytest.CaptureFixture[str]) -> None:
    status = main([])

    output = capsys.readouterr().out
    assert status == 0, output
    assert "What was scraped is what was sent: 47 calls" in output


def test_demo_fails_when_a_sink_lacks_calls(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demo.sinks.SECONDS", 0.5)

    status = main([], {"Nowhere": lambda: ["req-of-nobody"]})

    assert status == 1
    assert (
        "Nowhere: 48 of the store's calls are missing, and 1 are not the store's" in capsys.readouterr().out
    )


def test_equal_records_differ_nowhere() -> None:
    assert differences(sent(), Scrape(RECORDED)) == []


@pytest.mark.parametrize(
    ("sent", "scraped", "difference"),
    [
        (sent(ok=6), RECORDED, "calls, synthesize, ok: 6 sent, 5 scraped"),
        (sent(seconds=4.6), RECORDED, "seconds of audio, synthesize, cmn: 4.6 sent, 4.5 scraped"),
        (sent(), STUCK, "still in flight: 1 synthesize"),
        (sent(), "", "calls, synthesize, ok: 5 sent, 0 scraped"),
    ],
)
def test_wrong_record_is_a_difference(sent: Sent, scraped: str, difference: str) -> None:
    assert difference in differences(sent, Scrape(scraped))


def test_quantiles_equal_promql() -> None:
    histogram = Scrape(RECORDED).histogram("request_duration_seconds", operation="synthesize")

    assert histogram.count == 5
    assert histogram.quantile(0.5) == pytest.approx(0.01 + 0.09 * 2.5 / 4)
    assert histogram.quantile(0.95) == 0.1  # the lower bound of the last bucket, which has no upper bound
    assert math.isnan(Histogram([]).quantile(0.5))


def test_table_has_a_column_per_operation() -> None:
    assert table(Scrape(RECORDED)).splitlines() == [
        "                                              synthesize",
        "--------------------------------------------------------",
        "calls                                                  5",
        "  ok                                                   5",
        "in flight now                                          -",
        "audio made                                         4.5 s",
        "",
        "                                               p50 / p95",
        "duration of a good call                   66 ms / 100 ms",
        "time to first audio                                    -",
        "real-time factor (below 1 is fast)                     -",
    ]
