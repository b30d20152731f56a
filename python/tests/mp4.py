"""MP4 files without samples."""

import struct


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def mp4(audio_seconds, video_seconds):
    """An MP4 file without samples, whose index states the lengths of its tracks."""
    matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    mvhd = box(
        b"mvhd",
        struct.pack(">IIIII", 0, 0, 0, 1000, 0),
        struct.pack(">IH", 0x10000, 0x100),
        bytes(10),
        matrix,
        bytes(24),
        struct.pack(">I", 3),
    )

    def track(number, handler, seconds, media):
        tkhd = box(b"tkhd", struct.pack(">IIIIII", 7, 0, 0, number, 0, 0), bytes(16), matrix, bytes(8))
        mdhd = box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, 1000, int(seconds * 1000), 0x55C4, 0))
        hdlr = box(b"hdlr", bytes(8), handler, bytes(12), b"x\0")
        dinf = box(b"dinf", box(b"dref", struct.pack(">II", 0, 1), box(b"url ", struct.pack(">I", 1))))
        counts = [box(kind, bytes(8)) for kind in (b"stsd", b"stts", b"stsc", b"stco")]
        stbl = box(b"stbl", *counts, box(b"stsz", bytes(12)))
        return box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, box(b"minf", media, dinf, stbl)))

    tracks = []
    if video_seconds:
        tracks.append(track(1, b"vide", video_seconds, box(b"vmhd", struct.pack(">IQ", 1, 0))))
    if audio_seconds:
        tracks.append(track(2, b"soun", audio_seconds, box(b"smhd", bytes(8))))
    return box(b"ftyp", b"isom", bytes(4), b"isom") + box(b"mdat", bytes(100)) + box(b"moov", mvhd, *tracks)
