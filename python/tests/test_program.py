"""The program `soundpost` of the wheel."""

import http.client
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import termios
import textwrap
import time
import urllib.request
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("soundpost")

SERVICE = """
import os, signal, sys, soundpost
soundpost.init()
with soundpost.call("synthesize", labels={"emotion": "sad"}, request_id="req-7d8e9f") as call:
    with call.stage("vocoder"):
        call.chunk(audio_seconds=0.5)
        print("ready", flush=True)
        sys.stdin.read()
"""


def program(directory, *arguments, **options):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SOUNDPOST_")}
    environment |= {
        "SOUNDPOST_DIRECTORY": str(directory),
        "SOUNDPOST_LISTEN": "none",
        "SOUNDPOST_GPU": "false",
    }
    return subprocess.Popen(
        [PROGRAM, *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def ended(process):
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def run(directory, *command):
    return program(directory, "run", "--service", "speech", "--", *command)


def test_wheel_has_the_program(tmp_path):
    status, out, err = ended(program(tmp_path, "--version"))
    assert (status, err) == (0, "")
    assert out.startswith("soundpost ")
    again = subprocess.run(
        [sys.executable, "-m", "soundpost", "--version"], check=True, capture_output=True, text=True
    )
    assert again.stdout == out


def test_status_and_signals_are_forwarded(tmp_path):
    assert ended(run(tmp_path, "sh", "-c", "exit 3"))[0] == 3
    assert ended(run(tmp_path, "sh", "-c", "kill -9 $$"))[0] == -signal.SIGKILL
    assert ended(run(tmp_path, "/nowhere"))[0] == 127


def test_interpreter_signal_settings_are_reset(tmp_path):
    """Ctrl-C goes to the command: no KeyboardInterrupt, and no signal is newly ignored."""
    command = "trap 'echo got it; exit 5' INT; grep SigIgn /proc/$$/status; echo ready; while :; do sleep 0.01; done"
    process = run(tmp_path, "sh", "-c", command)
    ignored = int(process.stdout.readline().split()[1], 16)
    assert ignored & 0x7FFF_FFFF == 0
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    status, out, err = ended(process)
    assert (status, out, err) == (5, "got it\n", "")


def test_ctrl_c_ends_the_command(tmp_path):
    process = run(tmp_path, "sh", "-c", "echo ready; exec sleep 60")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    status, _, err = ended(process)
    assert (status, err) == (-signal.SIGINT, "")


def test_killed_service_is_reported_with_its_call(tmp_path):
    process = run(tmp_path, sys.executable, "-c", SERVICE)
    assert process.stdout.readline() == "ready\n"
    status = json.loads(ended(program(tmp_path, "status", "--json"))[1])
    assert status["requests_in_flight"] == 1
    (pid,) = status["pids"]
    os.kill(pid, signal.SIGKILL)
    status, _, err = ended(process)
    assert status == -signal.SIGKILL
    lines = [line for line in err.splitlines() if line.startswith("soundpost: ")]
    assert len(lines) == 5, err
    assert "1 call in flight: synthesize req-7d8e9f" in lines[1]
    death = json.loads(ended(program(tmp_path, "postmortem", "--json"))[1])
    assert [(call["operation"], call["stage"]) for call in death["calls"]] == [("synthesize", "vocoder")]


@pytest.mark.parametrize("command", [["calls"], ["status"], ["vitals"]])
def test_missing_command_is_reported(tmp_path, command):
    status, out, err = ended(program(tmp_path, *command))
    assert (status, out) == (2, "")
    assert "no service has files" in err


def on_a_terminal(directory, *arguments):
    """Starts the program with its own terminal. Returns its pid and the other end of the terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {
            "SOUNDPOST_DIRECTORY": str(directory),
            "SOUNDPOST_LISTEN": "none",
            "SOUNDPOST_GPU": "false",
            "TERM": "xterm",
        }
        os.execv(PROGRAM, ["soundpost", *arguments])
    return pid, terminal


def read_until(terminal, expected):
    text = ""
    while expected not in text:
        text += os.read(terminal, 4096).decode(errors="replace")
    return text


def test_terminal_key_reaches_the_command_once(tmp_path):
    count = "n=0; trap 'n=$((n+1)); echo got $n' INT; trap 'echo end $n; exit 5' TERM; echo ready; while :; do sleep 0.01; done"
    pid, terminal = on_a_terminal(tmp_path, "run", "--service", "speech", "--", "sh", "-c", count)
    read_until(terminal, "ready")
    os.write(terminal, b"\x03")
    read_until(terminal, "got 1")
    os.kill(pid, signal.SIGTERM)
    read_until(terminal, "end 1\r\n")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
    os.close(terminal)


@pytest.mark.parametrize("end", [b"q", b"\x03"])
def test_live_view_restores_the_terminal(tmp_path, end):
    assert ended(run(tmp_path, "true"))[0] == 0
    pid, terminal = on_a_terminal(tmp_path, "top", "--interval", "100ms")
    shown = read_until(terminal, "no call is in flight")
    assert "\x1b[?1049h" in shown
    assert "\x1b[1mspeech\x1b[0m" in shown
    during = termios.tcgetattr(terminal)
    os.write(terminal, end)
    assert read_until(terminal, "\x1b[?1049l")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert during[3] & (termios.ECHO | termios.ICANON) == 0
    assert termios.tcgetattr(terminal)[3] & (termios.ECHO | termios.ICANON) == termios.ECHO | termios.ICANON
    os.close(terminal)


def test_run_ships_to_sinks_of_the_code(tmp_path):
    script = """
        import soundpost
        sinks = [soundpost.JsonLines("lines"), soundpost.Loki("http://127.0.0.1:9", token="c4n4ry")]
        soundpost.init(sinks=sinks, version="V7")
        with soundpost.call("speak", request_id="req-1"):
            pass
        soundpost.flush(10)
        input()
        soundpost.shutdown()
    """
    process = program(
        tmp_path,
        "run",
        "--service",
        "speech",
        "--",
        sys.executable,
        "-c",
        textwrap.dedent(script),
        cwd=tmp_path,
    )
    lines = tmp_path / "lines"
    deadline = time.monotonic() + 30
    while not (lines.exists() and "req-1" in lines.read_text()):
        assert time.monotonic() < deadline, process.communicate("\n", timeout=30)
        time.sleep(0.05)
    status = subprocess.run(
        [PROGRAM, "status", "--service", "speech"],
        env=os.environ | {"SOUNDPOST_DIRECTORY": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    _, err = process.communicate("\n", timeout=30)
    assert "sink loki" in err
    assert "token_file or token_env" in err
    assert "token_file or token_env" in status.stdout, status
    (call,) = [json.loads(line) for line in lines.read_text().splitlines() if "req-1" in line]
    assert call["version"] == "V7"
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(b"c4n4ry" in part for part in written)


APP = """
import os, signal, soundpost
from fastapi import FastAPI

telemetry = soundpost.init(listen="127.0.0.1:0")
app = FastAPI()
open(f"worker-{os.getpid()}", "w").close()

@app.get("/pid")
def pid():
    return os.getpid()

@app.get("/die")
def die():
    with soundpost.call("synthesize", request_id="req-died"):
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_run_reports_a_killed_worker_of_uvicorn(tmp_path):
    pytest.importorskip("uvicorn")
    pytest.importorskip("fastapi")
    (tmp_path / "app.py").write_text(APP)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    uvicorn = [sys.executable, "-m", "uvicorn", "app:app", "--workers", "2", "--port", str(port)]
    process = program(tmp_path, "run", "--service", "speech", "--", *uvicorn, cwd=tmp_path)

    def ask(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
            return answer.read().decode()

    def until(done):
        deadline = time.monotonic() + 60
        while not done():
            assert time.monotonic() < deadline, process.communicate(timeout=30)
            time.sleep(0.05)

    def answers():
        try:
            return ask("pid")
        except OSError:
            return ""

    def postmortem():
        shown = program(tmp_path, "postmortem", "--service", "speech", "--json")
        return [json.loads(line) for line in ended(shown)[1].splitlines()]

    try:
        until(lambda: len(list(tmp_path.glob("worker-*"))) == 2 and answers())
        with pytest.raises((OSError, http.client.HTTPException)):
            ask("die")
        until(postmortem)
        (died,) = postmortem()
        assert (died["cause"], [call["request_id"] for call in died["calls"]]) == ("process", ["req-died"])
        until(answers)
        assert int(ask("pid")) != died["pid"]
    finally:
        process.send_signal(signal.SIGTERM)
    _, _, err = ended(process)
    assert err.count(f"process {died['pid']} died while the service lived on") == 1, err


def test_children_of_multiprocessing_that_end_are_no_deaths(tmp_path):
    script = """
        import multiprocessing, os, signal, soundpost, time

        def work(how):
            with soundpost.call("speak"):
                pass
            if how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)

        if __name__ == "__main__":
            soundpost.init("speech")
            for method in ("fork", "forkserver", "spawn"):
                child = multiprocessing.get_context(method).Process(target=work, args=("ended",))
                child.start()
                child.join()
            child = multiprocessing.get_context("fork").Process(target=work, args=("killed",))
            child.start()
            child.join()
            time.sleep(2.5)
            print(child.pid)
            soundpost.shutdown()
    """
    path = tmp_path / "workers.py"
    path.write_text(textwrap.dedent(script))
    run = subprocess.run(
        [sys.executable, path],
        env=os.environ | {"SOUNDPOST_DIRECTORY": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = (tmp_path / "speech" / "postmortems.jsonl").read_text().splitlines()
    assert [json.loads(line)["pid"] for line in lines] == [int(run.stdout)], run.stderr
