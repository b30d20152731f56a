"""Compares the sinks' calls with the store's."""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from demo.service import Service, poll
from demo.stored import stored

SECONDS = 60.0
WIDTH = 34

# Request ids by the name of the sink, duplicates included.
Holders = Mapping[str, Callable[[], Iterable[str]]]


def sinks(service: Service, holders: Holders) -> tuple[list[str], list[str]]:
    """Returns the lines to print, and the errors: every sink must have exactly the store's calls."""
    shown = ["The same calls in the sinks"]
    wrong = []
    for name, requests in {"JSON lines (calls.jsonl)": lambda: of_file(service), **holders}.items():
        missing, more = _differences(service, requests)
        calls = len(set(requests()))
        shown.append(f"  {name}".ljust(WIDTH) + f"{calls} calls")
        if missing or more:
            wrong.append(
                f"{name}: {missing} of the store's calls are missing, and {more} are not the store's"
            )
    return shown, wrong


def of_file(service: Service) -> list[str]:
    """Returns the calls in the service's file."""
    lines = map(json.loads, Path(service.directory, "calls.jsonl").read_text("utf-8").splitlines())
    return [line["request_id"] for line in lines if line["message"].startswith("Audio generation")]


def _differences(service: Service, requests: Callable[[], Iterable[str]]) -> tuple[int, int]:
    """Returns the numbers of missing and surplus calls after the time for delivery."""

    def difference() -> tuple[int, int]:
        kept, held = {row.request_id for row in stored(service)}, set(requests())
        return len(kept - held), len(held - kept)

    with suppress(TimeoutError):
        poll(lambda: difference() == (0, 0), "the sinks to have every call", SECONDS)
    return difference()
