"""Several processes of one service: fork, spawn, forkserver, gunicorn. No hang, no loss, no duplicate.

`SOUNDPOST_TEST_FULL=1` runs the numbers of the reliability table; without it they are small.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time

import pytest
from scrape import Scrape

FULL = os.environ.get("SOUNDPOST_TEST_FULL") == "1"
LIMIT = 10.0 if not FULL else 60.0


@pytest.mark.parametrize("exits", ["os._exit", "sys.exit"])
@pytest.mark.parametrize("_round", range(20 if FULL else 1))
def test_fork_from_recording_threads_loses_nothing(python, exits, _round):
    ran = python(
        """
        import os, sys, threading, time, warnings
        warnings.simplefilter("ignore")
        import soundpost
        from scrape import Scrape

        CHILDREN, CALLS = int(sys.argv[1]), 50
        telemetry = soundpost.init(sample_interval=0.1)
        counter = soundpost.Counter("counted", "d", ["l"])
        histogram = soundpost.Histogram("observed", "d")
        soundpost.Gauge("polled", "d").set_function(lambda: 1)
        stopped = threading.Event()
        made = [0] * 8

        @soundpost.instrument("infer", labels={"l": "l"})
        def infer(l):
            with soundpost.stage("part"):
                counter.labels(l).inc()
            histogram.observe(0.5)

        @soundpost.instrument("stream")
        def stream():
            yield 1

        def work(thread):
            while not stopped.is_set():
                infer(str(made[thread] % 5))
                list(stream())
                made[thread] += 1

        def child(number):
            for call in range(CALLS):
                infer(f"child {number % 3} {call % 5}")
                list(stream())
            soundpost.Counter("in_child", "d").inc()

        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        for number in range(CHILDREN):
            pid = os.fork()
            if pid == 0:
                child(number)
                if sys.argv[2] == "os._exit":
                    os._exit(7)
                sys.exit(7)
            deadline = time.monotonic() + 10
            while (done := os.waitpid(pid, os.WNOHANG))[0] == 0:
                if time.monotonic() > deadline:
                    os.kill(pid, 9)
                    sys.exit(f"child {number} hangs")
                time.sleep(0.001)
            assert os.waitstatus_to_exitcode(done[1]) == 7, done
        stopped.set()
        for thread in threads:
            thread.join()
        expected = sum(made) + CHILDREN * CALLS
        scrape = Scrape(telemetry.render(), prefix="program")
        assert scrape.outcomes("infer") == {"ok": expected}, (scrape.outcomes("infer"), expected)
        assert scrape.outcomes("stream") == {"ok": expected}
        assert scrape.sum("program_request_total", operation="infer") == expected
        assert scrape.sum("counted_total") == expected
        assert scrape.get("observed_count") == expected
        assert scrape.get("in_child_total") == CHILDREN
        assert scrape.stages("infer") == {"part": expected}
        assert scrape.in_flight("infer") == scrape.in_flight("stream") == 0
        print("ok")
        """,
        100 if FULL else 15,
        exits,
        timeout=300,
    )
    assert ran.stdout.strip() == "ok"


def test_inherited_call_in_flight_belongs_to_the_parent(python):
    ran = python(
        """
        import os, warnings
        warnings.simplefilter("ignore")
        import soundpost
        from scrape import Scrape

        telemetry = soundpost.init()

        @soundpost.instrument("stream")
        def stream():
            yield 1
            yield 2

        generator = stream()
        next(generator)
        with soundpost.call("block") as call:
            pid = os.fork()
            if pid == 0:
                generator.close()
                call.fail("of the child")
                soundpost.instrument("child")(lambda: 1)()
                os._exit(0)
            os.waitpid(pid, 0)
        list(generator)
        scrape = Scrape(telemetry.render(), prefix="program")
        print(scrape.outcomes("stream"), scrape.outcomes("block"), scrape.outcomes("child"))
        """
    )
    assert ran.stdout.strip() == "{'ok': 1} {'ok': 1} {'ok': 1}"


@pytest.mark.parametrize("listen", ["none", "127.0.0.1:0"])
@pytest.mark.parametrize("first", ["pass", "telemetry.render()", "soundpost.flush()", "soundpost.shutdown()"])
def test_child_that_records_nothing_exits(python, first, listen):
    ran = python(
        """
        import os, sys, time, warnings
        warnings.simplefilter("ignore")
        import soundpost
        from scrape import Scrape

        telemetry = soundpost.init(sample_interval=0.1)
        soundpost.instrument("infer")(lambda: 1)()
        pid = os.fork()
        if pid == 0:
            exec(sys.argv[1])
            sys.exit(7)
        deadline = time.monotonic() + 10
        while (done := os.waitpid(pid, os.WNOHANG))[0] == 0:
            if time.monotonic() > deadline:
                os.kill(pid, 9)
                sys.exit("the child hangs")
            time.sleep(0.001)
        assert os.waitstatus_to_exitcode(done[1]) == 7, done
        print(Scrape(telemetry.render(), prefix="program").outcomes("infer"))
        """,
        first,
        SOUNDPOST_LISTEN=listen,
    )
    assert ran.stdout.strip() == "{'ok': 1}"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_records_every_start_method(python, method):
    ran = python(
        """
        import multiprocessing, sys, time, warnings
        warnings.simplefilter("ignore")
        import soundpost
        from scrape import Scrape

        telemetry = soundpost.init()
        counter = soundpost.Counter("counted", "d")

        @soundpost.instrument("infer")
        def infer(number):
            counter.inc()
            return number

        if __name__ == "__main__":
            context = multiprocessing.get_context(sys.argv[1])
            infer(0)
            with context.Pool(3) as pool:
                assert pool.map(infer, range(60)) == list(range(60))
                running = Scrape(telemetry.render(), prefix="program").outcomes("infer")
                pool.close()
                pool.join()
            totals = []
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                scrape = Scrape(telemetry.render(), prefix="program")
                totals.append((scrape.outcomes("infer"), scrape.get("counted_total")))
                if len(totals) > 20:
                    break
                time.sleep(0.02)
            print(running, set(map(str, totals)))
        """,
        method,
    )
    assert ran.stdout.strip() == """{'ok': 61} {"({'ok': 61}, 61)"}"""


APPLICATION = """
import os
import soundpost

telemetry = soundpost.init("web", listen=os.environ["TEST_LISTEN"])
counter = soundpost.Counter("served", "d", ["kind"])

@soundpost.instrument("synthesize", labels={"emotion": "emotion"})
def synthesize(emotion):
    yield b"chunk"
    yield b"chunk"

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/render":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [telemetry.render().encode()]
    if path == "/pid":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(os.getpid()).encode()]
    counter.labels("calls").inc()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return synthesize(path[1:])
"""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(self.path)


def test_import_in_a_subinterpreter_is_refused(python):
    ran = python(
        """
        import sys
        import soundpost

        interpreters = __import__("_xxsubinterpreters" if sys.version_info < (3, 13) else "_interpreters")
        telemetry = soundpost.init()
        code = (
            "try:\\n"
            "    import soundpost\\n"
            "except ImportError as error:\\n"
            "    assert 'main interpreter alone' in str(error), error\\n"
            "else:\\n"
            "    raise SystemError('imported')\\n"
        )
        failed = interpreters.run_string(interpreters.create(), code)
        assert failed is None, failed
        with soundpost.call("main"):
            pass
        print(telemetry.render().count('program_request_total{operation="main"'))
        """
    )
    assert ran.stdout == "1\n"


@contextlib.contextmanager
def gunicorn(tmp_path, *options, listen="none"):
    """Runs the application under gunicorn, and yields a function that requests a path of it."""
    (tmp_path / "service.py").write_text(textwrap.dedent(APPLICATION))
    path = str(tmp_path / "s")
    environment = {**os.environ, "SOUNDPOST_DIRECTORY": str(tmp_path / "state"), "TEST_LISTEN": listen}
    log = (tmp_path / "log").open("w")
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "gunicorn",
            "-b",
            "unix:" + path,
            "--graceful-timeout",
            "5",
            *options,
            "service:app",
        ],
        cwd=tmp_path,
        env=environment,
        stdout=log,
        stderr=log,
    )

    def get(target):
        with contextlib.closing(UnixConnection(path)) as connection:
            connection.request("GET", target)
            response = connection.getresponse()
            assert response.status == 200
            return response.read().decode()

    try:
        deadline = time.monotonic() + LIMIT
        while True:
            try:
                get("/render")
                break
            except OSError:
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                time.sleep(0.02)
        yield get
    finally:
        began = time.monotonic()
        server.terminate()
        try:
            server.wait(LIMIT)
        finally:
            server.kill()
            log.close()
    assert time.monotonic() - began < LIMIT
    assert "Traceback" not in (tmp_path / "log").read_text()


def gunicorn_totals(get):
    scrape = Scrape(get("/render"), prefix="web")
    calls = scrape.outcomes("synthesize", emotion="sad").get("ok", 0)
    return calls, scrape.get("served_total", kind="calls") or 0


without_gunicorn = pytest.mark.skipif(
    importlib.util.find_spec("gunicorn") is None, reason="gunicorn is not installed"
)


@without_gunicorn
@pytest.mark.parametrize("preload", [False, True])
@pytest.mark.parametrize("listen", ["none", "127.0.0.1:0"])
def test_gunicorn_workers_are_merged(tmp_path, preload, listen):
    with gunicorn(tmp_path, "-w", "3", *["--preload"] * preload, listen=listen) as get:
        for _ in range(60):
            assert get("/sad") == "chunkchunk"
        assert gunicorn_totals(get) == (60, 60)
        # After a worker is killed, its records stay and its successor continues.
        os.kill(int(get("/pid")), signal.SIGKILL)
        seen = []
        for _ in range(40):
            with contextlib.suppress(OSError, http.client.HTTPException):
                get("/sad")
                seen.append(gunicorn_totals(get))
        assert seen == sorted(seen)
        assert seen[-1][0] >= 60 + len(seen)
        assert seen[-1][0] <= 100


@without_gunicorn
def test_totals_continue_when_workers_of_a_master_are_recycled(tmp_path):
    with gunicorn(tmp_path, "-w", "1", "--preload", "--max-requests", "4") as get:
        pids = {get("/pid")}
        for count in range(1, 11):
            get("/sad")
            pids.add(get("/pid"))
            assert gunicorn_totals(get) == (count, count)
        assert len(pids) > 3


def test_child_calls_its_gauge_functions(python):
    ran = python(
        """
        import os, time, warnings
        warnings.simplefilter("ignore")
        import soundpost
        from scrape import Scrape

        gauge = soundpost.Gauge("polled", "d", multiprocess_mode="sum")
        gauge.set_function(lambda: 3)
        telemetry = soundpost.init(sample_interval=0.1)

        def wait_for(value):
            deadline = time.monotonic() + 10
            while Scrape(telemetry.render(), prefix="program").get("polled") != value:
                assert time.monotonic() < deadline
                time.sleep(0.01)

        wait_for(3)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
        os.close(reading)
        wait_for(6)
        os.close(writing)
        os.waitpid(pid, 0)
        wait_for(3)
        print("ok")
        """
    )
    assert ran.stdout.strip() == "ok"
