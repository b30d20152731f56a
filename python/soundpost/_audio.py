"""`audio`: how to measure the output of a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from soundpost._native import Measure

AudioMeasure = Measure | Callable[..., Any]
"""The type of `audio=`: `soundpost.audio(...)`, or a function of one item, or of that and the call."""


def audio(
    sample_rate: float | None = None,
    *,
    key: object = None,
    sample_width: int = 2,
    channels: int = 1,
    silence: bool = False,
) -> Measure:
    """Measures the length of the audio in a result or a yielded item.

    It accepts arrays and tensors (the longest axis is time), lists of them, `(rate, array)`, dicts and
    objects by `key`, bytes of PCM or of a WAVE or FLAC file, and paths of files. It reads shapes, lengths and
    headers: nothing is copied, moved to the CPU, or consumed.

    Args:
        sample_rate: Samples per second, for audio without a header or rate of its own.
        key: Key of the audio in a dict, or attribute of an object; an item without it is no audio.
        sample_width: Bytes per sample of raw PCM.
        channels: Channels of raw PCM.
        silence: Whether to check for silence, below -60 dBFS throughout: such a call ends as `silent`. The
            check reads samples in the CPU's memory until one is not silent.

    Raises:
        ValueError: An argument is out of range.
    """
    return Measure(sample_rate, key, sample_width, channels, silence)
