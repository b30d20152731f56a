"""Loggers of web servers, which do not propagate: their events are recorded once, also with a handler."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request

import pytest
from stored_events import events

APPLICATION = """
    import logging, os, sys
    import soundpost

    soundpost.init(service="web", listen=None, gpu=False, directory="state", logs="INFO")
    if "HANDLERS" in os.environ:
        for name in ("uvicorn", "gunicorn.error"):
            logging.getLogger(name).addHandler(soundpost.LogHandler())

    def answer(path):
        if path != "/":
            raise RuntimeError("CUDA out of memory")
        return b"stored" if soundpost.flush(10) else b"lost"

    async def application(scope, receive, send):
        body = answer(scope["path"])
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": body})

    def wsgi(environ, start_response):
        body = answer(environ["PATH_INFO"])
        start_response("200 OK", [])
        return [body]

    if __name__ == "__main__":
        import uvicorn

        uvicorn.run(application, fd=int(sys.argv[1]), lifespan="off")
"""


@pytest.mark.parametrize("handlers", [{}, {"HANDLERS": "1"}], ids=["init", "handlers"])
@pytest.mark.parametrize(
    ("command", "logger"),
    [
        (["-m", "uvicorn", "--lifespan", "off", "web:application", "--fd", "{}"], "uvicorn.error"),
        (["web.py", "{}"], "uvicorn.error"),
        (["-m", "gunicorn", "web:wsgi", "--bind", "fd://{}"], "gunicorn.error"),
    ],
)
def test_uncaught_exception_is_recorded_once(tmp_path, command, logger, handlers):
    (tmp_path / "web.py").write_text(textwrap.dedent(APPLICATION))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, *(part.format(listener.fileno()) for part in command)]
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        server = subprocess.Popen(
            command,
            cwd=tmp_path,
            pass_fds=[listener.fileno()],
            env={**os.environ, **handlers},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            with pytest.raises(urllib.error.HTTPError, match="500"):
                urllib.request.urlopen(url + "boom", timeout=30)
            assert urllib.request.urlopen(url, timeout=30).read() == b"stored"
        finally:
            server.terminate()
            _, said = server.communicate(timeout=30)
    (failed,) = (event for event in events(tmp_path / "state" / "web") if event["level"] == "error")
    assert failed["logger"] == logger, said
    assert (failed["fields"]["error_type"], failed["fields"]["error"]) == (
        "RuntimeError",
        "CUDA out of memory",
    )
