"""Many comparisons at once as a bit mask: what a compiler does not find by itself in a loop that picks survivors."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES = 16  # queries that are sorted together, and points a leaf at most
WORD = 64


def _at_most(width: int) -> Any:
    """Return a kernel function that compares `width` numbers."""
    vector = ir.VectorType(ir.FloatType(), width)

    def at_most(context: Any, numbers: Any, first: Any, limit: Any) -> Any:
        """Return as bit i whether float32 numbers[first + i] <= limit, i < width; all of these must exist."""

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

    return intrinsic(at_most)


at_most_16, at_most_64 = _at_most(LANES), _at_most(WORD)


@intrinsic  # type: ignore[misc, untyped-decorator]
def lowest(context: Any, mask: Any) -> Any:
    """Return the number of the lowest bit set in `mask`, which must not be 0."""

    def emit(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), emit
