r"""Compiled sums over the points of a law on a line, near each point of a sampler.

With cells of mass m_k, centre c_k and variance v_k, sorted by their centres, and t_k = a^2 v_k + s^2,

    r_k(x) = m_k / sqrt(t_k) exp(-(x - a c_k)^2 / (2 t_k))

only cells near x matter: the nearest is taken first, and the others outwards from it until all that are left are
below rounding.
"""

from __future__ import annotations

import math

from ..core.types import FloatArray
from ..hermite._jit import jit

NEGLIGIBLE = 28.0  # of log r: exp(-28) = 7e-13


@jit(inline=True)
def _first_at_least(values: FloatArray, wanted: float) -> int:
    """Index of the first of sorted values that is at least the wanted one; their number where there is none."""
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if values[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@jit
def near_sums(
    x: FloatArray,
    signal: float,
    places: FloatArray,
    logs: FloatArray,
    totals: FloatArray,
    spreads: FloatArray,
    largest: float,
    widest: float,
    result: FloatArray,
) -> None:
    """Write a shift and the sums of r, r c, r (x - a c)/t and r (x - a c) a v/t, each over exp(shift), to columns.

    Parameters
    ----------
    x : array, shape (n,)
        Points.
    signal : float
        a.
    places, logs, totals, spreads : array, shape (k,)
        a c (increasing), log(m / sqrt(t)), t, and a v.
    largest, widest : float
        The largest of the logs and of the totals.
    result : array, shape (5, n)
        Filled.
    """
    count = len(places)
    for i in range(len(x)):
        point = x[i]
        right = _first_at_least(places, point)
        left = right - 1
        nearest = right
        if right == count or (left >= 0 and point - places[left] < places[right] - point):
            nearest = left
        distance = point - places[nearest]
        shift = logs[nearest] - 0.5 * distance * distance / totals[nearest]
        mass, mean, slope, spread = 0.0, 0.0, 0.0, 0.0
        # A cell at a distance d adds at most exp(largest - d^2 / (2 widest)).
        reach = math.sqrt(2.0 * widest * max(largest - shift + NEGLIGIBLE, 0.0))
        while left >= 0 and point - places[left] <= reach:
            distance = point - places[left]
            scaled = distance / totals[left]
            weight = math.exp(logs[left] - 0.5 * distance * scaled - shift)
            mass += weight
            mean += weight * places[left]
            slope += weight * scaled
            spread += weight * scaled * spreads[left]
            left -= 1
        while right < count and places[right] - point <= reach:
            distance = point - places[right]
            scaled = distance / totals[right]
            weight = math.exp(logs[right] - 0.5 * distance * scaled - shift)
            mass += weight
            mean += weight * places[right]
            slope += weight * scaled
            spread += weight * scaled * spreads[right]
            right += 1
        result[0, i] = shift
        result[1, i] = mass
        result[2, i] = mean / signal
        result[3, i] = slope
        result[4, i] = spread


@jit
def spread_points(
    points: FloatArray,
    masses: FloatArray,
    noise: float,
    spacing: float,
    first: float,
    width: int,
    total: FloatArray,
) -> None:
    """Add the masses of points plus normal noise to a grid, each on the `width` grid points to either side of it.

    Grid point j is at (first + j) spacing; neighbours come from each other by ratios, exp(-(u + h)^2 / 2) from
    exp(-u^2 / 2).
    """
    scale = spacing / (noise * math.sqrt(2.0 * math.pi))
    h = spacing / noise
    step = math.exp(-h * h)
    for n in range(len(points)):
        left = math.floor(points[n] / spacing)
        index = int(left - first)
        u = (left * spacing - points[n]) / noise
        nearest = masses[n] * scale * math.exp(-0.5 * u * u)
        value, ratio = nearest, math.exp(-u * h - 0.5 * h * h)
        for j in range(index, index + width + 2):
            total[j] += value
            value *= ratio
            ratio *= step
        value, ratio = nearest, math.exp(u * h - 0.5 * h * h)
        for j in range(index - 1, index - width - 1, -1):
            value *= ratio
            ratio *= step
            total[j] += value
