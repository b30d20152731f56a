"""States of the hooks in the metric and in `doctor`, warnings of `run`, and integrations of third parties."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

import soundpost
from soundpost.integrations import BOOTSTRAP

LOOK_ALIKES = pathlib.Path(__file__).parent / "look_alikes"
ENGINE = "class Engine:\n    def say(self, text):\n        return [0.0] * 24_000\n"
DECLARATION = """
from soundpost.integrations import Hook, Integration

print("declaration loaded")
INTEGRATION = Integration(
    name="my_tts",
    hooks=(
        Hook(target="my_tts.engine:Engine.say", operation="synthesize", options={"fields": {"char_count": lambda given: len(given["text"])}}),
        Hook(target="my_tts.engine:Engine.sing", stage="sing"),
    ),
)
"""


def states(exposition):
    lines = re.findall(r'soundpost_integration\{hook="(.*)",service="(.*)",state="(.*)"\} 1', exposition)
    return {(service, hook): state for hook, service, state in lines}


def test_states_are_a_metric_before_and_after_an_explicit_init(service):
    _, ran = service(
        """
        import cosyvoice.cli.cosyvoice
        import soundpost

        print(soundpost.init("other").render())
        """
    )
    shown = states(ran.stdout)
    assert shown["cosyvoice", "CosyVoice.inference_sft"] == "ok"
    assert shown["cosyvoice", "CosyVoice2.inference_instruct2"] == "partial"
    assert shown["cosyvoice", "CosyVoice.inference_instruct"] == "gone"


def test_state_that_changes_with_a_reload_replaces_the_former(service):
    _, ran = service(
        """
        import importlib
        import ChatTTS.core
        import soundpost
        from soundpost.integrations import _apply

        _apply.publish_hook("chattts", "Chat.infer", "gone")
        importlib.reload(ChatTTS.core)
        print(soundpost.init("other").render())
        """
    )
    assert ran.stdout.count('hook="Chat.infer"') == 1
    assert states(ran.stdout)["chattts", "Chat.infer"] == "ok"


def test_doctor_shows_the_hooks_of_a_running_service(service):
    _, ran = service(
        """
        import subprocess, sys
        import cosyvoice.cli.cosyvoice

        sys.exit(subprocess.run([sys.executable, "-m", "soundpost", "-s", "program", "doctor", "--json"]).returncode > 1)
        """
    )
    findings = [json.loads(line) for line in ran.stdout.splitlines()]
    [finding] = [finding for finding in findings if finding["check"] == "integration"]
    assert re.search(
        r"program has the hooks of cosyvoice: \d+ ok; partial: .*inference_instruct2", finding["message"]
    )
    assert "; gone: CosyVoice.inference_instruct" in finding["message"]
    assert (finding["state"], "lacks these functions" in finding["advice"]) == ("note", True)


@pytest.fixture
def run_hooked(tmp_path):
    """Returns a function that runs a command under `soundpost run --instrument NAMES`."""

    def run(*command, names="auto", path=(LOOK_ALIKES,)):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SOUNDPOST_")}
        environment |= {
            "SOUNDPOST_DIRECTORY": str(tmp_path / "state"),
            "SOUNDPOST_GPU": "0",
            "SOUNDPOST_LISTEN": "none",
            "PYTHONPATH": os.pathsep.join(map(str, [*path, *filter(None, [os.environ.get("PYTHONPATH")])])),
        }
        program = [
            sys.executable,
            "-m",
            "soundpost",
            "run",
            "-s",
            "program",
            "--instrument",
            names,
            "--",
            *command,
        ]
        ran = subprocess.run(
            program, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert not list((tmp_path / "state").rglob("hooks.*"))
        return ran

    return run


@pytest.mark.parametrize(
    "command", [["true"], [sys.executable, "-I", "-c", "pass"], [sys.executable, "-S", "-c", ""]]
)
def test_run_warns_when_no_python_process_was_reached(run_hooked, command):
    ran = run_hooked(*command)
    assert ran.stderr.count("--instrument reached no Python process") == 1
    assert ran.stderr.count("soundpost:") == 1


def test_run_warns_when_no_known_service_was_imported(run_hooked):
    ran = run_hooked(sys.executable, "-c", "import json")
    assert ran.stderr.count("--instrument found no known service") == 1
    assert ran.stderr.count("soundpost:") == 1


def test_run_does_not_warn_when_a_child_imports_a_service(run_hooked):
    child = [sys.executable, "-c", "import ChatTTS"]
    ran = run_hooked(sys.executable, "-c", f"import subprocess; subprocess.run({child!r}, check=True)")
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.fixture
def third_party(tmp_path):
    """Returns a function that installs the package `my_tts` with an entry point, and returns its directory."""

    def install(declaration=DECLARATION, value="my_tts_soundpost:INTEGRATION", name="my_tts"):
        site = tmp_path / "site"
        (site / "my_tts").mkdir(parents=True)
        (site / "my_tts" / "__init__.py").write_text("from my_tts.engine import Engine\n")
        (site / "my_tts" / "engine.py").write_text(ENGINE)
        (site / "my_tts_soundpost.py").write_text(declaration)
        information = site / "my_tts-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: my-tts\nVersion: 1.0\n")
        points = f"[console_scripts]\nmy-tts = my_tts:main\n\n[soundpost.integrations]\n{name} = {value}\n\n[other]\na = b\n"
        (information / "entry_points.txt").write_text(points)
        return site

    return install


USE = "import my_tts; print(len(my_tts.Engine().say('hello')))"


@pytest.mark.parametrize("names", ["auto", "my_tts", "sonic,my_tts"])
def test_third_party_integration_is_found_by_its_entry_point(run_hooked, third_party, tmp_path, names):
    ran = run_hooked(sys.executable, "-c", USE, names=names, path=[third_party(), LOOK_ALIKES])
    assert ran.stdout == "declaration loaded\n24000\n"
    assert ran.stderr == ""
    [event] = soundpost.read_logs(service="program", directory=tmp_path / "state", logger="soundpost_notices")
    assert (event.level, event.message) == ("warning", "my_tts: Engine.say ok, Engine.sing gone")
    [call] = soundpost.read_calls(service="program", directory=tmp_path / "state")
    assert (call.operation, call.char_count, call.outcome) == ("synthesize", 5, "ok")


def test_third_party_integration_is_found_by_one_line(run_hooked, third_party, tmp_path):
    source = f"import soundpost; soundpost.instrument_all(only=['my_tts']); {USE}"
    environment = {"PYTHONPATH": os.pathsep.join(map(str, [third_party(), *sys.path]))}
    environment |= {
        "SOUNDPOST_DIRECTORY": str(tmp_path / "state"),
        "SOUNDPOST_LISTEN": "none",
        "SOUNDPOST_GPU": "0",
    }
    subprocess.run([sys.executable, "-c", source], env=os.environ | environment, check=True)
    assert [
        call.operation for call in soundpost.read_calls(service="my_tts", directory=tmp_path / "state")
    ] == ["synthesize"]


@pytest.mark.parametrize(
    ("declaration", "value"),
    [
        ("raise RuntimeError('broken')", "my_tts_soundpost:INTEGRATION"),
        ("INTEGRATION = 7", "my_tts_soundpost:INTEGRATION"),
        ("", "my_tts_soundpost:INTEGRATION"),
        ("", "absent"),
        ("", "not a reference ["),
    ],
)
def test_third_party_integration_that_fails_is_reported_once(
    run_hooked, third_party, tmp_path, declaration, value
):
    use = f"import importlib, ChatTTS; ChatTTS.Chat().infer('one'); {USE}; importlib.reload(my_tts)"
    ran = run_hooked(sys.executable, "-c", use, path=[third_party(declaration, value), LOOK_ALIKES])
    assert (ran.returncode, ran.stdout) == (0, "24000\n")
    assert ran.stderr.count("my_tts cannot be instrumented") == 1
    assert len(soundpost.read_calls(service="program", directory=tmp_path / "state")) == 1


def test_third_party_names_are_listed_as_known(run_hooked, third_party):
    ran = run_hooked("true", names="nosuch", path=[third_party()])
    assert ran.returncode == 2
    assert 'there is no integration "nosuch"' in ran.stderr
    assert "kokoro_fastapi, my_tts, " in ran.stderr


def test_bootstrap_names_an_unknown_integration(third_party):
    path = os.pathsep.join(
        map(str, [BOOTSTRAP, third_party(), *filter(None, [os.environ.get("PYTHONPATH")])])
    )
    environment = os.environ | {"PYTHONPATH": path, "SOUNDPOST_INSTRUMENT": "nosuch, my_tts"}
    ran = subprocess.run(
        [sys.executable, "-c", USE], env=environment, capture_output=True, text=True, check=True
    )
    assert "no integration 'nosuch'; known: " in ran.stderr
    assert ran.stdout == "declaration loaded\n24000\n"


def test_hook_of_a_class_that_refuses_it_leaves_the_others(service, tmp_path):
    (tmp_path / "sonic.py").write_text(
        """
class Refusing(type):
    def __setattr__(self, name, value):
        if name == "process":
            raise TypeError("read-only")
        super().__setattr__(name, value)


class Sonic(metaclass=Refusing):
    def preprocess(self, image_path, expand_ratio=1.0):
        return {"face_num": 1}

    def process(self, image_path, audio_path, output_path):
        return self.preprocess(image_path)


def image_audio_to_tensor(*arguments):
    return arguments


def save_videos_grid(video, path):
    return None
"""
    )
    _, ran = service(
        """
        import sonic
        import soundpost

        assert sonic.Sonic().process("face.png", "voice.wav", "out.mp4") == {"face_num": 1}
        print(soundpost.init("other").render())
        """
    )
    assert ran.stderr.count("sonic: Sonic.process cannot be instrumented") == 1
    shown = states(ran.stdout)
    assert shown["sonic", "Sonic.process"] == "gone"
    assert shown["sonic", "save_videos_grid"] == "ok"


@pytest.mark.parametrize("only", ["my_tts", " my_tts ,sonic", ["my_tts"]])
def test_one_text_names_integrations(third_party, tmp_path, only):
    source = f"import soundpost; soundpost.instrument_all(only={only!r}); {USE}"
    environment = {"PYTHONPATH": os.pathsep.join(map(str, [third_party(), *sys.path]))}
    environment |= {
        "SOUNDPOST_DIRECTORY": str(tmp_path / "state"),
        "SOUNDPOST_LISTEN": "none",
        "SOUNDPOST_GPU": "0",
    }
    ran = subprocess.run(
        [sys.executable, "-c", source], env=os.environ | environment, check=True, capture_output=True
    )
    assert ran.stdout == b"declaration loaded\n24000\n"
