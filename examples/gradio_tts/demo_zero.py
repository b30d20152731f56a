"""`python demo_zero.py`: starts a Gradio app that has no line of Soundpost, sends requests, and prints its records.

The exit status is 0 only if what was scraped equals what was sent. With --serve the app stays up afterwards.
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
import uuid
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tts_service"))  # demo and tts_service

from demo.__main__ import settled, stay  # noqa: E402
from demo.check import differences  # noqa: E402
from demo.load import AT_ONCE, TIMEOUT, Request, Sent, plan  # noqa: E402
from demo.service import SERVICE, Service  # noqa: E402
from demo.stored import asked  # noqa: E402
from demo.table import table  # noqa: E402
from gradio_client import Client  # noqa: E402

_LONGER = 20
"""Times the text of a client that leaves is repeated: Gradio notices that it left after some sentences."""


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="demo-zero-") as directory, started(directory) as app:
        requests = plan()
        print(f"Sending {len(requests)} requests, {AT_ONCE} at a time, as a browser does ...", flush=True)
        sent = send(app.port, requests, directory)
        scrape = settled(app, sent)
        print(f"This is what {app.metrics_url} says:\n\n{table(scrape)}")
        wrong = differences(sent, scrape)
        if wrong:
            print("\nWhat was scraped is NOT what was sent:", *wrong, sep="\n  ")
            print(f"\nThe app wrote:\n{app.log()}")
            return 1
        print(f"\nWhat was scraped is what was sent: {sent.calls.total()} calls by outcome.")
        print(f"\n{asked(app)}\n\nNo line of the app is Soundpost's: examples/gradio_tts/app.py")
        if "--serve" in arguments:
            stay(app)
    return 0


@contextmanager
def started(directory: str) -> Iterator[Service]:
    """Installs the integration of the app's engine in a directory, and starts the app."""
    print(
        "Installing the integration of the engine, and starting the app (eSpeak NG, Gradio) ...", flush=True
    )
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    packages = f"{directory}/packages"
    source = f"{directory}/integration"
    subprocess.run(["cp", "-r", HERE / "integration", source], check=True)
    subprocess.run([*pip, "--no-build-isolation", "--target", packages, source], check=True)
    soundpost = [sys.executable, "-m", "soundpost", "run", "--service", SERVICE, "--instrument", "auto", "--"]
    path = ":".join(
        [packages, str(HERE.parent / "tts_service"), *filter(None, [os.environ.get("PYTHONPATH")])]
    )

    def command(port: int, metrics_port: int) -> list[str]:
        variables = [f"GRADIO_SERVER_PORT={port}", f"SOUNDPOST_LISTEN=127.0.0.1:{metrics_port}"]
        return ["env", *variables, *soundpost, sys.executable, str(HERE / "app.py")]

    environment = {
        "PYTHONPATH": path,
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": f"{directory}/files",
    }
    with Service(command, environment, ready="/config", seconds=120) as app:
        yield app


def send(port: int, requests: list[Request], directory: str) -> Sent:
    """Sends the requests, a few at a time."""
    sent = Sent()
    client = Client(f"http://127.0.0.1:{port}", download_files=f"{directory}/received", verbose=False)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = pool.map(lambda request: (request, _send(client, port, request)), requests)
        for request, (seconds, surprise) in results:
            sent.calls[request.operation, request.outcome] += 1
            sent.audio_seconds[request.operation, request.voice] += seconds
            if surprise:
                sent.surprises.append(f"{request.operation} ({request.voice}): {surprise}")
    return sent


def _send(client: Client, port: int, request: Request) -> tuple[float, str | None]:
    """Returns the seconds of audio received, and the fault of the response."""
    if request.outcome == "abandoned":
        _leave(client, port, request)
        return 0.0, None
    job = client.submit(request.text, request.voice, api_name=f"/{request.operation}")
    try:
        last = job.result(TIMEOUT)
    except Exception as error:
        return 0.0, None if request.outcome == "error" else f"{type(error).__name__}: {error}"
    files = job.outputs() if request.operation == "synthesize_stream" else [last]
    seconds = sum(_seconds(file) for file in files if file)
    return seconds, None if (seconds > 0) == (request.outcome == "ok") else f"{seconds} s of audio"


def _leave(client: Client, port: int, request: Request) -> None:
    """Joins the queue in a session of its own, and leaves with the first sentence."""
    functions = {function["api_name"]: function["id"] for function in client.config["dependencies"]}
    session, api = uuid.uuid4().hex, f"http://127.0.0.1:{port}/gradio_api/queue"
    body = {
        "data": [request.text * _LONGER, request.voice],
        "fn_index": functions[request.operation],
        "session_hash": session,
    }
    join = urllib.request.Request(
        f"{api}/join", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(join, timeout=TIMEOUT).close()
    with urllib.request.urlopen(f"{api}/data?session_hash={session}", timeout=TIMEOUT) as events:
        for line in events:
            if b"process_generating" in line:
                return


def _seconds(path: str) -> float:
    with wave.open(path) as file:
        return file.getnframes() / file.getframerate()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
