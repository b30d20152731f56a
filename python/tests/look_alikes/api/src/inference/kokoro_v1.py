import numpy as np


class KokoroV1:
    async def load_model(self, path):
        pass

    async def generate(self, text, voice, speed=1.0, lang_code=None, return_timestamps=False):
        if "!" in text:
            raise RuntimeError("CUDA out of memory")
        yield np.ones(2400 * len(text))
