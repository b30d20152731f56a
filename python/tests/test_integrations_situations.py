"""Situations that were found by running the services: hanging engines, slow consumers, warm-ups, copies of modules."""

from __future__ import annotations

import pytest

import soundpost

LIVE = """
import threading, time
from soundpost._init import telemetry
from scrape import Scrape

def scrape():
    return Scrape(telemetry().render(), prefix="program")

def until(condition):
    end = time.monotonic() + 30
    while not condition(scrape()):
        assert time.monotonic() < end, scrape().text
        time.sleep(0.01)

def stalled(read):
    return read.sum("program_request_stalled_seconds", operation="synthesize")

def in_flight(read):
    return read.sum("program_requests_in_flight", operation="synthesize")
"""


@pytest.fixture
def run(service):
    """Returns a function that runs a program which scrapes itself."""
    return lambda source, **options: service(
        LIVE + "\n".join(map(str.strip, source.strip("\n").split("\n"))), **options
    )


def test_fish_speech_with_a_dead_worker_stalls(run):
    calls, ran = run(
        """
        from fish_speech.inference_engine import Request, TTSInferenceEngine

        engine = TTSInferenceEngine()
        threading.Thread(target=lambda: list(engine.inference(Request("dead?", streaming=True))), daemon=True).start()
        until(lambda read: stalled(read) > 0.3)
        print(in_flight(scrape()))
        """
    )
    assert ran.stdout == "1\n"
    assert [call.outcome for call in calls] in ([], ["died"])


def test_cosyvoice_stream_with_a_dead_language_model_stalls(run):
    _, ran = run(
        """
        from cosyvoice.cli.cosyvoice import CosyVoice2
        threading.excepthook = lambda _arguments: None

        voice = CosyVoice2()
        threading.Thread(target=lambda: list(voice.inference_sft("ab!c", "anna", stream=True)), daemon=True).start()
        until(lambda read: read.sum("program_stage_failure_total", operation="synthesize", stage="llm") == 1)
        until(lambda read: stalled(read) > 0.3)
        print(in_flight(scrape()))
        """
    )
    assert ran.stdout == "1\n"


def test_suspended_stream_waits_for_its_consumer(run):
    calls, ran = run(
        """
        from cosyvoice.cli.cosyvoice import CosyVoice2

        parts = CosyVoice2().inference_sft("one.two.three.", "anna", stream=True)
        next(parts)
        began = time.monotonic()
        until(lambda read: time.monotonic() > began + 0.5)
        print(in_flight(scrape()), stalled(scrape()))
        parts.close()
        """
    )
    assert ran.stdout == "1 0\n"
    assert [call.outcome for call in calls] == ["abandoned"]


def test_cosyvoice_client_that_leaves_after_one_sentence(service):
    calls, _ = service(
        """
        from cosyvoice.cli.cosyvoice import CosyVoice

        voice = CosyVoice()
        for text, taken in (("a." * 10, 1), ("a." * 10, 10), ("a.", 1)):
            parts = voice.inference_sft(text, "anna")
            for _ in range(taken):
                next(parts)
            parts.close()
        """
    )
    assert [call.outcome for call in calls] == ["abandoned", "ok", "ok"]
    assert [call.chunks for call in calls] == [1, 10, 1]


def test_cosyvoice_whole_audio_that_lacks_tokens_is_oom(service):
    calls, _ = service(
        """
        import threading
        from cosyvoice.cli.cosyvoice import CosyVoice
        threading.excepthook = lambda _arguments: None

        for part in CosyVoice().inference_sft("abc!defgh", "anna"):
            assert part["tts_speech"].shape == (1, 3 * 2205)
        """
    )
    assert [(call.outcome, call.chunks, call.stages["llm"].count) for call in calls] == [("oom", 1, 1)]
    assert calls[0].audio_seconds == pytest.approx(0.3)


def test_gpt_sovits_error_has_the_type_of_its_exception(service):
    calls, _ = service(
        """
        from GPT_SoVITS.TTS_infer_pack.TTS import TTS

        next(TTS().run({"text": "ab!c", "text_lang": "en"}))
        """
    )
    assert [(call.outcome, call.error_type) for call in calls] == [("oom", "RuntimeError")]


def test_sonic_without_a_face_is_an_error(service, tmp_path):
    calls, _ = service(
        f"""
        from sonic import Sonic

        engine = Sonic()
        try:
            engine.preprocess("tree.png")
        except UnboundLocalError:
            pass
        engine.preprocess("face.png")
        assert engine.process("tree.png", "voice.wav", {str(tmp_path / "out.mp4")!r}) == -1
        """
    )
    assert [(call.operation, call.outcome) for call in calls] == [
        ("preprocess", "error"),
        ("preprocess", "ok"),
        ("animate", "error"),
    ]
    assert calls[0].error_type == "UnboundLocalError"
    assert calls[2].error == "returned -1"


def test_warm_ups_of_services_are_marked_and_first_calls_cold(service):
    calls, _ = service(
        """
        import asyncio
        from api.src.inference.model_manager import ModelManager as Kokoro
        from fish_speech.inference_engine import Request
        from kokoro.pipeline import KPipeline
        from tools.server.model_manager import ModelManager as Fish

        assert asyncio.run(Kokoro().initialize_with_warmup(None)) == "cpu"
        manager = Fish()
        for _ in range(2):
            list(KPipeline()("abc", voice="anna"))
            list(manager.engine.inference(Request("abc.")))
        """
    )
    assert [call.warmup for call in calls] == [True, True, False, False, False, False]
    assert calls[0].cold
    assert not calls[-1].cold
    assert {call.outcome for call in calls} == {"ok"}


def test_module_imported_under_two_names_is_recorded_under_both(service, tmp_path):
    calls, ran = service(
        """
        import logging, pathlib, sys
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        import GPT_SoVITS
        from GPT_SoVITS.TTS_infer_pack.TTS import TTS
        sys.path.insert(0, str(pathlib.Path(GPT_SoVITS.__path__[0])))
        from TTS_infer_pack.TTS import TTS as Other

        assert TTS is not Other
        for engine in (TTS, Other):
            list(engine().run({"text": "abc", "text_lang": "en"}))
        """
    )
    assert [(call.outcome, call.audio_seconds) for call in calls] == [("ok", pytest.approx(0.3))] * 2
    assert ran.stderr == ""
    stored = soundpost.read_logs(service="program", directory=tmp_path / "state")
    assert sum("gpt_sovits: TTS.run ok" in event.message for event in stored) == 1


def test_class_that_is_gone_leaves_its_service_and_warns_once(service, tmp_path):
    package = tmp_path / "voxcpm"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "core.py").write_text("class Voice:\n    def generate(self, text):\n        return text\n")
    calls, ran = service(
        """
        import importlib
        import voxcpm.core

        assert voxcpm.core.Voice().generate("abc") == "abc"
        importlib.reload(voxcpm.core)
        """
    )
    assert calls == []
    assert (
        ran.stderr.count("voxcpm: the installed version has no VoxCPM._generate, which is not recorded") == 1
    )
    assert ran.stderr.count("soundpost:") == 1


HOLDERS = {
    "exceptions": """
        from fish_speech.inference_engine import Request, TTSInferenceEngine

        def use():
            engine, request = TTSInferenceEngine(), Request("ab!c", streaming=True)
            items = list(engine.inference(request))
            items[-1].error.held = Held()
            return [request, items[-1], items[-1].error.held]
        """,
    "tensors": """
        from qwen_tts.inference.qwen3_tts_model import Qwen3TTSModel

        class Text(str):
            pass

        def use():
            engine, text = Qwen3TTSModel(), Text("abc")
            (audio,), _ = engine.generate_custom_voice(text, "Vivian")
            return [engine, text, audio]
        """,
    "thread pools": """
        from f5_tts.api import F5TTS

        class Text(str):
            pass

        def use():
            engine, text = F5TTS(), Text("abc.de")
            audio, _, spectrogram = engine.infer("anna.wav", "hi", text)
            return [engine, engine.ema_model, text, audio, spectrogram]
        """,
    "raised": """
        from chatterbox.tts import ChatterboxTTS

        def use():
            engine = ChatterboxTTS()
            try:
                engine.generate("ab!", audio_prompt_path="anna.wav")
            except RuntimeError as error:
                error.held = Held()
                return [engine, error.held]
        """,
    "streams": """
        from voxcpm import VoxCPM

        def use():
            engine = VoxCPM()
            parts = engine.generate_streaming("abc")
            return [engine, parts, next(parts)]
        """,
}


@pytest.mark.parametrize("held", HOLDERS)
def test_calls_keep_nothing_alive(service, held):
    source = (
        HOLDERS[held]
        + """
        import gc, weakref

        class Held:
            pass

        references = [weakref.ref(each) for each in use()]
        gc.collect()
        print([reference() for reference in references if reference() is not None])
        """
    )
    calls, ran = service(source)
    assert ran.stdout == "[]\n"
    assert len(calls) == 1
