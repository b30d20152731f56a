"""Settings of `init`: arguments, variables, and values that cannot be used."""

from __future__ import annotations

import inspect
import os
import pathlib

import pytest

import soundpost
from soundpost._native import Settings

ARGUMENTS = list(inspect.signature(soundpost.init).parameters)


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """An environment without variables of ours."""
    for name in list(os.environ):
        if name.startswith("SOUNDPOST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SOUNDPOST_SERVICE", "tts")
    return lambda argument, text: monkeypatch.setenv(f"SOUNDPOST_{argument.upper()}", text)


def test_settings_have_defaults():
    settings = Settings({})
    assert {name: settings[name] for name in ARGUMENTS} == {
        "service": "tts",
        "version": None,
        "listen": "127.0.0.1:9464",
        "gpu": True,
        "torch": True,
        "sample_interval": 1.0,
        "gpu_memory_interval": 0.1,
        "labels": None,
        "directory": None,
        "sinks": None,
        "namespace": None,
        "instance": None,
        "commit": None,
        "bearer_token": None,
        "bearer_token_file": None,
        "basic_auth": None,
        "allowed_hosts": None,
        "exemplars": True,
        "tls_cert": None,
        "tls_key": None,
        "idle_limit": 600.0,
        "segment_bytes": 8 << 20,
        "store": True,
        "store_days": 30.0 * 86_400,
        "store_bytes": 512 << 20,
        "redact": None,
        "record_text": False,
        "logs": False,
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
        ("listen", "localhost:9464", "localhost:9464", "127.0.0.1:9464"),
        ("listen", "9464", ":9464", "127.0.0.1:9464"),
        ("gpu", False, "0", False),
        ("gpu", True, "yes", True),
        ("gpu", "all", "ALL", "all"),
        ("gpu", "none", "none", False),
        ("torch", False, "off", False),
        ("torch", "always", "Always", "always"),
        ("sample_interval", 2, "2", 2.0),
        ("sample_interval", 0.5, "0.5", 0.5),
        ("sample_interval", "500ms", "500ms", 0.5),
        ("sample_interval", None, "off", None),
        ("gpu_memory_interval", 0.05, "0.05", 0.05),
        ("gpu_memory_interval", None, "off", None),
        ("labels", {"env": "production"}, "env=production", [("env", "production")]),
        ("labels", {"b": 1, "a": "x=y"}, "b=1, a=x=y", [("a", "x=y"), ("b", "1")]),
        ("labels", {}, ",", []),
        ("directory", "/state", "/state", "/state"),
        ("directory", pathlib.Path("/state"), "/state", "/state"),
        ("namespace", "tts", "tts", "tts"),
        ("instance", "tts-1", "tts-1", "tts-1"),
        ("commit", "abc", "abc", "abc"),
        ("bearer_token", "secret", "secret", "secret"),
        ("basic_auth", ("user", "pass:word"), "user:pass:word", ["user", "pass:word"]),
        ("allowed_hosts", ["a.b", "*.c"], "a.b, *.c", ["a.b", "*.c"]),
        ("exemplars", False, "off", False),
        ("idle_limit", 60, "60", 60.0),
        ("segment_bytes", 1 << 20, "1048576", 1 << 20),
        ("store", False, "off", False),
        ("store_days", 0.5, "12h", 43_200.0),
        ("store_bytes", 1 << 30, "1GiB", 1 << 30),
        ("redact", ["a+", "b"], "a+\n b", ["a+", "b"]),
        ("logs", "INFO", "info", 20),
    ],
)
def test_variable_means_the_same_as_argument(environment, argument, value, text, expected):
    assert Settings({argument: value})[argument] == expected
    environment(argument, text)
    assert Settings({})[argument] == expected
    environment(argument, "nonsense=")
    assert Settings({argument: value})[argument] == expected, "an argument takes precedence"


@pytest.mark.parametrize(
    ("argument", "value", "text"),
    [
        ("service", "", None),
        ("service", 3, None),
        ("version", 23, None),
        ("listen", "localhost", "localhost"),
        ("listen", "localhost:http", "localhost:http"),
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
        ("allowed_hosts", ["http://a/"], "http://a/"),
        ("exemplars", None, "maybe"),
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
def test_wrong_value_is_named(environment, argument, value, text):
    with pytest.raises(ValueError, match=f"^{argument}: "):
        Settings({argument: value})
    if text is not None:
        environment(argument, text)
        with pytest.raises(ValueError, match=f"^SOUNDPOST_{argument.upper()}: "):
            Settings({})


def test_sinks_are_compared_by_what_they_hold(environment):
    def settings(tenant):
        return Settings({"sinks": [soundpost.Loki("http://loki:3100", tenant=tenant)]})

    assert settings("a").differences(settings("a")) == []
    assert settings("a").differences(settings("b")) == ["sinks"]
    assert Settings({"sinks": []}).differences(Settings({"sinks": []})) == []
    environment("sinks", "jsonl:-")
    assert Settings({}).differences(Settings({})) == []


def test_service_without_a_name_is_refused(environment):
    environment("service", "")
    with pytest.raises(ValueError, match="^service: .*SOUNDPOST_SERVICE"):
        Settings({})


def test_secrets_are_checked_together(environment, tmp_path):
    file = tmp_path / "token"
    file.write_text("from-file\n")
    assert Settings({"bearer_token_file": file})["bearer_token"] == "from-file"
    for given, match in [
        ({"bearer_token_file": tmp_path / "missing"}, "^bearer_token_file: "),
        ({"bearer_token_file": file, "bearer_token": "x"}, "^bearer_token_file: "),
        ({"bearer_token": "x", "basic_auth": ("a", "b")}, "^basic_auth: "),
        ({"basic_auth": ("a", "s3cret", "x")}, r"^basic_auth: (?!.*s3cret)"),
        ({"tls_cert": "cert.pem"}, "^tls_key: "),
        ({"tls_key": "key.pem"}, "^tls_cert: "),
    ]:
        with pytest.raises(ValueError, match=match):
            Settings(given)
    pair = Settings({"tls_cert": "/c", "tls_key": "/k"})
    assert (pair["tls_cert"], pair["tls_key"]) == ("/c", "/k")
    environment("bearer_token_file", str(file))
    assert Settings({})["bearer_token"] == "from-file"


def test_disabled_records_nothing(python, tmp_path):
    ran = python(
        """
        import threading
        import soundpost

        @soundpost.instrument
        def infer(): return soundpost.current_call()

        telemetry = soundpost.init(listen="nonsense")
        assert soundpost.init(version="V2") is telemetry
        soundpost.Gauge("g", "d").set_function(lambda: 1)
        assert infer() is None
        print(threading.active_count(), telemetry.address, repr(telemetry.render()), soundpost.flush())
        soundpost.shutdown()
        """,
        SOUNDPOST_DISABLED="1",
        SOUNDPOST_DIRECTORY=str(tmp_path / "other"),
    )
    assert ran.stdout.strip() == "1 None '' True", ran.stderr
    assert not (tmp_path / "other").exists()
