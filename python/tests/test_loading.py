"""Phases of loading: their time, and readiness, health and `up` meanwhile."""

from __future__ import annotations

import asyncio
import inspect

import pytest

import soundpost

PROBES = """
    import json, urllib.error, urllib.request
    import soundpost
    from scrape import Scrape

    telemetry = soundpost.init(listen="127.0.0.1:0")

    def probe(path):
        try:
            with urllib.request.urlopen(f"http://{telemetry.address}{path}") as answer:
                return answer.status, json.load(answer)["status"]
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)["status"]

    def state():
        with urllib.request.urlopen(f"http://{telemetry.address}/metrics") as answer:
            up = Scrape(answer.read().decode()).get("program_up")
        return [*probe("/healthz"), probe("/readyz")[0], up]
"""


def test_first_phase_is_loading_for_probes_and_up(python):
    python(
        PROBES
        + """
    assert state() == [200, "ok", 200, 1]
    with soundpost.loading("load"):
        assert state() == [503, "loading", 503, 0]
        with soundpost.loading("download"):
            pass
        assert state() == [503, "loading", 503, 0]
    assert state() == [200, "ok", 200, 1]
    with soundpost.loading("warmup"):
        assert state() == [200, "ok", 503, 1]
    assert state() == [200, "ok", 200, 1]
    soundpost.set_ready(False)
    assert state() == [200, "ok", 503, 1]
    with soundpost.loading():
        pass
    assert state() == [200, "ok", 503, 1]
    soundpost.set_ready(True)
    assert state() == [200, "ok", 200, 1]
    """
    )


def test_one_loaded_process_is_ready(python):
    python(
        PROBES
        + """
    import os
    with soundpost.loading():
        asked, told = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:
            soundpost.Counter("c", "d").inc()
            os.write(told[1], b"x")
            os.read(asked[0], 1)
            os._exit(0)
        os.read(told[0], 1)
        assert state() == [200, "ok", 200, 1], state()
        os.write(asked[1], b"x")
        os.waitpid(child, 0)
        assert state() == [503, "loading", 503, 0], state()
    """
    )


def test_failed_phase_ends(python):
    python(
        PROBES
        + """
    try:
        with soundpost.loading():
            raise RuntimeError("no weights")
    except RuntimeError:
        pass
    assert state() == [200, "ok", 200, 1]
    """
    )


def test_phase_within_a_call_leaves_the_process_ready(python):
    python(
        PROBES
        + """
    with soundpost.call("synthesize"), soundpost.loading():
        assert state() == [200, "ok", 200, 1]
    assert Scrape(telemetry.render()).get("program_load_seconds", phase="load") >= 0
    """
    )


def load_seconds(scrape, phase):
    return scrape().get("tests_load_seconds", phase=phase)


def test_decorated_functions_are_phases(scrape):
    class Model:
        @soundpost.loading("load")
        def __init__(self, path, *, size=1):
            """Loads a model."""
            self.loaded = path, size

        @soundpost.loading("download")
        @classmethod
        def download(cls, path):
            return cls(path)

        @soundpost.loading("warmup")
        async def warm(self):
            await asyncio.sleep(0.01)
            return self.loaded

    model = Model.download("weights")
    assert asyncio.run(model.warm()) == ("weights", 1)
    assert load_seconds(scrape, "warmup") >= 0.01
    assert load_seconds(scrape, "download") >= load_seconds(scrape, "load") >= 0
    assert inspect.iscoroutinefunction(Model.warm)
    assert str(inspect.signature(Model)) == "(path, *, size=1)"


def test_calls_of_the_warmup_phase_are_warmup(scrape, name):
    with soundpost.loading("warmup"), soundpost.call(name):
        pass
    with soundpost.call(name):
        pass
    assert scrape().outcomes(name) == {"ok": 1}


def test_unknown_phase_is_an_error():
    with pytest.raises(ValueError, match="no phase 'compile'; give download, load or warmup"):
        soundpost.loading("compile")


LOADS = {
    "constructor": "from cosyvoice.cli.cosyvoice import CosyVoice; CosyVoice()",
    "inherited": "from cosyvoice.cli.cosyvoice import CosyVoice2; assert CosyVoice2().sample_rate == 22050",
    "method": "import ChatTTS; assert ChatTTS.Chat().load()",
    "coroutine": """import asyncio; from api.src.inference.kokoro_v1 import KokoroV1
        import api.src.services.tts_service; asyncio.run(KokoroV1().load_model("path"))""",
    "classmethod": """from chatterbox.tts import ChatterboxTTS
        assert ChatterboxTTS.from_local("path", "cpu").sr == 24_000""",
}


@pytest.mark.parametrize("kind", LOADS)
def test_loading_of_a_service_is_a_phase(service, kind):
    _, ran = service(
        f"""
        {LOADS[kind]}
        import soundpost
        from scrape import Scrape

        print(Scrape(soundpost.init().render()).get("program_load_seconds", phase="load") >= 0)
        """
    )
    assert (ran.stdout, ran.stderr.count("load is not")) == ("True\n", 0), ran.stderr


def test_generator_function_is_refused():
    def generate():
        yield 1

    async def generate_later():
        yield 1

    for function in (generate, generate_later):
        with pytest.raises(TypeError, match="generator function: its body runs after it returned"):
            soundpost.loading("load")(function)
