"""Generators that yield one item for each part of the text, also without streaming."""

from cosyvoice.cli.frontend import CosyVoiceFrontEnd
from cosyvoice.cli.model import CosyVoiceModel


class CosyVoice:
    def __init__(self):
        self.sample_rate = 22050
        self.frontend, self.model = CosyVoiceFrontEnd(), CosyVoiceModel()

    def inference_sft(self, tts_text, spk_id, stream=False, speed=1.0, text_frontend=True):
        for part in self.frontend.text_normalize(tts_text, split=True, text_frontend=text_frontend):
            yield from self.model.tts(part, stream=stream, speed=speed)

    def inference_zero_shot(
        self,
        tts_text,
        prompt_text,
        prompt_wav,
        zero_shot_spk_id="",
        stream=False,
        speed=1.0,
        text_frontend=True,
    ):
        self.frontend._extract_speech_token(prompt_wav)
        yield from self.inference_sft(tts_text, zero_shot_spk_id, stream, speed, text_frontend)

    def inference_cross_lingual(
        self, tts_text, prompt_wav, zero_shot_spk_id="", stream=False, speed=1.0, text_frontend=True
    ):
        yield from self.inference_sft(tts_text, zero_shot_spk_id, stream, speed, text_frontend)

    # Of another version: the text has another name.
    def inference_instruct(self, text, spk_id, instruct_text):
        yield from self.inference_sft(text, spk_id)

    def inference_vc(self, source_wav, prompt_wav, stream=False, speed=1.0):
        yield {"tts_speech": source_wav}


class CosyVoice2(CosyVoice):
    # Of another version: without `text_frontend`.
    def inference_instruct2(
        self, tts_text, instruct_text, prompt_wav, zero_shot_spk_id="", stream=False, speed=1.0
    ):
        yield from self.inference_sft(tts_text, zero_shot_spk_id, stream, speed)


class CosyVoice3(CosyVoice2):
    pass
