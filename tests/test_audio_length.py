"""How long a recording is, by its bytes."""

from __future__ import annotations

import io
import struct
import wave

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audio_length import likely_milliseconds, most_milliseconds
from tests.media import MP3, wav


@settings(max_examples=30)
@given(st.integers(0, 3000), st.sampled_from([8000, 16_000, 44_100]), st.integers(1, 2))
def test_a_wav_file_says_how_long_it_is(length: int, rate: int, channels: int) -> None:
    """Python's own files, as a check."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(channels)
        written.setsampwidth(2)
        written.setframerate(rate)
        written.writeframes(bytes(2 * channels * (length * rate // 1000)))
    data = file.getvalue()
    assert likely_milliseconds(data) == pytest.approx(length, abs=1)
    assert length <= most_milliseconds(data) <= length + 100


def test_other_chunks_come_before_the_samples() -> None:
    data = wav(1000)
    more = data[:12] + struct.pack("<4sI", b"LIST", 3) + b"abc\0" + data[12:]
    assert likely_milliseconds(more) == 1000


@pytest.mark.parametrize("size", [0, 2**32 - 1])
def test_a_file_that_was_streamed_has_no_length_in_its_header(size: int) -> None:
    data = wav(1000)
    at = data.index(b"data") + 4
    assert likely_milliseconds(data[:at] + struct.pack("<I", size) + data[at + 4 :]) == 1000


def test_the_bound_does_not_believe_a_header_that_says_less() -> None:
    data = wav(10_000)
    at = data.index(b"data") + 4
    short = data[:at] + struct.pack("<I", 8) + data[at + 4 :]
    assert likely_milliseconds(short) == 1
    assert most_milliseconds(short) >= 10_000
    # A rate of bytes that its samples do not have.
    rate = data.index(b"fmt ") + 16
    fast = data[:rate] + struct.pack("<I", 2**32 - 1) + data[rate + 4 :]
    assert most_milliseconds(fast) >= 10_000


def test_other_files_go_by_their_bytes() -> None:
    data = MP3 + bytes(16_000)
    assert likely_milliseconds(data) == pytest.approx(1000, abs=10)
    # Not even the slowest codec makes less of a second.
    assert most_milliseconds(data) >= len(data) * 8 / 4.75


@settings(max_examples=50)
@given(st.binary(max_size=100))
def test_nothing_breaks_it(rest: bytes) -> None:
    for data in (rest, b"RIFF\0\0\0\0WAVE" + rest, b"RIFF\0\0\0\0WAVEfmt " + rest):
        assert likely_milliseconds(data) >= 0
        assert most_milliseconds(data) >= 0
