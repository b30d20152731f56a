"""A pair of a list of arrays and their rate, for one text or several; a request that does not fit is refused."""

from qwen_tts.core.models.modeling_qwen3_tts import Qwen3TTSForConditionalGeneration
from qwen_tts.inference.qwen3_tts_tokenizer import Qwen3TTSTokenizer


class Qwen3TTSModel:
    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, **kwargs):
        return cls()

    def __init__(self):
        self.model, self.tokenizer = Qwen3TTSForConditionalGeneration(), Qwen3TTSTokenizer()

    def create_voice_clone_prompt(self, ref_audio, ref_text=None, x_vector_only_mode=False):
        return self.tokenizer.encode(ref_audio)

    def _speak(self, text, language):
        texts = text if isinstance(text, list) else [text]
        if isinstance(language, list) and len(language) != len(texts):
            raise ValueError(f"Batch size mismatch: text={len(texts)}, language={len(language)}")
        codes, _ = self.model.generate(input_ids=texts)
        return self.tokenizer.decode(codes)

    def generate_voice_clone(
        self, text, language=None, ref_audio=None, ref_text=None, voice_clone_prompt=None, **kwargs
    ):
        if voice_clone_prompt is None:
            self.create_voice_clone_prompt(ref_audio, ref_text)
        return self._speak(text, language)

    def generate_voice_design(self, text, instruct, language=None, non_streaming_mode=True, **kwargs):
        return self._speak(text, language)

    def generate_custom_voice(self, text, speaker, language=None, instruct=None, **kwargs):
        return self._speak(text, language)
