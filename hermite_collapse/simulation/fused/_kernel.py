"""A reverse diffusion, compiled: thirty-two particles at a time go through all stages without leaving the cache.

A tile is WIDTH particles of one run.  Its state is rows of WIDTH numbers in one array, a row for a coordinate or a
component, and every operation on a row is one on a vector; `plan` says what is computed.  A lane takes every lanes-th
tile, and what a tile is made of depends on the addresses of its particles alone.

The coefficients of all stages lie in one array too, in the order in which they are read (`cpu.Tables`): few arrays,
as every array that is passed on has its references counted.
"""

from __future__ import annotations

import numpy as np

from ...hermite._exponential import exp_above_lowest
from ...hermite._jit import jit
from ...hermite._kernels_degree import on_a_cache_line
from ...hermite._vectors import WIDTH, everywhere, larger, load, spread, store, where_equal
from ..philox_numba import UNIFORM, normal_pair, uniform_pair

_FIRST = np.uint64(0)


@jit(merge=True)
def _normals(z, word, first, run, key0, key1, dimension):
    """Write two draws of normals for a tile, each as rows of its coordinates."""
    later = np.uintp(dimension * WIDTH)
    for j in range(dimension):
        row, column = np.uintp(j * WIDTH), np.uint64(j)
        for i in range(WIDTH):
            at = row + np.uintp(i)
            z[at], z[at + later] = normal_pair(word, column, np.uint64(first + i), run, key0, key1)


@jit(merge=True)
def _start(cumulative, means, roots, frames, frame_of, state, z, first, run, key0, key1):
    """Write particles of the law that the diffusion starts from, made of normals z."""
    components, dimension = means.shape
    for i in range(WIDTH):
        component = 0
        if components > 1:
            uniform = uniform_pair(UNIFORM, _FIRST, np.uint64(first + i), run, key0, key1)[0]
            while uniform >= cumulative[component]:
                component += 1
        for j in range(dimension):
            value = 0.0
            if frames.shape[0] > 0:
                for m in range(dimension):
                    value += frames[frame_of[component], j, m] * (roots[component, m] * z[m * WIDTH + i])
            else:
                value = roots[component, j] * z[j * WIDTH + i]
            state[j * WIDTH + i] = means[component, j] + value


@jit(merge=True)
def _turn(matrix, at, dimension, state, source, target, add):
    """Write, or add, a matrix times rows of coordinates: target_j = sum_m matrix[at + j dimension + m] source_m.

    Four rows at once, so that the source is read a quarter as often.
    """
    j = 0
    while j < dimension:
        if j + 4 <= dimension:
            first, second, third, fourth = spread(0.0), spread(0.0), spread(0.0), spread(0.0)
            for m in range(dimension):
                value = load(state, source + m * WIDTH)
                first = first + value * everywhere(matrix, at + m)
                second = second + value * everywhere(matrix, at + dimension + m)
                third = third + value * everywhere(matrix, at + 2 * dimension + m)
                fourth = fourth + value * everywhere(matrix, at + 3 * dimension + m)
            _put(state, target + j * WIDTH, first, add)
            _put(state, target + (j + 1) * WIDTH, second, add)
            _put(state, target + (j + 2) * WIDTH, third, add)
            _put(state, target + (j + 3) * WIDTH, fourth, add)
            at, j = at + 4 * dimension, j + 4
        else:
            total = spread(0.0)
            for m in range(dimension):
                total = total + load(state, source + m * WIDTH) * everywhere(matrix, at + m)
            _put(state, target + j * WIDTH, total, add)
            at, j = at + dimension, j + 1


@jit(merge=True)
def _put(state, row, value, add):
    """Write a vector, or add it to what is there."""
    store(state, row, load(state, row) + value if add else value)


@jit(merge=True)
def _logits(table, at, isotropic, dimension, count, state, y, share, peak):
    """Write the logits of `count` components, and return the larger of `peak` and the highest.

    table[at:] is constant, quadratic, linear_1 .. linear_d of each component where they are isotropic, else
    constant, linear_1, quadratic_1, .. linear_d, quadratic_d.
    """
    squares = spread(0.0)
    if isotropic:
        for j in range(dimension):
            value = load(state, y + j * WIDTH)
            squares = squares + value * value
    for k in range(count):
        logit = everywhere(table, at)
        if isotropic:
            logit = logit + squares * everywhere(table, at + 1)
            for j in range(dimension):
                logit = logit + load(state, y + j * WIDTH) * everywhere(table, at + 2 + j)
            at += 2 + dimension
        else:
            for j in range(dimension):
                value = load(state, y + j * WIDTH)
                slope = everywhere(table, at + 1 + 2 * j) + everywhere(table, at + 2 + 2 * j) * value
                logit = logit + slope * value
            at += 1 + 2 * dimension
        store(state, share + k * WIDTH, logit)
        peak = larger(peak, logit)
    return peak


@jit(merge=True)
def _weights(state, share, components, peak):
    """Put a multiple of the softmax of logits in their place, and return what it must be multiplied with."""
    total = spread(0.0)
    for k in range(components):
        power = exp_above_lowest(load(state, share + k * WIDTH) - peak)
        total = total + power
        store(state, share + k * WIDTH, power)
    return 1.0 / total


@jit(merge=True)
def _guided_weights(state, share, own, class_of, scale, label, peak):
    """Put scale times the softmax within the class of a label, less scale - 1 times that of all, in place of logits."""
    nothing, highest = spread(0.0), spread(-np.inf)
    for k in range(class_of.shape[0]):
        inside = where_equal(label, spread(float(class_of[k])), load(state, share + k * WIDTH), highest)
        highest = larger(highest, inside)
    total, total_own = nothing, nothing
    for k in range(class_of.shape[0]):
        logit = load(state, share + k * WIDTH)
        power = exp_above_lowest(logit - peak)
        inside = where_equal(label, spread(float(class_of[k])), exp_above_lowest(logit - highest), nothing)
        total, total_own = total + power, total_own + inside
        store(state, share + k * WIDTH, power)
        store(state, own + k * WIDTH, inside)
    whole, class_only = (scale - 1.0) / total, scale / total_own
    for k in range(class_of.shape[0]):
        row = share + k * WIDTH
        store(state, row, load(state, own + k * WIDTH) * class_only - load(state, row) * whole)


@jit(merge=True)
def _sums(table, at, isotropic, dimension, count, state, y, share, target):
    """Write sum_k share_k (offset_k + gain_k y) of `count` components, rows of coordinates.

    table[at:] is the gain of every component, then offsets of coordinate 1, 2, .. where they are isotropic, else
    offset and gain of every component for coordinate 1, 2, ..
    """
    gain = spread(0.0)
    if isotropic:
        for k in range(count):
            gain = gain + load(state, share + k * WIDTH) * everywhere(table, at + k)
        at += count
    for j in range(dimension):
        offset = spread(0.0)
        if isotropic:
            for k in range(count):
                offset = offset + load(state, share + k * WIDTH) * everywhere(table, at + k)
            at += count
        else:
            gain = spread(0.0)
            for k in range(count):
                weight = load(state, share + k * WIDTH)
                offset = offset + weight * everywhere(table, at + 2 * k)
                gain = gain + weight * everywhere(table, at + 2 * k + 1)
            at += 2 * count
        store(state, target + j * WIDTH, offset + gain * load(state, y + j * WIDTH))


@jit(merge=True)
def _advance(table, at, dimension, state, x, x_before, data, data_before, z, draw):
    """Write the particles after a stage in the place of those before the last one; table[at:] is p0, p1, q0, q1, r."""
    p0, p1, q0, q1, r = table[at], table[at + 1], table[at + 2], table[at + 3], table[at + 4]
    for j in range(dimension):
        row = j * WIDTH
        value = load(state, x + row) * p0
        if p1 != 0.0:
            value = value + load(state, x_before + row) * p1
        if q0 != 0.0:
            value = value + load(state, data + row) * q0
        if q1 != 0.0:
            value = value + load(state, data_before + row) * q1
        if r != 0.0:
            value = value + load(z, draw + row) * r
        store(state, x_before + row, value)


@jit
def reverse_diffusion(lane, lanes, plan, tables, first, run, rows, start, keys, labels, result):
    """Carry every lanes-th tile through all stages.

    Tile t has rows[t] particles of run[t], the first of them first[t], which become rows start[t], start[t] + 1, ...
    of the result; the classes that they are asked for are those rows of `labels`, which is empty without guidance.
    `keys` are the two words of the key of the start, then of the path.
    """
    dimension, components = plan.mean.shape[0], plan.constant.shape[1]
    groups, turned = plan.group_start.shape[0] - 1, plan.frames.shape[0] > 0
    group_start, class_of, scale = plan.group_start, plan.class_of, plan.guidance_scale
    mean, asks, draw = plan.mean, plan.asks, plan.draw
    coefficients, frames, isotropic = tables.coefficients, tables.frames, tables.isotropic
    per_logit, per_value = tables.per_logit, tables.per_value
    stages, width = asks.shape[0], coefficients.shape[0] // asks.shape[0]
    size, square = dimension * WIDTH, dimension * dimension
    z, label = on_a_cache_line(2 * size), on_a_cache_line(WIDTH)
    # Rows of the state: particles now and before, denoisers now and before, space, shares, space, turned coordinates.
    data, data_before, centred, part = 2 * size, 3 * size, 4 * size, 5 * size
    share = 6 * size
    own = share + components * WIDTH
    frame_rows = own + class_of.shape[0] * WIDTH
    state = on_a_cache_line(frame_rows + (groups * size if turned else 0))
    for t in range(lane, first.shape[0], lanes):
        x, x_before = 0, size
        _normals(z, _FIRST, first[t], run[t], keys[0], keys[1], dimension)
        _start(
            plan.start_cumulative, plan.start_means, plan.start_roots, plan.start_frames, plan.start_frame,
            state, z, first[t], run[t], keys[0], keys[1],
        )  # fmt: skip
        if labels.shape[0] > 0:
            for i in range(WIDTH):
                label[i] = labels[start[t] + min(i, rows[t] - 1)]
        for s in range(stages):
            at = s * width
            if asks[s]:
                data, data_before = data_before, data
                for j in range(dimension):
                    row = load(state, x + j * WIDTH) - everywhere(coefficients, at + j)
                    store(state, centred + j * WIDTH, row)
                at += dimension
                peak = spread(-np.inf)
                for g in range(groups):
                    begin, count = group_start[g], group_start[g + 1] - group_start[g]
                    y = centred
                    if turned:
                        y = frame_rows + g * size
                        _turn(frames, g * square, dimension, state, centred, y, False)
                    peak = _logits(
                        coefficients, at + begin * per_logit, isotropic, dimension, count, state, y,
                        share + begin * WIDTH, peak,
                    )  # fmt: skip
                at += components * per_logit
                if class_of.shape[0] > 0:
                    _guided_weights(state, share, own, class_of, scale, load(label, 0), peak)
                    factor = spread(1.0)
                else:
                    factor = _weights(state, share, components, peak)
                if turned:
                    for j in range(dimension):
                        store(state, data + j * WIDTH, spread(0.0))
                for g in range(groups):
                    begin, count = group_start[g], group_start[g + 1] - group_start[g]
                    _sums(
                        coefficients, at + begin * per_value, isotropic, dimension, count, state,
                        frame_rows + g * size if turned else centred, share + begin * WIDTH, part if turned else data,
                    )  # fmt: skip
                    if turned:
                        _turn(frames, (groups + g) * square, dimension, state, part, data, True)
                for j in range(dimension):
                    row = load(state, data + j * WIDTH) * factor + everywhere(mean, j)
                    store(state, data + j * WIDTH, row)
            number = draw[s]
            if number >= 0 and number % 2 == 0:
                _normals(z, np.uint64(number // 2), first[t], run[t], keys[2], keys[3], dimension)
            _advance(
                coefficients, (s + 1) * width - 5, dimension, state, x, x_before, data, data_before,
                z, 0 if number % 2 == 0 else size,
            )  # fmt: skip
            x, x_before = x_before, x
        for i in range(rows[t]):
            for j in range(dimension):
                result[start[t] + i, j] = state[x + j * WIDTH + i]
