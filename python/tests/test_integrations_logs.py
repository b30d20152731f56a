"""Logs of services that integrations record: by default, without the text of their calls."""

from __future__ import annotations

import pytest

import soundpost

TEXT = "Guten Morgen, liebe Tante. Kommst du heute zum Abendessen."
SERVICES = {
    "cosyvoice": (
        "from cosyvoice.cli.cosyvoice import CosyVoice",
        "CosyVoiceModel.tts from cosyvoice.cli.model",
        "list(CosyVoice().inference_sft(TEXT, 'anna'))",
    ),
    "chattts": ("import ChatTTS", "Chat._infer_code from ChatTTS.core", "ChatTTS.Chat().infer([TEXT])"),
    "fish_speech": (
        "from fish_speech.inference_engine import Request, TTSInferenceEngine",
        "TTSInferenceEngine.get_audio_segment from fish_speech.inference_engine",
        "list(TTSInferenceEngine().inference(Request(TEXT)))",
    ),
    "gpt_sovits": (
        "from GPT_SoVITS.TTS_infer_pack.TTS import TTS",
        "TextPreprocessor.preprocess from GPT_SoVITS.TTS_infer_pack.TextPreprocessor",
        "list(TTS().run({'text': TEXT, 'text_lang': 'de'}))",
    ),
    "indextts": (
        "from indextts.infer_v2 import IndexTTS2",
        "QwenEmotion.inference from indextts.infer_v2",
        "IndexTTS2().infer('anna.wav', TEXT, None, use_emo_text=True)",
    ),
    "kokoro_fastapi": (
        "import asyncio; from api.src.services.tts_service import TTSService",
        "KokoroV1.generate from api.src.inference.kokoro_v1",
        "asyncio.run(TTSService().generate_audio(TEXT, 'anna', None))",
    ),
}


@pytest.mark.parametrize("name", SERVICES)
def test_service_logs_are_recorded_without_the_text(service, tmp_path, name):
    imports, logging_method, call = SERVICES[name]
    path, _, module = logging_method.partition(" from ")
    owner = path.partition(".")[0]
    calls, ran = service(
        f"""
        import logging
        logging.basicConfig(level=logging.DEBUG, format="%(message)s")
        {imports}
        from {module} import {owner}

        TEXT = {TEXT!r}
        original = {path}

        def logged(self, text, *arguments, **options):
            logging.getLogger("engine").info("text %s", text)
            logging.getLogger("engine").error(f"whole {{TEXT:.20}}... is too long")
            return original(self, text, *arguments, **options)

        {path} = logged
        {call}
        """
    )
    assert [call.outcome for call in calls] == ["ok"], ran.stderr
    logs = soundpost.read_logs(service="program", directory=tmp_path / "state")
    found = [log for log in logs if log.logger == "engine"]
    assert len(found) >= 2
    for log in found:
        assert log.request_id == calls[0].request_id
        assert not any(word in log.message for word in ("Guten", "liebe", "Tante", "Kommst", "Abend")), (
            log.message
        )
    assert "text Guten Morgen" in ran.stderr or "text ['Guten Morgen" in ran.stderr, ran.stderr
