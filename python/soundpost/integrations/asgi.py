"""Requests of ASGI applications, such as those of FastAPI and Starlette.

One line, before the application starts::

    app.add_middleware(SoundpostMiddleware)
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections import deque
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from soundpost._native import request_variable
from soundpost._threads import carry_calls
from soundpost.integrations._requests import guarded, opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from soundpost._apps import AsgiApp, _Receive, _Scope, _Send

_OPENED = "soundpost.request"
"""Key of the connection in its scope, for further middlewares of the request."""
_DISCONNECTS = frozenset({"http.disconnect", "websocket.disconnect"})
_ENDS = frozenset({"http.response.body", "http.response.pathsend", "websocket.close"})
"""Messages that end a response, unless they announce more."""
_MAX_READ_AHEAD = 8 << 20
"""Maximum number of bytes of a request that are read before the application asks for them."""
_MAX_ALL_READ_AHEAD = 64 << 20
"""Maximum number of bytes of all requests that are read ahead."""
_MESSAGE_SIZE = 1024
"""Size of a message that is read ahead without its content, in bytes."""


class SoundpostMiddleware:
    """Gives calls the id of their request and its time in the queue, and ends them when its client leaves.

    The id is that of `X-Request-ID`, `X-Correlation-ID` or `Request-ID`, else the trace id of `traceparent`,
    else generated. Log events of the request have it, too. The time in the queue begins at `X-Request-Start`
    or `X-Queue-Start`.

    Args:
        app: The application.
        send_request_id: Whether a response without `X-Request-ID` gets the id as that.
    """

    def __init__(self, app: AsgiApp, *, send_request_id: bool = False) -> None:
        self.app = app
        self._send_request_id = send_request_id
        guarded(carry_calls)

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Runs the application in the context of the request."""
        connection, outer = None, scope.get(_OPENED)
        if outer is not None:
            outer.sends_id |= self._send_request_id
        elif scope.get("type") in ("http", "websocket"):
            connection = guarded(_Connection, scope, receive, send)
        if connection is None:
            return await self.app(scope, receive, send)
        connection.sends_id = self._send_request_id
        variable = request_variable()
        token = variable.set(connection.request)
        try:
            await self.app(scope, connection.receive, connection.send)
        except BaseException as error:
            if not isinstance(error, Exception):  # The server or the application cancelled the request.
                guarded(connection.leave)
            raise
        finally:
            variable.reset(token)
            scope.pop(_OPENED, None)
            guarded(connection.close)


def instrument_fastapi(app: Any, *, send_request_id: bool = False) -> Any:
    """Adds the middleware to an application of FastAPI or Starlette, and returns the application."""
    app.add_middleware(SoundpostMiddleware, send_request_id=send_request_id)
    return app


def with_middleware(build: Callable[[Any], AsgiApp]) -> Callable[[Any], AsgiApp]:
    """Returns a method that builds the middlewares of an application, with Soundpost's around them."""

    @functools.wraps(build)
    def build_middleware_stack(self: Any) -> AsgiApp:
        app = build(self)
        return guarded(SoundpostMiddleware, app) or app

    return build_middleware_stack


class _ReadAhead:
    """The number of bytes of all requests that are read ahead, in the loops of any thread."""

    def __init__(self) -> None:
        self.bytes = 0
        self._lock = threading.Lock()

    def add(self, size: int) -> None:
        """Adds a number of bytes, which is negative for bytes that were taken."""
        with self._lock:
            self.bytes += size


_READ_AHEAD = _ReadAhead()


class _Connection:
    """The messages of one request, which are read ahead once it has a call: one may be the disconnect."""

    def __init__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        self.sends_id = False
        self._receive, self._send = receive, send
        self._reader: asyncio.Task[_Scope] | None = None
        self._read: deque[asyncio.Task[_Scope]] = deque()
        self._read_bytes = 0
        self._receiving = 0
        self._is_complete = self._has_left = self._is_closed = False
        headers = {name.lower(): value for name, value in reversed(list(scope["headers"]))}
        self.request = opened(
            lambda name: headers.get(name.encode(), b"").decode("latin-1"), on_call=self._on_call()
        )
        scope[_OPENED] = self

    def _on_call(self) -> Any:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # On another loop than that of asyncio, the application notices a disconnect.
            return None
        # Without the context, which would keep the call alive.
        return functools.partial(loop.call_soon_threadsafe, self._read_ahead, context=copy_context())

    async def receive(self) -> _Scope:
        """Returns the next message."""
        while not self._read and self._reader is not None:
            await asyncio.wait([self._reader])
        if self._read:
            reader = self._read.popleft()
            self._count(-_size(reader))
            guarded(self._read_ahead)
            return reader.result()
        self._receiving += 1
        try:
            message = await self._receive()
            guarded(self._note, message)
        finally:
            self._receiving -= 1
            guarded(self._read_ahead)
        return message

    def _read_ahead(self) -> None:
        """Reads the next message, if there is a call that its client may leave."""
        is_idle = not (self._receiving or self._is_complete or self._has_left or self._reader)
        has_room = self._read_bytes < _MAX_READ_AHEAD and _READ_AHEAD.bytes < _MAX_ALL_READ_AHEAD
        if is_idle and has_room and self.request.has_calls:
            self._reader = asyncio.ensure_future(self._receive())
            self._reader.add_done_callback(functools.partial(guarded, self._on_read))

    def _on_read(self, reader: asyncio.Task[_Scope]) -> None:
        self._reader = None
        if reader.cancelled():
            return
        size = _size(reader)
        if self._is_closed:
            return
        self._read.append(reader)
        self._count(size)
        if reader.exception() is None:
            self._note(reader.result())
            self._read_ahead()

    def _count(self, size: int) -> None:
        self._read_bytes += size
        _READ_AHEAD.add(size)

    def _note(self, message: _Scope) -> None:
        if message["type"] in _DISCONNECTS:
            self.leave()

    async def send(self, message: _Scope) -> None:
        """Sends a message of the application."""
        kind = message["type"]
        if kind in _ENDS and not message.get("more_body"):
            self._is_complete = True
        elif kind == "http.response.start" and self.sends_id:
            message = guarded(self._with_id, message) or message
        try:
            await self._send(message)
        except Exception as error:
            if isinstance(error, OSError) or type(error).__name__ == "ClientDisconnect":
                guarded(self.leave)
            raise

    def _with_id(self, message: _Scope) -> _Scope:
        headers = list(message.get("headers", ()))
        if all(name.lower() != b"x-request-id" for name, _ in headers):
            headers.append((b"x-request-id", self.request.request_id.encode("latin-1", "replace")))
        return {**message, "headers": headers}

    def leave(self) -> None:
        """Abandons the calls of the request, whose client left before the response was complete."""
        if not self._is_complete:
            self._has_left = True
            self.request.end()

    def close(self) -> None:
        """Stops reading. Calls that started after the client left are abandoned, too."""
        self._is_complete = self._is_closed = True
        self.request.close()
        if self._reader is not None:
            self._reader.cancel()
        self._read.clear()
        self._count(-self._read_bytes)
        if self._has_left:
            self.request.end()


def _size(reader: asyncio.Task[_Scope]) -> int:
    if reader.exception() is not None:
        return 0
    message = reader.result()
    return _MESSAGE_SIZE + len(message.get("body") or message.get("bytes") or message.get("text") or b"")
