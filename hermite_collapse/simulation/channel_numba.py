"""A round of the channel generator, compiled: source, member, component, normals and channel in one pass on a CPU.

The same numbers of the same addresses as `generations.TrainingMixture` and the channel in torch's operations, with
particles side by side in vectors; equal to them to a few units of rounding.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import intrinsic

from ..hermite._jit import jit
from ..hermite._kernels_degree import on_a_cache_line
from ..hermite._vectors import WIDTH, load, spread, store
from .philox_numba import POINTS, UNIFORM, normal_pair, uniform_pair

_FIRST = np.uint64(0)
_FEW = 16  # steps of a distribution function up to which all of them are compared


@intrinsic
def _value_at(typing_context, address):
    """The double at an address: arrays of many rounds, which differ in number, without a compilation for each."""
    from llvmlite import ir

    def build(context, builder, signature, arguments):
        return builder.load(builder.inttoptr(arguments[0], ir.DoubleType().as_pointer()))

    return types.float64(types.int64), build


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
def training_through_channel(
    first,
    run,
    key,
    source_steps,
    sources,
    members,
    steps,
    means,
    roots,
    frames,
    frame_of,
    scale,
    root,
    result,
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
    sources : array of int, shape (S + 1,)
        Addresses of the run's earlier particles, (members, d) contiguous; the first of anything readable.
    members : int
        Particles of a run.
    steps : array, shape (K,)
        Distribution function of the component of fresh data; the last value is infinite.
    means, roots : array, shape (K, d)
        Of the components; roots of variances, in one column where they are isotropic.
    frames, frame_of : array, shape (F, d, d) and (K,)
        Eigenvectors as columns; F = 0 for none.
    scale, root : float
        X -> scale X + root Z.
    result : array, shape (rows, d)
        Written.
    """
    rows, dimension = result.shape
    last = roots.shape[1] - 1
    u_source, u_which = np.empty(POINTS), np.empty(POINTS)
    source, component = np.empty(POINTS, np.int64), np.empty(POINTS, np.int64)
    parent = np.empty(POINTS, np.int64)
    even, odd = on_a_cache_line(dimension * POINTS), on_a_cache_line(dimension * POINTS)
    value, turned, frame = on_a_cache_line(POINTS), on_a_cache_line(POINTS), np.zeros(POINTS, np.int64)
    for start in range(0, rows, POINTS):
        size = min(POINTS, rows - start)
        for i in range(POINTS):
            particle = np.uint64(first + start + i)
            u_source[i], u_which[i] = uniform_pair(UNIFORM, _FIRST, particle, run, key[0], key[1])
        _count_below(source_steps, u_source, source)
        _count_below(steps, u_which, component)
        for i in range(POINTS):
            member = min(np.int64(u_which[i] * members), members - 1)
            parent[i] = sources[source[i]] + (8 * dimension * member if source[i] > 0 else 0)
        for j in range(dimension):
            row, column = j * POINTS, np.uint64(j)
            for i in range(POINTS):
                particle = np.uint64(first + start + i)
                even[row + i], odd[row + i] = normal_pair(_FIRST, column, particle, run, key[0], key[1])
            for i in range(POINTS):
                even[row + i] *= roots[component[i], min(j, last)]
        if frames.shape[0] > 1:
            for i in range(POINTS):
                frame[i] = frame_of[component[i]]
        for j in range(dimension):
            row = j * POINTS
            if frames.shape[0] == 0:
                for i in range(POINTS):
                    value[i] = even[row + i]
            for f in range(frames.shape[0]):
                for half in range(0, POINTS, WIDTH):
                    total = spread(0.0)
                    for m in range(dimension):
                        total = total + load(even, m * POINTS + half) * frames[f, j, m]
                    store(turned, half, total)
                for i in range(POINTS):
                    value[i] = turned[i] if frame[i] == f else value[i]
            for i in range(POINTS):
                earlier = _value_at(parent[i] + (8 * j if source[i] > 0 else 0))
                fresh = means[component[i], j] + value[i]
                value[i] = scale * (earlier if source[i] > 0 else fresh) + root * odd[row + i]
            for i in range(size):
                result[start + i, j] = value[i]
