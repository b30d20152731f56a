"""The Rust service answers the demo's requests and records the same as the Python service."""

import json
import os
import subprocess
from pathlib import Path

import espeakng_loader
import pytest
from demo.check import differences
from demo.load import plan, send
from demo.scrape import Scrape, fetch
from demo.service import Service, poll


@pytest.fixture(scope="module")
def program() -> str:
    build = subprocess.run(
        [os.environ.get("CARGO", "cargo"), "build", "--package", "axum-service", "--message-format", "json"],
        cwd=Path(__file__).parent,
        check=True,
        stdout=subprocess.PIPE,
    )
    messages = map(json.loads, build.stdout.splitlines())
    return next(message["executable"] for message in messages if message.get("executable"))


def test_scrape_matches_requests(program: str) -> None:
    engine = {
        "ESPEAK_NG_LIBRARY": espeakng_loader.get_library_path(),
        "ESPEAK_NG_DATA": espeakng_loader.get_data_path(),
    }
    with Service(lambda port, metrics_port: [program, str(port), str(metrics_port)], engine) as service:
        sent = send(service.port, plan())

        def wrong() -> list[str]:
            return differences(sent, Scrape(fetch(service.metrics_url), "axum_tts_"))

        try:
            poll(lambda: not wrong(), "the last calls to end", 15)
        except TimeoutError:
            assert wrong() == []
