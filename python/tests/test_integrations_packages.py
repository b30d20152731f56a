"""The services that are packages, on look-alikes with their classes, threads and handling of errors."""

from __future__ import annotations

import pytest


def outcomes(calls):
    return [call.outcome for call in calls]


def seconds(calls):
    return pytest.approx([call.audio_seconds for call in calls])


def counts(call):
    return {name: stage.count for name, stage in call.stages.items()}


def test_qwen3_list_of_audio_has_the_rate_beside_it(service):
    calls, _ = service(
        """
        from qwen_tts.inference.qwen3_tts_model import Qwen3TTSModel

        engine = Qwen3TTSModel()
        engine.generate_voice_clone(["abc", "de"], language="English", ref_audio="anna.wav")
        engine.generate_custom_voice("abcd", "Vivian", language=["English"])
        engine.generate_voice_design(["a", "b"], "a soft voice", language=["English", "Chinese"])
        """
    )
    assert outcomes(calls) == ["ok", "ok", "ok"]
    assert seconds(calls) == [0.5, 0.4, 0.2]
    assert [call.labels for call in calls] == [
        {"mode": "voice_clone", "language": "english"},
        {"mode": "custom_voice", "language": "english"},
        {"mode": "voice_design", "language": "mixed"},
    ]
    assert [call.char_count for call in calls] == [5, 4, 2]
    assert [call.fields["texts"] for call in calls] == [2, 1, 2]
    assert calls[1].fields["speaker"] == "vivian"
    assert counts(calls[0]) == {"reference": 1, "speech_token": 1, "llm": 1, "vocoder": 1}


def test_qwen3_request_that_does_not_fit_is_invalid(service):
    calls, _ = service(
        """
        from qwen_tts.inference.qwen3_tts_model import Qwen3TTSModel

        for text, language in (("ab", ["English", "Chinese"]), ("a!b", None)):
            try:
                Qwen3TTSModel().generate_voice_design(text, "soft", language)
            except (RuntimeError, ValueError):
                pass
        """
    )
    assert outcomes(calls) == ["invalid", "oom"]
    assert calls[1].labels == {"mode": "voice_design", "language": "auto"}


def test_voxcpm_generator_is_one_call_whole_or_streamed(service):
    calls, _ = service(
        """
        from voxcpm import VoxCPM

        engine = VoxCPM()
        assert len(engine.generate("abcd")) == 4 * 4800
        assert len(list(engine.generate_streaming(text="abc", reference_wav_path=__file__))) == 3
        parts = engine.generate_streaming("abc")
        next(parts)
        parts.close()
        """
    )
    assert outcomes(calls) == ["ok", "ok", "abandoned"]
    assert seconds(calls) == [0.4, 0.3, 0.1]
    assert [call.streaming for call in calls] == [False, True, True]
    assert [call.labels["mode"] for call in calls] == ["zero_shot", "reference", "zero_shot"]
    assert counts(calls[0]) == {"model": 1, "vocoder": 1}
    assert counts(calls[1]) == {"reference": 1, "model": 1, "vocoder": 3}


def test_voxcpm_request_that_it_refuses_is_invalid(service):
    calls, _ = service(
        """
        from voxcpm import VoxCPM

        for text, path in (("  ", None), ("abc", "/nowhere.wav"), ("ab!", None)):
            try:
                list(VoxCPM().generate_streaming(text, reference_wav_path=path))
            except (FileNotFoundError, RuntimeError, ValueError):
                pass
        """
    )
    assert outcomes(calls) == ["invalid", "invalid", "oom"]


def test_f5_threads_of_sentences_belong_to_their_call(service):
    calls, _ = service(
        """
        from concurrent.futures import ThreadPoolExecutor
        from f5_tts.api import F5TTS

        engine = F5TTS()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: engine.infer("anna.wav", "hi", "abc." * number, speed=number), range(9)))
        """
    )
    calls.sort(key=lambda call: call.char_count)
    assert outcomes(calls) == ["empty", *["ok"] * 8]
    assert seconds(calls) == [0.3 * number for number in range(9)]
    assert [counts(call).get("flow", 0) for call in calls] == list(range(9))
    assert [call.fields["speed"] for call in calls] == list(range(9))


def test_f5_page_and_socket_server_are_recorded(service):
    calls, _ = service(
        """
        from f5_tts.infer.utils_infer import infer_batch_process, infer_process
        from f5_tts.model.cfm import CFM

        infer_process("anna.wav", "hi", "abc.de", CFM(), None)
        list(infer_batch_process("anna.wav", "hi", ["abc", "de"], CFM(), None, streaming=True))
        try:
            infer_process("anna.wav", "hi", "ab!", CFM(), None)
        except RuntimeError:
            pass
        """
    )
    assert outcomes(calls) == ["ok", "ok", "oom"]
    assert seconds(calls) == [0.5, 0.5, 0]
    assert [call.chunks for call in calls] == [0, 5, 0]
    assert [call.char_count for call in calls] == [6, 5, 3]


def test_chatterbox_models_and_conversion(service):
    calls, _ = service(
        """
        from chatterbox.mtl_tts import ChatterboxMultilingualTTS
        from chatterbox.tts import ChatterboxTTS
        from chatterbox.vc import ChatterboxVC

        ChatterboxTTS().generate("abc", audio_prompt_path="anna.wav")
        ChatterboxMultilingualTTS().generate("abcd", "ZH")
        assert ChatterboxVC().generate("abcde", "anna.wav").shape == (1, 12_000)
        """
    )
    assert outcomes(calls) == ["ok", "ok", "ok"]
    assert seconds(calls) == [0.3, 0.4, 0.5]
    assert [call.labels for call in calls] == [
        {"model": "english"},
        {"model": "multilingual", "language": "zh"},
        {},
    ]
    assert [call.operation for call in calls] == ["synthesize", "synthesize", "convert"]
    assert counts(calls[0]) == {"reference": 1, "llm": 1, "vocoder": 1}
    assert counts(calls[2]) == {"reference": 1, "vocoder": 1}


def test_chatterbox_exceptions_decide(service):
    calls, _ = service(
        """
        from chatterbox.mtl_tts import ChatterboxMultilingualTTS
        from chatterbox.tts import ChatterboxTTS

        english, many = ChatterboxTTS(), ChatterboxMultilingualTTS()
        english.conds = None
        for use in (
            lambda: many.generate("abc", "xx"),
            lambda: english.generate("abc"),
            lambda: english.generate("ab!", audio_prompt_path="anna.wav"),
        ):
            try:
                use()
            except (AssertionError, RuntimeError, ValueError):
                pass
        """
    )
    assert outcomes(calls) == ["invalid", "error", "oom"]
