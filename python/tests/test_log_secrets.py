"""Secrets in log records and in all other records."""

from __future__ import annotations

import collections

import pytest

import soundpost


def test_secrets_are_not_recorded(logger, recorded):
    headers = {"Authorization": "Bearer abc", "accept": "x"}
    logger.info(
        "GET https://lin:hunter2@host/?token=abc",
        extra={
            "apiKey": "k",
            "headers": headers,
            "tts_text": "你好",
            "phone": 13800138000,
            "lin@example.com": 1,
            "command": ["serve", "--password", "hunter2"],
        },
    )
    (event,) = recorded()
    assert event["message"] == "GET https://[REDACTED:url]@host/?token=[REDACTED:key]"
    assert event["fields"] == {
        "apiKey": "[REDACTED:key]",
        "headers": '{"Authorization": "[REDACTED:key]", "accept": "x"}',
        "tts_text": "[text of 2 characters]",
        "phone": "[REDACTED:mobile]",
        "[REDACTED:email]": 1,
        "command": '["serve", "--password", "[REDACTED:key]"]',
    }


SECRET = "Zq7Xw9Kd2Jf4Hg6Lp8Nv0Bm3"


class Settings:
    def __init__(self, filler):
        self.filler = filler

    def __repr__(self):
        return f"Settings(host={self.filler!r}, password='{SECRET * 5}', n=1)"


Login = collections.namedtuple("Login", ["user", "password"])


def hiding(filler):
    """Returns values with a secret behind `filler`, recognised by its name or by its prefix."""
    line = f"{filler} sk-{SECRET} {'z' * 300}"
    return [
        [Settings(filler)],
        {"a": Settings(filler)},
        {"note": line},
        [[line]],
        ({"b": [line]},),
        {f"{filler} password": SECRET},
        {"a": f"{filler} password={SECRET} ok"},
        [Login(filler, SECRET)],
        collections.deque([line]),
        Login(filler, SECRET),
        collections.OrderedDict(note=line),
    ]


@pytest.mark.parametrize("lengths", [range(300), range(32_500, 33_000, 31), range(36_600, 41_200, 97)])
def test_truncation_never_exposes_a_secret(logger, recorded, lengths):
    """A gap in the middle would remove the name and leave the secret."""
    shapes = len(hiding(""))
    for number, length in enumerate(lengths):
        for shape, value in enumerate(hiding("n" * length)):
            logger.info("hidden", extra={f"shape_{shape}": value})
        if length > 30_000 or number % 16 == 15:
            assert soundpost.flush(10)
    found = recorded()
    assert len(found) == shapes * len(lengths)
    for event in found:
        ((shape, text),) = event["fields"].items()
        parts = [SECRET[at : at + 4] for at in range(len(SECRET) - 3)]
        assert not [part for part in parts if part in text], (shape, len(text), text[-400:])
        assert lengths[0] > 30_000 or "[REDACTED:" in text, (shape, text)


def test_secrets_are_in_no_file_or_scrape(python, tmp_path):
    """Canaries of settings, labels, fields, messages and errors are in no file, scrape, repr or output."""
    ran = python(
        """
        import logging, os, pathlib, sys, soundpost
        CANARY = "".join(["kAn", "ArY", "0123456789"])
        telemetry = soundpost.init(
            listen="127.0.0.1:0", logs="DEBUG", bearer_token=CANARY, redact=["TICKET-\\\\w+"],
            labels={"env": "production"},
        )
        log = logging.getLogger("tts")
        log.warning("GET https://lin:%s@host/?token=%s", CANARY, CANARY, extra={
            "api_key": CANARY, "headers": {"Authorization": f"Bearer {CANARY}", "Cookie": f"a={CANARY}"},
            "tts_text": CANARY, "ticket": f"TICKET-{CANARY}", "environment": f"HF_TOKEN={CANARY}",
        })
        with soundpost.call("synthesize", labels={"password": CANARY}, prompt_text=CANARY) as call:
            call.set(access_token=CANARY, url=f"redis://:{CANARY}@host")
            call.fail(RuntimeError(f"401: Authorization: Basic {CANARY}"))
        soundpost.Counter("logins", "Logins", ["secret"]).labels(secret=CANARY).inc()
        assert soundpost.flush(10)
        assert CANARY not in telemetry.render() + repr(telemetry) + repr(call) + str(soundpost.read_calls())
        logging.getLogger().handlers.clear()
        segments = pathlib.Path(f"/dev/shm/soundpost-{os.getuid()}")
        files = [*telemetry.directory.rglob("*"), *(f for f in segments.rglob("*") if telemetry.directory.name in str(f))]
        contents = [file for file in files if file.is_file()]
        assert len(contents) >= 2, files
        for file in contents:
            assert CANARY.encode() not in file.read_bytes(), file
        assert 'soundpost_redactions_total{env="production",rule="key"}' in telemetry.render()
        """
    )
    canary = "kAnArY"
    assert [line for line in ran.stderr.splitlines() if canary in line and not line.startswith("GET ")] == []
    assert canary not in ran.stdout
