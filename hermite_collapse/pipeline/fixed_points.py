r"""Fixed points of v' = V(alpha v_d + (1 - alpha) v): where a recursion settles, from the data and elsewhere.

With w = alpha v_d + (1 - alpha) v the variance of the training set, a limit solves

    h(w) = alpha v_d + (1 - alpha) V(w) - w = 0,      that is  v_d = D(w) = (w - (1 - alpha) V(w)) / alpha.

D is tabulated once on a grid of log w; every sign change of D - v_d brackets a root, which safeguarded Newton steps
refine.  For a map that never falls the iteration from the data is monotone, so its limit is the nearest root in the
direction of its first step: up if V(w_0) > v_d, down otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..core.threads import parallel_region
from ..core.types import BoolArray, FloatArray
from ..core.value import Value, writable
from ._kernels import BLOCK, nearest_roots, play_out, roots_in
from .interpolant import Interpolant

LANES = 16
KEPT, IDENTITY = 1e-11, 1e-9  # relative errors of a map's table, and of its slope
CYCLE_ROUNDS = 20_000  # rounds that are played out where a map falls somewhere, before giving up


@dataclass(frozen=True)
class FixedPoint:
    """One limit of a direction.

    Attributes
    ----------
    training_variance : float
        w, what the sampler is trained on.
    variance : float
        V(w), what the model makes.
    rate : float
        Factor by which a deviation changes in one round; negative where it alternates.
    stable : bool
        Whether abs(rate) < 1.
    """

    training_variance: float
    variance: float
    rate: float

    @property
    def stable(self) -> bool:
        return abs(self.rate) < 1.0


class Limits(NamedTuple):
    """Limits of many directions: w and V(w), and whether the recursion settles there; arrays of one shape."""

    training_variance: FloatArray
    variance: FloatArray
    settles: BoolArray


@dataclass(frozen=True, eq=False)
class ScalarRecursion(Value):
    """The recursion of one direction at one fresh fraction.

    Parameters
    ----------
    map : Interpolant
        V.
    fresh_fraction : float
        alpha in [0, 1].
    """

    map: Interpolant
    fresh_fraction: float

    @cached_property
    def _excess(self) -> FloatArray:
        """w - (1 - alpha) V(w) on the grid; a limit has it equal to alpha v_d."""
        return self.map.grid - (1.0 - self.fresh_fraction) * np.exp(self.map.values)

    def step(self, data: FloatArray, model: FloatArray) -> FloatArray:
        """Return the model's variance after one round."""
        alpha = self.fresh_fraction
        return self.map.variance(alpha * data + (1.0 - alpha) * model)

    def rates(self, w: FloatArray) -> FloatArray:
        """Return (1 - alpha) V'(w)."""
        return np.asarray((1.0 - self.fresh_fraction) * self.map.with_slope(w)[1])

    def from_data(self, data: FloatArray) -> Limits:
        """Return the limits that the recursion reaches when it starts at the data, for variances of any shape."""
        flat = data.reshape(-1)
        if self.fresh_fraction == 1.0:
            w = flat
        elif self.map.is_nondecreasing:
            w = np.where(self._is_kept(flat), flat, self._nearest(flat))
        else:
            return self._played_out(data)
        finite = np.isfinite(w)
        variance = np.where(finite, self.map.variance(np.where(finite, w, 1.0)), np.inf)
        return Limits(w.reshape(data.shape), variance.reshape(data.shape), finite.reshape(data.shape))

    def _is_kept(self, data: FloatArray) -> BoolArray:
        """Return which variances the map keeps, to the accuracy of its table: the data are a limit themselves."""
        return np.abs(self.map.variance(data) - data) <= KEPT * data

    @cached_property
    def _blocks(self) -> tuple[FloatArray, FloatArray]:
        """Largest and smallest excess of each block of the grid."""
        padding = -len(self._excess) % BLOCK
        high = np.append(self._excess, np.full(padding, np.inf)).reshape(-1, BLOCK).max(axis=1)
        low = np.append(self._excess, np.full(padding, -np.inf)).reshape(-1, BLOCK).min(axis=1)
        return high, low

    def _nearest(self, data: FloatArray) -> FloatArray:
        """Return the nearest root from the data in the direction of the first step; infinity where there is none."""
        result = np.empty(len(data))
        with parallel_region:
            nearest_roots(
                LANES,
                np.ascontiguousarray(data),
                self.fresh_fraction,
                *self.map.grid_start_and_step,
                writable(self.map.values),
                writable(self.map.slopes),
                self._excess,
                *self._blocks,
                result,
            )
        return result

    def _roots(self, lower: FloatArray, upper: FloatArray, wanted: float) -> FloatArray:
        """Return the root in each of several brackets."""
        result = np.empty(len(lower))
        tables = (writable(self.map.values), writable(self.map.slopes))
        roots_in(
            lower,
            upper,
            wanted,
            self.fresh_fraction,
            *self.map.grid_start_and_step,
            *tables,
            result,
        )
        return result

    def _residual(self, w: FloatArray, wanted: FloatArray) -> FloatArray:
        return w - (1.0 - self.fresh_fraction) * self.map.variance(w) - wanted

    def _played_out(self, data: FloatArray) -> Limits:
        """Return where rounds from the data lead, played out: for maps that fall somewhere and may oscillate."""
        flat = np.ascontiguousarray(data.reshape(-1))
        model, settled = np.empty(len(flat)), np.zeros(len(flat), dtype=bool)
        with parallel_region:
            play_out(
                LANES,
                CYCLE_ROUNDS,
                flat,
                self.fresh_fraction,
                *self.map.grid_start_and_step,
                writable(self.map.values),
                writable(self.map.slopes),
                model,
                settled,
            )
        w = self.fresh_fraction * flat + (1.0 - self.fresh_fraction) * model
        return Limits(w.reshape(data.shape), model.reshape(data.shape), settled.reshape(data.shape))

    def all_of(self, data: float) -> tuple[FixedPoint, ...]:
        """Return every limit of one direction, from the smallest training variance on."""
        if self.fresh_fraction == 1.0:
            w = np.array([data])
            return (FixedPoint(float(w[0]), float(self.map.variance(w)[0]), 0.0),)
        at_data = np.array([data])
        if self._is_kept(at_data)[0] and abs(float(self.map.with_slope(at_data)[1][0]) - 1.0) <= IDENTITY:
            return (FixedPoint(data, data, float(self.rates(at_data)[0])),)  # as all variances near by
        wanted = self.fresh_fraction * data
        sign = np.sign(self._excess - wanted)
        crossings = np.flatnonzero(sign[:-1] * sign[1:] <= 0.0)
        if len(crossings) == 0:
            return ()
        roots = np.unique(self._roots(self.map.grid[crossings], self.map.grid[crossings + 1], wanted))
        distinct = roots[np.append(True, np.diff(np.log(roots)) > 1e-12)]
        variance, rates = self.map.variance(distinct), self.rates(distinct)
        return tuple(
            FixedPoint(float(w), float(v), float(rate))
            for w, v, rate in zip(distinct, variance, rates, strict=True)
        )

    def folds(self) -> tuple[tuple[float, float], ...]:
        """Return the fold points (w, v_d): where two limits meet, D'(w) = 0, for data variances > 0."""
        if self.fresh_fraction in (0.0, 1.0):
            return ()
        grid = self.map.grid
        slope = 1.0 - (1.0 - self.fresh_fraction) * self.map.with_slope(grid)[1]
        result = []
        for j in np.flatnonzero(np.sign(slope[:-1]) * np.sign(slope[1:]) < 0.0):
            low, high = np.log(grid[j]), np.log(grid[j + 1])
            for _ in range(60):
                middle = 0.5 * (low + high)
                w = np.exp(np.array([middle]))
                value = 1.0 - (1.0 - self.fresh_fraction) * self.map.with_slope(w)[1][0]
                low, high = (middle, high) if np.sign(value) == np.sign(slope[j]) else (low, middle)
            w = np.exp(np.array([0.5 * (low + high)]))
            data = float(self._residual(w, np.zeros(1))[0] / self.fresh_fraction)
            if data > 0.0:
                result.append((float(w[0]), data))
        return tuple(result)
