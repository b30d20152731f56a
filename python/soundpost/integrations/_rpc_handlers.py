"""Handlers of remote procedure calls whose calls belong to the RPC. Each keeps the kind of its function."""

from __future__ import annotations

import functools
import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any

from soundpost.integrations._requests import guarded
from soundpost.integrations._rpc import Rpc

if TYPE_CHECKING:
    from collections.abc import Callable

    _Behaviour = Callable[..., Any]


def with_rpc(handler: Any, details: Any, *, waits: bool) -> Any:
    """Returns a handler that makes its calls part of an RPC; None for an unknown method."""
    if handler is None:
        return None
    sides = (handler.request_streaming, handler.response_streaming)
    kind = "_".join("stream" if streams else "unary" for streams in sides)
    behaviour = getattr(handler, kind)
    rpc = Rpc(details.method, details.invocation_metadata, waits=waits)
    wrapped = functools.wraps(behaviour)(_wrapper(behaviour, handler.response_streaming)(behaviour, rpc))
    make = getattr(import_module("grpc"), f"{kind}_rpc_method_handler")
    return make(wrapped, handler.request_deserializer, handler.response_serializer)


def _wrapper(behaviour: _Behaviour, streams: bool) -> Callable[[_Behaviour, Rpc], _Behaviour]:
    if inspect.isasyncgenfunction(behaviour):
        return _async_generator
    if inspect.iscoroutinefunction(behaviour):
        return _coroutine
    return _iterator if streams and not getattr(behaviour, "experimental_non_blocking", False) else _function


def _function(behaviour: _Behaviour, rpc: Rpc) -> _Behaviour:
    def call(argument: Any, context: Any, *more: Any) -> Any:
        context = guarded(rpc.begin, context) or context
        with rpc.running():
            result = behaviour(argument, context, *more)
        rpc.finish()
        return result

    return call


def _coroutine(behaviour: _Behaviour, rpc: Rpc) -> _Behaviour:
    async def call(argument: Any, context: Any) -> Any:
        guarded(rpc.begin, context)
        with rpc.running():
            result = await behaviour(argument, context)
        rpc.finish()
        return result

    return call


def _iterator(behaviour: _Behaviour, rpc: Rpc) -> _Behaviour:
    def follow(responses: Any) -> Any:
        while True:
            with rpc.running():
                try:
                    response = next(responses)
                except StopIteration:
                    break
            rpc.suspend()
            try:
                yield response
            except GeneratorExit:
                guarded(rpc.leave)
                break
        rpc.finish()

    def call(argument: Any, context: Any) -> Any:
        context = guarded(rpc.begin, context) or context
        with rpc.running():
            return follow(behaviour(argument, context))

    return call


def _async_generator(behaviour: _Behaviour, rpc: Rpc) -> _Behaviour:
    async def call(argument: Any, context: Any) -> Any:
        guarded(rpc.begin, context)
        responses = behaviour(argument, context)
        while True:
            with rpc.running():
                try:
                    response = await responses.__anext__()
                except StopAsyncIteration:
                    break
            try:
                yield response
            except GeneratorExit:
                guarded(rpc.leave)
                await responses.aclose()
                break
        rpc.finish()

    return call
