"""Sinks in `init`: arguments, errors and delivery."""

import json
import subprocess
import sys
import textwrap

import pytest

import soundpost

SECRET = "s3cret"


def run(tmp_path, body, **variables):
    """Runs a program, since each process has one telemetry."""
    source = "import soundpost, sys\n" + textwrap.dedent(body)
    environment = {
        "SOUNDPOST_DIRECTORY": str(tmp_path / "state"),
        "SOUNDPOST_LISTEN": "none",
        "SOUNDPOST_STRICT": "1",
    }
    return subprocess.run(
        [sys.executable, "-c", source],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        cwd=tmp_path,
        env=environment | variables,
    )


def error(tmp_path, sinks, **variables):
    ran = run(tmp_path, f"soundpost.init(service='tts'{sinks})", **variables)
    assert "ValueError: " in ran.stderr, ran.stderr
    return ran.stderr.splitlines()[-1]


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("sinks", "message"),
    [
        ('soundpost.InfluxDB("http://influx:8086")', "influxdb: set a bucket (v2) or a database (v1)"),
        ('soundpost.InfluxDB("influx", bucket="b")', "influxdb: "),
        (
            'soundpost.InfluxDB("http://influx", bucket="b", token_file="missing")',
            "influxdb: token_file: No such file",
        ),
        (
            'soundpost.InfluxDB("http://influx", bucket="b", token_env="MISSING")',
            "influxdb: token_env: the variable",
        ),
        ('soundpost.InfluxDB("http://influx", bucket="b", database="d")', "influxdb: database: v2 writes to"),
        (
            'soundpost.InfluxDB("http://influx/write", bucket="b", database="d")',
            "influxdb: bucket: v1 and v3",
        ),
        ('soundpost.InfluxDB("http://influx", bucket="b", api="v4")', "influxdb: api: "),
        ('soundpost.Graylog("ftp://graylog")', "graylog: "),
        ('soundpost.Graylog("tcp://graylog", bulk=True)', "graylog: bulk: "),
        ('soundpost.Loki("http://loki", name="Loki!")', "name: "),
        ('soundpost.Loki("http://loki"), soundpost.Loki("http://other")', "loki: there are two of this name"),
        ('soundpost.JsonLines("")', "jsonl: "),
        ('soundpost.JsonLines("x", mode=640)', "jsonl: mode: 1200 is none of 600, 640, "),
        ('soundpost.JsonLines("x", mode="rw")', "jsonl: mode: use an octal number"),
        ('soundpost.JsonLines("x\\udc80")', "jsonl: URL or path has characters"),
        ('soundpost.Loki("http://loki", tenant="\\udc80")', "loki: tenant has characters"),
        ("3", "sinks: int is not a sink"),
    ],
)
def test_wrong_option_is_reported_with_the_sink(tmp_path, sinks, message):
    assert message in error(tmp_path, f", sinks=[{sinks}]")


@pytest.mark.parametrize("urls", ["loki", "loki+ftp://loki", f"loki+http://user:{SECRET}@loki", "jsonl:"])
def test_wrong_variable_is_named_without_secrets(tmp_path, urls):
    said = error(tmp_path, "", SOUNDPOST_SINKS=urls)

    assert "sinks" in said.lower() or "loki" in said or "jsonl" in said
    assert SECRET not in said


def test_repr_shows_no_secret():
    for sink in (
        soundpost.InfluxDB(f"http://user:{SECRET}@influx:8086?token={SECRET}", bucket="b", token=SECRET),
        soundpost.Loki("http://loki:3100", user="u", password=SECRET),
    ):
        assert SECRET not in repr(sink)
    assert repr(soundpost.Loki(f"user:{SECRET}@loki")) == "soundpost.Loki('...')"
    assert repr(soundpost.Graylog("tcp://graylog:12201")) == "soundpost.Graylog('tcp://graylog:12201')"


def test_relative_token_file_is_resolved_at_start(tmp_path):
    (tmp_path / "token").write_text("s3cret")
    ran = run(
        tmp_path,
        """
        import http.server, os, threading

        class Receiver(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                print(self.headers["authorization"])
                self.send_response(204)
                self.end_headers()

        server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
        sink = soundpost.Loki(f"http://127.0.0.1:{server.server_port}", token_file="token")
        soundpost.init(service="tts", sinks=[sink])
        os.chdir("/")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        soundpost.flush()
        """,
    )

    assert ran.returncode == 0, ran.stderr
    assert "Bearer s3cret" in ran.stdout, ran.stderr


@pytest.mark.parametrize("by", ["argument", "variable", "text"])
def test_call_is_shipped(tmp_path, by):
    mode = {"argument": "0o640", "text": "'640'"}.get(by)
    argument = f', sinks=[soundpost.JsonLines("calls.jsonl", mode={mode})]' if mode else ""
    variables = {} if mode else {"SOUNDPOST_SINKS": "jsonl:calls.jsonl?mode=640"}
    ran = run(
        tmp_path,
        f"""
        soundpost.init(service="tts"{argument})
        with soundpost.call("synthesize", request_id="req-1") as call:
            call.chunk(audio_seconds=0.5)
        assert soundpost.flush()
        soundpost.shutdown()
        """,
        **variables,
    )

    assert ran.returncode == 0, ran.stderr
    start, line = lines(tmp_path / "calls.jsonl")
    assert start["message"].startswith("Starting tts")
    assert (line["request_id"], line["outcome"], line["service"]) == ("req-1", "ok", "tts")
    assert (tmp_path / "calls.jsonl").stat().st_mode & 0o777 == 0o640


def test_empty_sinks_override_the_variable(tmp_path):
    ran = run(
        tmp_path,
        'soundpost.init(service="tts", sinks=[])',
        SOUNDPOST_SINKS="jsonl:calls.jsonl",
    )

    assert ran.returncode == 0, ran.stderr
    assert not (tmp_path / "calls.jsonl").exists()


def test_labels_and_instance_are_point_tags(tmp_path):
    ran = run(
        tmp_path,
        """
        import gzip, http.server, threading

        class Receiver(http.server.BaseHTTPRequestHandler):
            seen = set()

            def do_POST(self):
                body = gzip.decompress(self.rfile.read(int(self.headers["content-length"])))
                for line in body.decode().splitlines():
                    measurement, *tags = line.split(" ")[0].split(",")
                    if measurement not in self.seen:
                        print(measurement, *(tag for tag in tags if tag[:4] in ("env=", "host")))
                    self.seen.add(measurement)
                self.send_response(204)
                self.end_headers()
                if len(self.seen) == 2:
                    done.set()

        done = threading.Event()
        server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sink = soundpost.InfluxDB(f"http://127.0.0.1:{server.server_port}", database="d")
        labels = {"env": "production"}
        soundpost.init(service="tts", labels=labels, instance="tts-1", sample_interval=0.1, sinks=[sink])
        with soundpost.call("synthesize"):
            pass
        assert done.wait(20)
        """,
    )

    assert ran.returncode == 0, ran.stderr
    tags = "env=production host=tts-1"
    assert sorted(ran.stdout.splitlines()) == [f"generate_calls {tags}", f"system_metrics {tags}"]


def test_labels_are_line_fields(tmp_path):
    ran = run(
        tmp_path,
        """
        import logging

        sinks = [soundpost.JsonLines("lines.jsonl")]
        soundpost.init(service="tts", instance="tts-1", labels={"env": "production"}, logs="INFO", sinks=sinks)
        logging.info("bare")
        logging.info("own", extra={"env": "mine"})
        with soundpost.call("synthesize", labels={"voice": "alto"}):
            pass
        soundpost.flush()
        """,
    )

    assert ran.returncode == 0, ran.stderr
    found = {line["message"]: (line["env"], line["node_id"]) for line in lines(tmp_path / "lines.jsonl")}
    assert found == {
        "Starting tts": ("production", "tts-1"),
        "bare": ("production", "tts-1"),
        "own": ("mine", "tts-1"),
        "Audio generation completed": ("production", "tts-1"),
    }
