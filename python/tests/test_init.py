"""`init`, its arguments and variables, the endpoint, `flush` and `shutdown`."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request

import pytest

import auscult
from auscult._settings import DEFAULTS, UNSET, settings


def read(given=None, **environment):
    """The settings of these arguments and variables."""
    arguments = dict.fromkeys(["service", *DEFAULTS], UNSET) | {"service": "tts"} | (given or {})
    return settings(arguments, environment)


def test_defaults():
    assert read() == {
        "service": "tts",
        "version": None,
        "listen": "127.0.0.1:9464",
        "gpu": True,
        "torch": True,
        "sample_interval": 1.0,
        "gpu_memory_interval": 0.1,
        "labels": (),
        "directory": None,
        "sinks": (),
        "namespace": None,
        "commit": None,
        "bearer_token": None,
        "basic_auth": None,
        "tls": None,
        "idle_limit": None,
        "segment_bytes": None,
        "store": True,
        "store_days": None,
        "store_bytes": None,
        "redact": (),
        "record_text": False,
        "logs": None,
    }


@pytest.mark.parametrize(
    ("argument", "value", "text", "expected"),
    [
        ("service", "a", "a", "a"),
        ("version", "V23", "V23", "V23"),
        ("listen", "0.0.0.0:0", "0.0.0.0:0", "0.0.0.0:0"),
        ("listen", "[::1]:9464", "[::1]:9464", "[::1]:9464"),
        ("listen", None, "none", None),
        ("listen", "", "", None),
        ("gpu", False, "0", False),
        ("gpu", True, "yes", True),
        ("gpu", "all", "ALL", "all"),
        ("torch", False, "off", False),
        ("torch", "always", "Always", "always"),
        ("sample_interval", 2, "2", 2.0),
        ("sample_interval", 0.5, "0.5", 0.5),
        ("gpu_memory_interval", 0.05, "0.05", 0.05),
        ("gpu_memory_interval", None, "off", None),
        ("labels", {"env": "production"}, "env=production", (("env", "production"),)),
        ("labels", {"b": 1, "a": "x=y"}, "b=1, a=x=y", (("a", "x=y"), ("b", "1"))),
        ("labels", {}, ",", ()),
        ("labels", None, ",", ()),
        ("directory", "/state", "/state", "/state"),
        ("namespace", "tts", "tts", "tts"),
        ("commit", "abc", "abc", "abc"),
        ("bearer_token", "secret", "secret", "secret"),
        ("basic_auth", ("user", "pass:word"), "user:pass:word", ("user", "pass:word")),
        ("idle_limit", 60, "60", 60.0),
        ("segment_bytes", 1 << 20, "1048576", 1 << 20),
        ("store", False, "off", False),
        ("store_days", 0.5, "0.5", 0.5),
        ("store_bytes", 1 << 30, "1073741824", 1 << 30),
    ],
)
def test_every_argument_is_a_variable_too(argument, value, text, expected):
    assert read({argument: value})[argument] == expected
    assert read({argument: UNSET}, **{"AUSCULT_" + argument.upper(): text})[argument] == expected
    # What is given outranks the variable.
    assert read({argument: value}, **{"AUSCULT_" + argument.upper(): "nonsense="})[argument] == expected


@pytest.mark.parametrize(
    ("argument", "value", "text"),
    [
        ("service", "", None),
        ("service", 3, None),
        ("version", 23, None),
        ("listen", "9464", "9464"),
        ("listen", "localhost", "localhost"),
        ("listen", "localhost:http", "localhost:http"),
        ("listen", ":9464", ":9464"),
        ("listen", "a:99999", "a:99999"),
        ("listen", 9464, None),
        ("gpu", "maybe", "maybe"),
        ("gpu", 2, "2"),
        ("gpu", None, "every"),
        ("gpu", ["all"], "all,0"),
        ("torch", "all", "all"),
        ("sample_interval", 0, "0"),
        ("gpu_memory_interval", 0.04, "0.04"),
        ("gpu_memory_interval", 2, "2"),
        ("gpu_memory_interval", "seldom", "seldom"),
        ("sample_interval", -1, "-1"),
        ("sample_interval", 0.05, "0.05"),
        ("sample_interval", 61, "61"),
        ("sample_interval", "often", "often"),
        ("sample_interval", float("nan"), "nan"),
        ("sample_interval", float("inf"), "inf"),
        ("sample_interval", True, None),
        ("labels", ["env"], "env"),
        ("labels", {"a-b": "x"}, "a-b=x"),
        ("labels", {"le": "x"}, "le=x"),
        ("labels", {"__a": "x"}, "__a=x"),
        ("labels", {1: "x"}, None),
        ("directory", "", None),
        ("directory", 3, None),
        ("sinks", "stdout", "stdout"),
        ("sinks", [object()], None),
        ("sinks", 3, None),
        ("basic_auth", "user", "user"),
        ("basic_auth", ("user",), "user:"),
        ("basic_auth", ("us:er", "x"), ":x"),
        ("bearer_token", " ", None),
        ("idle_limit", 0, "0"),
        ("segment_bytes", 0, "0"),
        ("segment_bytes", "many", "many"),
        ("segment_bytes", 1.5, "1.5"),
        ("store", "maybe", "maybe"),
        ("store_days", -1, "-1"),
        ("store_bytes", 0, "0"),
        ("store_bytes", 5, "5"),
    ],
)
def test_what_cannot_be_read_is_named(argument, value, text):
    with pytest.raises(ValueError, match=f"^{argument}: "):
        read({argument: value})
    if text is not None:
        variable = "AUSCULT_" + argument.upper()
        with pytest.raises(ValueError, match=f"^{variable}: "):
            read({argument: UNSET}, **{variable: text})


def test_sinks_are_compared_by_what_they_hold():
    def sinks(tenant):
        return read({"sinks": [auscult.Loki("http://loki:3100", tenant=tenant)]})["sinks"]

    assert sinks("a") == sinks("a") == (("loki", "http://loki:3100", (("tenant", "a"),)),)
    assert sinks("a") != sinks("b")
    assert read({"sinks": []})["sinks"] == ()
    assert read({"sinks": UNSET}, AUSCULT_SINKS="jsonl:-")["sinks"] == "jsonl:-"


def test_a_service_without_a_name():
    with pytest.raises(ValueError, match="^service: .*AUSCULT_SERVICE"):
        read({"service": UNSET})


def test_secrets(tmp_path):
    file = tmp_path / "token"
    file.write_text("from-file\n")
    assert read({"bearer_token_file": file})["bearer_token"] == "from-file"
    assert read(AUSCULT_BEARER_TOKEN_FILE=str(file))["bearer_token"] == "from-file"
    for given, match in [
        ({"bearer_token_file": tmp_path / "missing"}, "^bearer_token_file: "),
        ({"bearer_token_file": file, "bearer_token": "x"}, "^bearer_token_file: "),
        ({"bearer_token": "x", "basic_auth": ("a", "b")}, "^basic_auth: "),
        ({"basic_auth": ("a", "s3cret", "x")}, r"^basic_auth: (?!.*s3cret)"),
        ({"tls_cert": "cert.pem"}, "^tls_key: "),
        ({"tls_key": "key.pem"}, "^tls_cert: "),
    ]:
        with pytest.raises(ValueError, match=match):
            read(given)
    assert read({"tls_cert": "/c", "tls_key": "/k"})["tls"] == ("/c", "/k")


def fetch(address, path="/metrics", **headers):
    request = urllib.request.Request(f"http://{address}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.read().decode()


def test_the_endpoint_serves_what_render_gives(telemetry, name):
    auscult.instrument(name)(lambda: 1)()
    host, port = telemetry.address.rsplit(":", 1)
    assert host == "127.0.0.1"
    assert int(port) > 0
    line = f'tests_request_total{{operation="{name}",outcome="ok",status="success"}} 1'
    assert line in fetch(telemetry.address)
    assert line in telemetry.render()
    assert telemetry.render(openmetrics=True).endswith("# EOF\n")
    assert fetch(telemetry.address, "/healthz")
    assert telemetry.address in repr(telemetry)
    assert os.path.isdir(telemetry.directory)


def test_a_second_init_with_the_same_arguments_is_the_same(python):
    ran = python(
        """
        import auscult
        first = auscult.init("one", version="V1", labels={"b": 2, "a": "1"})
        assert auscult.init(service="one", version="V1", labels={"a": "1", "b": "2"}) is first
        try:
            auscult.init("two", version="V2", labels={"a": "1", "b": "2"})
        except ValueError as error:
            print(error)
        """
    )
    assert ran.stdout.strip() == "service, version: init was called before with other values; call it once"


def test_everything_can_be_called_before_init_and_after_shutdown(python):
    ran = python(
        """
        import asyncio
        import auscult

        counter = auscult.Counter("c", "d", ["l"])
        gauge = auscult.Gauge("g", "d")
        histogram = auscult.Histogram("h", "d")
        summary = auscult.Summary("s", "d")
        info = auscult.Info("i", "d")
        state = auscult.Enum("e", "d", states=["a", "b"])

        @auscult.instrument("infer", labels={"x": "x"}, fields={"n": lambda a: 1 / 0}, audio=auscult.audio(), streaming=lambda a: 1 / 0)
        def infer(x):
            with auscult.stage("s"):
                assert auscult.current_call() is None or live
                return x

        @auscult.instrument
        def generator(): return (yield from (1, 2))

        @auscult.instrument
        async def coroutine():
            async for _ in async_generator(): pass

        @auscult.instrument
        async def async_generator():
            yield 1

        @auscult.stage("staged")
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
            undo = auscult.patch(Model, "infer")
            assert Model().infer() == 4
            undo()
            with auscult.call("block", labels={"a": 1}, request_id="id", field=1) as call:
                with call.stage("part"): pass
                call.chunk(1.0); call.audio(1.0); call.set(a=1); call.progress()
                assert call.operation == "block" and call.request_id == "id"
            assert auscult.flush() is True
            auscult.shutdown()

        live = False
        everything()
        live = True
        telemetry = auscult.init()
        text = telemetry.render()
        assert "infer" not in text and "block" not in text and 'c_total{' not in text, text
        assert "\\nh_count 0" in text and "\\ng " in text and 'e{e="a"} 1' in text
        everything()
        live = False
        everything()
        again = auscult.init()
        assert again is not telemetry
        live = True
        everything()
        """
    )
    assert ran.stderr.count("this is logged once") == 2


def test_what_is_recorded_before_init_is_dropped(python):
    ran = python(
        """
        import auscult
        counter = auscult.Counter("c", "d")
        kept = auscult.Counter("k", "d", ["l"]).labels("x")
        counter.inc(5)
        kept.inc(5)
        telemetry = auscult.init()
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
        import auscult

        telemetry = auscult.init()
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
        AUSCULT_SERVICE="indextts2",
        AUSCULT_NAMESPACE="ns",
        AUSCULT_VERSION="V23",
        AUSCULT_COMMIT="abc",
        AUSCULT_LABELS="env=production",
        AUSCULT_LISTEN="127.0.0.1:0",
        AUSCULT_BEARER_TOKEN_FILE=str(token),
        AUSCULT_DIRECTORY=str(tmp_path / "other"),
    )
    status, build, rest = ran.stdout.splitlines()
    assert status == "401"
    for part in ('env="production"', 'version="V23"', 'commit="abc"'):
        assert part in build
    assert rest.startswith("False " + str(tmp_path / "other"))


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"AUSCULT_LISTEN": "nonsense"}, "AUSCULT_LISTEN: 'nonsense' is no address"),
        ({"AUSCULT_SAMPLE_INTERVAL": "often"}, "AUSCULT_SAMPLE_INTERVAL: 'often' is no number of seconds"),
        ({"AUSCULT_SINKS": "loki"}, "AUSCULT_SINKS: these are no URLs"),
        ({"AUSCULT_SERVICE": ""}, "service: give the name of the service"),
        (
            {"AUSCULT_TLS_CERT": "/missing", "AUSCULT_TLS_KEY": "/missing", "AUSCULT_LISTEN": "127.0.0.1:0"},
            "/missing",
        ),
        ({"AUSCULT_NAMESPACE": "a b"}, "namespace"),
        ({"AUSCULT_SEGMENT_BYTES": "10"}, "segment_bytes"),
    ],
)
def test_init_raises_a_value_error_that_names_it(python, variables, message):
    ran = python(
        """
        import auscult
        try:
            auscult.init()
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
        import auscult

        taken = socket.create_server(("127.0.0.1", 0))
        began = time.monotonic()
        telemetry = auscult.init(listen="127.0.0.1:%d" % taken.getsockname()[1])
        print(time.monotonic() - began < 2, telemetry.address)
        auscult.instrument("infer")(lambda: 1)()
        print("program_request_total" in telemetry.render())
        taken.close()
        """
    )
    assert ran.stdout.split() == ["True", "None", "True"]
    assert "Address already in use" in ran.stderr


def test_public_names():
    assert sorted(auscult.__all__) == list(auscult.__all__)
    for public in auscult.__all__:
        assert getattr(auscult, public).__module__.startswith("auscult"), public
        assert getattr(auscult, public).__doc__, public


def test_address_and_directory_without_an_endpoint(python, tmp_path):
    ran = python(
        """
        import json
        import auscult
        telemetry = auscult.init(listen=None)
        print(json.dumps([telemetry.address, str(telemetry.directory), repr(telemetry)]))
        """
    )
    address, directory, representation = json.loads(ran.stdout)
    assert (address, representation) == (None, "<auscult.Telemetry>")
    assert directory.startswith(str(tmp_path / "state"))


def test_what_the_core_says_after_init_is_logged(python):
    ran = python(
        """
        import logging, time
        import auscult

        said = []
        class Listening(logging.Handler):
            def emit(self, record):
                said.append((record.levelname, record.getMessage()))
                raise RuntimeError("a handler that raises")

        logging.getLogger("auscult").addHandler(Listening())
        telemetry = auscult.init(segment_bytes=256 << 10, sample_interval=0.1)
        before = len(said)
        for i in range(60):
            metric = auscult.Histogram(f"metric_{i}", "d", ["k"])
            for k in range(60):
                metric.labels(str(k)).observe(1)
        end = time.monotonic() + 20
        while len(said) == before and time.monotonic() < end:
            time.sleep(0.01)
        print(said[-1][0], "full" in said[-1][1] or said)
        """
    )
    assert ran.stdout.strip() == "WARNING True"
