r"""Compiled sums over the components of one-dimensional Gaussian mixtures.

A component is (weight w, mean m, standard deviation s); z = (x - m) / s.  Distribution functions are carried as
both tails, each to relative accuracy: one erfc gives the smaller, its complement the larger.
"""

from __future__ import annotations

import math

import numpy as np

from ..hermite._jit import jit

_ROOT_HALF = math.sqrt(0.5)
_ROOT_TWO_PI_INVERSE = 1.0 / math.sqrt(2.0 * math.pi)


@jit(inline=True)
def _tails(x, w, m, s):
    """Lower tail, upper tail, density, and a bound on the density's slope, at one point."""
    lower = 0.0
    upper = 0.0
    density = 0.0
    slope = 0.0
    for k in range(w.shape[0]):
        z = (x - m[k]) / s[k]
        small = 0.5 * math.erfc(abs(z) * _ROOT_HALF)
        if z < 0.0:
            lower += w[k] * small
            upper += w[k] * (1.0 - small)
        else:
            lower += w[k] * (1.0 - small)
            upper += w[k] * small
        bell = w[k] / s[k] * math.exp(-0.5 * z * z)
        density += bell
        slope += bell * abs(z) / s[k]
    return lower, upper, density * _ROOT_TWO_PI_INVERSE, slope * _ROOT_TWO_PI_INVERSE


@jit
def tails(x, w, m, s):
    """Lower and upper tail at every point: (n,), (n,)."""
    lower = np.empty(x.shape[0])
    upper = np.empty(x.shape[0])
    for i in range(x.shape[0]):
        lower[i], upper[i], _, _ = _tails(x[i], w, m, s)
    return lower, upper


@jit
def signed_measure(x, c, m, s, order):
    r"""Antiderivative, value and second derivative of a signed sum of components with sum(c) = 0.

    order 0: of sum c Phi(z);  order 1: of sum c phi(z) / s.  Whichever tail is smaller is summed, so that the
    values keep relative accuracy on both sides.
    """
    count = x.shape[0]
    primitive = np.empty(count)
    value = np.empty(count)
    curvature = np.empty(count)
    for i in range(count):
        below = 0.0
        above = 0.0
        below_size = 0.0
        above_size = 0.0
        area = 0.0
        first = 0.0
        second = 0.0
        for k in range(c.shape[0]):
            z = (x[i] - m[k]) / s[k]
            small = 0.5 * math.erfc(abs(z) * _ROOT_HALF)
            bell = _ROOT_TWO_PI_INVERSE * math.exp(-0.5 * z * z)
            large = 1.0 - small
            low = small if z < 0.0 else large
            high = large if z < 0.0 else small
            below += c[k] * low
            above += c[k] * high
            below_size += abs(c[k]) * low
            above_size += abs(c[k]) * high
            if order == 0:
                area += c[k] * (s[k] * (bell - abs(z) * small) + max(x[i] - m[k], 0.0))
                second -= c[k] * z * bell / (s[k] * s[k])
            else:
                first += c[k] * bell / s[k]
                second += c[k] * (z * z - 1.0) * bell / (s[k] * s[k] * s[k])
        distribution = below if below_size <= above_size else -above
        primitive[i] = area if order == 0 else distribution
        value[i] = distribution if order == 0 else first
        curvature[i] = second
    return primitive, value, curvature


@jit
def fourth_derivative_bound(left, right, c, m, s, order):
    r"""Bound on the fourth derivative of sum c Phi(z) (order 0) or sum c phi(z)/s (order 1) on each cell.

    By Cramer's inequality abs(He_n(z)) phi(z) <= sqrt(n!) exp(-z^2/4) / sqrt(2 pi), with n = 3 or 4.
    """
    bound = np.empty(left.shape[0])
    factor = _ROOT_TWO_PI_INVERSE * math.sqrt(6.0 if order == 0 else 24.0)
    for i in range(left.shape[0]):
        total = 0.0
        for k in range(c.shape[0]):
            gap = max(0.0, max(left[i] - m[k], m[k] - right[i])) / s[k]
            power = s[k] ** 4 if order == 0 else s[k] ** 5
            total += abs(c[k]) * math.exp(-0.25 * gap * gap) / power
        bound[i] = factor * total
    return bound


@jit
def couple(positions, wp, mp, sp, wq, mq, sq, reach, fine):
    r"""The monotone coupling of two laws, parametrised by x + y.

    For every position t (increasing) the pair with x + y = t and F(x) = G(y): both x and y are increasing and
    1-Lipschitz in t, and the mass between two pairs has density f g / (f + g) in t.  `reach` bounds abs(y - x);
    Newton's method stops after a step below `fine`, whose square is then what is left.

    Returns at every position y - x, that density, both tails at the pair, and what rounding of the tails and of t may
    do: how far it moves y - x, and by which relative amount the density.
    """
    count = positions.shape[0]
    shift = np.empty(count)
    density = np.empty(count)
    lower = np.empty(count)
    upper = np.empty(count)
    noise = np.empty(count)
    blur = np.empty(count)
    previous = 0.0
    slope = 0.0
    for i in range(count):
        t = positions[i]
        other_below = 0.0
        other_above = 0.0
        # No bracket from the neighbour: where both laws have a gap its own d is anything that rounding allows.
        low, high, d = -reach, reach, 0.0
        if i > 0:
            d = min(max(previous + slope * (t - positions[i - 1]), low), high)
        f = 0.0
        g = 0.0
        f_slope = 0.0
        g_slope = 0.0
        below = 0.0
        above = 0.0
        older = last = high - low
        for _ in range(200):
            below, above, f, f_slope = _tails(0.5 * (t - d), wp, mp, sp)
            other_below, other_above, g, g_slope = _tails(0.5 * (t + d), wq, mq, sq)
            # Compare the tail that is smaller, by its logarithm: relative accuracy and fast steps far out.
            if below + other_below < 1.0:
                a, b, sign = below, other_below, 1.0
            else:
                a, b, sign = above, other_above, -1.0
            if a > 0.0 and b > 0.0:
                relative = (a - b) / b
                gap = sign * (math.log1p(relative) if abs(relative) < 0.5 else math.log(a / b))
                rate = 0.5 * (f / a + g / b)
                step = gap / rate if rate > 0.0 else math.inf
            else:
                gap = sign * ((1.0 if a > 0.0 else 0.0) - (1.0 if b > 0.0 else 0.0))
                step = math.inf
            if abs(gap) <= 4e-16 or abs(step) <= max(fine, 4e-16 * (abs(t) + abs(d))):
                d += step if abs(step) <= 1e3 * fine else 0.0
                break
            if gap > 0.0:
                low = d
            else:
                high = d
            moved = d + step
            # Newton's method may cycle across a corner of the logarithms: a step must halve the one before the last.
            if not (low < moved < high) or abs(step) > 0.5 * older:
                moved = 0.5 * (low + high)
                if moved <= low or moved >= high:
                    break
            older, last = last, abs(moved - d)
            d = moved
        shift[i] = d
        both = f + g
        density[i] = f / both * g if both > 0.0 else 0.0
        # The law that is flatter here knows the mass better: rounding of t moves it less.
        lower[i] = below if f <= g else other_below
        upper[i] = above if f <= g else other_above
        rounded = 4e-16 * (abs(t) + abs(d))
        flat = 2e-15 * min(below, above) / both if both > 0.0 else reach
        noise[i] = min(flat + rounded, reach)
        steepest = max(f_slope / f if f > 0.0 else 0.0, g_slope / g if g > 0.0 else 0.0)
        blur[i] = min(rounded * steepest, 1.0)
        previous = d
        slope = (f - g) / both if both > 0.0 else 0.0
    return shift, density, lower, upper, noise, blur


@jit
def quantiles(lower, upper, w, m, s, low, high):
    """Quantiles of increasing levels, each given by both tails, by Newton steps inside a bracket."""
    count = lower.shape[0]
    result = np.empty(count)
    start = low
    for i in range(count):
        a, b = start, high
        x = 0.5 * (a + b) if i == 0 else start
        older = last = b - a
        for _ in range(200):
            below, above, density, _ = _tails(x, w, m, s)
            gap = lower[i] - below if lower[i] < upper[i] else above - upper[i]
            if gap > 0.0:
                a = x
            else:
                b = x
            step = gap / density if density > 0.0 else math.inf
            moved = x + step
            if abs(gap) <= 2e-16 * min(lower[i], upper[i]):
                break
            if not (a < moved < b) or abs(step) > 0.5 * older:
                moved = 0.5 * (a + b)
                if moved <= a or moved >= b:
                    break
            if abs(moved - x) <= 4e-16 * abs(x):
                break
            older, last = last, abs(moved - x)
            x = moved
        result[i] = x
        start = x
    return result


@jit
def partial_moments(x, w, m, s):
    """int_{-inf}^x of 1, y and y^2 against the mixture, at every point: three arrays (n,)."""
    count = x.shape[0]
    zeroth = np.zeros(count)
    first = np.zeros(count)
    second = np.zeros(count)
    for i in range(count):
        for k in range(w.shape[0]):
            z = (x[i] - m[k]) / s[k]
            below = 0.5 * math.erfc(-z * _ROOT_HALF)
            bell = _ROOT_TWO_PI_INVERSE * math.exp(-0.5 * z * z)
            zeroth[i] += w[k] * below
            first[i] += w[k] * (m[k] * below - s[k] * bell)
            second[i] += w[k] * ((m[k] * m[k] + s[k] * s[k]) * below - s[k] * (m[k] + x[i]) * bell)
    return zeroth, first, second
