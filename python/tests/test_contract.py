"""Every name and every form of the public interface, in one program."""

from __future__ import annotations


def test_service_written_to_the_contract_runs(python, tmp_path):
    ran = python(
        """
        import inspect
        import sys

        import soundpost
        from scrape import Scrape

        SECONDS = 22050

        class CosyVoice:
            sample_rate = 24000

            def inference_sft(self, tts_text, spk_id, stream=False, speed=1.0):
                for part in tts_text.split("."):
                    yield {"tts_speech": [[0.0] * 10], "part": part}

        @soundpost.instrument(
            "synthesize",
            labels={"emotion": "emotion"},
            fields={"char_count": lambda a: len(a["text"])},
            audio=soundpost.audio(sample_rate=22050),
            streaming="stream",
        )
        def infer(text, emotion="neutral", stream=False):
            "Doc."
            vocode(text)
            return bytes(2 * SECONDS)

        @soundpost.stage("vocoder")
        def vocode(mel): ...

        @soundpost.instrument
        def bare(): ...

        # Before init everything can be called and records nothing.
        voices = soundpost.Counter("sonic_video_generation_success", "Videos made", ["status"])
        infer("before")
        voices.labels(status="success").inc()
        assert soundpost.current_call() is None
        assert inspect.signature(infer).parameters.keys() == {"text", "emotion", "stream"} and infer.__doc__ == "Doc."

        telemetry = soundpost.init(
            service="indextts2",
            version="V23",
            listen="127.0.0.1:0",
            gpu=True, sample_interval=1.0,
            labels={"env": "production"},
            directory=sys.argv[1],
            sinks=[],
        )
        host, port = telemetry.address.split(":")
        assert host == "127.0.0.1" and int(port) > 0
        assert str(telemetry.directory).startswith(sys.argv[1])
        assert soundpost.init(
            service="indextts2", version="V23", listen="127.0.0.1:0", gpu=True, sample_interval=1,
            labels={"env": "production"}, directory=sys.argv[1], sinks=(),
        ) is telemetry

        infer("some text")
        infer(text="other", emotion="sad", stream=True)
        bare()

        with soundpost.call("synthesize", labels={"emotion": "sad"}, request_id="req-7d8e9f", char_count=128) as call:
            with call.stage("frontend"): ...
            for wav in [[0.0] * SECONDS] * 2:
                call.chunk(audio_seconds=len(wav) / 22050)
            call.set(model_version="V23")
            current = soundpost.current_call()
            assert (current.request_id, current.operation) == ("req-7d8e9f", "synthesize")

        undo = soundpost.patch(
            CosyVoice, "inference_sft", labels={"speaker": "spk_id"}, streaming="stream",
            audio=lambda item: soundpost.Skip if item["part"] == "silence" else 0.5,
        )
        generator = CosyVoice().inference_sft("one.silence.two", "woman")
        assert inspect.isgenerator(generator) and len(list(generator)) == 3
        undo()

        voices.labels(status="success").inc()
        assert soundpost.flush(timeout=2.0)
        for openmetrics in (False, True):
            scrape = Scrape(telemetry.render(openmetrics=openmetrics), prefix="indextts2", openmetrics=openmetrics)
            assert scrape.outcomes("synthesize", env="production") == {"ok": 3}
            assert scrape.outcomes("synthesize", emotion="sad") == {"ok": 2}
            assert scrape.outcomes("bare") == {"ok": 1}
            assert scrape.outcomes("inference_sft", speaker="woman") == {"ok": 1}
            assert scrape.stages("synthesize") == {"vocoder": 2, "frontend": 1}
            assert scrape.total("characters_total", "synthesize") == 9 + 5 + 128
            assert scrape.total("audio_seconds_total", "synthesize") == 1 + 1 + 2
            assert scrape.total("audio_seconds_total", "inference_sft") == 1.0
            assert scrape.get("sonic_video_generation_success_total", status="success", env="production") == 1
            assert scrape.sum("indextts2_build_info", version="V23") == 1
        soundpost.shutdown()
        infer("after")
        """,
        tmp_path / "elsewhere",
        SOUNDPOST_GPU="",
    )
    assert "Traceback" not in ran.stderr
