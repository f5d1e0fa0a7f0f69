r"""The refit of a mixture to the law of many particles on a line, and what each particle contributes to its error.

The simulation fits K components to the particles of a round by EM from the data's components, or takes mean and
variance of each class where classes are known.  With posterior weights r_k(x; phi) and t(x) = (1, x, x^2), one step is

    phi' = int r(x; phi) t(x) dmu(x),     phi = (mass, first and second moment) of each component.

A disturbance dmu of the law moves the end of n steps by

    d phi = A int r t d mu,     A = sum_{j < n} M^j,     M = d phi' / d phi,

M at the end, so that a particle at x contributes A r(x) t(x) / N: the influence function of maximum likelihood where
the steps settle.  n is the most that are done: a draw of particles takes more steps than the law itself where that is
symmetric, as it leaves the symmetry.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.types import FloatArray, IntArray
from ..pipeline.line_laws import LineLaw, WeightedPoints
from ..simulation.refit_rule import FLOOR, ITERATIONS, SETTLED


@dataclass(frozen=True)
class LineRefit:
    """A mixture fitted to a law on a line.

    Attributes
    ----------
    weights, means, variances : array, shape (K,)
    gain : array, shape (3 K, 3 K)
        From r_k t_a to what a particle contributes to (weights, means, variances), component by component.
    classes_known : bool
        Whether r_k is the indicator of the class.
    """

    weights: FloatArray
    means: FloatArray
    variances: FloatArray
    gain: FloatArray
    classes_known: bool

    @property
    def parameters(self) -> FloatArray:
        """Weight, mean and variance of each component, shape (3 K,)."""
        return np.stack([self.weights, self.means, self.variances], axis=1).ravel()

    @property
    def units(self) -> FloatArray:
        """What the parameters are measured in: weight, deviation and variance of the component, shape (3 K,)."""
        return np.stack([self.weights, np.sqrt(self.variances), self.variances], axis=1).ravel()

    def influence(self, points: WeightedPoints) -> FloatArray:
        """Return what a particle at each point contributes to the parameters, but for constants, (n, 3 K)."""
        if self.classes_known:
            shares = np.eye(len(self.weights))[:, points.labels]
        else:
            shares, _ = _posterior(points.points, self.weights, self.means, self.variances)
        return _products(shares, points.points) @ self.gain.T


def refit_on_line(
    points: WeightedPoints, start: LineLaw, *, classes_known: bool, with_gain: bool = True
) -> LineRefit:
    """Return the mixture that a round of many particles of a law is refitted by.

    Parameters
    ----------
    points : WeightedPoints
        The law.
    start : LineLaw
        The data, whose components the fit begins with.
    classes_known : bool
        Whether the labels of the points are their components.
    with_gain : bool
        Whether the gain is worked out; zeros if not.
    """
    count = len(start.weights)
    weights, means, variances = start.weights, start.means, start.variances
    floor = FLOOR * points.variance
    if classes_known or count == 1:
        shares = np.eye(count)[:, points.labels] if classes_known else np.ones((1, len(points.points)))
        weights, means, variances = _moments(points, shares, floor)
        return LineRefit(weights, means, variances, _slope(weights, means, variances), classes_known)
    before = -np.inf
    for _ in range(ITERATIONS):
        shares, log_densities = _posterior(points.points, weights, means, variances)
        likelihood = float(points.masses @ log_densities)
        weights, means, variances = _moments(points, shares, floor)
        if abs(likelihood - before) <= SETTLED:
            break
        before = likelihood
    if not with_gain:
        return LineRefit(weights, means, variances, np.zeros((3 * count, 3 * count)), False)
    total_gain = _sum_of_powers(_step_slope(points, weights, means, variances), ITERATIONS)
    return LineRefit(weights, means, variances, _slope(weights, means, variances) @ total_gain, False)


def _sum_of_powers(matrix: FloatArray, count: int) -> FloatArray:
    """Return 1 + A + ... + A^(count-1), by doubling: the sum of 2 n powers is (1 + A^n) that of n."""
    one = np.eye(len(matrix))
    total, power = np.zeros_like(one), one
    for digit in f"{count:b}":
        total, power = (one + power) @ total, power @ power
        if digit == "1":
            total, power = one + matrix @ total, matrix @ power
    return total


def _posterior(
    x: FloatArray, weights: FloatArray, means: FloatArray, variances: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the posterior weights of the components at points, (K, n), and the log-densities but for a constant.

    Points are the last axis, as NumPy sums along long rows several times faster than across few components.
    """
    shares = x - means[:, None]
    shares *= shares
    shares *= (-0.5 / variances)[:, None]
    shares += (np.log(weights) - 0.5 * np.log(variances))[:, None]
    top = shares.max(axis=0)
    shares -= top
    np.exp(shares, out=shares)
    total = shares.sum(axis=0)
    shares /= total
    return shares, np.asarray(top + np.log(total))


def _products(shares: FloatArray, x: FloatArray) -> FloatArray:
    """Return r_k(x) (1, x, x^2), component by component, shape (n, 3 K)."""
    powers = np.stack([np.ones_like(x), x, x**2])
    return np.asarray((shares[:, None] * powers).reshape(-1, len(x)).T)


def _moments(
    points: WeightedPoints, shares: FloatArray, floor: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    masses = shares @ points.masses
    means = shares @ (points.masses * points.points) / masses
    centred = points.points - means[:, None]
    centred *= centred
    centred *= shares
    spread = centred @ points.masses / masses
    return masses / masses.sum(), means, spread + floor


def _slope(weights: FloatArray, means: FloatArray, variances: FloatArray) -> FloatArray:
    """Return the derivative of (weight, mean, variance) in (mass, moments) of each component, (3 K, 3 K)."""
    slope = np.zeros((3 * len(weights), 3 * len(weights)))
    for k, (w, m, v) in enumerate(zip(weights, means, variances, strict=True)):
        block = slice(3 * k, 3 * k + 3)
        slope[block, block] = [
            [1.0, 0.0, 0.0],
            [-m / w, 1.0 / w, 0.0],
            [(m**2 - v) / w, -2.0 * m / w, 1.0 / w],
        ]
    return slope


def _step_slope(
    points: WeightedPoints, weights: FloatArray, means: FloatArray, variances: FloatArray
) -> FloatArray:
    """Return M, the derivative of one step of EM in (mass, moments) of each component, (3 K, 3 K)."""
    x, count = points.points, len(weights)
    shares, _ = _posterior(x, weights, means, variances)
    centred = (x[:, None] - means) / variances
    logs = np.stack(
        [np.broadcast_to(1.0 / weights, centred.shape), centred, 0.5 * (centred**2 - 1.0 / variances)], axis=2
    )
    slopes = (logs.reshape(len(x), -1)) @ _slope(weights, means, variances)  # of log w_l N_l, (n, 3 K)
    products = _products(shares, x) * points.masses[:, None]
    by_component = slopes.reshape(len(x), count, 3)
    own = np.zeros((3 * count, 3 * count))
    for k in range(count):
        block = slice(3 * k, 3 * k + 3)
        own[block, block] = products[:, block].T @ by_component[:, k]
    return np.asarray(own - products.T @ (shares.T[:, :, None] * by_component).reshape(len(x), -1))


def mixture_on_line(weights: FloatArray, means: FloatArray, variances: FloatArray) -> LineLaw:
    """Return a mixture as a law on a line, each component a class of its own."""
    classes: IntArray = np.arange(len(weights))
    return LineLaw(weights, means, variances, classes)
