"""LZF, the byte compression inside .pcd files."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


def decompress(packed: bytes, size: int) -> bytes:
    """Return the `size` bytes that `packed` stands for; raise ValueError if it does not stand for that many.

    A control byte below 32 announces literals, one more than its value; any other a copy of earlier output: length in
    its upper three bits (seven: the next byte adds to it), distance in the lower five and the byte after.

    >>> decompress(b"\\x01ab\\x20\\x01", 5)
    b'ababa'
    """
    plain = np.empty(size, np.uint8)
    if _kernel()(np.frombuffer(packed, np.uint8), plain) != size:
        raise ValueError(f"truncated or damaged: the compressed block does not hold {size} bytes")
    return plain.tobytes()


@cache
def _kernel() -> Any:
    """Compile at first use: most people never open such a file."""
    from numba import njit

    return njit(cache=True, nogil=True)(_expand)


def _expand(packed: NDArray[np.uint8], plain: NDArray[np.uint8]) -> int:
    """Fill `plain`; return the number of bytes written, -1 for a block that cannot be."""
    i = 0
    o = 0
    while i < packed.size:
        control = int(packed[i])
        i += 1
        if control < 32:
            length = control + 1
            if i + length > packed.size or o + length > plain.size:
                return -1
            plain[o : o + length] = packed[i : i + length]
            i += length
        else:
            length = (control >> 5) + 2
            if i + (2 if length == 9 else 1) > packed.size:
                return -1
            if length == 9:
                length += int(packed[i])
                i += 1
            start = o - ((control & 31) << 8) - int(packed[i]) - 1
            i += 1
            if start < 0 or o + length > plain.size:
                return -1
            for j in range(length):  # byte by byte: a copy may overlap itself
                plain[o + j] = plain[start + j]
        o += length
    return o
