"""`soundpost.integrations.asgi`: the calls of HTTP requests and web sockets, under a real server."""

from __future__ import annotations

import asyncio
import gc
import http.client
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse

import soundpost
from soundpost.integrations import asgi
from soundpost.integrations.asgi import SoundpostMiddleware, instrument_fastapi

pytestmark = pytest.mark.usefixtures("telemetry")
PATIENCE = 30


@contextmanager
def served(app, **options):
    """Serves an application on a free port, which it returns."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, **options))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listener.close()
    assert not thread.is_alive()


def ask(port, path="/", **headers):
    """Returns the response, and its body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request(
        "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


@contextmanager
def left_after_one_chunk(port, path="/", when=None):
    """Reads the first chunk of a response, and leaves when the event is set."""
    client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nX-Request-ID: gone\r\n\r\n".encode())
    received = b""
    while b"chunk" not in received:
        received += client.recv(1000)
    assert when is None or when.wait(PATIENCE)
    client.close()
    yield


def calls_of(name, count=1, within=PATIENCE):
    """Returns the calls of an operation once there are `count`, within a time in seconds."""
    deadline = time.monotonic() + within
    while True:
        soundpost.flush(PATIENCE)
        calls = soundpost.read_calls(operation=name, order="oldest", limit=1000)
        if len(calls) >= count or time.monotonic() > deadline:
            return calls


def application(get, **options):
    app = FastAPI(**options)
    app.get("/")(get)
    return instrument_fastapi(app)


def sync_body(engine):
    return lambda: StreamingResponse(engine())


def async_body(engine):
    async def body():
        for chunk in engine():
            yield chunk

    async def get():
        return StreamingResponse(body())

    return get


def whole(engine):
    return lambda: PlainTextResponse(b"".join(engine()))


def in_executor(engine):
    async def get():
        whole = await asyncio.get_running_loop().run_in_executor(None, lambda: b"".join(engine()))
        return PlainTextResponse(whole)

    return get


def in_thread(engine):
    def get():
        thread = threading.Thread(target=lambda: list(engine()))
        thread.start()
        thread.join()
        return PlainTextResponse("")

    return get


@pytest.mark.parametrize("kind", [sync_body, async_body, whole, in_executor, in_thread])
def test_calls_of_requests_have_their_ids(engine, name, kind):
    with served(application(kind(engine))) as port, ThreadPoolExecutor(8) as clients:
        ids = [f"request-{number}" for number in range(8)]
        responses = list(clients.map(lambda each: ask(port, X_Request_ID=each)[0], ids))
    assert {response.status for response in responses} == {200}
    assert {response.headers["x-request-id"] for response in responses} == {None}
    calls = calls_of(name, 8)
    assert sorted(call.request_id for call in calls) == ids
    assert {(call.outcome, call.chunks) for call in calls} == {("ok", 2)}


def test_id_is_of_traceparent_or_generated(engine, name):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with served(application(whole(engine))) as port:
        ask(port, traceparent=f"00-{trace}-00f067aa0ba902b7-01")
        ask(
            port,
            X_Request_ID=" ",
            X_Correlation_ID="correlated",
            traceparent=f"00-{trace}-00f067aa0ba902b7-01",
        )
        ask(port, traceparent="00-0-0-0")
    first, second, third = calls_of(name, 3)
    assert (first.request_id, second.request_id) == (trace, "correlated")
    assert len(third.request_id) == 32


def test_own_id_of_a_call_takes_precedence(name):
    @soundpost.instrument(name, request_id="own")
    def work(own):
        pass

    def get():
        for own in ("own", None, " "):
            work(own)

    with served(application(get)) as port:
        ask(port, X_Request_ID="request")
    assert [call.request_id for call in calls_of(name, 3)] == ["own", "request", "request"]


def test_requests_of_one_connection_stay_apart(engine, name):
    with served(application(whole(engine))) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            request = "GET / HTTP/1.1\r\nHost: a\r\nX-Request-ID: {}\r\n{}\r\n"
            ids = [f"piped-{number}" for number in range(4)]
            last = [""] * 3 + ["Connection: close\r\n"]
            client.sendall("".join(map(request.format, ids, last)).encode())
            received = b""
            while part := client.recv(10_000):
                received += part
        assert received.count(b"HTTP/1.1 200") == 4
    assert [call.request_id for call in calls_of(name, 4)] == ids


def test_response_has_the_id_if_asked_for(engine):
    app = FastAPI()
    app.get("/")(whole(engine))
    app.get("/own")(lambda: PlainTextResponse("", headers={"X-Request-ID": "own"}))
    app.add_middleware(SoundpostMiddleware, send_request_id=True)
    with served(app) as port:
        assert ask(port, X_Request_ID="mine")[0].headers.get_all("X-Request-ID") == ["mine"]
        assert ask(port, "/own")[0].headers.get_all("X-Request-ID") == ["own"]


def test_logs_of_a_request_have_its_id_around_the_call(engine, logger, recorded):
    def body():
        logger.info("before")
        for chunk in engine():
            logger.info("between")
            yield chunk
        logger.info("after")

    with served(application(lambda: StreamingResponse(body()))) as port:
        ask(port, X_Request_ID="logged")
    logger.info("outside")
    events = recorded()
    assert [event["message"] for event in events] == ["before", "between", "between", "after", "outside"]
    assert [event["request_id"] for event in events] == [*["logged"] * 4, ""]


@pytest.mark.parametrize(
    ("header", "unit", "form"),
    [
        ("X-Request-Start", 1, "t={:.3f}"),
        ("X-Request-Start", 1e3, "{:.0f}"),
        ("X-Queue-Start", 1e6, "t={:.0f}"),
        ("X-Queue-Start", 1e9, "{:.0f}"),
        ("X-Request-Start", 1, "t={:.3f}s"),
        ("X-Request-Start", 1e3, "t={:.0f}ms"),
        ("X-Request-Start", 1e6, "{:.0f} us"),
        ("X-Request-Start", 1e9, " T = {:.0f} NS "),
        ("X-Request-Start", 1, "t = {:.3f}"),
        ("X-Request-Start", 1, "t={0:.3f}, t={0:.3f}9"),
        ("X-Request-Start", 1e3, "-, t={:.0f}, t=1"),
    ],
)
def test_time_in_the_queue_is_of_the_first_call(engine, name, header, unit, form):
    def get():
        list(engine())
        list(engine())

    with served(application(get)) as port:
        ask(port, **{header: form.format((time.time() - 5) * unit)})
    first, second = calls_of(name, 2)
    assert 4_990 <= first.queue_ms < 6_000 + 1_000 * PATIENCE
    assert second.queue_ms is None


@pytest.mark.parametrize(
    "text", ["", "now", "t=", "nan", "inf", "-1", "0", "t=9999999999", "1e300", "9e999s", ",", "t=1m"]
)
def test_unusable_queue_start_leaves_the_time_out(engine, name, text):
    with served(application(whole(engine))) as port:
        ask(port, X_Request_Start=text)
    (call,) = calls_of(name)
    assert call.queue_ms is None


@pytest.mark.parametrize("is_running", [True, False], ids=["running", "suspended"])
@pytest.mark.parametrize("http", ["h11", "auto"])
def test_client_that_leaves_abandons_the_call_at_once(name, http, is_running):
    hold, resumed, ended = threading.Event(), threading.Event(), threading.Event()
    kept = []

    def wait():
        resumed.set()
        hold.wait(PATIENCE)

    @soundpost.instrument(name)
    def synthesize():
        yield b"chunk"
        if is_running:
            wait()
        nested()
        yield b"late"

    @soundpost.instrument(name)
    @soundpost.stage("late")
    def nested():
        pass

    def body():
        kept.append(synthesize())
        try:
            yield next(kept[0])
            if not is_running:
                wait()
            kept.append(next(kept[0]))
        finally:
            ended.set()

    gc.disable()
    try:
        with served(application(lambda: StreamingResponse(body())), http=http) as port:
            try:
                with left_after_one_chunk(port, when=resumed):
                    calls = calls_of(name, within=1)
                    assert [(call.outcome, call.request_id) for call in calls] == [("abandoned", "gone")]
            finally:
                hold.set()
            assert ended.wait(PATIENCE)
        assert kept[1] == b"late"
    finally:
        gc.enable()
    kept.clear()
    (call,) = calls_of(name)
    assert (call.chunks, call.stages) == (1, {})


def test_client_that_leaves_a_suspended_body_abandons(engine, name):
    kept = []

    def get():
        kept.append(engine(10**9))
        return StreamingResponse(kept[0])

    gc.disable()
    try:
        with served(application(get)) as port, left_after_one_chunk(port):
            assert [call.outcome for call in calls_of(name, within=1)] == ["abandoned"]
    finally:
        gc.enable()


@pytest.mark.parametrize("is_around", [True, False])
def test_middleware_with_a_task_of_its_own_hides_no_disconnect(engine, name, is_around):
    app = FastAPI()

    async def get(request: Request):
        await request.body()
        return StreamingResponse(kept[0])

    async def passed(request, call_next):
        return await call_next(request)

    app.post("/")(get)
    app.get("/")(get)
    if is_around:
        instrument_fastapi(app)
        app.middleware("http")(passed)
    else:
        app.middleware("http")(passed)
        instrument_fastapi(app)
    gc.disable()
    try:
        kept = [engine()]
        with served(app) as port:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            connection.request("POST", "/", body=b"a" * 100_000)
            assert connection.getresponse().read() == b"chunkchunk"
            connection.close()
            kept.append(kept[0])
            kept[0] = engine(10**9)
            with left_after_one_chunk(port):
                calls = calls_of(name, 2, within=1)
                assert [call.outcome for call in calls] == ["ok", "abandoned"]
    finally:
        gc.enable()


def test_application_that_polls_for_a_disconnect_gets_it(engine, name):
    left = threading.Event()

    async def get(request: Request):
        async def body():
            yield next(generator)
            while not await request.is_disconnected():
                await asyncio.sleep(0)
            left.set()

        return StreamingResponse(body())

    gc.disable()
    try:
        generator = engine()
        # Without the task of older servers that waits for a disconnect beside the response.
        app = application(get)

        async def newer(scope, receive, send):
            await app({**scope, "asgi": {"version": "3.0", "spec_version": "2.4"}}, receive, send)

        with served(newer, lifespan="off") as port, left_after_one_chunk(port):
            assert left.wait(PATIENCE)
            assert [call.outcome for call in calls_of(name)] == ["abandoned"]
    finally:
        gc.enable()


def test_client_that_leaves_before_a_whole_response_abandons(name):
    hold, started = threading.Event(), threading.Event()

    @soundpost.instrument(name)
    def synthesize():
        started.set()
        hold.wait(PATIENCE)
        return b"all"

    with served(application(lambda: PlainTextResponse(synthesize()))) as port:
        try:
            client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert started.wait(PATIENCE)
            client.close()
            assert [call.outcome for call in calls_of(name, within=1)] == ["abandoned"]
        finally:
            hold.set()
    assert len(calls_of(name)) == 1


@pytest.mark.parametrize("http", ["h11", "auto"])
def test_client_that_leaves_behind_an_unread_body_abandons(name, http):
    started, ended = threading.Event(), threading.Event()

    @soundpost.instrument(name)
    async def synthesize():
        started.set()
        while not ended.is_set():
            await asyncio.sleep(0.001)

    async def post(_request: Request):
        await synthesize()

    app = FastAPI()
    app.post("/")(post)
    size = 2_000_000
    with served(instrument_fastapi(app), http=http) as port:
        try:
            client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            client.sendall(f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode())
            client.sendall(bytes(size))
            assert started.wait(PATIENCE)
            client.close()
            assert [call.outcome for call in calls_of(name, within=1)] == ["abandoned"]
        finally:
            ended.set()
    assert asgi._READ_AHEAD.bytes == 0


def test_body_is_read_ahead_within_its_bounds(engine):
    part, reads, ended = 1 << 20, [], []

    async def app(scope, receive, send):
        generator = engine()
        next(generator)
        ended.append(generator)
        while len(ended) < 10:
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)

    async def receive():
        reads.append(part)
        return {"type": "http.request", "body": bytes(part), "more_body": True}

    async def run():
        wrapped = SoundpostMiddleware(app)
        await asyncio.gather(*(wrapped({"type": "http", "headers": []}, receive, None) for _ in range(10)))

    asyncio.run(run())
    assert 60 * part < sum(reads) <= asgi._MAX_ALL_READ_AHEAD + 10 * part
    assert asgi._READ_AHEAD.bytes == 0


def test_call_that_starts_after_the_client_left_is_abandoned(name):
    hold, resumed, kept = threading.Event(), threading.Event(), []

    @soundpost.instrument(name)
    def synthesize():
        yield b"chunk"
        yield b"late"

    def body():
        first, second = synthesize(), synthesize()
        kept.extend([first, second])
        yield next(first)
        resumed.set()
        hold.wait(PATIENCE)
        yield next(second)

    app = application(lambda: StreamingResponse(body()))
    with served(app) as port, left_after_one_chunk(port, when=resumed):
        assert [call.outcome for call in calls_of(name, within=1)] == ["abandoned"]
        hold.set()
        assert [call.outcome for call in calls_of(name, 2)] == ["abandoned", "abandoned"]


def test_background_task_outlives_its_client(engine, name):
    hold = threading.Event()

    def task():
        for _ in engine():
            hold.wait(PATIENCE)

    app = application(lambda: PlainTextResponse("chunk", background=BackgroundTask(task)))
    with served(app) as port, left_after_one_chunk(port):
        hold.set()
        assert [(call.outcome, call.request_id) for call in calls_of(name)] == [("ok", "gone")]


def test_exception_of_the_application_is_its_own(name):
    @soundpost.instrument(name)
    def synthesize():
        raise ValueError("no voice")

    app = application(synthesize)
    with served(app) as port:
        assert ask(port)[0].status == 500
        assert ask(port, X_Request_ID="second")[0].status == 500
    assert [(call.outcome, call.error_type) for call in calls_of(name, 2)] == [("error", "ValueError")] * 2


def test_body_reaches_the_application_while_it_is_watched(engine, name):
    parts, started = [], threading.Event()

    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        generator = engine()
        next(generator)
        started.set()
        while (message := await receive())["more_body"]:
            parts.append(message["body"])
        parts.append(message["body"])
        list(generator)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with served(SoundpostMiddleware(app), lifespan="off") as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        sent = [bytes([number % 256]) * 10_000 for number in range(100)]

        def body():
            yield sent[0]
            assert started.wait(PATIENCE)
            yield from sent[1:]

        connection.request("POST", "/", body=body())
        assert connection.getresponse().status == 200
        connection.close()
    assert b"".join(parts) == b"".join(sent)
    assert [call.outcome for call in calls_of(name)] == ["ok"]


def run_bare(app, messages=(), scope=None, send=None):
    """Runs an ASGI application without a server."""

    async def run():
        left = list(messages)

        async def receive():
            return left.pop(0) if left else await asyncio.Event().wait()

        async def ignore(_message):
            pass

        await app(scope or {"type": "http", "headers": []}, receive, send or ignore)

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_disconnect_that_nobody_receives_abandons(engine, name, kind):
    ended = threading.Event()

    async def app(scope, receive, send):
        generator = engine()
        next(generator)
        while not (calls := calls_of(name, within=0)):
            await asyncio.sleep(0)
        assert [call.outcome for call in calls] == ["abandoned"]
        assert (await receive())["type"] == f"{kind}.disconnect"
        assert next(generator) == b"chunk"
        ended.set()

    run_bare(SoundpostMiddleware(app), [{"type": f"{kind}.disconnect"}], {"type": kind, "headers": []})
    assert ended.is_set()


@pytest.mark.parametrize(
    "error", [OSError("gone"), asyncio.CancelledError()], ids=["failure", "cancellation"]
)
def test_send_that_fails_abandons(engine, name, error):
    async def send(_message):
        raise error

    kept = []

    async def app(scope, receive, send):
        kept.append(engine())
        next(kept[0])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    with pytest.raises(type(error)):
        run_bare(SoundpostMiddleware(app), send=send)
    assert [call.outcome for call in calls_of(name)] == ["abandoned"]


def test_receive_that_fails_fails_in_the_application(engine):
    async def app(scope, receive, send):
        generator = engine()
        next(generator)
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="broken"):
            await receive()

    async def receive():
        raise RuntimeError("broken")

    asyncio.run(SoundpostMiddleware(app)({"type": "http", "headers": []}, receive, None))


@pytest.mark.parametrize("headers", [None, [(1, 2)], [("x-request-id", "text")]])
def test_unusable_scope_reaches_the_application(lenient, headers):
    got = []

    async def app(scope, receive, send):
        got.append(scope)

    scope = {"type": "http"} if headers is None else {"type": "http", "headers": headers}
    asyncio.run(SoundpostMiddleware(app)(scope, None, None))
    assert got == [scope]


def test_lifespan_passes_through():
    got = []

    async def app(*arguments):
        got.append(arguments)

    given = ({"type": "lifespan"}, object(), object())
    asyncio.run(SoundpostMiddleware(app)(*given))
    assert got == [given]


def test_nothing_of_a_request_is_kept_alive(name):
    import weakref

    references = []

    class Text(str):
        pass

    @soundpost.instrument(name)
    def synthesize(text):
        yield b"chunk"

    async def app(scope, receive, send):
        text = Text("a")
        generator = synthesize(text)
        next(generator)
        references.extend(map(weakref.ref, (text, generator, soundpost.current_call() or text)))
        await asyncio.sleep(0)

    gc.disable()
    try:
        run_bare(SoundpostMiddleware(app))
        assert [reference() for reference in references] == [None] * 3
    finally:
        gc.enable()


BOOTSTRAPPED = """
    import asyncio
    from {module} import {cls} as Application
    from cosyvoice.cli.cosyvoice import CosyVoice
    from starlette.responses import PlainTextResponse

    def get(_request):
        list(CosyVoice().inference_sft("ab", "anna"))
        return PlainTextResponse("")

    inner, app, sent = Application(), Application(), []
    inner.add_route("/tts", get)
    app.mount("/inner", inner)
    {line}

    async def send(message):
        sent.append(message)

    headers = [(b"x-request-id", b"mine")]
    scope = {{"type": "http", "method": "GET", "path": "/inner/tts", "root_path": "", "headers": headers}}
    asyncio.run(app({{**scope, "query_string": b"", "app": app}}, None, send))
    print(sent[0]["status"], sent[0]["headers"].count((b"x-request-id", b"mine")))
"""
EXPLICIT = "from soundpost.integrations.asgi import instrument_fastapi as add; add(app, send_request_id=True)"


@pytest.mark.parametrize(("module", "cls"), [("fastapi", "FastAPI"), ("starlette.applications", "Starlette")])
@pytest.mark.parametrize("line", ["", EXPLICIT], ids=["alone", "explicit"])
def test_bootstrap_adds_the_middleware(service, module, cls, line):
    calls, ran = service(BOOTSTRAPPED.format(module=module, cls=cls, line=line))
    assert [(call.outcome, call.request_id) for call in calls] == [("ok", "mine")]
    assert ran.stdout == f"200 {int(bool(line))}\n"


def test_framework_alone_starts_no_telemetry(service):
    _, ran = service("import fastapi, soundpost._init; print(soundpost._init.telemetry())")
    assert (ran.stdout, ran.stderr) == ("None\n", "")
