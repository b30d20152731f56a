"""The situations of each service, on look-alikes with their classes, threads and handling of errors."""

from __future__ import annotations

import pytest


def outcomes(calls):
    return [call.outcome for call in calls]


def seconds(calls):
    return pytest.approx([call.audio_seconds for call in calls])


def test_indextts_measures_each_shape_of_result(service, tmp_path):
    calls, _ = service(
        """
        from indextts.infer_v2 import IndexTTS2

        engine = IndexTTS2()
        assert engine.infer("anna.wav", "abc.de.", None)[0] == 22_050
        list(engine.infer("anna.wav", "abc.de.", None, stream_return=True, emo_audio_prompt="sad.wav"))
        list(engine.infer("anna.wav", "abc.de.", None, stream_return=True, interval_silence=0, use_emo_text=True))
        """
    )
    # Streams have a silence after each sentence, or, without silences, the list of all sentences so far.
    assert seconds(calls) == [0.5, 0.9, 0.5]
    assert [call.chunks for call in calls] == [0, 4, 2]
    assert [call.labels["emotion"] for call in calls] == ["speaker", "audio", "text"]
    assert {call.labels["version"] for call in calls} == {"2"}
    assert outcomes(calls) == ["ok", "ok", "ok"]
    assert "emotion" in calls[2].stages
    assert "speaker_embedding" in calls[0].stages


def test_indextts_none_is_an_error_and_each_cut_is_truncated(service):
    calls, _ = service(
        """
        import warnings
        warnings.simplefilter("default")
        from indextts.infer_v2 import IndexTTS2

        engine = IndexTTS2()
        assert engine.infer("anna.wav", "", None) is None
        for _ in range(3):
            engine.infer("anna.wav", "ab!", None)
        """
    )
    assert outcomes(calls) == ["error", "truncated", "truncated", "truncated"]


def test_fish_speech_counts_each_segment_once(service):
    calls, _ = service(
        """
        from fish_speech.inference_engine import Request, TTSInferenceEngine

        engine = TTSInferenceEngine()
        for item in engine.inference(Request("abc.de.", streaming=True)):
            if item.code == "final":
                break
        assert [item.code for item in engine.inference(Request("abc."))] == ["final"]
        list(engine.inference(Request("ab.c!", streaming=True)))
        """
    )
    assert outcomes(calls) == ["ok", "ok", "oom"]
    assert seconds(calls) == [0.5, 0.3, 0.2]
    assert [call.streaming for call in calls] == [True, False, True]


def test_gpt_sovits_silence_stands_for_an_exception_or_no_text(service):
    calls, _ = service(
        """
        from GPT_SoVITS.TTS_infer_pack.TTS import TTS

        engine = TTS()
        for text in ("abc", "ab!c", ""):
            next(engine.run({"text": text, "text_lang": "en"}))
        list(engine.run({"text": "abc.de", "text_lang": "zh", "streaming_mode": True}))
        """
    )
    assert outcomes(calls) == ["ok", "oom", "empty", "ok"]
    assert seconds(calls) == [0.3, 0, 0, 0.5]
    assert [call.labels["language"] for call in calls] == ["en", "en", "en", "zh"]


def test_gpt_sovits_that_is_stopped_has_no_silence_as_audio(service):
    calls, _ = service(
        """
        from GPT_SoVITS.TTS_infer_pack.TTS import TTS

        engine = TTS()
        fragments = engine.run({"text": "abc.de.fgh", "text_lang": "en", "return_fragment": True})
        next(fragments)
        engine.stop()
        list(fragments)
        whole = engine.run({"text": "stop", "text_lang": "en"})
        assert len(next(whole)[1]) == 32_000
        del whole
        """
    )
    assert outcomes(calls) == ["ok", "empty"]
    assert seconds(calls) == [0.3, 0]


def test_gpt_sovits_under_its_other_name(service):
    calls, _ = service(
        """
        import sys, pathlib, GPT_SoVITS
        sys.path.insert(0, str(pathlib.Path(GPT_SoVITS.__path__[0])))
        from TTS_infer_pack.TTS import TTS

        list(TTS().run({"text": "abc", "text_lang": "en"}))
        """
    )
    assert outcomes(calls) == ["ok"]


def test_faster_whisper_call_lasts_until_its_segments_end(service):
    calls, _ = service(
        """
        import time
        from faster_whisper.transcribe import BatchedInferencePipeline, WhisperModel

        segments, info = WhisperModel().transcribe(["a", "b"], language="en")
        assert (list(segments), info) == (["a", "b"], {"language": "en"})
        segments, _ = BatchedInferencePipeline().transcribe(["a"], task="translate")
        list(segments)
        """
    )
    assert outcomes(calls) == ["ok", "ok"]
    assert [call.labels for call in calls] == [{"task": "transcribe"}, {"task": "translate"}]
    assert calls[0].stages["decoder"].count == 2


def test_kokoro_library_is_recorded_without_its_server(service):
    calls, _ = service(
        """
        from kokoro.pipeline import KPipeline

        list(KPipeline()("abc\\nde", voice="voices/anna.pt"))
        for pipeline, text in ((KPipeline(), "ab\\nc!"), (KPipeline(model=None), "abc")):
            try:
                list(pipeline(text, voice="ben"))
            except RuntimeError:
                pass
        """
    )
    assert outcomes(calls) == ["ok", "oom", "empty"]
    assert seconds(calls) == [0.5, 0.2, 0]
    assert [call.labels for call in calls] == [{"voice": "anna"}, {"voice": "ben"}, {"voice": "ben"}]


def test_kokoro_exception_that_is_swallowed_decides(service):
    calls, _ = service(
        """
        import asyncio
        from api.src.services.tts_service import TTSService

        async def main():
            service = TTSService()
            assert len([chunk async for chunk in service.generate_audio_stream("abc.de.", "anna", None)]) == 2
            assert len([chunk async for chunk in service.generate_audio_stream("abc.d!.ef", "anna", None)]) == 2
            await service.generate_audio("abc", "ben", None)

        asyncio.run(main())
        """
    )
    assert outcomes(calls) == ["ok", "oom", "ok"]
    assert seconds(calls) == [0.5, 0.5, 0.3]
    assert [call.labels for call in calls] == [{"voice": "anna"}, {"voice": "anna"}, {"voice": "ben"}]
