"""LZF: copies, overlaps, long lengths, and damage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoad.data.lzf import _expand, decompress


def compress_literally(plain: bytes) -> bytes:
    """The simplest valid stream: literals only, 32 at a time."""
    runs = [plain[i : i + 32] for i in range(0, len(plain), 32)]
    return b"".join(bytes([len(run) - 1]) + run for run in runs)


def copy(length: int, distance: int) -> bytes:
    """The instruction to copy `length` bytes from `distance` back."""
    high, low = divmod(distance - 1, 256)
    if length < 9:
        return bytes([(length - 2) << 5 | high, low])
    return bytes([7 << 5 | high, length - 9, low])


@given(st.binary(max_size=200))
def test_literals(plain: bytes) -> None:
    assert decompress(compress_literally(plain), len(plain)) == plain


@given(
    start=st.binary(min_size=1, max_size=100),
    copies=st.lists(st.tuples(st.integers(3, 264), st.integers(1, 8192)), max_size=8),
)
def test_copies_of_any_length_and_distance(start: bytes, copies: list[tuple[int, int]]) -> None:
    packed, plain = compress_literally(start), bytearray(start)
    for length, distance in copies:
        distance = min(distance, len(plain))
        packed += copy(length, distance)
        for _ in range(length):
            plain.append(plain[-distance])
    assert decompress(packed, len(plain)) == bytes(plain)


@given(packed=st.binary(max_size=60), size=st.integers(0, 300))
def test_damage_is_an_error_or_the_right_size(packed: bytes, size: int) -> None:
    """The uncompiled twin, because it would notice a step outside its arrays."""
    plain = np.zeros(size, np.uint8)
    written = _expand(np.frombuffer(packed, np.uint8), plain)
    assert -1 <= written <= size
    if written == size:
        assert decompress(packed, size) == plain.tobytes()
    else:
        with pytest.raises(ValueError, match=f"does not hold {size} bytes"):
            decompress(packed, size)


def test_distances_of_thirteen_bits() -> None:
    plain = np.random.default_rng(0).integers(0, 256, 8192, np.uint8).tobytes()
    assert decompress(compress_literally(plain) + bytes([0x3F, 0xFF]), 8195)[8192:] == plain[:3]
