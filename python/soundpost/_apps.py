"""`make_asgi_app` and `make_wsgi_app`: the metrics on the service's own port."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from soundpost import _init

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Scope]]
_Send = Callable[[_Scope], Awaitable[None]]
AsgiApp = Callable[[_Scope, _Receive, _Send], Awaitable[None]]
WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_PLAIN = "text/plain; charset=utf-8"
_ALLOW = ("Allow", "GET, HEAD, OPTIONS")
_Response = tuple[int, list[tuple[str, str]], bytes]


def make_asgi_app(*, disable_compression: bool = False) -> AsgiApp:
    """Returns an ASGI application that answers each `GET` with the metrics of all processes.

    Mount it, such as with `app.mount("/metrics", soundpost.make_asgi_app())` in FastAPI. It needs no
    authentication; put that in front. Before `init` it answers 503.

    Args:
        disable_compression: Never compress, whatever the client accepts.
    """

    async def app(scope: _Scope, receive: _Receive, send: _Send) -> None:
        if scope["type"] == "lifespan":
            return await _lifespan(receive, send)
        if scope["type"] != "http":
            raise RuntimeError(f"soundpost: the metrics application got a scope {scope['type']!r}, not http")
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))

        def header(name: str) -> str:
            return ", ".join(headers.get(name, ()))

        encoding = "" if disable_compression else header("accept-encoding")
        status, sent, body = await _off_loop(_respond, scope["method"], header("accept"), encoding)
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in sent]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
        return None

    return app


def make_wsgi_app(*, disable_compression: bool = False) -> WsgiApp:
    """Returns a WSGI application that answers each `GET` with the metrics of all processes.

    Before `init` it answers 503.

    Args:
        disable_compression: Never compress, whatever the client accepts.
    """

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        from http.client import responses

        method = environ["REQUEST_METHOD"]
        encoding = "" if disable_compression else environ.get("HTTP_ACCEPT_ENCODING", "")
        status, headers, body = _respond(method, environ.get("HTTP_ACCEPT", ""), encoding)
        start_response(f"{status} {responses[status]}", headers)
        return [b"" if method == "HEAD" else body]

    return app


def _respond(method: str, accept: str, accept_encoding: str) -> _Response:
    if method == "OPTIONS":
        return _text(200, "", _ALLOW)
    if method not in ("GET", "HEAD"):
        return _text(405, "method not allowed: use GET or HEAD\n", _ALLOW)
    telemetry = _init.telemetry()
    if telemetry is None:
        return _text(503, "soundpost.init was not called\n")
    content_type, coding, body = telemetry.metrics_response(accept, accept_encoding)
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    headers += [("Cache-Control", "no-store"), ("Vary", "accept, accept-encoding")]
    if coding is not None:
        headers.append(("Content-Encoding", coding))
    return 200, headers, body


def _text(status: int, text: str, *more: tuple[str, str]) -> _Response:
    return status, [("Content-Type", _PLAIN), ("Content-Length", str(len(text))), *more], text.encode()


async def _off_loop(function: Callable[..., _Response], *arguments: str) -> _Response:
    """Runs a function beside the loop of asyncio; another loop waits the few milliseconds."""
    import asyncio

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return function(*arguments)
    return await loop.run_in_executor(None, function, *arguments)


async def _lifespan(receive: _Receive, send: _Send) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
