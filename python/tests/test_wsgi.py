"""`soundpost.integrations.wsgi`: the calls of requests of WSGI applications."""

from __future__ import annotations

import gc
import http.client
import socket
import threading
import wsgiref.validate
from contextlib import contextmanager
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import FileWrapper, setup_testing_defaults

import pytest

import soundpost
from soundpost.integrations.wsgi import SoundpostMiddleware

pytestmark = pytest.mark.usefixtures("telemetry")
PATIENCE = 30


class Quiet(WSGIRequestHandler):
    def log_message(self, *_arguments):
        pass


@contextmanager
def served(app):
    """Serves an application on a free port, which it returns."""
    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(PATIENCE)


def answer(app, **headers):
    """Returns the body and the headers of a response without a server."""
    environ, started = {f"HTTP_{name.upper()}": value for name, value in headers.items()}, []
    setup_testing_defaults(environ)
    body = app(environ, lambda status, headers, error=None: started.append((status, dict(headers))))
    return body, started


def calls_of(name):
    soundpost.flush(PATIENCE)
    return soundpost.read_calls(operation=name, order="oldest")


def streaming(engine):
    def app(_environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return engine()

    return app


def whole(engine):
    def app(_environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"".join(engine())]

    return app


@pytest.mark.parametrize("kind", [streaming, whole])
def test_calls_have_the_id_of_their_request(engine, name, kind):
    app = wsgiref.validate.validator(SoundpostMiddleware(wsgiref.validate.validator(kind(engine))))
    with served(app) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        connection.request("GET", "/", headers={"X-Request-ID": "mine", "X-Request-Start": "t=1"})
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"chunkchunk")
        connection.close()
    assert [(call.outcome, call.request_id) for call in calls_of(name)] == [("ok", "mine")]
    assert soundpost.current_call() is None


def test_response_that_is_closed_early_abandons(engine, name):
    gc.disable()
    try:
        kept = engine()
        body, _ = answer(SoundpostMiddleware(lambda _environ, start: start("200 OK", []) or iter([*kept])))
        body.close()
        kept = engine()

        def parts():
            yield from kept

        body, _ = answer(SoundpostMiddleware(lambda _environ, start: start("200 OK", []) or parts()))
        assert next(body) == b"chunk"
        body.close()
        assert [call.outcome for call in calls_of(name)] == ["ok", "abandoned"]
    finally:
        gc.enable()


def test_client_that_leaves_abandons(name):
    kept = []

    @soundpost.instrument(name)
    def synthesize():
        while True:
            yield b"chunk" * 100_000

    def app(_environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        kept.append(synthesize())
        return kept[0]

    with served(SoundpostMiddleware(app)) as port:
        client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(100)
        client.close()
    assert [call.outcome for call in calls_of(name)] == ["abandoned"]


def test_bodies_of_other_classes_are_passed_on(tmp_path):
    (tmp_path / "file").write_bytes(b"audio")
    with open(tmp_path / "file", "rb") as file:
        for body in ([b"a"], (b"a",), FileWrapper(file)):

            def app(environ, start_response, body=body):
                environ["wsgi.file_wrapper"] = FileWrapper
                start_response("200 OK", [])
                return body

            assert answer(SoundpostMiddleware(app))[0] is body


def test_response_has_the_id_if_asked_for(engine):
    app = SoundpostMiddleware(SoundpostMiddleware(whole(engine), send_request_id=True))
    _, [(status, headers)] = answer(app, x_request_id="mine")
    assert (status, headers["X-Request-ID"]) == ("200 OK", "mine")


def test_exception_of_the_application_is_its_own(name):
    def app(_environ, _start_response):
        soundpost.instrument(name)(lambda: 1 / 0)()

    with pytest.raises(ZeroDivisionError):
        answer(SoundpostMiddleware(app))
    assert [call.outcome for call in calls_of(name)] == ["error"]


def test_bootstrap_adds_the_middleware_to_flask(service):
    calls, ran = service(
        """
        from cosyvoice.cli.cosyvoice import CosyVoice
        from flask import Flask, Response

        app = Flask("app")

        @app.get("/")
        def get():
            parts = CosyVoice().inference_sft("one.two.", "anna", stream=True)
            return Response(b"chunk" for part in parts)

        client = app.test_client()
        print(client.get("/", headers={"X-Request-ID": "mine"}).data)
        response = client.get("/", headers={"X-Request-ID": "gone"}, buffered=False)
        next(response.iter_encoded())
        response.close()
        """
    )
    assert ran.stdout == "b'chunkchunk'\n"
    assert [(call.outcome, call.request_id) for call in calls] == [("ok", "mine"), ("abandoned", "gone")]
