"""Compiled search for fixed points of a tabulated round map: brackets on the grid, then safeguarded Newton steps.

A map is given by log V and its slope on an even grid of log w; `excess` is w - (1 - alpha) V(w) there.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from ..hermite._jit import jit

NEWTON_STEPS = 60
BLOCK = 64
SMALLEST = 1e-300  # variance that has a logarithm
SETTLED, RETURNED, MOVING = 1e-13, 1e-11, 1e-9  # relative changes of a variance


@jit(inline=True)
def _map(w, low, step, values, slopes):
    """V(w) and w V'(w) by cubic Hermite interpolation of log V in log w; the end slopes carry on outside."""
    count = len(values)
    log_w = math.log(w)
    position = min(max((log_w - low) / step, 0.0), count - 1.0)
    index = min(int(position), count - 2)
    t = (min(max(log_w, low), low + step * (count - 1)) - (low + step * index)) / step
    rise = values[index + 1] - values[index]
    bend_first = step * slopes[index] - rise
    bend_last = rise - step * slopes[index + 1]
    log_v = values[index] + t * rise + t * (1.0 - t) * ((1.0 - t) * bend_first + t * bend_last)
    slope = (rise + (1.0 - 4.0 * t + 3.0 * t * t) * bend_first + (2.0 * t - 3.0 * t * t) * bend_last) / step
    if position <= 0.0:
        log_v += slope * min(log_w - low, 0.0)
    elif position >= count - 1.0:
        log_v += slope * max(log_w - (low + step * (count - 1)), 0.0)
    variance = math.exp(log_v)
    return variance, slope * variance


@jit
def _root(lower, upper, wanted, keep, low, step, values, slopes):
    """The root of w - keep V(w) = wanted in a bracket, by Newton steps in log w that bisect where they leave it."""
    variance, _ = _map(upper, low, step, values, slopes)
    rising = upper - keep * variance - wanted >= 0.0
    w = math.sqrt(lower * upper)
    for _ in range(NEWTON_STEPS):
        variance, turn = _map(w, low, step, values, slopes)
        residual = w - keep * variance - wanted
        if (residual > 0.0) == rising:
            upper = w
        else:
            lower = w
        derivative = w - keep * turn
        following = w * math.exp(-residual / derivative) if abs(residual) < 40.0 * abs(derivative) else 0.0
        if abs(following - w) <= 4e-16 * w:
            return following
        if not (lower < following < upper):
            following = math.sqrt(lower * upper)
        w = following
    return w


@jit
def _bracket(start, upward, wanted, low, step, excess, largest, smallest):
    """Grid index of the first excess at least the wanted one, or the last at most it; len(excess) or -1 for none."""
    count = len(excess)
    if upward:
        j = start
        while j < count:
            if j % BLOCK == 0 and largest[j // BLOCK] < wanted:
                j += BLOCK
            elif excess[j] >= wanted:
                return j
            else:
                j += 1
        return count
    j = start
    while j >= 0:
        if j % BLOCK == BLOCK - 1 and smallest[j // BLOCK] > wanted:
            j -= BLOCK
        elif excess[j] <= wanted:
            return j
        else:
            j -= 1
    return -1


@jit(parallel=True)
def nearest_roots(lanes, data, fresh, low, step, values, slopes, excess, largest, smallest, result):
    """The training variance that each direction settles at when it starts at the data, for a map that never falls."""
    count = len(excess)
    keep = 1.0 - fresh
    for lane in prange(lanes):
        for i in range(lane, len(data), lanes):
            start = data[i]
            if start <= 0.0:
                start = math.exp(low)
            wanted = fresh * data[i]
            variance, _ = _map(start, low, step, values, slopes)
            upward = variance > start
            after = min(max(math.ceil((math.log(start) - low) / step), 0), count - 1)
            if upward:
                j = _bracket(after, True, wanted, low, step, excess, largest, smallest)
                if j == count:
                    result[i] = np.inf
                    continue
                upper = math.exp(low + step * j)
                lower = start if j == after else math.exp(low + step * (j - 1))
            else:
                j = _bracket(max(after - 1, 0), False, wanted, low, step, excess, largest, smallest)
                if j < 0:
                    result[i] = wanted  # below the grid the model's part has died
                    continue
                lower = math.exp(low + step * j)
                upper = start if j == after - 1 else math.exp(low + step * (j + 1))
            result[i] = _root(min(lower, upper), max(lower, upper), wanted, keep, low, step, values, slopes)


@jit
def roots_in(lower, upper, wanted, fresh, low, step, values, slopes, result):
    """The root in each of several brackets."""
    for i in range(len(lower)):
        result[i] = _root(lower[i], upper[i], wanted, 1.0 - fresh, low, step, values, slopes)


@jit(parallel=True)
def play_out(lanes, rounds, data, fresh, low, step, values, slopes, result, settled):
    """Model variances that rounds from the data end with, and whether they settle: maps that fall may cycle.

    A round that comes back to where it was at the last power of two is in a cycle.
    """
    for lane in prange(lanes):
        for i in range(lane, len(data), lanes):
            model = data[i]
            reference, renewed = model, 1
            change = 0.0
            for count in range(1, rounds + 1):
                w = max(fresh * data[i] + (1.0 - fresh) * model, SMALLEST)
                following, _ = _map(w, low, step, values, slopes)
                change = abs(following - model)
                back = abs(following - reference)
                model = following
                if change <= SETTLED * following or (
                    change > MOVING * following and back <= RETURNED * following
                ):
                    break
                if count == renewed:
                    reference, renewed = model, 2 * renewed
            result[i] = model
            settled[i] = change <= MOVING * model
