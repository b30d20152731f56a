"""Yields a second of silence for no text, after `stop`, and for an exception, which it raises only when resumed."""

import numpy as np
from GPT_SoVITS.AR.models.t2s_model import Text2SemanticDecoder
from GPT_SoVITS.TTS_infer_pack.TextPreprocessor import TextPreprocessor


class TTS:
    def __init__(self):
        self.text, self.model = TextPreprocessor(), Text2SemanticDecoder()

    def stop(self):
        self.stop_flag = True

    def set_ref_audio(self, ref_audio_path):
        pass

    def audio_postprocess(self, audio, sr, batch_index_list=None):
        return sr, np.full(sr * len(audio) // 10, 500, dtype=np.int16)

    def run(self, inputs):
        self.stop_flag = inputs["text"] == "stop"
        data = self.text.preprocess(inputs["text"], inputs["text_lang"], "cut1")
        if not data:
            yield 16_000, np.zeros(16_000, dtype=np.int16)
            return
        try:
            for part in data:
                if self.stop_flag:
                    yield 32_000, np.zeros(32_000, dtype=np.int16)
                    return
                if "!" in part:
                    raise RuntimeError("CUDA out of memory")
                codes = self.model.infer_panel_batch_infer(part, None, None, None)
                yield self.audio_postprocess(codes, 32_000)
        except Exception:
            yield 16_000, np.zeros(16_000, dtype=np.int16)
            raise
