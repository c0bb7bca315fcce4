"""How long a recording is, told from its bytes; no codec is needed for a bound or an estimate."""

from __future__ import annotations

from collections.abc import Iterator

# The slowest that providers take is AMR-NB's 4.75 kbit/s; Opus has 6, MP3 has 8.
_LEAST_BYTES_A_SECOND = 500
# 128 kbit/s, as most MP3 and AAC.
_USUAL_BYTES_A_SECOND = 16_000
# A WAV file has few chunks before its samples.
_MOST_CHUNKS = 64


def most_milliseconds(data: bytes) -> int:
    """A bound: no codec for speech takes fewer bytes for a second. WAV files say how many."""
    return -(-len(data) * 1000 // (_wav_rate(data) or _LEAST_BYTES_A_SECOND))


def likely_milliseconds(data: bytes) -> int:
    """An estimate; exact for WAV files that are what they say."""
    rate = _wav_rate(data)
    if rate is None:
        return len(data) * 1000 // _USUAL_BYTES_A_SECOND
    return _samples(data) * 1000 // rate


def _wav_rate(data: bytes) -> int | None:
    """Bytes a second of a WAV file, the fewer of two that it names; None of another file."""
    header = next((start for name, start, _ in _chunks(data) if name == b"fmt "), None)
    if header is None:
        return None
    fields = [
        int.from_bytes(data[header + at : header + at + size], "little")
        for at, size in ((4, 4), (8, 4), (12, 2))
    ]
    samples, rate, block = fields
    return min(rate, samples * block) or None


def _samples(data: bytes) -> int:
    """Bytes of samples."""
    for name, start, size in _chunks(data):
        if name == b"data":
            # What was written as a stream has no size here, or that of the largest file.
            return min(size or len(data), len(data) - start)
    return len(data)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Names, where they begin, and sizes; nothing of what is no WAV file."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return
    position = 12
    for _ in range(_MOST_CHUNKS):
        if position + 8 > len(data):
            return
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        yield data[position : position + 4], position + 8, size
        position += 8 + size + size % 2
