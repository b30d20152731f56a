"""`make_asgi_app` and `make_wsgi_app`: the metrics on the service's own port."""

import asyncio
import gzip
import pathlib
import subprocess
import sys
import textwrap
import wsgiref.validate
from wsgiref.util import setup_testing_defaults

import pytest

import soundpost

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
ASKS = "application/openmetrics-text;version=1.0.0;q=0.9,text/plain;version=0.0.4;q=0.5"


def ask_asgi(method="GET", app=None, **headers):
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": "/metrics", "headers": raw}
    asyncio.run((app or soundpost.make_asgi_app())(scope, receive, send))
    start, *bodies = sent
    got = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], got, b"".join(body["body"] for body in bodies)


def ask_wsgi(method="GET", app=None, **headers):
    environ = {"REQUEST_METHOD": method, "QUERY_STRING": ""}
    environ |= {"HTTP_" + name.upper(): value for name, value in headers.items()}
    setup_testing_defaults(environ)
    answer = []
    parts = wsgiref.validate.validator(app or soundpost.make_wsgi_app())(
        environ, lambda status, headers, _error=None: answer.extend((int(status.split()[0]), headers))
    )
    body = b"".join(parts)
    parts.close()
    status, given = answer
    return status, {name.lower(): value for name, value in given}, body


both = pytest.mark.parametrize("ask", [ask_asgi, ask_wsgi])


@both
def test_metrics_are_in_the_format_that_is_asked_for(telemetry, name, ask):
    soundpost.instrument(name)(lambda: None)()
    line = f'tests_request_total{{operation="{name}",outcome="ok",status="success"}} 1'
    for accept, content_type in (("", TEXT), ("*/*", TEXT), (ASKS, OPENMETRICS)):
        status, headers, body = ask(accept=accept)
        assert (status, headers["content-type"]) == (200, content_type)
        assert headers["content-length"] == str(len(body))
        assert line in body.decode().splitlines()
        assert body.decode().endswith("# EOF\n") == (content_type == OPENMETRICS)
    assert telemetry.metrics_response(ASKS)[:2] == (OPENMETRICS, None)


@both
def test_metrics_are_compressed_if_the_client_accepts_it(telemetry, ask):
    status, headers, body = ask(accept_encoding="gzip, deflate")
    assert (status, headers["content-encoding"], headers["vary"]) == (200, "gzip", "accept, accept-encoding")
    assert b"tests_" in gzip.decompress(body)
    assert "content-encoding" not in ask(accept_encoding="br")[1]
    make = soundpost.make_asgi_app if ask is ask_asgi else soundpost.make_wsgi_app
    app = make(disable_compression=True)
    assert "content-encoding" not in ask(app=app, accept_encoding="gzip")[1]


@both
def test_other_methods_are_answered(telemetry, ask):
    status, headers, body = ask("HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 0
    assert ask("OPTIONS")[0] == 200
    status, headers, _ = ask("POST")
    assert (status, headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_lifespan_is_completed():
    received = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent = []

    async def receive():
        return next(received)

    async def send(message):
        sent.append(message["type"])

    asyncio.run(soundpost.make_asgi_app()({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_scope_of_another_kind_is_refused():
    with pytest.raises(RuntimeError, match="websocket"):
        asyncio.run(soundpost.make_asgi_app()({"type": "websocket"}, None, None))


def test_each_worker_answers_for_all(tmp_path):
    program = f"""
        import os, sys
        sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})
        from test_apps import ask_wsgi
        import soundpost
        assert ask_wsgi()[0] == 503
        ready, go = os.pipe(), os.pipe()
        child = os.fork()
        soundpost.init("workers", listen=None, gpu=False, directory={str(tmp_path)!r})
        soundpost.instrument("work")(lambda: None)()
        if child == 0:
            os.write(ready[1], b".")
            os.read(go[0], 1)
            os._exit(0)
        os.read(ready[0], 1)
        try:
            assert 'workers_request_total{{operation="work",outcome="ok",status="success"}} 2' in ask_wsgi()[2].decode()
        finally:
            os.write(go[1], b".")
            os.waitpid(child, 0)
        soundpost.shutdown()
        assert ask_wsgi()[0] == 503
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
