"""How to measure what a call gives back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from soundpost._native import Measure

Measuring = Measure | Callable[[Any], Any]
"""What `audio=` takes: `soundpost.audio(...)`, or a function of one item."""


def audio(
    sample_rate: float | None = None,
    *,
    key: object = None,
    sample_width: int = 2,
    channels: int = 1,
    silence: bool = False,
) -> Measure:
    """Says how long the audio in a result or a yielded item is.

    It takes arrays and tensors (the longest axis is time), lists of them, `(rate, array)`, dicts and objects
    by `key`, bytes of PCM or of a WAVE or FLAC file, and paths of files. It reads shapes, lengths and
    headers: nothing is copied, moved to the CPU, or consumed.

    Args:
        sample_rate: Samples a second, for what does not say so itself.
        key: Where the audio is in a dict, or the attribute of an object; an item without it is no audio.
        sample_width: Bytes a sample of raw PCM.
        channels: Channels of raw PCM.
        silence: Also look whether it is silence, below -60 dBFS throughout: such a call ends as `silent`.
            Reads the samples of what lies in the CPU's memory until some are not silent.

    Raises:
        ValueError: An argument is out of range.
    """
    return Measure(sample_rate, key, sample_width, channels, silence)


def measured(given: Measuring | None) -> tuple[Measure | None, Callable[[Any], Any] | None]:
    """What `audio=` was given: a measure, or a function, or neither."""
    if given is None or isinstance(given, Measure):
        return given, None
    return None, given
