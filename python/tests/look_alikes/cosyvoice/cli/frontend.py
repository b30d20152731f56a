"""A front end that splits a text at full stops."""


class CosyVoiceFrontEnd:
    def text_normalize(self, text, split=True, text_frontend=True):
        return [part for part in text.split(".") if part] if split else text

    def _extract_speech_token(self, prompt_wav):
        return prompt_wav

    def _extract_spk_embedding(self, prompt_wav):
        return prompt_wav
