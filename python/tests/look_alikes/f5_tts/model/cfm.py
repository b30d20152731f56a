import numpy as np


class CFM:
    def sample(self, cond, text, duration, *, lens=None, steps=32, cfg_strength=1.0):
        if "!" in text[0]:
            raise RuntimeError("CUDA out of memory")
        return np.ones(duration, dtype=np.float32), None
