"""The integration of Gradio with the real package, and the demo on it."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import soundpost
from soundpost.integrations import BOOTSTRAP

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
    import gc, json, threading, urllib.request
    import gradio as gr
    from gradio_client import Client
    import soundpost

    gc.disable()
    telemetry = soundpost.init(service="program")
    reached, hold = threading.Semaphore(0), threading.Event()

    @soundpost.instrument("synthesize")
    def synthesize(text):
        for part in text.split("."):
            yield part
            if "slow" in text:
                reached.release()
                hold.wait(60)

    with gr.Blocks() as demo:
        text, start, stop = gr.Textbox(), gr.Button(), gr.Button()
        event = start.click(synthesize, text, text, api_name="speak")
        stop.click(None, cancels=[event])
    _, url, _ = demo.queue().launch(prevent_thread_lock=True, quiet=True)

    def ended(count):
        for _ in range(1000):
            soundpost.flush(30)
            calls = soundpost.read_calls(service="program", order="oldest")
            if len(calls) >= count:
                return [(call.outcome, call.chunks) for call in calls]

    client = Client(url, verbose=False)
    jobs = [client.submit("one.two", api_name="/speak") for _ in range(3)]
    assert [job.result() for job in jobs] == ["two"] * 3
    job = client.submit("slow.b", api_name="/speak")
    reached.acquire()
    stopping = threading.Thread(target=job.cancel)
    stopping.start()
    assert ended(4)[3] == ("cancelled", 1)
    hold.set()
    stopping.join()
    hold.clear()

    body = json.dumps({"data": ["slow.c"], "fn_index": 0, "session_hash": "tab"}).encode()
    headers = {"Content-Type": "application/json", "X-Request-ID": "mine"}
    urllib.request.urlopen(urllib.request.Request(url + "gradio_api/queue/join", body, headers)).close()
    with urllib.request.urlopen(url + "gradio_api/queue/data?session_hash=tab") as events:
        reached.acquire()
    assert ended(5)[4] == ("abandoned", 1)
    hold.set()
    demo.close()
"""


def test_events_have_queue_time_session_and_outcome(tmp_path):
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    variables = {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": str(tmp_path / "files"),
        "PYTHONPATH": os.pathsep.join(filter(None, [BOOTSTRAP, os.environ.get("PYTHONPATH")])),
        "SOUNDPOST_DIRECTORY": str(tmp_path / "state"),
        "SOUNDPOST_INSTRUMENT": "gradio,fastapi",
        "SOUNDPOST_LISTEN": "none",
    }
    subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, env={**os.environ, **variables}, check=True, timeout=120
    )
    calls = soundpost.read_calls(service="program", directory=tmp_path / "state", order="oldest")
    assert [call.outcome for call in calls] == ["ok", "ok", "ok", "cancelled", "abandoned"]
    assert all(call.queue_ms > 0 for call in calls)
    assert [call.fields["session_hash"] for call in calls][4] == "tab"
    assert len({call.fields["session_hash"] for call in calls}) == 2
    assert calls[4].request_id == "mine"


def test_demo_without_a_line_of_soundpost_records_what_was_sent():
    ran = subprocess.run(
        [sys.executable, ROOT / "examples/gradio_tts/demo_zero.py"],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "What was scraped is what was sent: 47 calls" in ran.stdout
