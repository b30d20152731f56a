"""gRPC: the RPCs of servers, sync and asyncio.

One line without the bootstrap::

    server = grpc.server(pool, interceptors=[ServerInterceptor()])  # grpc.aio: AioServerInterceptor
"""

from __future__ import annotations

import functools
import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any

from soundpost._threads import carry_calls
from soundpost.integrations._requests import guarded
from soundpost.integrations._rpc_handlers import with_rpc
from soundpost.integrations._table import Hook, Integration

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class ServerInterceptor:
    """Gives calls the id of their RPC, ends them with it, and records RPCs that fail without a call."""

    def __init__(self) -> None:
        guarded(carry_calls)

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        """Returns the handler of an RPC."""
        handler = continuation(details)
        return guarded(with_rpc, handler, details, waits=True) or handler


class AioServerInterceptor:
    """The same for servers of `grpc.aio`."""

    def __init__(self) -> None:
        guarded(carry_calls)
        import_module("grpc.aio").ServerInterceptor.register(type(self))

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
        """Returns the handler of an RPC."""
        handler = await continuation(details)
        return guarded(with_rpc, handler, details, waits=False) or handler


def _with_interceptor(interceptor: type, make: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function that makes a server, with the interceptor around the others."""
    signature = inspect.signature(make)

    def added(*args: Any, **kwargs: Any) -> inspect.BoundArguments:
        bound = signature.bind(*args, **kwargs)
        given = tuple(bound.arguments.get("interceptors") or ())
        if not any(isinstance(each, interceptor) for each in given):
            bound.arguments["interceptors"] = (interceptor(), *given)
        return bound

    @functools.wraps(make)
    def server(*args: Any, **kwargs: Any) -> Any:
        bound = guarded(added, *args, **kwargs)
        return make(*args, **kwargs) if bound is None else make(*bound.args, **bound.kwargs)

    return server


INTEGRATION = Integration(
    name="grpc",
    hooks=(
        Hook(
            target="grpc:server",
            wrap=functools.partial(_with_interceptor, ServerInterceptor),
            needs=("interceptors",),
        ),
        Hook(
            target="grpc.aio:server",
            wrap=functools.partial(_with_interceptor, AioServerInterceptor),
            needs=("interceptors",),
        ),
    ),
    starts=False,
)
