"""A round of the channel generator, compiled: source, member, component, normals and channel in one pass on a CPU.

The same numbers of the same addresses as `generations.TrainingMixture` and the channel in torch's operations, with
particles side by side in vectors; equal to them to a few units of rounding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..core.types import FloatArray, IntArray
from ..hermite._jit import jit
from ..hermite._kernels_degree import on_a_cache_line
from ..hermite._vectors import WIDTH, load, spread, store
from .philox_numba import UNIFORM, normal_pair, uniform_pair

_FIRST = np.uint64(0)
POINTS = 128  # particles that are made together
_PART = 16  # of them whose parents are fetched at once: more would wait for each other
_LINE = 64  # bytes of a cache line
_FEW_ROWS = 4
_FEW = 16  # steps of a distribution function up to which all of them are compared


@intrinsic
def _value_at(typing_context, address):
    """The double at an address: arrays of many rounds, which differ in number, without a compilation for each."""
    from llvmlite import ir

    def build(context, builder, signature, arguments):
        return builder.load(builder.inttoptr(arguments[0], ir.DoubleType().as_pointer()))

    return types.float64(types.int64), build


@intrinsic
def _fetch(typing_context, address):
    """Begin to bring what is at an address into the cache."""
    from llvmlite import ir

    def build(context, builder, signature, arguments):
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        reading, near, data = number(0), number(3), number(1)
        builder.call(fetch, [builder.inttoptr(arguments[0], pointer), reading, near, data])
        return context.get_dummy_value()

    return types.void(types.int64), build


@jit
def _count_below(steps, uniforms, result):
    """Write how many steps are not above each uniform: the index drawn by inversion; the last step is infinite."""
    count = steps.shape[0] - 1
    if count <= _FEW:
        for i in range(POINTS):
            result[i] = 0
        for k in range(count):
            step = steps[k]
            for i in range(POINTS):
                result[i] += 1 if step <= uniforms[i] else 0
        return
    for i in range(POINTS):
        low, high = 0, count
        while low < high:
            middle = (low + high) // 2
            if steps[middle] <= uniforms[i]:
                low = middle + 1
            else:
                high = middle
        result[i] = low


@jit
def _look_up(table, column, index, result):
    """Write table[index, column]; a few rows are compared one by one, which is quicker than reading here and there."""
    if table.shape[0] <= _FEW_ROWS:
        entry = table[0, column]
        for i in range(POINTS):
            result[i] = entry
        for k in range(1, table.shape[0]):
            entry = table[k, column]
            for i in range(POINTS):
                before = result[i]
                result[i] = entry if index[i] == k else before
        return
    for i in range(POINTS):
        result[i] = table[index[i], column]


class Components(NamedTuple):
    """The law of fresh data.

    Attributes
    ----------
    steps : array, shape (K,)
        Distribution function of the component; the last value is infinite.
    means, roots : array, shape (K, d)
        Roots of variances, in one column where they are isotropic.
    frames, frame_of : array, shape (F, d, d) and (K,)
        Eigenvectors as columns; F = 0 for none.
    """

    steps: FloatArray
    means: FloatArray
    roots: FloatArray
    frames: FloatArray
    frame_of: IntArray


@jit
def training_through_channel(
    first, run, key, source_steps, sources, members, components, scale, root, result
):
    """Write points of a training mixture carried through a channel.

    Parameters
    ----------
    first, run : int, uint64
        The first particle, and its run.
    key : array of uint64, shape (2,)
        Of the stream.
    source_steps : array, shape (S + 1,)
        Distribution function of the source, fresh data first; the last value is infinite.
    sources : array of int, shape (S + 1, 1)
        Addresses of the run's earlier particles, (members, d) contiguous; the first of anything readable.
    members : int
        Particles of a run.
    components : Components
    scale, root : float
        X -> scale X + root Z.
    result : array, shape (rows, d)
        Written.
    """
    rows, dimension = result.shape
    steps, means, roots, frames, frame_of = components
    last = roots.shape[1] - 1
    u_source, u_which = np.empty(POINTS), np.empty(POINTS)
    source, component = np.empty(POINTS, np.int64), np.empty(POINTS, np.int64)
    parent, table = np.empty(POINTS, np.int64), np.empty(POINTS)
    even, odd = on_a_cache_line(dimension * POINTS), on_a_cache_line(dimension * POINTS)
    value, in_frame = on_a_cache_line(POINTS), on_a_cache_line(frames.shape[0] * POINTS)
    for start in range(0, rows, POINTS):
        size = min(POINTS, rows - start)
        for i in range(POINTS):
            particle = np.uint64(first + start + i)
            u_source[i], u_which[i] = uniform_pair(UNIFORM, _FIRST, particle, run, key[0], key[1])
        _count_below(source_steps, u_source, source)
        _count_below(steps, u_which, component)
        _look_up(sources, 0, source, parent)
        for i in range(POINTS):
            member = min(np.int64(u_which[i] * members), members - 1)
            parent[i] += 8 * dimension * member if source[i] > 0 else 0
        for part in range(0, POINTS, _PART):  # parents are anywhere: they come while normals are made
            for i in range(part, part + _PART):
                for line in range(0, 8 * dimension, _LINE):
                    _fetch(parent[i] + line)
            for j in range(dimension):
                row, column = j * POINTS + part, np.uint64(j)
                for i in range(_PART):
                    particle = np.uint64(first + start + part + i)
                    even[row + i], odd[row + i] = normal_pair(_FIRST, column, particle, run, key[0], key[1])
        for j in range(dimension):
            if j <= last:
                _look_up(roots, j, component, table)
            for i in range(POINTS):
                even[j * POINTS + i] *= table[i]
        for f in range(frames.shape[0]):
            for i in range(POINTS):
                in_frame[f * POINTS + i] = 1.0 if frame_of[component[i]] == f else 0.0
        for j in range(dimension):
            row = j * POINTS
            if frames.shape[0] == 0:
                for i in range(POINTS):
                    value[i] = even[row + i]
            else:
                for half in range(0, POINTS, WIDTH):
                    turned = spread(0.0)
                    for f in range(frames.shape[0]):
                        total = spread(0.0)
                        for m in range(dimension):
                            total = total + load(even, m * POINTS + half) * frames[f, j, m]
                        turned = turned + total * load(in_frame, f * POINTS + half)
                    store(value, half, turned)
            _look_up(means, j, component, table)
            for i in range(POINTS):
                earlier = _value_at(parent[i] + (8 * j if source[i] > 0 else 0))
                fresh = table[i] + value[i]
                value[i] = scale * (earlier if source[i] > 0 else fresh) + root * odd[row + i]
            for i in range(size):
                result[start + i, j] = value[i]
