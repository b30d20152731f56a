"""WAV header for 16-bit mono PCM."""

import struct

HEADER_BYTES = 44
_UNKNOWN = 0xFFFF_FFFF  # players read it as "until the stream ends"


def header(sample_rate: int, data_bytes: int | None = None) -> bytes:
    """Returns the header for `data_bytes` of PCM, or for a stream of unknown length."""
    riff = _UNKNOWN if data_bytes is None else 36 + data_bytes
    data = _UNKNOWN if data_bytes is None else data_bytes
    form = struct.pack("<4sI4s", b"RIFF", riff, b"WAVE")
    format_ = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, sample_rate * 2, 2, 16)
    return form + format_ + struct.pack("<4sI", b"data", data)
