"""Kills a worker with a call in flight, and prints the records of it."""

import http.client
import json
import os
import signal

from demo.load import PATHS, connect
from demo.scrape import Scrape, fetch
from demo.service import Service, poll
from demo.stored import lines, stored
from demo.texts import NOVEL

SECONDS = 20.0


def crash(service: Service) -> tuple[list[str], list[str]]:
    """Returns the lines to print, and the errors."""
    before = _totals(service)
    connection = http.client.HTTPConnection("127.0.0.1", service.port)
    pid = _worker_with_a_call(service, connection)
    os.kill(pid, signal.SIGKILL)
    connection.close()
    shown = [f"Worker {pid} was killed (SIGKILL) in the middle of a call. What is known of it:"]
    died = poll(lambda: stored(service, outcome="died"), "the call that died", SECONDS)
    shown += lines(died)

    def after() -> dict[tuple[str, ...], float] | None:
        totals = _totals(service)
        return totals if totals.get(("synthesize_stream", "died")) else None

    after_it = poll(after, "the totals after the crash", SECONDS) or {}
    back = [key for key, value in before.items() if after_it.get(key, 0.0) < value]
    wrong = [f"{', '.join(key)}: {before[key]:g} before, {after_it.get(key, 0.0):g} after" for key in back]
    if len(died) != 1:
        wrong.append(f"{len(died)} calls died where 1 was in flight")
    if not wrong:
        counted = f"{sum(before.values()):.0f} calls before, {sum(after_it.values()):.0f} after"
        shown.append(f"No total went back: {counted}, the one that died among them.")
    return shown, wrong


def _totals(service: Service) -> dict[tuple[str, ...], float]:
    return dict(Scrape(fetch(service.metrics_url)).sum_by("request_total", "operation", "outcome"))


def _worker_with_a_call(service: Service, connection: http.client.HTTPConnection) -> int:
    """Starts a call that lasts as long as the connection, and returns its process id."""
    connection.sock = connect(service.port, leaves=True)
    body = json.dumps({"text": NOVEL, "voice": "en-us"})
    connection.request("POST", PATHS["synthesize_stream"], body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    response.read(1024)
    return int(response.headers["X-Worker"])
