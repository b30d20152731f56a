"""Services that know nothing of Soundpost: their calls are recorded through the bootstrap or one line."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import soundpost
from soundpost.integrations import BOOTSTRAP, _apply, _registry


def test_cosyvoice_calls_have_labels_audio_and_stages(service):
    calls, _ = service(
        """
        from cosyvoice.cli.cosyvoice import CosyVoice2

        voice = CosyVoice2()
        list(voice.inference_sft("one.two.", "anna"))
        list(voice.inference_zero_shot("abc", "prompt", b"wav", stream=True))
        list(voice.inference_instruct2("abcd", "softly", b"wav"))
        """
    )
    assert [call.labels for call in calls] == [{"mode": "sft"}, {"mode": "zero_shot"}, {"mode": "instruct2"}]
    assert [call.audio_seconds for call in calls] == pytest.approx([0.6, 0.3, 0.4])
    assert [call.chunks for call in calls] == [2, 1, 1]
    assert [call.char_count for call in calls] == [8, 3, 4]
    assert set(calls[0].stages) == {"frontend", "llm", "vocoder"}
    assert {call.outcome for call in calls} == {"ok"}


def test_cosyvoice_language_model_that_dies_in_its_thread_decides(service):
    calls, _ = service(
        """
        from cosyvoice.cli.cosyvoice import CosyVoice
        import threading

        threading.excepthook = lambda _arguments: None
        assert len(list(CosyVoice().inference_sft("ab!c", "anna"))) == 1
        """
    )
    assert [call.outcome for call in calls] == ["oom"]


def test_cosyvoice_consumer_that_leaves_a_stream_abandons_it(service):
    calls, _ = service(
        """
        from cosyvoice.cli.cosyvoice import CosyVoice

        parts = CosyVoice().inference_sft("one.two.three.", "anna", stream=True)
        next(parts)
        parts.close()
        """
    )
    assert [(call.outcome, call.chunks) for call in calls] == [("abandoned", 1)]


def test_stages_of_concurrent_calls_stay_apart(service):
    calls, _ = service(
        """
        import threading
        from cosyvoice.cli.cosyvoice import CosyVoice

        voice, start = CosyVoice(), threading.Barrier(8)

        def work(number):
            start.wait()
            for _ in range(20):
                for part in voice.inference_sft("a." * (number + 1), "anna", stream=number % 2 == 0):
                    pass

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        """
    )
    assert len(calls) == 8 * 20
    assert {call.outcome for call in calls} == {"ok"}
    for call in calls:
        parts = call.char_count // 2
        counts = {name: stage.count for name, stage in call.stages.items()}
        assert counts == {"frontend": 1, "llm": parts, "vocoder": parts}
        assert call.audio_seconds == pytest.approx(parts / 10)
    assert sorted(call.chunks for call in calls) == sorted(list(range(1, 9)) * 20)


def test_nothing_of_a_call_is_kept_alive(service):
    _, ran = service(
        """
        import gc, weakref
        from cosyvoice.cli.cosyvoice import CosyVoice

        class Text(str):
            pass

        def use():
            voice, text = CosyVoice(), Text("ab")
            parts = voice.inference_zero_shot(text, "prompt", None)
            item = next(parts)["tts_speech"]
            return [weakref.ref(each) for each in (voice, text, parts, item)]

        references = use()
        gc.collect()
        print([reference() for reference in references])
        """
    )
    assert ran.stdout == "[None, None, None, None]\n"


def test_chattts_audio_of_all_rows_and_refined_text(service):
    calls, _ = service(
        """
        import ChatTTS

        chat = ChatTTS.Chat()
        chat.infer(["one", "two"])
        list(chat.infer("one", stream=True))
        assert chat.infer("one", refine_text_only=True) == ["ONE"]
        """
    )
    assert [call.audio_seconds for call in calls] == pytest.approx([1.0, 1.0, 0.0])
    assert [call.chunks for call in calls][1] == 2
    assert [call.outcome for call in calls] == ["ok", "ok", "ok"]
    assert [call.fields["texts"] for call in calls] == [2, 1, 1]


def test_sonic_without_a_file_is_an_error(service, tmp_path):
    calls, _ = service(
        f"""
        from sonic import Sonic

        assert Sonic().process("face.png", "voice.wav", {str(tmp_path / "out.mp4")!r}) == 0
        """
    )
    assert [(call.operation, call.outcome) for call in calls] == [("animate", "error")]
    assert calls[0].error == f"wrote no file {tmp_path / 'out.mp4'}"
    assert set(calls[0].stages) == {"features", "save"}


def test_another_module_of_a_generic_name_is_left_alone(service, tmp_path):
    (tmp_path / "sonic.py").write_text("class Sonic:\n    def process(self, data):\n        return data\n")
    calls, ran = service(
        "import sonic; print(sonic.Sonic().process(1), hasattr(sonic.Sonic.process, '_soundpost_hook'))"
    )
    assert (calls, ran.stdout, ran.stderr) == ([], "1 False\n", "")


def test_hooks_report_what_the_installed_version_lacks(service, tmp_path):
    _, ran = service(
        """
        import logging
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        import cosyvoice.cli.cosyvoice
        """
    )
    stored = soundpost.read_logs(service="program", directory=tmp_path / "state")
    states = "".join(event.message for event in stored)
    assert "CosyVoice.inference_sft ok" in states
    assert "CosyVoice2.inference_instruct2 partial" in states
    assert "CosyVoice.inference_instruct gone" in states
    assert ran.stderr == ""


def test_program_without_a_known_service_loads_nothing(service):
    calls, ran = service("import sys; print([name for name in sys.modules if name.startswith('soundpost')])")
    assert (calls, ran.stdout) == ([], "[]\n")


@pytest.mark.parametrize("start", ["spawn", "forkserver", "fork"])
def test_children_are_instrumented(service, start):
    calls, _ = service(
        f"""
        import multiprocessing

        def work():
            from cosyvoice.cli.cosyvoice import CosyVoice
            list(CosyVoice().inference_sft("ab", "anna"))

        if __name__ == "__main__":
            process = multiprocessing.get_context({start!r}).Process(target=work)
            process.start()
            process.join()
            assert process.exitcode == 0
        """
    )
    assert [call.outcome for call in calls] == ["ok"]


def test_run_hooks_its_command(service):
    calls, ran = service(
        """
        import subprocess, sys

        voice = "from cosyvoice.cli.cosyvoice import CosyVoice; list(CosyVoice().inference_sft('ab', 'anna'))"
        command = [sys.executable, "-m", "soundpost", "run", "--instrument", "auto", "--", sys.executable, "-c", voice]
        sys.exit(subprocess.run(command).returncode)
        """,
        instrument="off",
    )
    assert [call.outcome for call in calls] == ["ok"], ran.stderr


def test_run_refuses_an_unknown_integration(service):
    _, ran = service(
        """
        import subprocess, sys

        command = [sys.executable, "-m", "soundpost", "run", "--instrument", "chattts,cosy", "--", "true"]
        sys.exit(subprocess.run(command).returncode)
        """,
        check=False,
    )
    assert ran.returncode == 2
    assert 'there is no integration "cosy"; use auto, or names of: chatterbox, chattts' in ran.stderr


def test_hidden_sitecustomize_runs(service, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "sitecustomize.py").write_text("import sys; sys.ran = __name__\n")
    path = os.pathsep.join(map(str, [BOOTSTRAP, tmp_path / "other"]))
    ran = subprocess.run(
        [sys.executable, "-c", "import sys; print(sys.ran)"],
        env={**os.environ, "PYTHONPATH": path, "SOUNDPOST_INSTRUMENT": "auto"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (ran.stdout, ran.stderr) == ("sitecustomize\n", "")


def test_hook_that_raises_leaves_the_import(service):
    calls, ran = service(
        """
        from soundpost.integrations import _apply

        def broken(*_arguments):
            raise RuntimeError("broken")

        _apply.apply = broken
        import ChatTTS
        assert ChatTTS.Chat().infer("one").shape == (1, 12_000)
        """
    )
    assert calls == []
    assert ran.stderr.count("ChatTTS.core cannot be instrumented") == 1


def test_explicit_init_after_an_automatic_one_merges(service):
    calls, _ = service(
        """
        from cosyvoice.cli.cosyvoice import CosyVoice
        import soundpost

        telemetry = soundpost.init(service="explicit", labels={"zone": "a"})
        assert soundpost.init(service="explicit", labels={"zone": "a"}) is telemetry
        list(CosyVoice().inference_sft("ab", "anna"))
        """,
        service="explicit",
    )
    assert [call.labels for call in calls] == [{"mode": "sft", "zone": "a"}]


def test_one_line_instruments_before_and_after_the_import(service):
    calls, _ = service(
        """
        import soundpost
        from cosyvoice.cli.cosyvoice import CosyVoice
        soundpost.instrument_all(exclude=["sonic"])
        import ChatTTS

        list(CosyVoice().inference_sft("ab", "anna"))
        ChatTTS.Chat().infer("one")
        """,
        instrument="off",
    )
    assert [call.operation for call in calls] == ["synthesize", "synthesize"]


def test_reloaded_module_is_instrumented_once_more(service):
    calls, _ = service(
        """
        import importlib
        import ChatTTS.core

        importlib.reload(ChatTTS.core)
        ChatTTS.core.Chat().infer("one")
        """
    )
    assert [call.outcome for call in calls] == ["ok"]


def test_unknown_name_is_an_error_that_lists_the_known(service):
    with pytest.raises(ValueError, match="no integration 'cosy'; known: chatterbox, chattts, "):
        soundpost.instrument_all(only=["cosy"])
    _, ran = service("pass", instrument="cosy,chattts")
    assert "no integration 'cosy'; known: chatterbox, chattts" in ran.stderr


def test_registry_has_the_modules_of_the_declarations():
    for name, modules in _registry.MODULES.items():
        assert set(modules) == _apply.integration(name).modules().keys(), name
