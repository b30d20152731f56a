import numpy as np


class Qwen3TTSTokenizer:
    def encode(self, audios, sr=None, return_dict=True):
        return [audios]

    def decode(self, encoded):
        return [np.ones(2400 * len(codes), dtype=np.float32) for codes in encoded], 24_000
