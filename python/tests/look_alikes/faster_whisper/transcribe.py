"""A pair of a generator and the properties of the audio."""


class WhisperModel:
    def __init__(self, model_size_or_path="tiny"):
        pass

    def encode(self, features):
        return features

    def generate_with_fallback(self, encoder_output, prompt, tokenizer, options):
        return encoder_output

    def _segments(self, audio):
        for part in self.encode(audio):
            yield self.generate_with_fallback(part, None, None, None)

    def transcribe(self, audio, language=None, task="transcribe", log_progress=False, beam_size=5):
        return self._segments(audio), {"language": language}


class BatchedInferencePipeline(WhisperModel):
    def transcribe(self, audio, language=None, task="transcribe", log_progress=False, beam_size=5):
        return self._segments(audio), {"language": language}
