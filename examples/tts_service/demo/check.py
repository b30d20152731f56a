"""Compares the scrape with the sent requests."""

import math
from collections.abc import Mapping

from demo.load import LEAVER_VOICE, Sent
from demo.scrape import Scrape


def differences(sent: Sent, scrape: Scrape) -> list[str]:
    """Returns one line per difference; none if every request was recorded once."""
    found = list(sent.surprises)
    calls = scrape.sum_by("request_total", "operation", "outcome")
    found += _compare("calls", sent.calls, calls, tolerance=0.0)

    audio = scrape.sum_by("audio_seconds_total", "operation", "voice")
    leavers = ("synthesize_stream", LEAVER_VOICE)
    received = sent.audio_seconds[leavers]
    made = audio.pop(leavers, 0.0)
    if not received <= made:
        found.append(
            f"audio for clients that left: they got {received:.2f} s, and only {made:.2f} s were recorded"
        )
    others = {key: seconds for key, seconds in sent.audio_seconds.items() if key != leavers}
    found += _compare("seconds of audio", others, audio, tolerance=1e-6)

    in_flight = scrape.sum_by("requests_in_flight", "operation")
    found += [f"still in flight: {count:g} {operation}" for (operation,), count in in_flight.items()]
    return found


Figures = Mapping[tuple[str, ...], float]


def _compare(what: str, sent: Figures, scraped: Figures, tolerance: float) -> list[str]:
    both = [(key, sent.get(key, 0), scraped.get(key, 0)) for key in sorted({*sent, *scraped})]
    return [
        f"{what}, {', '.join(key)}: {left:g} sent, {right:g} scraped"
        for key, left, right in both
        if not math.isclose(left, right, rel_tol=tolerance)
    ]
