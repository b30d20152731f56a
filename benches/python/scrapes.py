"""A scrape of 10,000 counters and 1,000 histograms of 15 buckets: how long it takes, and for how long it holds up a
busy Python thread of the service."""

from __future__ import annotations

import statistics

import fresh
from table import Row

# The busy thread has its own processor; all other threads and the client share the others. The measurement is of the
# interpreter and not of a small machine's scheduler.
SERIES = """
PROCESSORS = sorted(os.sched_getaffinity(0))
def pin(processors):
    if len(PROCESSORS) > 1:
        os.sched_setaffinity(0, processors)

pin(PROCESSORS[1:])
BUCKETS = [2.0**power for power in range(15)]

def fill(make_counter, make_histogram):
    for family in range(10):
        counter = make_counter(f"counter_{family}", "d", ["a", "b"])
        for series in range(1000):
            counter.labels(f"a{series}", "b").inc(series + 0.5)
    histogram = make_histogram("histogram", "d", ["a"], buckets=BUCKETS)
    for series in range(1000):
        for value in (0.5, 3, 70, 1e6):
            histogram.labels(f"a{series}").observe(value)
"""
OURS = (
    SERIES
    + """
import soundpost
telemetry = soundpost.init("bench", listen="127.0.0.1:0", gpu=False, directory=DIRECTORY, segment_bytes=64 << 20)
fill(soundpost.Counter, soundpost.Histogram)
host, port = telemetry.address.split(":")
"""
)
PROMETHEUS = (
    SERIES
    + """
import prometheus_client
prometheus_client.disable_created_metrics()
fill(prometheus_client.Counter, prometheus_client.Histogram)
server, _ = prometheus_client.start_http_server(0, "127.0.0.1")
host, port = server.server_address[:2]
"""
)
# A busy thread reads the clock continuously; its longest gap is the longest delay. Another process scrapes, so that
# reading the answer is excluded.
BUSY = """
import select, subprocess
CLIENT = '''
import socket, sys, time
host, port, scrapes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for _ in range(scrapes):
    sys.stdin.readline()
    began = time.perf_counter()
    with socket.create_connection((host, port)) as client:
        client.sendall(b"GET /metrics HTTP/1.1\\\\r\\\\nHost: localhost\\\\r\\\\nConnection: close\\\\r\\\\n\\\\r\\\\n")
        size = 0
        while data := client.recv(1 << 20):
            size += len(data)
    assert size > 500_000, size
    print(time.perf_counter() - began, flush=True)
'''
client = subprocess.Popen(
    [sys.executable, "-c", CLIENT, host, str(port), str(2 * SCRAPES)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
)
os.set_blocking(client.stdout.fileno(), False)
def answered(answer):
    "Whether the client has said how long it took; what it has said so far is kept."
    try:
        answer += os.read(client.stdout.fileno(), 100)
    except BlockingIOError:
        pass
    return answer.endswith(b"\\n")

pin(PROCESSORS[:1])

def watch(ends):
    "The longest the clock jumped until `ends`."
    longest, last, checks = 0.0, time.perf_counter(), 0
    while True:
        now = time.perf_counter()
        if now - last > longest:
            longest = now - last
        last = now
        checks += 1
        if checks % 256 == 0 and ends():
            return longest
        # The search for the end is not counted.
        if checks % 256 == 0:
            last = time.perf_counter()

def ask():
    client.stdin.write(b"\\n")
    client.stdin.flush()

alone, times, idle, held = [], [], [], []
for _ in range(SCRAPES):
    answer = bytearray()
    ask()
    while not answered(answer):
        select.select([client.stdout], [], [])
    alone.append(float(answer) * 1e3)
    pause = time.perf_counter() + 0.05
    idle.append(watch(lambda: time.perf_counter() > pause) * 1e3)
    answer = bytearray()
    ask()
    held.append(watch(lambda: answered(answer)) * 1e3)
    times.append(float(answer) * 1e3)
print(json.dumps([alone, times, idle, held]))
"""


def measure(*, quick: bool) -> list[Row]:
    """Returns the rows of the table."""
    scrapes = 5 if quick else 25
    ours, theirs = (fresh.run(f"SCRAPES = {scrapes}\n{program}{BUSY}") for program in (OURS, PROMETHEUS))
    (alone, busy, idle, held), (their_alone, their_busy, _, their_held) = (
        [statistics.median(figures) for figures in run] for run in (ours, theirs)
    )
    return [
        Row("scrape of 10,000 counters, 1,000 histograms", "ms", alone, their_alone, of_prometheus=1 / 25),
        Row("the same beside a busy Python thread", "ms", busy, their_busy, of_prometheus=1 / 25),
        Row("longest hold-up of that thread meanwhile", "ms", held, their_held, bar=1),
        Row("the same without a scrape", "ms", idle),
    ]
