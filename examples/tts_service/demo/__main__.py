"""`python -m demo`: starts the service, sends requests, and prints its records.

The exit status is 0 only if what was scraped equals what was sent. With --serve the service stays up afterwards.
"""

import argparse
import contextlib
import signal
import sys
import time
from collections import Counter

from demo.check import differences
from demo.crash import crash
from demo.load import AT_ONCE, Sent, plan, send
from demo.scrape import Scrape, fetch
from demo.service import Service, frozen_service, poll, python_service
from demo.sinks import Holders, sinks
from demo.stored import asked, stored
from demo.table import table
from demo.vitals import complete as vitals_complete
from demo.vitals import vitals

SETTLE_SECONDS = 15.0


def main(arguments: list[str] | None = None, holders: Holders | None = None) -> int:
    """Runs the demo. `holders` return the calls that the sinks' servers have."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--sinks", nargs="*", default=[], metavar="URL", help="where calls and log events go as well"
    )
    parser.add_argument("--program", metavar="PATH", help="start this frozen program of the service")
    parser.add_argument("--serve", action="store_true", help="stay up afterwards")
    options = parser.parse_args(arguments)

    if options.program:
        with frozen_service(options.program) as service:
            return _demonstrate(service)
    print(
        f"Starting the text-to-speech service (eSpeak NG, FastAPI) with {options.workers} workers ...",
        flush=True,
    )
    with python_service(options.workers, options.sinks) as service:
        failed = _demonstrate(service) or _told(*crash(service)) or _told(*sinks(service, holders or {}))
        _where_next(service, options.serve)
        if options.serve:
            stay(service)
    return failed


def _demonstrate(service: Service) -> int:
    requests = plan()
    good = sum(request.outcome == "ok" for request in requests)
    print(
        f"Sending {len(requests)} requests, {AT_ONCE} at a time: {good} good ones, whole and streamed, English and"
    )
    print(
        "Mandarin; and some with an empty text, an unknown voice, or a client that hangs up half way.",
        flush=True,
    )
    began = time.monotonic()
    sent = send(service.port, requests)
    print(f"Done in {time.monotonic() - began:.1f} s. This is what {service.metrics_url} says:\n")

    scrape = settled(service, sent)
    print(table(scrape))
    wrong = differences(sent, scrape)
    if wrong:
        print("\nWhat was scraped is NOT what was sent:", *wrong, sep="\n  ")
        print(f"\nThe service wrote:\n{service.log() or '(nothing)'}")
        return 1
    audio = sum(scrape.sum_by("audio_seconds_total").values())
    print(f"\n{vitals(_sampled(service))}")
    print(
        f"\nWhat was scraped is what was sent: {sent.calls.total()} calls by outcome, {audio:.1f} s of audio,"
    )
    print("and nothing left in flight.")
    kept = poll(lambda: _kept(service, sent), "the store to have every call", SETTLE_SECONDS)
    print(f"\n{asked(service)}\n\nThe store has what was sent as well: {kept} calls.")
    return 0


def _kept(service: Service, sent: Sent) -> int:
    """Returns the number of stored calls, once all sent ones are stored."""
    kept = Counter((row.operation, row.outcome) for row in stored(service))
    return kept.total() if kept == sent.calls else 0


def _told(shown: list[str], wrong: list[str]) -> int:
    """Prints the records; returns 1 if one is wrong."""
    print("", *shown, sep="\n")
    if wrong:
        print("\nThat is NOT as it must be:", *wrong, sep="\n  ")
        return 1
    return 0


def settled(service: Service, sent: Sent) -> Scrape:
    """Returns the first scrape with all calls, or the last one: a call ends shortly after its client disconnects."""

    scrape = Scrape("")

    def complete() -> bool:
        nonlocal scrape
        scrape = Scrape(fetch(service.metrics_url))
        return not differences(sent, scrape)

    with contextlib.suppress(TimeoutError):
        poll(complete, "the last calls to end", SETTLE_SECONDS)
    return scrape


def _sampled(service: Service) -> Scrape:
    """Returns a scrape with all vitals, or the last one."""

    scrape = Scrape("")

    def complete() -> bool:
        nonlocal scrape
        scrape = Scrape(fetch(service.metrics_url))
        return vitals_complete(scrape)

    with contextlib.suppress(TimeoutError):
        poll(complete, "host and GPU to be sampled", SETTLE_SECONDS)
    return scrape


def _where_next(service: Service, stays: bool) -> None:
    print("\nWhere to look next")
    if stays:
        print(f"  curl -s {service.metrics_url}")
        print(f"  curl -s http://127.0.0.1:{service.port}/v1/tts -o hello.wav \\")
        print("""       --json '{"text": "Hello, world.", "voice": "en-us"}'""")
    else:
        print("  make demo SERVE=1                                 the same, and the service stays up")
        print(
            "  make demo SINKS=1                                 the same, and into InfluxDB, Loki and Graylog"
        )
    print("  examples/tts_service/tts_service/speech.py        the lines that record all this")
    print("  docs/                                             the guide, and what each metric means")


def stay(service: Service) -> None:
    print("\nThe service stays up. Ctrl-C ends it.", flush=True)
    try:
        service.wait()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends the service as well
    sys.exit(main())
