"""Models of the estimation error of one round, as a function of its truncation time, and their fit to measurements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import checks
from ..core.errors import InputError
from ..recursion.identity import round_defects
from ..recursion.recursion import Recursion
from ..storage.record import SimulatedRecursion

FloatArray = NDArray[np.float64]


class ErrorModel(Protocol):
    """Standard deviation of the error a round adds to each mode, and its derivative in time."""

    def deviation(self, time: FloatArray, degrees: FloatArray) -> FloatArray:
        """sigma_n(t) for times (r,) and degrees (m,); shape (r, m)."""

    def slope(self, time: FloatArray, degrees: FloatArray) -> FloatArray:
        """d sigma_n / d t, shape (r, m)."""


@dataclass(frozen=True)
class PowerLaw:
    """sigma(t) = scale * t^(-exponent) for every mode; scale, exponent > 0.

    A score trained on n samples in dimension d has squared error of order n^{-1} t^{-d/2}: exponent d/4.
    """

    scale: float
    exponent: float

    def __post_init__(self) -> None:
        checks.positive(self.scale, "scale")
        checks.positive(self.exponent, "exponent")

    def deviation(self, time: FloatArray, degrees: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore"):  # a round without truncation has an infinite error here
            return np.outer(self.scale * time**-self.exponent, np.ones_like(degrees))

    def slope(self, time: FloatArray, degrees: FloatArray) -> FloatArray:
        return -self.exponent * self.deviation(time, degrees) / time[:, None]


@dataclass(frozen=True)
class FinitePool:
    """What a kernel score on a pool of M points leaves: sigma_n(t) = a^n sqrt(spread_n / M).

    spread : by degree 0, 1, 2, ..., the variance of the mode's Hermite polynomial under the training law, relative to
        the squared coefficient; for a whole degree, the sum of the variances over its degree energy.
    rate : of the process.
    """

    pool: int
    spread: tuple[float, ...]
    rate: float = 0.5

    def deviation(self, time: FloatArray, degrees: FloatArray) -> FloatArray:
        spread = np.asarray(self.spread)[degrees.astype(int)]
        return np.exp(-self.rate * np.outer(time, degrees)) * np.sqrt(spread / self.pool)

    def slope(self, time: FloatArray, degrees: FloatArray) -> FloatArray:
        return -self.rate * degrees * self.deviation(time, degrees)


def fit_error_model(
    times: ArrayLike, deviations: ArrayLike, standard_errors: ArrayLike | None = None
) -> tuple[PowerLaw, FloatArray]:
    """The power law c t^{-b} fitted to measured errors by weighted least squares in logarithms.

    Parameters
    ----------
    times, deviations : (k,) truncation times > 0 and the errors measured at them, > 0; two different times at least.
    standard_errors : (k,) of the deviations; equal relative errors if None.

    Returns
    -------
    The PowerLaw and the covariance (2, 2) of (log c, b), scaled by the misfit where no standard errors are given.
    """
    t, s = checks.vector(times, "times"), checks.vector(deviations, "deviations")
    if t.shape != s.shape or t.min() <= 0.0 or s.min() <= 0.0:
        raise InputError(
            f"times and deviations must be > 0 and of one length, got lengths {len(t)} and {len(s)}."
        )
    if len(np.unique(t)) < 2:
        raise InputError("times must hold at least two different values for a power law, got one.")
    relative = (
        np.ones_like(s) if standard_errors is None else checks.vector(standard_errors, "standard_errors") / s
    )
    design = np.stack([np.ones_like(t), -np.log(t)], axis=1) / relative[:, None]
    solution, *_ = np.linalg.lstsq(design, np.log(s) / relative, rcond=None)
    covariance = np.linalg.inv(design.T @ design).astype(np.float64)
    if standard_errors is None:
        misfit = np.log(s) - design @ solution
        covariance *= float(misfit @ misfit) / max(len(t) - 2, 1)
    if solution[1] <= 0.0:
        raise InputError(
            f"deviations must fall with time for a power law with exponent > 0, got {solution[1]:.3g}."
        )
    return PowerLaw(float(np.exp(solution[0])), float(solution[1])), covariance


def measured_deviations(
    recursion: Recursion, simulated: SimulatedRecursion, degree: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The estimation error of each round of a recorded recursion, ready for `fit_error_model`.

        sigma(i)^2 = mean over runs of sum_{abs(k)=n} d_k(i)^2 / E_n(p*)

    with the defects d(i) of `defects.round_defects`: what a round adds to the modes of degree n beyond its ideal
    channel, relative to the data's energy in that degree, as the planner's errors are.

    Parameters
    ----------
    recursion : what was simulated, with truncation times that vary if a law in time is to be fitted.
    simulated : its record, with at least two runs.
    degree : a Hermite degree with energy in the data.

    Returns
    -------
    Times, deviations and their standard errors (over the runs), each of shape (rounds,).
    """
    n = checks.integer(degree, "degree", minimum=1)
    if simulated.runs < 2:
        raise InputError(f"simulated must hold at least 2 runs for a standard error, got {simulated.runs}.")
    chosen = simulated.degrees == n
    energy = float(np.sum(recursion.target.hermite_coefficients(simulated.degree).values[chosen] ** 2))
    if not energy > 0.0:
        raise InputError(f"degree must be one that was recorded and has energy in the data, got {n}.")
    defects = round_defects(recursion, simulated.coefficients, simulated.indices)[:, :, chosen]
    squares = np.sum(defects**2, axis=2) / energy
    deviations = np.sqrt(squares.mean(axis=0))
    spread = squares.std(axis=0, ddof=1) / np.sqrt(simulated.runs)
    return simulated.truncation_times, deviations, spread / (2.0 * deviations)
