from voxcpm.modules.audiovae.audio_vae_v2 import AudioVAE, StreamingVAEDecoder


class VoxCPM2Model:
    def __init__(self):
        self.sample_rate, self.audio_vae = 48_000, AudioVAE()

    def build_prompt_cache(self, prompt_text=None, prompt_wav_path=None, reference_wav_path=None):
        return {"mode": "reference"}

    def _inference(self, text, streaming=False):
        for letter in text if streaming else [text]:
            if "!" in letter:
                raise RuntimeError("CUDA out of memory")
            yield letter

    def generate(self, target_text, streaming=False):
        decoder = StreamingVAEDecoder()
        for latent in self._inference(target_text, streaming=streaming):
            yield decoder.decode_chunk(latent) if streaming else self.audio_vae.decode(latent)
