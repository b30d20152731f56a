"""What `init` is told: its arguments, their variables, and what cannot be read."""

from __future__ import annotations

import pytest

import soundpost
from soundpost._settings import DEFAULTS, UNSET, settings


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
        "instance": None,
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
        ("instance", "tts-1", "tts-1", "tts-1"),
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
    assert read({argument: UNSET}, **{"SOUNDPOST_" + argument.upper(): text})[argument] == expected
    # What is given outranks the variable.
    assert read({argument: value}, **{"SOUNDPOST_" + argument.upper(): "nonsense="})[argument] == expected


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
        variable = "SOUNDPOST_" + argument.upper()
        with pytest.raises(ValueError, match=f"^{variable}: "):
            read({argument: UNSET}, **{variable: text})


def test_sinks_are_compared_by_what_they_hold():
    def sinks(tenant):
        return read({"sinks": [soundpost.Loki("http://loki:3100", tenant=tenant)]})["sinks"]

    assert sinks("a") == sinks("a") == (("loki", "http://loki:3100", (("tenant", "a"),)),)
    assert sinks("a") != sinks("b")
    assert read({"sinks": []})["sinks"] == ()
    assert read({"sinks": UNSET}, SOUNDPOST_SINKS="jsonl:-")["sinks"] == "jsonl:-"


def test_a_service_without_a_name():
    with pytest.raises(ValueError, match="^service: .*SOUNDPOST_SERVICE"):
        read({"service": UNSET})


def test_secrets(tmp_path):
    file = tmp_path / "token"
    file.write_text("from-file\n")
    assert read({"bearer_token_file": file})["bearer_token"] == "from-file"
    assert read(SOUNDPOST_BEARER_TOKEN_FILE=str(file))["bearer_token"] == "from-file"
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
