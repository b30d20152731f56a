"""Chunks of all rows, a list of arrays, or refined text."""

import numpy as np


class Chat:
    def download_models(self, source="local", custom_path=None):
        return custom_path

    def load(self, source="local", custom_path=None, device=None):
        return self.download_models(source, custom_path) is None

    def infer(
        self, text, stream=False, lang=None, skip_refine_text=False, refine_text_only=False, use_decoder=True
    ):
        texts = [text] if isinstance(text, str) else text
        result = self._infer(texts, stream, refine_text_only)
        if stream:
            return result
        return next(result)

    def _infer(self, texts, stream, refine_text_only):
        if refine_text_only:
            yield self._refine_text(texts, None, None)
            return
        for _ in range(2 if stream else 1):
            yield self._decode_to_wavs(list(self._infer_code(texts, stream, None, False, None)), True)

    def _refine_text(self, text, device, params):
        return [each.upper() for each in text]

    def _infer_code(self, text, stream, device, return_hidden, params):
        yield from text

    def _decode_to_wavs(self, result_list, use_decoder):
        return np.ones((len(result_list), 12_000), dtype=np.float32)
