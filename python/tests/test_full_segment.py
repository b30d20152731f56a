"""A segment that clients fill with label values."""

from __future__ import annotations


def test_full_segment_loses_no_call_and_raises_nothing(python):
    ran = python(
        """
        import soundpost
        from scrape import Scrape

        telemetry = soundpost.init()
        infer = soundpost.instrument("infer", labels=["voice"])(lambda voice: voice)
        requests = soundpost.Counter("requests", "d", ["client"])
        for index in range(3000):
            infer(f"{index}" * 70)
            requests.labels(f"client {index} " * 20).inc()
        late = [soundpost.Histogram(f"late_{index}", "d", ["a"]) for index in range(300)]
        for histogram in late:
            histogram.labels("x").observe(1)
        with soundpost.call("late"), soundpost.stage("late"):
            pass
        scrape = Scrape(telemetry.render(), prefix="program")
        print(
            scrape.sum("program_request_total"),
            scrape.sum("program_request_duration_seconds_count"),
            scrape.sum("requests_total"),
            scrape.sum("program_unhealthy", reason="segment_full"),
            scrape.errors("segment") > 0,
            scrape.errors("label") > 0,
        )
        """,
        SOUNDPOST_SEGMENT_BYTES="512KiB",
    )
    assert ran.stdout == "3001 3001 3000 1 True True\n"
