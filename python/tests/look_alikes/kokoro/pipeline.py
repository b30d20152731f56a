"""Results with audio, or without when there is no model."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Result:
    graphemes: str
    audio: Any


class KPipeline:
    def __init__(self, model=True):
        self.model = model

    def __call__(self, text, voice=None, speed=1, split_pattern=r"\n+", model=None):
        for part in text.split("\n"):
            if "!" in part:
                raise RuntimeError("CUDA out of memory")
            yield Result(part, np.ones(2400 * len(part)) if self.model else None)
