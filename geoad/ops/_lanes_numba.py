"""Many comparisons at once as a bit mask: what a compiler does not find by itself in a loop that picks survivors."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import config, types
from numba.extending import intrinsic

LANES, WORD = 16, 64
INTERPRETED: bool = config.DISABLE_JIT  # type: ignore[attr-defined]


def _at_most(width: int) -> Any:
    """Return a kernel function that compares `width` numbers."""
    vector = ir.VectorType(ir.FloatType(), width)

    def at_most(_context: Any, numbers: Any, _first: Any, _limit: Any) -> Any:
        """Return as bit i whether float32 numbers[_first + i] <= _limit, i < width; all of these must exist."""

        def emit(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array, start, bound = arguments
            data = target.make_array(signature.args[0])(target, builder, array).data
            place = builder.bitcast(builder.gep(data, [start]), vector.as_pointer())
            limits = ir.Constant(vector, ir.Undefined)
            for lane in range(width):
                limits = builder.insert_element(limits, bound, ir.Constant(ir.IntType(32), lane))
            below = builder.fcmp_ordered("<=", builder.load(place, align=4), limits)
            mask = builder.bitcast(below, ir.IntType(width))
            return mask if width == WORD else builder.zext(mask, ir.IntType(WORD))

        return types.uint64(numbers, types.intp, types.float32), emit

    def plain(numbers: Any, first: int, limit: Any) -> np.uint64:
        return np.uint64(sum(1 << i for i in range(width) if numbers[first + i] <= limit))

    return plain if INTERPRETED else intrinsic(at_most)


def _lowest() -> Any:
    """Return a kernel function that finds the lowest bit."""

    def lowest(_context: Any, _mask: Any) -> Any:
        """Return the number of the lowest bit set in `_mask`, which must not be 0."""

        def emit(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

        return types.int64(types.uint64), emit

    def plain(mask: Any) -> int:
        return (int(mask) & -int(mask)).bit_length() - 1

    return plain if INTERPRETED else intrinsic(lowest)


at_most_16, at_most_64, lowest = _at_most(LANES), _at_most(WORD), _lowest()
