"""Thirty-two doubles as one value of compiled code, so that a kernel is written once for a single number.

    a = spread(0.0)
    for j in range(dimension):
        a = a + load(x, j * WIDTH) * weight[j]
    store(result, 0, a)

LLVM makes of every operation as many vector instructions as the processor needs: four with AVX-512, independent of each
other, so that their latencies overlap.  Compiled loops over particles do the same where nothing is summed up across
them; here a sum stays in registers through a loop, which no loop vectoriser arranges.

Products and sums may be fused; nothing else is changed, so that all thirty-two numbers are treated alike on every
processor.
"""

from __future__ import annotations

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import intrinsic, overload, register_model

WIDTH = 32

_DOUBLE = ir.DoubleType()
_LONG = ir.IntType(64)
_DOUBLES = ir.VectorType(_DOUBLE, WIDTH)
_LONGS = ir.VectorType(_LONG, WIDTH)
_FLAGS = ("contract", "nsz")


class Vector(types.Type):
    """The type of thirty-two doubles."""

    def __init__(self):
        super().__init__(name="Vector")


vector = Vector()


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, numba_type):
        super().__init__(manager, numba_type, _DOUBLES)


def _address(context, builder, signature, arguments):
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.bitcast(builder.gep(array.data, [arguments[1]]), _DOUBLES.as_pointer())


def _splat(builder, number):
    nothing = ir.Constant(_DOUBLES, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(
        first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    )


@intrinsic
def load(typing_context, array, index):
    """The vector that begins at an index of a one-dimensional contiguous array."""

    def build(context, builder, signature, arguments):
        value = builder.load(_address(context, builder, signature, arguments))
        value.align = 8
        return value

    return vector(array, types.intp), build


@intrinsic
def everywhere(typing_context, array, index):
    """The vector of the one number at an index of a one-dimensional contiguous array."""

    def build(context, builder, signature, arguments):
        owner = context.make_array(signature.args[0])(context, builder, arguments[0])
        return _splat(builder, builder.load(builder.gep(owner.data, [arguments[1]])))

    return vector(array, types.intp), build


@intrinsic
def store(typing_context, array, index, value):
    """Write a vector to where an index of a one-dimensional contiguous array begins."""

    def build(context, builder, signature, arguments):
        written = builder.store(arguments[2], _address(context, builder, signature, arguments))
        written.align = 8
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), build


@intrinsic
def spread(typing_context, number):
    """The vector of one number."""

    def build(context, builder, signature, arguments):
        return _splat(builder, arguments[0])

    return vector(types.float64), build


def _operation(symbol, name):
    """Give vectors an operation with each other and with numbers."""

    @intrinsic
    def both(typing_context, x, y):
        def build(context, builder, signature, arguments):
            return getattr(builder, name)(*arguments, flags=_FLAGS)

        return vector(vector, vector), build

    @overload(symbol)
    def operation(x, y):
        if isinstance(x, Vector) and isinstance(y, Vector):
            return lambda x, y: both(x, y)
        if isinstance(x, Vector) and isinstance(y, types.Float):
            return lambda x, y: both(x, spread(y))
        if isinstance(x, types.Float) and isinstance(y, Vector):
            return lambda x, y: both(spread(x), y)
        return None


_operation(operator.add, "fadd")
_operation(operator.sub, "fsub")
_operation(operator.mul, "fmul")
_operation(operator.truediv, "fdiv")


@intrinsic
def larger(typing_context, x, y):
    """The larger of two vectors or two doubles, y where x is no number."""

    def build(context, builder, signature, arguments):
        return builder.select(builder.fcmp_ordered(">", *arguments), *arguments)

    kind = x if isinstance(x, Vector) else types.float64
    return kind(kind, kind), build


@intrinsic
def where_equal(typing_context, x, y, value, otherwise):
    """Of two vectors, one where x and y are equal and the other elsewhere."""

    def build(context, builder, signature, arguments):
        return builder.select(builder.fcmp_ordered("==", *arguments[:2]), *arguments[2:])

    return vector(vector, vector, vector, vector), build


@intrinsic
def rounded_down(typing_context, x):
    """The largest integer that is not above x, a vector or a double."""

    def build(context, builder, signature, arguments):
        value = arguments[0]
        suffix = f"v{WIDTH}f64" if isinstance(signature.args[0], Vector) else "f64"
        floor = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(value.type, [value.type]), f"llvm.floor.{suffix}"
        )
        return builder.call(floor, [value])

    kind = x if isinstance(x, Vector) else types.float64
    return kind(kind), build


@intrinsic
def times_power_of_two(typing_context, x, exponent):
    """x 2^exponent for a vector or a double and integers from -1022 to 1023."""

    def build(context, builder, signature, arguments):
        many = isinstance(signature.args[0], Vector)
        doubles, longs = (_DOUBLES, _LONGS) if many else (_DOUBLE, _LONG)

        def constant(number):
            return ir.Constant(longs, [number] * WIDTH if many else number)

        biased = builder.add(builder.fptosi(arguments[1], longs), constant(1023))
        return builder.fmul(
            arguments[0], builder.bitcast(builder.shl(biased, constant(52)), doubles), flags=_FLAGS
        )

    kind = x if isinstance(x, Vector) else types.float64
    return kind(kind, kind), build
