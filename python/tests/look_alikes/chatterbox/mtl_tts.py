from chatterbox.tts import ChatterboxTTS


class ChatterboxMultilingualTTS(ChatterboxTTS):
    def prepare_conditionals(self, wav_fpath, exaggeration=0.5):
        self.conds = wav_fpath

    def generate(
        self, text, language_id, audio_prompt_path=None, exaggeration=0.5, cfg_weight=0.5, temperature=0.8
    ):
        if language_id.lower() not in ("en", "zh"):
            raise ValueError(f"Unsupported language_id '{language_id}'")
        self.prepare_conditionals(audio_prompt_path)
        return self.s3gen.inference(speech_tokens=self.t3.inference(t3_cond=None, text_tokens=text))[0]
