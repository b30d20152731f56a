"""Every server returns texts with special characters unchanged, or as the encoders' rules define."""

import json
import os
import random
import subprocess
import urllib.request
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError

import pytest
from demo.service import poll
from gelf import Graylog
from influxdb import InfluxDb
from loki import Loki
from victoria_logs import VictoriaLogs
from victoria_metrics import VictoriaMetrics

NASTY = [
    *(
        r"a\,b\=evil",
        "x\ncpu,host=evil v=1",
        "trail\\",
        "\\\\",
        "#m",
        "NUL\0.",
        "TAB\t.",
        'qu"ote',
        "cr\r\nlf",
    ),
    *("line\u2028sep", "\ufeffbom", "中文 😀", " lead and trail ", r"a\"b", "'single'", "\x85\x7f", "=,= ,="),
    *("\0", "\0 \x01", "\u2028", "\x85"),
    *('{a="b"}', "100%", "back`tick", "$x", "<b>", "]]>", "%s", "${jndi:x}", "é" * 300),
]
ALPHABET = "\\\",= \n\r\t\0#'_a{}[]`$%\x7f\x85\u2028\ufeffé😀"

JAVA_BLANK = "".join(map(chr, range(33)))


def texts() -> list[str]:
    """Returns the nasty texts, and random ones from their characters."""
    chance = random.Random(1)
    return [*NASTY, *("".join(chance.choices(ALPHABET, k=chance.randint(1, 12))) for _ in range(400))]


TEXTS = texts()


@pytest.fixture(scope="module")
def encoded() -> Path:
    """Builds and returns the program with the encoders."""
    build = subprocess.run(
        [
            *(os.environ.get("CARGO", "cargo"), "build", "--quiet", "--package", "soundpost-sinks"),
            *("--example", "encoded", "--message-format", "json"),
        ],
        cwd=Path(__file__).parent,
        check=True,
        stdout=subprocess.PIPE,
    )
    messages = map(json.loads, build.stdout.splitlines())
    return next(Path(message["executable"]) for message in messages if message.get("executable"))


def encode(encoded: Path, form: str, texts: list[str]) -> bytes:
    return subprocess.run(
        [encoded, form], input=json.dumps(texts).encode(), check=True, stdout=subprocess.PIPE
    ).stdout


def post(url: str, body: bytes, content_type: str = "text/plain") -> int:
    request = urllib.request.Request(url, body, {"Content-Type": content_type})
    with urllib.request.urlopen(request, timeout=10) as response:
        return int(response.status)


def without_controls(text: str, instead: str = "_") -> str:
    return "".join(instead if c < " " or c == "\x7f" else c for c in text)


def as_tag(text: str) -> str:
    return without_controls(text).replace("\\", "/")


def as_field_name(text: str) -> str:
    return as_tag(text).replace('"', "_")


def test_influxdb_returns_every_text(encoded: Path, tmp_path: Path) -> None:
    with InfluxDb(tmp_path) as server:
        server.create_database()
        lines = encode(encoded, "influx", TEXTS)
        assert post(f"{server.url}/write?db={server.DATABASE}&precision=ns", lines) == 204
        rows = server.query("SELECT * FROM nasty")
        assert server.query("SHOW MEASUREMENTS") == [{"name": "nasty"}]

    assert len(rows) == len(TEXTS)
    for row in rows:
        text = TEXTS[int(row["number"])]
        assert row["value"] == as_tag(text)
        assert row["text"] == text.replace("\n", r"\n").replace("\r", r"\r").replace("\0", "\ufffd")
        assert (row["min"], row["max"]) == (-(2**63), 2**63 - 1)
        assert (row["tiny"], row["huge"]) == (5e-324, 1.7976931348623157e308)
        names = {name for name, value in row.items() if value in (7, "named")}
        assert names == {short("t" + as_tag(text)), short("f" + as_field_name(text))}


def short(name: str) -> str:
    """Returns at most 256 bytes of a name."""
    return name.encode()[:256].decode(errors="ignore")


def test_victoria_metrics_returns_every_text(encoded: Path, tmp_path: Path) -> None:
    with VictoriaMetrics(tmp_path) as server:
        lines = encode(encoded, "influx", TEXTS)
        assert post(f"{server.url}/api/v2/write?bucket=nasty&precision=ns", lines) == 204
        poll(lambda: len(server.export('{__name__="nasty_max"}')) >= len(TEXTS), "all series", 30)
        found = [dict(series) for series in server.export('{__name__="nasty_max"}')]
        every = [dict(series)["__name__"] for series in server.export('{__name__!=""}')]

    assert len(found) == len(TEXTS)
    assert all(name.startswith("nasty_") for name in every)
    for labels in found:
        text = TEXTS[int(labels["number"])]
        assert labels["value"] == as_tag(text)
        assert labels[short("t" + as_tag(text))] == "named"


@pytest.mark.parametrize("form", ["loki-protobuf", "loki-json"])
def test_victoria_logs_returns_every_text(encoded: Path, tmp_path: Path, form: str) -> None:
    with VictoriaLogs(tmp_path) as server:
        kind = {"loki-protobuf": "application/x-protobuf", "loki-json": "application/json"}[form]
        assert post(f"{server.push_url}/loki/api/v1/push", encode(encoded, form, TEXTS), kind) == 204
        entries = server.entries('{job="cosyvoice3"}')

    assert len(entries) == len(TEXTS)
    for entry in entries:
        text = TEXTS[int(entry.labels["number"])]
        assert entry.labels["text"] == text
        assert entry.line.split("Z ", 1)[1] == f"{text} duration=1s"
        assert (entry.labels["min"], entry.labels["max"]) == (str(-(2**63)), str(2**64 - 1))


def test_loki_parses_texts_from_logfmt(encoded: Path, tmp_path: Path) -> None:
    """LogQL's logfmt parser finds the fields in the line. Loki of 2021 answers 500 to 88 of the 430 queries."""
    found = {}
    with Loki(tmp_path) as server:
        body = encode(encoded, "loki-logfmt", TEXTS)
        assert post(f"{server.url}/loki/api/v1/push", body, "application/x-protobuf") == 204
        assert len(server.entries('{job="cosyvoice3"}')) == len(TEXTS)
        for number in range(len(TEXTS)):
            with suppress(HTTPError):
                (entry,) = server.entries(f'{{job="cosyvoice3"}} |= " number={number} " | logfmt')
                found[number] = entry.labels.get("text", "")

    assert found == {number: TEXTS[number] for number in found}
    assert len(found) >= len(TEXTS) - 88


def test_graylog_returns_every_text(encoded: Path, tmp_path: Path) -> None:
    with Graylog(tmp_path, "tcp") as server:
        server.send(encode(encoded, "gelf", TEXTS))
        poll(lambda: len(server.messages()) >= len(TEXTS), "all messages", 60)
        assert server.refused() == []
        messages = server.messages()

    assert len(messages) == len(TEXTS)
    for message in messages:
        text = TEXTS[message["number"]]
        short, full = as_messages(text)
        assert (message["message"], message.get("full_message", "")) == (short, full)
        assert message.get("text", "") == trimmed(text)
        assert (message["min"], message["max"]) == (-(2**63), 2**63 - 1)
        assert message["yes"] == 1


def as_messages(text: str) -> tuple[str, str]:
    """Returns the short and the full message; Graylog requires a short one."""
    if "\n" not in text.rstrip():
        return trimmed(text) or "-", ""
    return next(filter(None, (trimmed(line.rstrip()) for line in text.split("\n"))), "-"), trimmed(text)


def trimmed(text: str) -> str:
    """Trims as Graylog does. Texts of white space only are not sent."""
    return "" if is_blank(text) else text.strip(JAVA_BLANK)


def is_blank(text: str) -> bool:
    return all(c in JAVA_BLANK or c.isspace() for c in text)
