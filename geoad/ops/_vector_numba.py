"""Sixteen numbers as one value: sums that stay in vector registers, which a compiler does not find in nested loops.

The operations are LLVM's own on a vector type, which it maps to whatever registers a machine has; nothing here names
one. Sums are made in the order in which a kernel writes them, whatever the width of the registers; a product may be
fused into a sum where the machine can. Arrays are contiguous, in one dimension.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core.datamodel import models
from numba.extending import intrinsic, overload, register_model

from geoad.ops._lanes_numba import INTERPRETED, LANES

FUSED = ("contract",)
WORD = ir.IntType(32)


class Vector(types.Type):
    """The type of `LANES` numbers of one dtype.

    >>> Vector(types.float32)
    vector(float32)
    """

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"vector({dtype})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        number = manager.lookup(kind.dtype).get_value_type()
        super().__init__(manager, kind, ir.VectorType(number, LANES))  # type: ignore[no-untyped-call]


def _pointer(context: Any, builder: Any, kind: Any, array: Any, first: Any) -> Any:
    """Return a pointer to a number of an array."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [first])


def _load(_context: Any, numbers: Any, _first: Any) -> Any:
    """Return numbers[_first : _first + LANES]."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = context.get_value_type(signature.return_type)
        place = _pointer(context, builder, numbers, *arguments)
        return builder.load(builder.bitcast(place, kind.as_pointer()), align=numbers.dtype.bitwidth // 8)

    return Vector(numbers.dtype)(numbers, types.intp), emit


def _store(_context: Any, numbers: Any, _first: Any, vector: Any) -> Any:
    """Write `vector` to numbers[_first : _first + LANES]."""

    def emit(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        kind = context.get_value_type(vector)
        place = _pointer(context, builder, numbers, *arguments[:2])
        builder.store(arguments[2], builder.bitcast(place, kind.as_pointer()), align=numbers.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(numbers, types.intp, vector), emit


def _at(_context: Any, numbers: Any, _place: Any) -> Any:
    """Return numbers[_place], which is not tested for its sign."""

    def emit(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return context.unpack_value(builder, numbers.dtype, _pointer(context, builder, numbers, *arguments))

    return numbers.dtype(numbers, types.intp), emit


def _gather(_context: Any, numbers: Any, places: Any, _first: Any, _stride: Any, _offset: Any) -> Any:
    """Return the numbers at _stride * places[_first : _first + LANES] + _offset."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, indices, first, stride, offset = arguments
        data = _pointer(context, builder, numbers, values, offset)
        place = _pointer(context, builder, places, indices, first)
        result = ir.Constant(context.get_value_type(signature.return_type), ir.Undefined)
        for lane in range(LANES):
            index = builder.sext(builder.load(builder.gep(place, [ir.Constant(WORD, lane)])), stride.type)
            number = builder.load(builder.gep(data, [builder.mul(index, stride)]))
            result = builder.insert_element(result, number, ir.Constant(WORD, lane))
        return result

    return Vector(numbers.dtype)(numbers, places, types.intp, types.intp, types.intp), emit


def _prefetch(_context: Any, numbers: Any, _place: Any) -> Any:
    """Ask for the cache line of numbers[_place], which need not exist."""

    def emit(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        byte, flags = ir.IntType(8).as_pointer(), (ir.Constant(WORD, flag) for flag in (0, 3, 1))  # read, keep, data
        place = builder.bitcast(_pointer(context, builder, numbers, *arguments), byte)
        name, shape = "llvm.prefetch.p0", ir.FunctionType(ir.VoidType(), [byte, WORD, WORD, WORD])
        builder.call(_function(builder, name, shape), [place, *flags])
        return context.get_dummy_value()

    return types.void(numbers, types.intp), emit


def _function(builder: Any, name: str, shape: Any) -> Any:
    """Return one of LLVM's own functions."""
    return builder.module.globals.get(name) or ir.Function(builder.module, shape, name)


def _splat(_context: Any, number: Any) -> Any:
    """Return `number` in all lanes."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        nothing = ir.Constant(context.get_value_type(signature.return_type), ir.Undefined)
        first = builder.insert_element(nothing, arguments[0], ir.Constant(WORD, 0))
        return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(WORD, LANES), [0] * LANES))

    return Vector(number)(number), emit


def _positive(_context: Any, a: Any) -> Any:
    """Return max(a, 0); NaN stays."""

    def emit(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        zero = ir.Constant(context.get_value_type(a), None)
        return builder.select(builder.fcmp_unordered(">=", arguments[0], zero), arguments[0], zero)

    return a(a), emit


def _add_where(_context: Any, total: Any, a: Any, z: Any) -> Any:
    """Return `total`, plus `a` in the lanes where z > 0."""

    def emit(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        old, more, sign = arguments
        above = builder.fcmp_ordered(">", sign, ir.Constant(context.get_value_type(z), None))
        return builder.select(above, builder.fadd(old, more, flags=FUSED), old)

    return total(total, a, z), emit


def _square(_context: Any, a: Any) -> Any:
    """Return a², rounded: it is not fused into a sum."""

    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.fmul(arguments[0], arguments[0])

    return a(a), emit


def _where_less(_context: Any, a: Any, b: Any, x: Any, y: Any) -> Any:
    """Return `x` in the lanes where a < b, else `y`."""

    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", *arguments[:2]), *arguments[2:])

    return x(a, b, x, y), emit


def _signs(_context: Any, a: Any) -> Any:
    """Return as bit i whether lane i > 0."""

    def emit(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        above = builder.fcmp_ordered(">", arguments[0], ir.Constant(context.get_value_type(a), None))
        return builder.bitcast(above, ir.IntType(LANES))

    return types.uint16(a), emit


def _where_bits(_context: Any, _bits: Any, a: Any, b: Any) -> Any:
    """Return `a` in the lanes whose bit is set, else `b`."""

    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        lanes = builder.bitcast(arguments[0], ir.VectorType(ir.IntType(1), LANES))
        return builder.select(lanes, *arguments[1:])

    return a(types.uint16, a, b), emit


def _root(_context: Any, a: Any) -> Any:
    """Return √a."""

    def emit(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        kind = context.get_value_type(a)
        name = f"llvm.sqrt.v{LANES}f{a.dtype.bitwidth}"
        return builder.call(_function(builder, name, ir.FunctionType(kind, [kind])), arguments)

    return a(a), emit


def _total(_context: Any, a: Any) -> Any:
    """Return the sum over the lanes, by halves."""

    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        vector, width = arguments[0], LANES
        while width > 1:
            width //= 2
            halves = (ir.Constant(ir.VectorType(WORD, width), list(range(s, s + width))) for s in (0, width))
            low, high = (builder.shuffle_vector(vector, vector, half) for half in halves)
            vector = builder.fadd(low, high)
        return builder.extract_element(vector, ir.Constant(WORD, 0))

    return a.dtype(a), emit


def _arithmetic(name: str) -> Any:
    """Return the typing function of +, − or × of two vectors."""

    def operate(_context: Any, a: Any, b: Any) -> Any:
        def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return getattr(builder, name)(*arguments, flags=FUSED)

        return a(a, b), emit

    return operate


def _teach(symbol: Any, name: str) -> None:
    """Tell the compiler what +, − or × of two vectors is."""
    operate = intrinsic(_arithmetic(name))

    @overload(symbol)
    def vectors(a, b):  # type: ignore[no-untyped-def]
        return (lambda a, b: operate(a, b)) if isinstance(a, Vector) and a == b else None


def _either(typing: Any, plain: Any) -> Any:
    """Return what kernels call: the compiler's operation, or, where they are interpreted, its plain twin."""
    return plain if INTERPRETED else intrinsic(typing)


def _set(numbers: Any, first: int, vector: Any) -> None:
    numbers[first : first + LANES] = vector


def _take(numbers: Any, places: Any, first: int, stride: int, offset: int) -> Any:
    return numbers[stride * places[first : first + LANES] + offset]


def _set_bits(a: Any) -> np.uint16:
    return np.uint16(sum(1 << i for i in range(LANES) if a[i] > 0))


def _choose(bits: Any, a: Any, b: Any) -> Any:
    return np.where(int(bits) >> np.arange(LANES) & 1, a, b)


at = _either(_at, operator.getitem)
load = _either(_load, lambda numbers, first: numbers[first : first + LANES].copy())
store = _either(_store, _set)
gather = _either(_gather, _take)
splat = _either(_splat, lambda number: np.full(LANES, number))
positive = _either(_positive, lambda a: np.maximum(a, 0))
add_where = _either(_add_where, lambda total, a, z: np.where(z > 0, total + a, total))
prefetch = _either(_prefetch, lambda _numbers, _place: None)
square = _either(_square, np.square)
where_less = _either(_where_less, lambda a, b, x, y: np.where(a < b, x, y))
signs = _either(_signs, _set_bits)
where_bits = _either(_where_bits, _choose)
root = _either(_root, np.sqrt)
total = _either(_total, np.sum)
_teach(operator.add, "fadd")
_teach(operator.sub, "fsub")
_teach(operator.mul, "fmul")
