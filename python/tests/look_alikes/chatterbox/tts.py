"""A tensor `[1, samples]` at `self.sr`; without a voice an assertion fails."""

from chatterbox.models.s3gen.s3gen import S3Token2Wav
from chatterbox.models.t3.t3 import T3


class ChatterboxTTS:
    @classmethod
    def from_local(cls, ckpt_dir, device):
        return cls()

    def __init__(self):
        self.sr, self.t3, self.s3gen, self.conds = 24_000, T3(), S3Token2Wav(), None

    def prepare_conditionals(self, wav_fpath, exaggeration=0.5):
        self.conds = wav_fpath

    def generate(self, text, audio_prompt_path=None, exaggeration=0.5, cfg_weight=0.5, temperature=0.8):
        if audio_prompt_path:
            self.prepare_conditionals(audio_prompt_path, exaggeration=exaggeration)
        else:
            assert self.conds is not None, "Please `prepare_conditionals` first"
        tokens = self.t3.inference(t3_cond=self.conds, text_tokens=text)
        return self.s3gen.inference(speech_tokens=tokens)[0]
