"""`soundpost.integrations.grpc`: the RPCs of real servers, sync and asyncio."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest

import soundpost
from soundpost.integrations.grpc import AioServerInterceptor, ServerInterceptor

pytestmark = pytest.mark.usefixtures("telemetry")
PATIENCE = 30
IDS = (("x-request-id", "mine"),)


@pytest.fixture
def service_name(name):
    return name.replace("_", ".")


@contextmanager
def served(service, handlers, threads=4, interceptors=(), **options):
    """Serves handlers by their names, and returns a channel."""
    with ThreadPoolExecutor(threads) as pool:
        server = grpc.server(pool, interceptors=[ServerInterceptor(), *interceptors], **options)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield channel
        finally:
            server.stop(None).wait(PATIENCE)


def serve_aio(service, handlers, use, interceptors=(), threads=1, **options):
    """Runs a coroutine function with the channel of an asyncio server."""

    async def run():
        pool = ThreadPoolExecutor(threads)
        interceptors_of_server = [AioServerInterceptor(), *interceptors]
        server = grpc.aio.server(pool, interceptors=interceptors_of_server, **options)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                await use(channel)
        finally:
            await server.stop(None)
            ended = asyncio.ensure_future(asyncio.to_thread(pool.shutdown))
            while not ended.done():
                # grpc leaves threads behind that wait for their responses to be taken.
                for task in asyncio.all_tasks():
                    if task.get_coro().__qualname__ == "Queue.put":
                        task.cancel()
                await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def calls_of(name, count=1):
    """Returns the calls of an operation once there are `count`."""
    for _ in range(1000):
        soundpost.flush(PATIENCE)
        calls = soundpost.read_calls(operation=name, order="oldest")
        if len(calls) >= count:
            return calls
    return calls


def handlers_of(engine):
    """Returns a handler of each kind."""

    def join(requests, _context):
        assert list(requests) == [b"a", b"b"]
        return b"".join(engine())

    def follow(requests, _context):
        for _ in requests:
            yield from engine()

    return {
        "unary_unary": grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"".join(engine())),
        "unary_stream": grpc.unary_stream_rpc_method_handler(lambda _request, _context: engine()),
        "stream_unary": grpc.stream_unary_rpc_method_handler(join),
        "stream_stream": grpc.stream_stream_rpc_method_handler(follow),
    }


def test_calls_have_the_id_of_their_rpc(engine, name, service_name):
    with served(service_name, handlers_of(engine)) as channel:

        def ask(kind, given):
            return getattr(channel, kind)(f"/{service_name}/{kind}")(given, metadata=IDS, timeout=PATIENCE)

        assert ask("unary_unary", b"a") == b"chunkchunk"
        assert list(ask("unary_stream", b"a")) == [b"chunk"] * 2
        assert ask("stream_unary", iter([b"a", b"b"])) == b"chunkchunk"
        assert list(ask("stream_stream", iter([b"a", b"b"]))) == [b"chunk"] * 4
    calls = calls_of(name, 5)
    assert [(call.outcome, call.request_id) for call in calls] == [("ok", "mine")] * 5
    assert {call.queue_ms is None for call in calls} == {False, True}
    assert soundpost.read_calls(operation=f"{service_name}/unary_unary") == []


@pytest.mark.parametrize(("timeout", "outcome"), [(None, "cancelled"), (0.5, "timeout")])
@pytest.mark.parametrize("kind", ["running", "suspended"])
def test_rpc_that_is_cancelled_ends_its_calls(name, service_name, timeout, outcome, kind):
    hold, kept = threading.Event(), []

    @soundpost.instrument(name)
    def synthesize():
        yield b"chunk"
        if kind == "running":
            hold.wait(PATIENCE)
        yield b"late"

    def speak(_request, _context):
        kept.append(synthesize())
        yield next(kept[0])
        if kind == "suspended":
            hold.wait(PATIENCE)
        yield from kept[0]

    gc.disable()
    try:
        handlers = {"speak": grpc.unary_stream_rpc_method_handler(speak)}
        with served(service_name, handlers) as channel:
            responses = channel.unary_stream(f"/{service_name}/speak")(b"", timeout=timeout)
            assert next(responses) == b"chunk"
            if timeout is None:
                responses.cancel()
            try:
                assert [call.outcome for call in calls_of(name)] == [outcome]
            finally:
                hold.set()
    finally:
        gc.enable()
    assert [call.outcome for call in calls_of(name)] == [outcome]
    assert soundpost.read_calls(operation=f"{service_name}/speak") == []


def test_rpcs_that_fail_without_calls_are_recorded(name, service_name):
    def fail(request, context):
        if request == b"raise":
            raise ValueError("broken")
        if request == b"set":
            context.set_code(grpc.StatusCode.UNAVAILABLE)
            return b""
        if request != b"ok":
            context.abort(getattr(grpc.StatusCode, request.decode()), "refused")
        return b""

    with served(service_name, {"fail": grpc.unary_unary_rpc_method_handler(fail)}) as channel:
        ask = channel.unary_unary(f"/{service_name}/fail")
        for each in (b"INVALID_ARGUMENT", b"RESOURCE_EXHAUSTED", b"raise", b"set"):
            with pytest.raises(grpc.RpcError):
                ask(each, metadata=IDS, timeout=PATIENCE)
        ask(b"ok", timeout=PATIENCE)
    calls = calls_of(f"{service_name}/fail", 4)
    assert [(call.outcome, call.error_type) for call in calls] == [
        ("invalid", "INVALID_ARGUMENT"),
        ("error", "RESOURCE_EXHAUSTED"),
        ("error", "UNKNOWN"),
        ("error", "UNAVAILABLE"),
    ]
    assert (calls[0].error, calls[0].request_id) == ("refused", "mine")


def test_cancelled_rpc_without_calls_is_recorded(service_name):
    hold, started = threading.Event(), threading.Event()

    def wait(_request, _context):
        started.set()
        hold.wait(PATIENCE)
        return b""

    with served(service_name, {"wait": grpc.unary_unary_rpc_method_handler(wait)}) as channel:
        future = channel.unary_unary(f"/{service_name}/wait").future(b"")
        assert started.wait(PATIENCE)
        future.cancel()
        ended = threading.Event()
        future.add_done_callback(lambda _future: ended.set())
        assert ended.wait(PATIENCE)
        # Its cancellation reaches the server before an RPC that follows it.
        channel.unary_unary(f"/{service_name}/other").future(b"").exception(PATIENCE)
        hold.set()
        (call,) = calls_of(f"{service_name}/wait")
    assert (call.outcome, call.error_type) == ("cancelled", "CANCELLED")


def test_rpcs_that_find_no_thread_are_recorded(service_name):
    hold, started, arrived = threading.Event(), threading.Event(), threading.Event()

    class Arrivals(grpc.ServerInterceptor):
        def intercept_service(self, continuation, details):
            if ("x-request-id", "queued") in details.invocation_metadata:
                arrived.set()
            return continuation(details)

    def wait(_request, _context):
        started.set()
        hold.wait(PATIENCE)
        return b""

    handlers, interceptors = {"wait": grpc.unary_unary_rpc_method_handler(wait)}, [Arrivals()]
    options = {"threads": 1, "maximum_concurrent_rpcs": 2, "interceptors": interceptors}
    with served(service_name, handlers, **options) as channel:
        ask = channel.unary_unary(f"/{service_name}/wait")
        first = ask.future(b"")
        assert started.wait(PATIENCE)
        queued = ask.future(b"", metadata=(("x-request-id", "queued"),))
        assert arrived.wait(PATIENCE)
        with pytest.raises(grpc.RpcError, match="limit exceeded"):
            ask(b"", metadata=IDS, timeout=PATIENCE)
        (refused,) = calls_of(f"{service_name}/wait")
        assert (refused.outcome, refused.error_type) == ("error", "RESOURCE_EXHAUSTED")
        assert refused.request_id == "mine"
        queued.cancel()
        channel.unary_unary(f"/{service_name}/other").future(b"").exception(PATIENCE)
        hold.set()
        assert first.result(PATIENCE) == b""
        left = calls_of(f"{service_name}/wait", 2)[1]
    assert (left.outcome, left.request_id) == ("cancelled", "queued")


def test_unknown_methods_are_no_operations(service_name):
    with served(service_name, {}) as channel, pytest.raises(grpc.RpcError):
        channel.unary_unary(f"/{service_name}/none")(b"", timeout=PATIENCE)
    soundpost.flush(PATIENCE)
    assert soundpost.read_calls(operation=f"{service_name}/none") == []


def test_aio_calls_have_the_id_of_their_rpc(engine, name, service_name):
    async def whole(_request, _context):
        return b"".join(engine())

    async def parts(_request, _context):
        for chunk in engine():
            yield chunk

    async def written(_request, context):
        for chunk in engine():
            await context.write(chunk)

    handlers = {
        "whole": grpc.unary_unary_rpc_method_handler(whole),
        "sync": grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"".join(engine())),
        "parts": grpc.unary_stream_rpc_method_handler(parts),
        "written": grpc.unary_stream_rpc_method_handler(written),
        "sync_parts": grpc.unary_stream_rpc_method_handler(lambda _request, _context: engine()),
    }

    async def use(channel):
        for kind in ("whole", "sync"):
            assert await channel.unary_unary(f"/{service_name}/{kind}")(b"", metadata=IDS) == b"chunkchunk"
        for kind in ("parts", "written", "sync_parts"):
            responses = channel.unary_stream(f"/{service_name}/{kind}")(b"", metadata=IDS)
            assert [response async for response in responses] == [b"chunk"] * 2

    serve_aio(service_name, handlers, use)
    assert [(call.outcome, call.request_id) for call in calls_of(name, 5)] == [("ok", "mine")] * 5


@pytest.mark.parametrize(("timeout", "outcome"), [(None, "cancelled"), (0.5, "timeout")])
def test_aio_rpc_that_is_cancelled_ends_its_calls(name, service_name, timeout, outcome):
    kept = []

    @soundpost.instrument(name)
    def synthesize():
        yield b"chunk"
        yield b"late"

    @soundpost.instrument(name)
    async def wait():
        await asyncio.Event().wait()

    async def speak(_request, _context):
        kept.append(synthesize())
        yield next(kept[0])
        await wait()

    async def use(channel):
        responses = channel.unary_stream(f"/{service_name}/speak")(b"", timeout=timeout)
        assert await responses.read() == b"chunk"
        if timeout is None:
            responses.cancel()
        calls = await asyncio.to_thread(calls_of, name, 2)
        assert [call.outcome for call in calls] == [outcome] * 2

    gc.disable()
    try:
        serve_aio(service_name, {"speak": grpc.unary_stream_rpc_method_handler(speak)}, use)
    finally:
        gc.enable()


def test_aio_rpcs_that_fail_without_calls_are_recorded(service_name):
    hold = asyncio.Event()

    async def fail(request, context):
        if request == b"raise":
            raise ValueError("broken")
        if request == b"abort":
            await context.abort(grpc.StatusCode.NOT_FOUND, "no voice")
        await hold.wait()
        return b""

    async def use(channel):
        ask = channel.unary_unary(f"/{service_name}/fail")
        codes = []

        async def failed(request):
            try:
                await ask(request)
            except grpc.aio.AioRpcError as error:
                codes.append(error.code().name)

        await failed(b"raise")
        await failed(b"abort")
        waiting = asyncio.ensure_future(ask(b"wait"))
        while codes[-1] != "RESOURCE_EXHAUSTED":
            await failed(b"raise")
        hold.set()
        assert await waiting == b""
        assert codes[:2] == ["UNKNOWN", "NOT_FOUND"]

    handlers = {"fail": grpc.unary_unary_rpc_method_handler(fail)}
    serve_aio(service_name, handlers, use, maximum_concurrent_rpcs=1)
    calls = calls_of(f"{service_name}/fail", 3)
    assert [(call.outcome, call.error_type) for call in calls[:2]] == [
        ("error", "UNKNOWN"),
        ("invalid", "NOT_FOUND"),
    ]
    assert (calls[1].error, calls[-1].error_type) == ("no voice", "RESOURCE_EXHAUSTED")


@pytest.mark.parametrize(("timeout", "outcome"), [(None, "cancelled"), (0.5, "timeout")])
@pytest.mark.parametrize("kind", ["unary", "running", "suspended"])
def test_aio_end_of_a_sync_handler_ends_its_calls(name, service_name, timeout, outcome, kind):
    hold, started = threading.Event(), threading.Event()

    @soundpost.instrument(name)
    def synthesize():
        yield b"chunk"
        started.set()
        if kind == "running":
            hold.wait(PATIENCE)
        # More than a client that reads nothing takes.
        for _ in range(100):
            yield bytes(100_000)

    @soundpost.instrument(name)
    def whole():
        started.set()
        hold.wait(PATIENCE)
        return b"all"

    handlers = {
        "parts": grpc.unary_stream_rpc_method_handler(lambda _request, _context: synthesize()),
        "whole": grpc.unary_unary_rpc_method_handler(lambda _request, _context: whole()),
    }

    async def use(channel):
        if kind == "unary":
            responses = channel.unary_unary(f"/{service_name}/whole")(b"", timeout=timeout)
        else:
            responses = channel.unary_stream(f"/{service_name}/parts")(b"", timeout=timeout)
            assert await responses.read() == b"chunk"
        assert await asyncio.to_thread(started.wait, PATIENCE)
        if timeout is None:
            responses.cancel()
        try:
            calls = await asyncio.to_thread(calls_of, name)
            assert [call.outcome for call in calls] == [outcome]
        finally:
            hold.set()

    serve_aio(service_name, handlers, use, threads=2)
    assert [call.outcome for call in calls_of(name)] == [outcome]
    for handler in handlers:
        assert soundpost.read_calls(operation=f"{service_name}/{handler}") == []


def test_aio_sync_rpcs_that_fail_are_recorded(service_name):
    def fail(request, context):
        if request == b"raise":
            raise ValueError("broken")
        if request == b"abort":
            context.abort(grpc.StatusCode.NOT_FOUND, "no voice")
        if request == b"set":
            context.set_details("busy")
            context.set_code(grpc.StatusCode.UNAVAILABLE)
        return b""

    def parts(request, context):
        yield fail(request, context)

    async def use(channel):
        ask = channel.unary_unary(f"/{service_name}/fail")
        follow = channel.unary_stream(f"/{service_name}/parts")
        for request in (b"raise", b"abort", b"set"):
            with pytest.raises(grpc.aio.AioRpcError):
                await ask(request, metadata=IDS)
            with pytest.raises(grpc.aio.AioRpcError):
                assert [each async for each in follow(request, metadata=IDS)] == [b""]
        assert await ask(b"ok") == b""
        assert [each async for each in follow(b"ok")] == [b""]

    handlers = {
        "fail": grpc.unary_unary_rpc_method_handler(fail),
        "parts": grpc.unary_stream_rpc_method_handler(parts),
    }
    serve_aio(service_name, handlers, use)
    for handler in handlers:
        calls = calls_of(f"{service_name}/{handler}", 3)
        assert [(call.outcome, call.error_type, call.error) for call in calls] == [
            ("error", "UNKNOWN", None),
            ("invalid", "NOT_FOUND", "no voice"),
            ("error", "UNAVAILABLE", "busy"),
        ]
        assert {call.request_id for call in calls} == {"mine"}


def test_aio_sync_rpcs_that_clients_cancel_are_recorded(service_name):
    def parts(_request, _context):
        for _ in range(100):
            yield bytes(100_000)

    def whole(_request, _context):
        pytest.fail("The only thread is taken.")

    arrived = asyncio.Event()

    class Arrivals(grpc.aio.ServerInterceptor):
        async def intercept_service(self, continuation, details):
            if details.method.endswith("whole"):
                arrived.set()
            return await continuation(details)

    async def use(channel):
        first = channel.unary_stream(f"/{service_name}/parts")(b"")
        assert await first.read() == bytes(100_000)
        queued = channel.unary_unary(f"/{service_name}/whole")(b"")
        await arrived.wait()
        for each, kind in ((queued, "whole"), (first, "parts")):
            each.cancel()
            if kind == "whole" and sys.version_info < (3, 11):
                continue  # Its tasks do not expose that they were cancelled.
            calls = await asyncio.to_thread(calls_of, f"{service_name}/{kind}")
            assert [(call.outcome, call.error_type) for call in calls] == [("cancelled", "CANCELLED")]

    handlers = {
        "parts": grpc.unary_stream_rpc_method_handler(parts),
        "whole": grpc.unary_unary_rpc_method_handler(whole),
    }
    serve_aio(service_name, handlers, use, interceptors=[Arrivals()])


def test_bootstrap_adds_the_interceptors(service):
    calls, _ = service(
        """
        from concurrent.futures import ThreadPoolExecutor
        import grpc
        from cosyvoice.cli.cosyvoice import CosyVoice

        def speak(request, context):
            for part in CosyVoice().inference_sft("ab", "anna"):
                yield b"chunk"

        handlers = {"speak": grpc.unary_stream_rpc_method_handler(speak)}
        server = grpc.server(ThreadPoolExecutor(1))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tts", handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            responses = channel.unary_stream("/tts/speak")(b"", metadata=(("x-request-id", "mine"),))
            assert list(responses) == [b"chunk"]
        server.stop(None).wait()
        assert grpc.aio.server._soundpost_hook
        """
    )
    assert [(call.outcome, call.request_id) for call in calls] == [("ok", "mine")]
