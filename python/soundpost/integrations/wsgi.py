"""Requests of WSGI applications, such as those of Flask and Django.

One line::

    app.wsgi_app = SoundpostMiddleware(app.wsgi_app)
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from soundpost._threads import carry_calls
from soundpost.integrations._requests import guarded, inside, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from soundpost._apps import WsgiApp

_OPENED = "soundpost.request"
"""Key of the exchange in its environment, for further middlewares of the request."""


class SoundpostMiddleware:
    """Gives calls the id of their request and its time in the queue, and ends them with its response.

    Ids and times are those of the middleware for ASGI. A server closes a response early when its client left.

    Args:
        app: The application.
        send_request_id: Whether a response without `X-Request-ID` gets the id as that.
    """

    def __init__(self, app: WsgiApp, *, send_request_id: bool = False) -> None:
        self.app = app
        self._send_request_id = send_request_id
        guarded(carry_calls)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Runs the application in the context of the request."""
        outer = environ.get(_OPENED)
        if outer is not None:
            outer.sends_id |= self._send_request_id
        exchange = guarded(_Exchange, environ, start_response) if outer is None else None
        if exchange is None:
            return self.app(environ, start_response)
        exchange.sends_id = self._send_request_id
        with inside(exchange.request):
            body = self.app(environ, exchange.start_response)
        return body if _is_passed_on(body, environ) else _Body(body, exchange.request)


def with_middleware(call: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Returns the method that is an application, with the middleware around it."""

    @functools.wraps(call)
    def application(self: Any, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return SoundpostMiddleware(functools.partial(call, self))(environ, start_response)

    return application


def _is_passed_on(body: Iterable[bytes], environ: dict[str, Any]) -> bool:
    """Reports whether a server may treat this class of a body in its own way."""
    files = environ.get("wsgi.file_wrapper")
    return isinstance(body, (list, tuple)) or (isinstance(files, type) and isinstance(body, files))


class _Exchange:
    """A request and the start of its response."""

    def __init__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> None:
        self.sends_id = False
        self._start_response = start_response
        self.request = opened(lambda name: environ.get("HTTP_" + name.upper().replace("-", "_")))
        environ[_OPENED] = self

    def start_response(self, status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
        if self.sends_id and all(name.lower() != "x-request-id" for name, _ in headers):
            headers = [*headers, ("X-Request-ID", self.request.request_id)]
        return self._start_response(status, headers, *error)


class _Body:
    """The body of a response, whose parts are made in the context of the request."""

    def __init__(self, body: Iterable[bytes], request: Any) -> None:
        self._body, self._request = body, request
        self._parts: Iterator[bytes] | None = None
        self._is_exhausted = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with inside(self._request):
            if self._parts is None:
                self._parts = iter(self._body)
            try:
                return next(self._parts)
            except StopIteration:
                self._is_exhausted = True
                raise

    def close(self) -> None:
        """Closes the body. Calls that have not ended are abandoned if it was not read to its end."""
        if not self._is_exhausted:
            guarded(self._request.end)
        close = getattr(self._body, "close", None)
        if close is not None:
            with inside(self._request):
                close()
