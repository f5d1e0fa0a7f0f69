r"""A round map as a Chebyshev series of log V in log w, and as a table fine enough for Newton's method.

Round maps of real samplers cost K evaluations of a denoiser; what is solved with them needs V and V' millions of
times.  log V is smooth in log w over eighteen decades: 257 Chebyshev nodes give V to about 1e-12 and

    V'(w) = V(w)/w  d log V / d log w.

Between the points of a fine grid, cubic Hermite interpolation of log V adds less than 1e-12.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev

from ..core.errors import ConvergenceError, InputError
from ..core.types import FloatArray
from ..core.value import Value, read_only
from .mechanism import Mechanism

SMALLEST, LARGEST = 1e-12, 1e6
NODES = 257
GRID = 8193
NEGLIGIBLE = 1e-7  # of V/w: a variance that is lost; its own digits are those of the rounding of w
TOLERATED, TOLERATED_AT_CORNERS = 1e-7, 1e-4  # error of V at points between the nodes
_LOW, _SPAN = float(np.log(SMALLEST)), float(np.log(LARGEST) - np.log(SMALLEST))
_STEP = _SPAN / (GRID - 1)
_GRID = np.linspace(_LOW, _LOW + _SPAN, GRID)
VARIANCES = read_only(np.exp(_GRID))  # of the grid
LARGEST_LOG = 700.0  # of a double, in size
SMALLEST_VALUE = 1e-300  # what a variance of exactly 0 is read as, so that it has a logarithm
LOG_OF_NOTHING = float(np.log(1e-280))  # below which it is 0 again


@dataclass(frozen=True, eq=False)
class Interpolant(Value):
    """A round map V on [1e-12, 1e6], outside of which its log-slope at the ends is carried on.

    Parameters
    ----------
    values, slopes : array, shape (GRID,)
        log V and d log V / d log w on an even grid of log w.
    error : float
        Largest relative error of V that was measured between the nodes.
    """

    values: FloatArray
    slopes: FloatArray
    error: float

    @classmethod
    def of(cls, mechanism: Mechanism) -> Interpolant:
        """Return the interpolant of a mechanism's variance.

        Raises
        ------
        ConvergenceError
            If the map is too rough in log w to be interpolated.
        """
        probes = np.cos(np.pi * (np.arange(97) + 0.5) / 97)
        nodes = np.cos(np.pi * np.arange(NODES) / (NODES - 1))
        both = _log_variance(mechanism, _to_variance(np.concatenate([probes, nodes])))
        exact, series = both[: len(probes)], _series(both[len(probes) :])
        negligible = np.log(NEGLIGIBLE * _to_variance(probes))
        error = _error(np.asarray(chebyshev.chebval(probes, series), dtype=np.float64), exact, negligible)
        if error <= TOLERATED:
            slopes = np.append(chebyshev.chebder(series), 0.0) * (2.0 / _SPAN)
            return cls(_on_the_grid(series), _on_the_grid(slopes), error)
        # A map with a corner: values and divided differences on the grid itself.
        values = _log_variance(mechanism, VARIANCES)
        table = cls(values, np.gradient(values, _GRID), np.inf)
        with np.errstate(divide="ignore"):
            error = _error(np.log(table.variance(_to_variance(probes))), exact, negligible)
        if not error <= TOLERATED_AT_CORNERS:
            raise ConvergenceError(
                f"the round map of {mechanism.describe()} is too rough to be interpolated: relative error {error:.1e}.",
                value=table,
                bound=error,
            )
        return table.replace(error=error)

    def variance(self, w: FloatArray) -> FloatArray:
        """Return V(w)."""
        return self.with_slope(w)[0]

    def with_slope(self, w: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return V(w) and V'(w) for variances w >= 0."""
        grid, values, slopes = _GRID, self.values, self.slopes
        inside = np.clip(w, SMALLEST, LARGEST)
        log_w = np.log(inside)
        step = _STEP
        index = np.clip(((log_w - grid[0]) / step).astype(np.int64), 0, GRID - 2)
        t = (log_w - grid[index]) / step
        rise = values[index + 1] - values[index]
        first, last = step * slopes[index], step * slopes[index + 1]
        # Cubic Hermite: the chord plus what the end slopes bend it by.
        bend_first, bend_last = first - rise, rise - last
        log_v = values[index] + t * rise + t * (1 - t) * ((1 - t) * bend_first + t * bend_last)
        slope = (rise + (1 - 4 * t + 3 * t**2) * bend_first + (2 * t - 3 * t**2) * bend_last) / step
        if np.any(w != inside):
            with np.errstate(divide="ignore"):
                beyond = np.clip(np.log(np.maximum(w, 0.0)), -LARGEST_LOG, LARGEST_LOG) - log_w
            log_v = log_v + slope * beyond
        with np.errstate(over="ignore"):
            variance, relative = (
                np.exp(log_v),
                np.exp(log_v - np.clip(np.log(np.maximum(w, 1e-300)), None, LARGEST_LOG)),
            )
        vanishes = log_v < LOG_OF_NOTHING
        with np.errstate(over="ignore", invalid="ignore"):
            rises = np.where(vanishes | (slope == 0.0), 0.0, slope * relative)
        return np.where(vanishes, 0.0, variance), rises

    @property
    def grid(self) -> FloatArray:
        """Variances of the grid, shape (GRID,)."""
        return VARIANCES

    @property
    def grid_start_and_step(self) -> tuple[float, float]:
        """Smallest log w of the grid, and the step."""
        return _LOW, _STEP

    @property
    def is_nondecreasing(self) -> bool:
        """Whether V never falls on the grid, to rounding."""
        return bool(np.all(np.diff(self.values) >= -1e-10))


@functools.cache
def _polynomials() -> tuple[FloatArray, FloatArray]:
    """Return T_j of even and of odd j < NODES on the upper half of the grid, shape (GRID // 2 + 1, ...)."""
    angles = np.arccos(np.linspace(0.0, 1.0, GRID // 2 + 1))
    return np.cos(np.outer(angles, np.arange(0, NODES, 2))), np.cos(np.outer(angles, np.arange(1, NODES, 2)))


def _on_the_grid(series: FloatArray) -> FloatArray:
    """Return the values of a Chebyshev series of NODES terms on the grid, from its even and its odd part.

    Not by BLAS, whose threads wait for each other where cores are taken: six times the processor time was measured.
    """
    even, odd = (
        np.einsum("ij,j->i", half, series[parity::2].copy()) for parity, half in enumerate(_polynomials())
    )
    return np.concatenate([(even - odd)[:0:-1], even + odd])


def in_range(data: FloatArray, name: str) -> FloatArray:
    """Return variances that a table of the map holds, or 0."""
    outside = (data != 0.0) & ((data < SMALLEST) | (data > LARGEST))
    if outside.any():
        raise InputError(
            f"{name} must be 0 or lie in [{SMALLEST:g}, {LARGEST:g}], in the units of the sampler, got "
            f"{float(data[outside].flat[0])!r}."
        )
    return data


def _to_variance(x: FloatArray) -> FloatArray:
    return np.asarray(np.exp(_LOW + 0.5 * (x + 1.0) * _SPAN))


def _error(logs: FloatArray, exact: FloatArray, negligible: FloatArray) -> float:
    """Return the largest error of V, relative to V or to what is negligible beside w."""
    scale = np.exp(np.minimum(exact - negligible, 0.0))
    return float(np.max(np.abs(np.expm1(logs - exact)) * scale))


def _log_variance(mechanism: Mechanism, w: FloatArray) -> FloatArray:
    with np.errstate(over="ignore"):
        variance = np.clip(mechanism._variance(w), SMALLEST_VALUE, 1.0 / SMALLEST_VALUE)
    return np.asarray(np.log(variance))


def _series(values: FloatArray) -> FloatArray:
    """Return the Chebyshev coefficients of values at the Chebyshev points cos(pi j / (n - 1))."""
    series = np.fft.irfft(values)[: len(values)]  # the discrete cosine transform of an even continuation
    series[1:-1] *= 2.0
    return np.asarray(series)
