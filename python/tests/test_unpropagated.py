"""Unpropagated loggers: those of web servers are recorded as in the guide, others are named."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request

import pytest
from stored_events import events

APPLICATION = """
    import logging, sys
    import soundpost

    soundpost.init(service="web", listen=None, gpu=False, directory="state", logs="INFO")
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
        from uvicorn.config import LOGGING_CONFIG

        LOGGING_CONFIG["handlers"]["soundpost"] = {"class": "soundpost.LogHandler"}
        LOGGING_CONFIG["loggers"]["uvicorn"]["handlers"].append("soundpost")
        uvicorn.run(application, fd=int(sys.argv[1]), lifespan="off")
"""


@pytest.mark.parametrize(
    ("command", "logger"),
    [
        (["-m", "uvicorn", "--lifespan", "off", "web:application", "--fd", "{}"], "uvicorn.error"),
        (["web.py", "{}"], "uvicorn.error"),
        (["-m", "gunicorn", "web:wsgi", "--bind", "fd://{}"], "gunicorn.error"),
    ],
)
def test_uncaught_exception_is_recorded_once(tmp_path, command, logger):
    (tmp_path / "web.py").write_text(textwrap.dedent(APPLICATION))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, *(part.format(listener.fileno()) for part in command)]
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        server = subprocess.Popen(
            command, cwd=tmp_path, pass_fds=[listener.fileno()], stderr=subprocess.PIPE, text=True
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


def test_unpropagated_logger_is_named_once(python):
    ran = python(
        """
        import logging, threading
        import soundpost
        from soundpost._unpropagated import UnpropagatedLoggers

        def named():
            return [record.getMessage().split()[4] for record in said if "are not recorded" in record.msg]

        said = []
        class Saying(logging.Handler):
            def emit(self, record):
                said.append(record)
                if "the_last" in named():
                    done.set()

        def alone(name, handler):
            logger = logging.getLogger(name)
            logger.propagate = False
            logger.addHandler(handler)

        done = threading.Event()
        logging.getLogger("soundpost").addHandler(Saying())
        soundpost.init(logs=True, sample_interval=0.1)
        for name in ("server", "server.access", "below.and.far"):
            alone(name, logging.StreamHandler())
        alone("heard", logging.StreamHandler())
        alone("heard", soundpost.LogHandler())
        alone("passed_on", type("Queue", (logging.Handler,), {})())
        alone("silent", logging.NullHandler())
        unpropagated = UnpropagatedLoggers(soundpost.LogHandler)
        assert [unpropagated.find() for _ in range(3)] == [[], ["below.and.far", "server"], []]
        alone("the_last", logging.FileHandler("last.log"))
        assert done.wait(20)
        print(*named())
        """
    )
    assert ran.stdout.split() == ["below.and.far", "server", "the_last"]
