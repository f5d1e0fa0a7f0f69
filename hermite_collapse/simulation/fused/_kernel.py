"""A reverse diffusion, compiled: thirty-two particles at a time go through all stages without leaving the cache.

A tile is WIDTH particles of one run.  Its state is rows of WIDTH numbers, one row a coordinate, and every operation on
a row is one on a vector; `plan` says what is computed.  A lane takes every lanes-th tile, and what a tile is made of
depends on the addresses of its particles alone.
"""

from __future__ import annotations

import numpy as np

from ...hermite._exponential import exp_above_lowest
from ...hermite._jit import jit
from ...hermite._kernels_degree import on_a_cache_line
from ...hermite._vectors import WIDTH, larger, load, spread, store, where_equal
from ..philox_numba import UNIFORM, normal_pair, uniform_pair

_FIRST = np.uint64(0)


@jit
def _normals(even, odd, word, first, run, key, dimension):
    """Two draws of normals for a tile, rows of its coordinates."""
    for j in range(dimension):
        row, column = j * WIDTH, np.uint64(j)
        for i in range(WIDTH):
            even[row + i], odd[row + i] = normal_pair(word, column, np.uint64(first + i), run, key[0], key[1])


@jit
def _start(plan, x, z, first, run, key):
    """Write particles of the law that the diffusion starts from, made of normals z."""
    components, dimension = plan.start_means.shape
    turned = plan.start_frames.shape[0] > 0
    for i in range(WIDTH):
        component = 0
        if components > 1:
            uniform = uniform_pair(UNIFORM, _FIRST, np.uint64(first + i), run, key[0], key[1])[0]
            while uniform >= plan.start_cumulative[component]:
                component += 1
        for j in range(dimension):
            if turned:
                frame = plan.start_frames[plan.start_frame[component]]
                value = 0.0
                for m in range(dimension):
                    value += frame[j, m] * (plan.start_roots[component, m] * z[m * WIDTH + i])
            else:
                value = plan.start_roots[component, j] * z[j * WIDTH + i]
            x[j * WIDTH + i] = plan.start_means[component, j] + value


@jit
def _logits(plan, s, begin, end, y, share, peak):
    """Write the logits of one group of components at stage s, and return the larger of `peak` and the highest."""
    dimension, rows = plan.linear.shape[1], plan.quadratic.shape[1]
    squares = spread(0.0)
    if rows < dimension:
        for j in range(dimension):
            value = load(y, j * WIDTH)
            squares = squares + value * value
    for k in range(begin, end):
        logit = spread(plan.constant[s, k])
        if rows < dimension:
            logit = logit + squares * plan.quadratic[s, 0, k]
            for j in range(dimension):
                logit = logit + load(y, j * WIDTH) * plan.linear[s, j, k]
        else:
            for j in range(dimension):
                value = load(y, j * WIDTH)
                logit = logit + (plan.linear[s, j, k] + plan.quadratic[s, j, k] * value) * value
        store(share, k * WIDTH, logit)
        peak = larger(peak, logit)
    return peak


@jit
def _sums(plan, s, begin, end, y, share, result):
    """Write sum_k share_k (offset_k + gain_k y) of one group of components at stage s, rows of coordinates."""
    dimension, columns = plan.offset.shape[2], plan.gain.shape[2]
    common = spread(0.0)
    if columns < dimension:
        for k in range(begin, end):
            common = common + load(share, k * WIDTH) * plan.gain[s, k, 0]
    for j in range(dimension):
        offset, gain = spread(0.0), common
        if columns < dimension:
            for k in range(begin, end):
                offset = offset + load(share, k * WIDTH) * plan.offset[s, k, j]
        else:
            for k in range(begin, end):
                weight = load(share, k * WIDTH)
                offset = offset + weight * plan.offset[s, k, j]
                gain = gain + weight * plan.gain[s, k, j]
        store(result, j * WIDTH, offset + gain * load(y, j * WIDTH))


@jit
def _weights(share, components, peak):
    """Put a multiple of the softmax of logits in their place, and return what it must be multiplied with."""
    total = spread(0.0)
    for k in range(components):
        power = exp_above_lowest(load(share, k * WIDTH) - peak)
        total = total + power
        store(share, k * WIDTH, power)
    return 1.0 / total


@jit
def _guided_weights(share, own, class_of, scale, label, peak):
    """Put scale times the softmax within the class of a label, less scale - 1 times that of all, in place of logits."""
    nothing, highest = spread(0.0), spread(-np.inf)
    for k in range(class_of.shape[0]):
        logit = load(share, k * WIDTH)
        highest = larger(highest, where_equal(label, spread(float(class_of[k])), logit, highest))
    total, total_own = nothing, nothing
    for k in range(class_of.shape[0]):
        logit = load(share, k * WIDTH)
        power = exp_above_lowest(logit - peak)
        inside = where_equal(label, spread(float(class_of[k])), exp_above_lowest(logit - highest), nothing)
        total, total_own = total + power, total_own + inside
        store(share, k * WIDTH, power)
        store(own, k * WIDTH, inside)
    whole, class_only = (scale - 1.0) / total, scale / total_own
    for k in range(class_of.shape[0]):
        store(share, k * WIDTH, load(own, k * WIDTH) * class_only - load(share, k * WIDTH) * whole)
    return spread(1.0)


@jit
def _denoise(plan, s, x, label, centred, turned, share, own, part, data):
    """Write the denoiser at stage s; `centred`, `turned`, `share`, `own` and `part` are space for it."""
    dimension, components = plan.mean.shape[0], plan.constant.shape[1]
    groups, frames = plan.group_start.shape[0] - 1, plan.frames.shape[0]
    for j in range(dimension):
        store(centred, j * WIDTH, load(x, j * WIDTH) - plan.shift[s, j])
    peak = spread(-np.inf)
    for g in range(groups):
        y = centred
        if frames > 0:
            y = turned[g]
            for j in range(dimension):
                value = spread(0.0)
                for m in range(dimension):
                    value = value + load(centred, m * WIDTH) * plan.frames[g, m, j]
                store(y, j * WIDTH, value)
        peak = _logits(plan, s, plan.group_start[g], plan.group_start[g + 1], y, share, peak)
    if plan.class_of.shape[0] > 0:
        factor = _guided_weights(share, own, plan.class_of, plan.guidance_scale, load(label, 0), peak)
    else:
        factor = _weights(share, components, peak)
    if frames == 0:
        _sums(plan, s, 0, components, centred, share, data)
    else:
        for j in range(dimension):
            store(data, j * WIDTH, spread(0.0))
        for g in range(groups):
            _sums(plan, s, plan.group_start[g], plan.group_start[g + 1], turned[g], share, part)
            for j in range(dimension):
                value = load(data, j * WIDTH)
                for m in range(dimension):
                    value = value + load(part, m * WIDTH) * plan.frames[g, j, m]
                store(data, j * WIDTH, value)
    for j in range(dimension):
        store(data, j * WIDTH, load(data, j * WIDTH) * factor + plan.mean[j])


@jit
def _advance(plan, s, x, x_before, data, data_before, z):
    """Write the particles after stage s in the place of those before the last one."""
    p0, p1, q0, q1, r = plan.step[s]
    for j in range(plan.mean.shape[0]):
        row = j * WIDTH
        value = load(x, row) * p0
        if p1 != 0.0:
            value = value + load(x_before, row) * p1
        if q0 != 0.0:
            value = value + load(data, row) * q0
        if q1 != 0.0:
            value = value + load(data_before, row) * q1
        if r != 0.0:
            value = value + load(z, row) * r
        store(x_before, row, value)


@jit
def reverse_diffusion(lane, lanes, plan, first, run, rows, start, start_key, path_key, labels, result):
    """Carry every lanes-th tile through all stages.

    Tile t has rows[t] particles of run[t], the first of them first[t], which become rows start[t], start[t] + 1, ...
    of the result; the classes that they are asked for are those rows of `labels`, which is empty without guidance.
    """
    dimension, components = plan.mean.shape[0], plan.constant.shape[1]
    size = dimension * WIDTH
    x, x_before = on_a_cache_line(size), on_a_cache_line(size)
    data, data_before = on_a_cache_line(size), on_a_cache_line(size)
    even, odd = on_a_cache_line(size), on_a_cache_line(size)
    centred, part = on_a_cache_line(size), on_a_cache_line(size)
    share, own = on_a_cache_line(components * WIDTH), on_a_cache_line(plan.class_of.shape[0] * WIDTH)
    label = on_a_cache_line(WIDTH)
    turned = on_a_cache_line(plan.frames.shape[0] * size).reshape(plan.frames.shape[0], size)
    for t in range(lane, first.shape[0], lanes):
        _normals(even, odd, _FIRST, first[t], run[t], start_key, dimension)
        _start(plan, x, even, first[t], run[t], start_key)
        if labels.shape[0] > 0:
            for i in range(WIDTH):
                label[i] = labels[start[t] + min(i, rows[t] - 1)]
        for s in range(plan.step.shape[0]):
            if plan.asks[s]:
                data, data_before = data_before, data
                _denoise(plan, s, x, label, centred, turned, share, own, part, data)
            draw = plan.draw[s]
            if draw >= 0 and draw % 2 == 0:
                _normals(even, odd, np.uint64(draw // 2), first[t], run[t], path_key, dimension)
            _advance(plan, s, x, x_before, data, data_before, even if draw % 2 == 0 else odd)
            x, x_before = x_before, x
        for i in range(rows[t]):
            for j in range(dimension):
                result[start[t] + i, j] = x[j * WIDTH + i]
