from chatterbox.models.s3gen.s3gen import S3Token2Wav


class ChatterboxVC:
    @classmethod
    def from_local(cls, ckpt_dir, device):
        return cls()

    def __init__(self):
        self.sr, self.s3gen = 24_000, S3Token2Wav()

    def set_target_voice(self, wav_fpath):
        self.ref_dict = wav_fpath

    def generate(self, audio, target_voice_path=None):
        self.set_target_voice(target_voice_path)
        return self.s3gen.inference(speech_tokens=audio)[0]
