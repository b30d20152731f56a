"""`init`, the endpoint, `flush` and `shutdown`."""

from __future__ import annotations

import importlib.metadata
import json
import os
import urllib.error
import urllib.request

import pytest

import soundpost


def fetch(address, path="/metrics", **headers):
    request = urllib.request.Request(f"http://{address}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.read().decode()


def test_the_endpoint_serves_what_render_gives(telemetry, name):
    soundpost.instrument(name)(lambda: 1)()
    host, port = telemetry.address.rsplit(":", 1)
    assert host == "127.0.0.1"
    assert int(port) > 0
    line = f'tests_request_total{{operation="{name}",outcome="ok",status="success"}} 1'
    assert line in fetch(telemetry.address)
    assert line in telemetry.render()
    assert telemetry.render(openmetrics=True).endswith("# EOF\n")
    assert telemetry.address in repr(telemetry)
    assert os.path.isdir(telemetry.directory)


def test_healthy_process_is_healthy_and_ready(python):
    """In a process of its own: that of the other tests has met a poisoned GPU."""
    ran = python(
        """
        import urllib.request
        import soundpost
        telemetry = soundpost.init("one", listen="127.0.0.1:0")
        for path in ("healthz", "readyz"):
            with urllib.request.urlopen(f"http://{telemetry.address}/{path}", timeout=10) as answer:
                print(answer.status)
        """
    )
    assert ran.stdout == "200\n200\n", ran.stderr


def test_a_second_init_with_the_same_arguments_is_the_same(python):
    ran = python(
        """
        import soundpost
        first = soundpost.init("one", version="V1", labels={"b": 2, "a": "1"})
        assert soundpost.init(service="one", version="V1", labels={"a": "1", "b": "2"}) is first
        try:
            soundpost.init("two", version="V2", labels={"a": "1", "b": "2"})
        except ValueError as error:
            print(error)
        """
    )
    text = "service, version: init was called before with other values; call soundpost.shutdown() first"
    assert ran.stdout.strip() == text


def test_everything_can_be_called_before_init_and_after_shutdown(python):
    ran = python(
        """
        import asyncio
        import soundpost

        counter = soundpost.Counter("c", "d", ["l"])
        gauge = soundpost.Gauge("g", "d")
        histogram = soundpost.Histogram("h", "d")
        summary = soundpost.Summary("s", "d")
        info = soundpost.Info("i", "d")
        state = soundpost.Enum("e", "d", states=["a", "b"])

        @soundpost.instrument("infer", labels={"x": "x"}, fields={"n": lambda a: 1 / 0}, audio=soundpost.audio(), streaming=lambda a: 1 / 0)
        def infer(x):
            with soundpost.stage("s"):
                assert soundpost.current_call() is None or live
                return x

        @soundpost.instrument
        def generator(): return (yield from (1, 2))

        @soundpost.instrument
        async def coroutine():
            async for _ in async_generator(): pass

        @soundpost.instrument
        async def async_generator():
            yield 1

        @soundpost.stage("staged")
        def staged(): return 3

        class Model:
            def infer(self): return 4

        def everything():
            counter.labels("x").inc(); counter.labels(l="x").inc(2); gauge.set(1); gauge.inc(); gauge.dec()
            histogram.observe(1); summary.observe(1); info.info({"a": "b"}); state.state("b"); gauge.set_function(lambda: 1)
            with histogram.time(), gauge.track_inprogress(), counter.labels("x").count_exceptions(): pass
            counter.remove("x"); counter.clear()
            assert infer(1) == 1 and list(generator()) == [1, 2] and staged() == 3
            asyncio.run(coroutine())
            undo = soundpost.patch(Model, "infer")
            assert Model().infer() == 4
            undo()
            with soundpost.call("block", labels={"a": 1}, request_id="id", field=1) as call:
                with call.stage("part"): pass
                call.chunk(1.0); call.audio(1.0); call.set(a=1); call.progress()
                assert call.operation == "block" and call.request_id == "id"
            assert soundpost.flush() is True
            soundpost.shutdown()

        live = False
        everything()
        live = True
        telemetry = soundpost.init()
        text = telemetry.render()
        assert "infer" not in text and "block" not in text and 'c_total{' not in text, text
        assert "\\nh_count 0" in text and "\\ng " in text and 'e{e="a"} 1' in text
        everything()
        live = False
        everything()
        again = soundpost.init()
        assert again is not telemetry
        live = True
        everything()
        """
    )
    assert ran.stderr.count("this is logged once") == 2


def test_records_before_init_are_dropped(python):
    ran = python(
        """
        import soundpost
        counter = soundpost.Counter("c", "d")
        kept = soundpost.Counter("k", "d", ["l"]).labels("x")
        counter.inc(5)
        kept.inc(5)
        telemetry = soundpost.init()
        counter.inc()
        kept.inc()
        print([line for line in telemetry.render().splitlines() if line.startswith(("c_total", "k_total"))])
        """
    )
    assert ran.stdout.strip() == """['c_total 1', 'k_total{l="x"} 1']"""


def test_settings_reach_what_is_exposed(python, tmp_path):
    token = tmp_path / "token"
    token.write_text("s3cret")
    ran = python(
        """
        import urllib.error, urllib.request
        import soundpost

        telemetry = soundpost.init()
        try:
            urllib.request.urlopen(f"http://{telemetry.address}/metrics", timeout=10)
        except urllib.error.HTTPError as error:
            print(error.code)
            error.close()
        request = urllib.request.Request(f"http://{telemetry.address}/metrics", headers={"Authorization": "Bearer s3cret"})
        with urllib.request.urlopen(request, timeout=10) as response:
            text = response.read().decode()
        print([line for line in text.splitlines() if line.startswith("ns_build_info")])
        print("s3cret" in text, str(telemetry.directory))
        """,
        SOUNDPOST_SERVICE="indextts2",
        SOUNDPOST_NAMESPACE="ns",
        SOUNDPOST_VERSION="V23",
        SOUNDPOST_COMMIT="abc",
        SOUNDPOST_LABELS="env=production",
        SOUNDPOST_LISTEN="127.0.0.1:0",
        SOUNDPOST_BEARER_TOKEN_FILE=str(token),
        SOUNDPOST_DIRECTORY=str(tmp_path / "other"),
    )
    status, build, rest = ran.stdout.splitlines()
    assert status == "401"
    for part in ('env="production"', 'version="V23"', 'commit="abc"'):
        assert part in build
    assert rest.startswith("False " + str(tmp_path / "other"))


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"SOUNDPOST_LISTEN": "nonsense"}, 'SOUNDPOST_LISTEN: "nonsense" is not an address'),
        ({"SOUNDPOST_SAMPLE_INTERVAL": "often"}, 'SOUNDPOST_SAMPLE_INTERVAL: "often" is not a duration'),
        ({"SOUNDPOST_SINKS": "loki"}, "SOUNDPOST_SINKS: URL 1 of the list"),
        ({"SOUNDPOST_SERVICE": ""}, "service: the service has no name"),
        (
            {
                "SOUNDPOST_TLS_CERT": "/missing",
                "SOUNDPOST_TLS_KEY": "/missing",
                "SOUNDPOST_LISTEN": "127.0.0.1:0",
            },
            "/missing",
        ),
        ({"SOUNDPOST_NAMESPACE": "a b"}, "SOUNDPOST_NAMESPACE: "),
        ({"SOUNDPOST_SEGMENT_BYTES": "10"}, "SOUNDPOST_SEGMENT_BYTES: "),
    ],
)
def test_init_raises_a_value_error_that_names_it(python, variables, message):
    ran = python(
        """
        import soundpost
        try:
            soundpost.init()
        except ValueError as error:
            print(error)
        """,
        **variables,
    )
    assert message in ran.stdout


def test_a_port_that_is_taken_is_no_error(python):
    ran = python(
        """
        import socket, time
        import soundpost

        taken = socket.create_server(("127.0.0.1", 0))
        began = time.monotonic()
        telemetry = soundpost.init(listen="127.0.0.1:%d" % taken.getsockname()[1])
        print(time.monotonic() - began < 2, telemetry.address)
        soundpost.instrument("infer")(lambda: 1)()
        print("program_request_total" in telemetry.render())
        taken.close()
        """
    )
    assert ran.stdout.split() == ["True", "None", "True"]
    assert "Address already in use" in ran.stderr


def test_public_names():
    assert sorted(soundpost.__all__) == list(soundpost.__all__)
    for public in set(soundpost.__all__) - {"__version__"}:
        assert getattr(soundpost, public).__module__.startswith("soundpost"), public
        assert getattr(soundpost, public).__doc__, public


def test_address_and_directory_without_an_endpoint(python, tmp_path):
    ran = python(
        """
        import json
        import soundpost
        telemetry = soundpost.init(listen=None)
        print(json.dumps([telemetry.address, str(telemetry.directory), repr(telemetry)]))
        """
    )
    address, directory, representation = json.loads(ran.stdout)
    assert (address, representation) == (None, "<soundpost.Telemetry>")
    assert directory.startswith(str(tmp_path / "state"))


def test_notices_of_the_core_are_logged(python):
    ran = python(
        """
        import logging, time
        import soundpost

        said = []
        class Listening(logging.Handler):
            def emit(self, record):
                said.append((record.levelname, record.getMessage()))
                raise RuntimeError("a handler that raises")

        logging.getLogger("soundpost").addHandler(Listening())
        telemetry = soundpost.init(segment_bytes=256 << 10, sample_interval=0.1)
        before = len(said)
        for i in range(60):
            metric = soundpost.Histogram(f"metric_{i}", "d", ["k"])
            for k in range(60):
                metric.labels(str(k)).observe(1)
        end = time.monotonic() + 20
        while len(said) == before and time.monotonic() < end:
            time.sleep(0.01)
        print(said[-1][0], "full" in said[-1][1] or said)
        """
    )
    assert ran.stdout.strip() == "WARNING True"


def test_version_is_that_of_the_distribution():
    assert soundpost.__version__ == importlib.metadata.version("soundpost")
