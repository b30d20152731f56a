"""One generator under two methods: the first takes its only item and closes it."""

import os

from voxcpm.model.voxcpm2 import VoxCPM2Model


class VoxCPM:
    def __init__(self):
        self.tts_model = VoxCPM2Model()
        # A warm-up, which is no call of a client.
        next(self.tts_model.generate("warm"))

    def generate(self, *args, **kwargs):
        parts = self._generate(*args, streaming=False, **kwargs)
        try:
            return next(parts)
        finally:
            parts.close()

    def generate_streaming(self, *args, **kwargs):
        return self._generate(*args, streaming=True, **kwargs)

    def _generate(
        self,
        text,
        prompt_wav_path=None,
        prompt_text=None,
        reference_wav_path=None,
        cfg_value=2.0,
        inference_timesteps=10,
        normalize=False,
        denoise=False,
        streaming=False,
    ):
        if not text.strip():
            raise ValueError("target text must be a non-empty string")
        if reference_wav_path is not None and not os.path.exists(reference_wav_path):
            raise FileNotFoundError(f"reference_wav_path does not exist: {reference_wav_path}")
        if reference_wav_path is not None:
            self.tts_model.build_prompt_cache(reference_wav_path=reference_wav_path)
        yield from self.tts_model.generate(text, streaming=streaming)
