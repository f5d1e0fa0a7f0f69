"""Philox 4x32-10 for compiled kernels: functions of one address, which vectorise in loops over particles.

A loop over particles around `normal_pair` compiles to SIMD code without calls: logarithm, sine and cosine are
polynomials.  Multiply-adds are fused where they are written so, and nothing is reordered: a number is the same in a
vector as in the rest of a loop, whatever the kernel around it allows.

    word0      counter's word c0: draw // 2 for normals, draw // 2 + UNIFORM for uniforms
    key0, key1 words of `philox.stream_key`

All words are uint64 below 2^32 (Numba makes floats of sums of uint64 and int64).
"""

from __future__ import annotations

import math
from functools import partial

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from ..hermite._jit import jit
from .philox import KINDS, MULTIPLIERS, WEYL

UNIFORM = np.uint64(KINDS["uniform"] << 31)

POINTS = 64  # particles that are made together: eight registers of eight

_M0, _M1 = (np.uint64(word) for word in MULTIPLIERS)
_W0, _W1 = (np.uint64(word) for word in WEYL)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_ONE, _TWO = np.uint64(1), np.uint64(2)
_ELEVEN, _EXPONENT = np.uint64(11), np.uint64(52)
_QUADRANT, _HALF_QUADRANT = np.uint64(51), np.uint64(2**50)
_WITHIN = np.uint64(2**51 - 1)
_SIGN = np.uint64(62)

# Logarithm on [sqrt(1/2), sqrt(2)], of FreeBSD's msun: log(1 + f) = f - (f^2/2 - s (f^2/2 + R(s^2))), s = f / (2 + f).
_SQRT_TWO_BITS = np.uint64(0x3FF6A09E667F3BCD)
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_L1, _L2, _L3 = 6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01
_L4, _L5, _L6 = 2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01
_L7 = 1.479819860511658591e-01

# Taylor's coefficients of sin(pi/2 f) / f and cos(pi/2 f) in f^2, abs(f) <= 1/2: remainders 1e-19 and 2e-18.
_S0, _S1, _S2, _S3, _S4, _S5, _S6, _S7, _S8 = (
    (-1) ** k * (0.5 * math.pi) ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(9)
)
_C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8 = (
    (-1) ** k * (0.5 * math.pi) ** (2 * k) / math.factorial(2 * k) for k in range(1, 9)
)

# No freedom for the compiler here: the polynomials' errors count.  LLVM inlines into callers that have more.
_exact = partial(numba.njit, nogil=True, error_model="numpy", forceinline=True)


@intrinsic
def _float_of(typing_context, bits):
    """The double whose bits are a given uint64."""
    from llvmlite import ir

    def build(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.uint64), build


@intrinsic
def _bits_of(typing_context, value):
    """The bits of a double."""
    from llvmlite import ir

    def build(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.uint64(types.float64), build


@intrinsic
def fused(typing_context, a, b, c):
    """a b + c, rounded once."""

    def build(context, builder, signature, arguments):
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), build


@_exact
def philox_pair(word0, column, particle, run, key0, key1):
    """The numbers A and B, 64 bits each, of an address."""
    c0, c1, c2, c3 = word0, column, particle, run
    for _ in range(10):
        p0 = _M0 * c0
        p1 = _M1 * c2
        c0 = (p1 >> _HALF) ^ c1 ^ key0
        c1 = p1 & _LOW
        c2 = (p0 >> _HALF) ^ c3 ^ key1
        c3 = p0 & _LOW
        key0 = (key0 + _W0) & _LOW
        key1 = (key1 + _W1) & _LOW
    return c0 | (c1 << _HALF), c2 | (c3 << _HALF)


@_exact
def minus_log(u):
    """-log(u) for 2^-64 <= u <= 1, to 1 ulp."""
    bits = _bits_of(u)
    n = (_SQRT_TWO_BITS - bits) >> _EXPONENT
    f = _float_of(bits + (n << _EXPONENT)) - 1.0
    halvings = np.float64(n)
    s = f / (2.0 + f)
    z = s * s
    r = fused(z, _L7, _L6)
    r = fused(z, r, _L5)
    r = fused(z, r, _L4)
    r = fused(z, r, _L3)
    r = fused(z, r, _L2)
    r = fused(z, r, _L1)
    r = z * r
    half_square = 0.5 * f * f
    small = fused(s, half_square + r, -halvings * _LN2_LOW)
    return fused(halvings, _LN2_HIGH, (half_square - small) - f)


@_exact
def direction(bits):
    """Cosine and sine of the angle 2 pi (bits >> 11) 2^-53."""
    shifted = (bits >> _ELEVEN) + _HALF_QUADRANT
    quadrant = shifted >> _QUADRANT
    f = (np.float64(shifted & _WITHIN) - 1125899906842624.0) * 4.440892098500626e-16  # (... - 2^50) 2^-51
    z = f * f
    s = fused(z, _S8, _S7)
    s = fused(z, s, _S6)
    s = fused(z, s, _S5)
    s = fused(z, s, _S4)
    s = fused(z, s, _S3)
    s = fused(z, s, _S2)
    s = fused(z, s, _S1)
    s = f * fused(z, s, _S0)
    c = fused(z, _C8, _C7)
    c = fused(z, c, _C6)
    c = fused(z, c, _C5)
    c = fused(z, c, _C4)
    c = fused(z, c, _C3)
    c = fused(z, c, _C2)
    c = fused(z, c, _C1)
    c = fused(z, c, 1.0)
    swapped = (quadrant & _ONE) == _ONE
    cosine = s if swapped else c
    sine = c if swapped else s
    cosine_sign = ((quadrant + _ONE) & _TWO) << _SIGN
    sine_sign = (quadrant & _TWO) << _SIGN
    return _float_of(_bits_of(cosine) ^ cosine_sign), _float_of(_bits_of(sine) ^ sine_sign)


@_exact
def normal_pair(word0, column, particle, run, key0, key1):
    """The standard normals of the draws 2 word0 and 2 word0 + 1 at an address."""
    a, b = philox_pair(word0, column, particle, run, key0, key1)
    u = (np.float64(a >> _ONE) + 0.5) * 1.0842021724855044e-19  # 2^-63
    radius = math.sqrt(2.0 * minus_log(u))
    cosine, sine = direction(b)
    return radius * cosine, radius * sine


@_exact
def uniform_pair(word0, column, particle, run, key0, key1):
    """The uniforms on [0, 1) of two successive draws, word0 = UNIFORM + draw // 2."""
    a, b = philox_pair(word0, column, particle, run, key0, key1)
    return np.float64(a >> _ELEVEN) * 1.1102230246251565e-16, np.float64(
        b >> _ELEVEN
    ) * 1.1102230246251565e-16


@jit
def fill_normals(word0, first, run, key0, key1, even, odd):
    """Two draws of normals, (rows, columns) each, of particles first, first + 1, ... of a run."""
    rows, columns = even.shape
    low = np.empty(POINTS)
    high = np.empty(POINTS)
    if columns > rows:
        for row in range(rows):
            particle = np.uint64(first + row)
            for start in range(0, columns, POINTS):
                for i in range(POINTS):
                    column = np.uint64(start + i)
                    low[i], high[i] = normal_pair(word0, column, particle, run, key0, key1)
                for i in range(min(POINTS, columns - start)):
                    even[row, start + i] = low[i]
                    odd[row, start + i] = high[i]
        return
    for start in range(0, rows, POINTS):
        for column in range(columns):
            for i in range(POINTS):
                particle = np.uint64(first + start + i)
                low[i], high[i] = normal_pair(word0, np.uint64(column), particle, run, key0, key1)
            for i in range(min(POINTS, rows - start)):
                even[start + i, column] = low[i]
                odd[start + i, column] = high[i]


@jit
def fill_uniforms(word0, first, run, key0, key1, even, odd):
    """Two draws of uniforms, (rows, columns) each, of particles first, first + 1, ... of a run."""
    rows, columns = even.shape
    low = np.empty(POINTS)
    high = np.empty(POINTS)
    for start in range(0, rows, POINTS):
        for column in range(columns):
            for i in range(POINTS):
                particle = np.uint64(first + start + i)
                low[i], high[i] = uniform_pair(word0, np.uint64(column), particle, run, key0, key1)
            for i in range(min(POINTS, rows - start)):
                even[start + i, column] = low[i]
                odd[start + i, column] = high[i]
