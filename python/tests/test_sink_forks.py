"""Children that are forked while a sink of their parent is in the middle of a request: nobody hangs, nothing is lost or
shipped twice.
"""

from __future__ import annotations

import collections
import gzip
import http.server
import json
import re
import threading
import time

import pytest

ROUNDS, CHILDREN, CALLS, CHILD_CALLS, BATCH = 2, 4, 30, 8, 20

PROGRAM = """
    import multiprocessing, os, pathlib, sys, time, warnings
    warnings.simplefilter("ignore")
    import soundpost
    from scrape import Scrape

    method, url, here = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    rounds, children, calls, child_calls, batch = map(int, sys.argv[4:])

    def until(what, so):
        deadline = time.monotonic() + 10
        while not so():
            assert time.monotonic() < deadline, what
            time.sleep(0.001)

    def record(prefix, count):
        for number in range(count):
            with soundpost.call("infer", request_id=f"{prefix}-{number}"):
                pass

    def shows(sink):
        scrape = Scrape(telemetry.render(), prefix="program")
        of = lambda name: scrape.sum(f"soundpost_sink_{name}", sink=sink)
        counts = [of(name) for name in ("delivered_total", "rejected_total", "dropped_total", "pending")]
        assert of("accepted_total") == sum(counts), (sink, of("accepted_total"), counts)
        return counts

    def child(prefix, number):
        record(prefix, child_calls)
        uses = [lambda: None, lambda: shows("loki"), lambda: soundpost.flush(10), soundpost.shutdown]
        uses[number % 4]()

    def forked(prefix, number):
        if method == "multiprocessing":
            process = multiprocessing.get_context("fork").Process(target=child, args=(prefix, number))
            process.start()
            return process
        if (pid := os.fork()) == 0:
            child(prefix, number)
            os._exit(0) if number % 3 == 0 else sys.exit()
        return pid

    def ended_well(process):
        if method == "multiprocessing":
            process.join(10)
            return process.exitcode == 0
        deadline = time.monotonic() + 10
        while (done := os.waitpid(process, os.WNOHANG))[0] == 0:
            if time.monotonic() > deadline:
                os.kill(process, 9)
                return False
            time.sleep(0.001)
        return done[1] == 0

    loki = soundpost.Loki(url, encoding="json", extras="logfmt", batch=batch)
    telemetry = soundpost.init(sinks=[loki, soundpost.JsonLines(here / "shipped.jsonl", batch=batch)])
    for round in range(rounds):
        record(f"p{round}", calls)
        until("a request is held", (here / f"held-{round}").exists)
        processes = [forked(f"c{round}.{number}", number) for number in range(children)]
        assert all([ended_well(process) for process in processes]), round
        (here / f"forked-{round}").touch()
    assert soundpost.flush(10)
    for sink in ("loki", "jsonl"):
        until("all is shipped", lambda: shows(sink)[-1] == 0)
"""


class Holding(http.server.ThreadingHTTPServer):
    """Holds a request of each round until the program has forked, and stores the received request ids."""

    daemon_threads = True

    def __init__(self, here):
        super().__init__(("127.0.0.1", 0), Handler)
        self.here = here
        self.ids = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def take(self, body):
        self.ids += re.findall(r"request_id=([^ \\\"]+)", body)
        for number in range(ROUNDS):
            held, forked = self.here / f"held-{number}", self.here / f"forked-{number}"
            if not held.exists():
                held.touch()
                deadline = time.monotonic() + 20
                while not forked.exists() and time.monotonic() < deadline:
                    time.sleep(0.001)
                return


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.take(gzip.decompress(body).decode())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("method", ["os.fork", "multiprocessing"])
def test_child_forked_during_a_request_ships_nothing_twice(python, tmp_path, method):
    with Holding(tmp_path) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        python(PROGRAM, method, url, tmp_path, ROUNDS, CHILDREN, CALLS, CHILD_CALLS, BATCH)
        server.shutdown()
    text = (tmp_path / "shipped.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line).get("request_id") for line in text.splitlines()]

    counts = {f"p{number}": CALLS for number in range(ROUNDS)}
    counts |= {f"c{number}.{child}": CHILD_CALLS for number in range(ROUNDS) for child in range(CHILDREN)}
    for ids in (server.ids, [line for line in lines if line]):
        numbers = collections.defaultdict(list)
        for name in ids:
            prefix, number = name.split("-")
            numbers[prefix].append(int(number))
        assert {prefix: sorted(found) for prefix, found in numbers.items()} == {
            prefix: list(range(count)) for prefix, count in counts.items()
        }
        # Requests to Loki are ordered by time, and the clock of the machine may be set.
        assert all(
            abs(place - number) <= BATCH for found in numbers.values() for place, number in enumerate(found)
        )
