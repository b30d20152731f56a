"""`audio`: how to measure the output of a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from soundpost._judgement import with_none
from soundpost._native import Error, Measure

if TYPE_CHECKING:
    from soundpost._native import Call

AudioMeasure = Measure | Callable[..., Any]
"""The type of `audio=`: `soundpost.audio(...)`, or a function of one item, or of that and the call."""


def audio(
    sample_rate: float | None = None,
    *,
    key: object = None,
    sample_width: int = 2,
    channels: int = 1,
    silence: bool = False,
    batch_axis: int | None = None,
    full_scale: float | None = None,
    quality: bool = False,
    path: str | None = None,
) -> AudioMeasure:
    """Measures the length of the audio in a result or a yielded item.

    It accepts arrays and tensors (the longest axis is time), lists of them, `(rate, array)` in either order,
    dicts and objects by `key`, bytes of PCM or of a file, and paths of files. It reads shapes, lengths and
    headers: nothing is copied, moved to the CPU, or consumed.

    Args:
        sample_rate: Samples per second, for audio without a header or rate of its own.
        key: Key of the audio in a dict, position in a tuple, or attribute of an object. An item without it is
            no audio.
        sample_width: Bytes per sample of raw PCM.
        channels: Channels of raw PCM.
        silence: Whether to check for silence, below -60 dBFS throughout: such a call ends as `silent`. The
            check reads samples in the CPU's memory until one is not silent.
        batch_axis: The axis of arrays and tensors along which pieces of audio are stacked.
        full_scale: The largest sample of floats, such as 32768 for floats in the range of 16-bit PCM;
            default: 1.
        quality: Whether to read all samples in the CPU's memory for their peak, RMS, and shares of clipped
            and silent samples. Samples that are not finite make the call `corrupt`.
        path: Parameter with the path of the file that the function writes, in place of its result. A negative
            number or False as the result is an error.

    Raises:
        ValueError: An argument is out of range.
    """
    measure = Measure(
        sample_rate, key, sample_width, channels, silence, batch_axis, full_scale, quality=quality
    )
    return measure if path is None else _of_file(measure, path)


def video(*, key: object = None, path: str | None = None) -> AudioMeasure:
    """Measures the length of video files, and of the audio in them, in the place of `audio()`.

    MP4 and MOV files have a length; other files are output of unknown length.

    Args:
        key: As for `audio`.
        path: As for `audio`.
    """
    measure = Measure(key=key, video=True)
    return measure if path is None else _of_file(measure, path)


def _of_file(measure: Measure, path: str) -> Callable[..., Any]:
    """Returns a function that measures the file whose path is an argument."""

    def measure_file(result: Any, call: Call) -> Any:
        if isinstance(result, int) and (result is False or result < 0):
            return Error(f"returned {result}")
        return measure(call.arguments.get(path))

    return with_none(measure_file)
