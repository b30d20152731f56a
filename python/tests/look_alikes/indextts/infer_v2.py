"""A result of another shape for each way to call it, and None for a hidden `IndexError`."""

import warnings

import numpy as np


class QwenEmotion:
    def inference(self, text_input):
        return {"happy": 1.0}


class IndexTTS2:
    def __init__(self):
        self.qwen_emo = QwenEmotion()

    def get_emb(self, input_features, attention_mask):
        return input_features

    def infer(
        self,
        spk_audio_prompt,
        text,
        output_path,
        emo_audio_prompt=None,
        emo_alpha=1.0,
        emo_vector=None,
        use_emo_text=False,
        emo_text=None,
        use_random=False,
        interval_silence=200,
        verbose=False,
        max_text_tokens_per_segment=120,
        stream_return=False,
        **generation_kwargs,
    ):
        parts = self._parts(text, interval_silence, stream_return, use_emo_text, output_path)
        if stream_return:
            return parts
        try:
            results = list(parts)
            return results[0]
        except IndexError:
            return None

    def _parts(self, text, interval_silence, stream_return, use_emo_text, output_path):
        self.get_emb(None, None)
        if use_emo_text:
            self.qwen_emo.inference(text)
        pieces = []
        for sentence in filter(None, text.split(".")):
            if "!" in sentence:
                warnings.warn(
                    "generation stopped due to exceeding `max_mel_tokens` (1500)", category=RuntimeWarning
                )
            piece = np.full((1, 2205 * len(sentence)), 9_000.0)
            pieces.append(piece)
            if stream_return:
                yield piece
                yield np.zeros((1, 22_050 * interval_silence // 1000)) if interval_silence else pieces
        if not pieces:
            return
        if not stream_return:
            yield output_path or (22_050, np.concatenate(pieces, axis=1).astype(np.int16).T)
