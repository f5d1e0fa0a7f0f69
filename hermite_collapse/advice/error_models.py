r"""Models of the estimation error of one round, as a function of its truncation time, and their fit to measurements.

power law     sigma(t) = c t^{-b}                             an estimated score
finite pool   sigma_n(t) = a^n sqrt(spread_n / M)             a kernel score on M points, a = exp(-rate t)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.estimates import standard_error_of_mean
from ..core.signature import public
from ..core.types import FloatArray
from ..recursion.identity import round_defects
from ..recursion.recursion import Recursion
from ..storage.record import SimulatedRecursion


class ErrorModel(Protocol):
    """Standard deviation of the error a round adds to each mode, and its derivative in time."""

    def deviation(self, time: FloatArray, degrees: FloatArray) -> FloatArray:
        """Return sigma_n(t) for times (r,) and degrees (m,); shape (r, m)."""

    def slope(self, time: FloatArray, degrees: FloatArray) -> FloatArray:
        """Return d sigma_n / d t, shape (r, m)."""


@public
@dataclass(frozen=True)
class PowerLaw:
    """An error that falls with the truncation time as a power, the same for every mode.

        sigma(t) = scale * t^(-exponent)

    Parameters
    ----------
    scale : float
        c > 0.
    exponent : float
        b > 0.  A score trained on n samples in dimension d has squared error of order n^{-1} t^{-d/2}: b = d/4.

    Raises
    ------
    InputError
        If scale or exponent is not > 0.

    References
    ----------
    arXiv:2602.16601, equation 12, for the form.

    Examples
    --------
    >>> import numpy as np
    >>> PowerLaw(0.01, 0.5).deviation(np.array([0.01, 0.04]), np.array([1.0])).round(3).tolist()
    [[0.1], [0.05]]
    """

    scale: float
    exponent: float

    def __post_init__(self) -> None:
        checks.keep(self, checks.positive, "scale", "exponent")

    @public
    def deviation(self, time: FloatArray, degrees: FloatArray) -> FloatArray:
        """Return sigma(t) for times (r,) and degrees (m,), shape (r, m); infinite at time 0 and beyond the doubles."""
        with np.errstate(divide="ignore", over="ignore"):
            size = np.exp(np.log(self.scale) - self.exponent * np.log(time))
        return np.outer(size, np.ones_like(degrees))

    @public
    def slope(self, time: FloatArray, degrees: FloatArray) -> FloatArray:
        """Return d sigma / d t, shape (r, m)."""
        with np.errstate(over="ignore"):
            return -self.exponent * self.deviation(time, degrees) / time[:, None]


@public
@dataclass(frozen=True)
class FinitePool:
    """The error that a kernel score on a pool of M points leaves.

        sigma_n(t) = a^n sqrt(spread_n / M),     a = exp(-rate t)

    Parameters
    ----------
    pool : int
        M >= 1.
    spread : tuple of float
        By degree 0, 1, 2, ...: the variance of the mode's Hermite polynomial under the training law, relative to the
        squared coefficient; for a whole degree, the sum of the variances over its degree energy.
    rate : float
        Of the process, > 0.

    Raises
    ------
    InputError
        If an argument is outside its range.

    Examples
    --------
    >>> import numpy as np
    >>> FinitePool(100, (0.0, 1.0)).deviation(np.array([0.0]), np.array([1.0])).tolist()
    [[0.1]]
    """

    pool: int
    spread: tuple[float, ...]
    rate: float = 0.5

    def __post_init__(self) -> None:
        checks.keep(self, checks.integer, "pool", minimum=1)
        spread = checks.vector(self.spread, "spread")
        if spread.min() < 0.0:
            raise InputError(f"spread must be >= 0, got {float(spread.min())!r}.")
        object.__setattr__(self, "spread", tuple(spread.tolist()))
        checks.keep(self, checks.positive, "rate")

    @public
    def deviation(self, time: FloatArray, degrees: FloatArray) -> FloatArray:
        """Return sigma_n(t) for times (r,) and degrees (m,), shape (r, m)."""
        spread = np.asarray(self.spread)[degrees.astype(int)]
        return np.exp(-self.rate * np.outer(time, degrees)) * np.sqrt(spread / self.pool)

    @public
    def slope(self, time: FloatArray, degrees: FloatArray) -> FloatArray:
        """Return d sigma_n / d t, shape (r, m)."""
        return -self.rate * degrees * self.deviation(time, degrees)


@public
def fit_error_model(
    times: ArrayLike, deviations: ArrayLike, standard_errors: ArrayLike | None = None
) -> tuple[PowerLaw, FloatArray]:
    """Fit a power law to measured errors by weighted least squares in logarithms.

        log sigma = log c - b log t

    Parameters
    ----------
    times : array, shape (k,)
        Truncation times > 0, two different ones at least.
    deviations : array, shape (k,)
        The errors measured at them, > 0.
    standard_errors : array, shape (k,), optional
        Of the deviations, > 0; equal relative errors if None.

    Returns
    -------
    PowerLaw
    array, shape (2, 2)
        Covariance of (log c, b), scaled by the misfit where no standard errors are given.

    Raises
    ------
    InputError
        If the arrays do not match, or the deviations do not fall with time.

    Examples
    --------
    >>> model, covariance = fit_error_model([0.01, 0.04, 0.16], [0.1, 0.05, 0.025])
    >>> round(model.scale, 6), round(model.exponent, 6)
    (0.01, 0.5)
    """
    t, s = checks.vector(times, "times"), checks.vector(deviations, "deviations")
    if t.shape != s.shape:
        raise InputError(f"times and deviations must be of one length, got {len(t)} and {len(s)}.")
    for name, values in (("times", t), ("deviations", s)):
        if values.min() <= 0.0:
            raise InputError(f"{name} must be > 0, got {float(values.min())!r}.")
    if len(np.unique(t)) < 2:
        raise InputError("times must hold at least two different values for a power law, got one.")
    relative = np.ones_like(s)
    if standard_errors is not None:
        errors = checks.vector(standard_errors, "standard_errors")
        if errors.shape != s.shape:
            raise InputError(f"standard_errors must be one a deviation ({len(s)}), got {len(errors)}.")
        if errors.min() <= 0.0:
            raise InputError(f"standard_errors must be > 0, got {float(errors.min())!r}.")
        relative = errors / s
    design = np.stack([np.ones_like(t), -np.log(t)], axis=1) / relative[:, None]
    observed = np.log(s) / relative
    solution, *_ = np.linalg.lstsq(design, observed, rcond=None)
    covariance = np.linalg.inv(design.T @ design).astype(np.float64)
    if standard_errors is None:
        misfit = observed - design @ solution
        covariance *= float(misfit @ misfit) / max(len(t) - 2, 1)
    if solution[1] <= 0.0:
        raise InputError(
            f"deviations must fall with time for a power law with exponent > 0, got {solution[1]:.3g}."
        )
    return PowerLaw(float(np.exp(solution[0])), float(solution[1])), covariance


@public
def measured_deviations(
    recursion: Recursion, simulated: SimulatedRecursion, degree: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the estimation error of each round of a recorded recursion, ready for `fit_error_model`.

        sigma(i)^2 = mean over runs of sum_{abs(k)=n} d_k(i)^2 / E_n(p*)

    with the defects d(i) of `recursion.identity.round_defects`: what a round adds to the modes of degree n beyond its
    ideal channel, relative to the data's energy in that degree, as the planner's errors are.

    Parameters
    ----------
    recursion : Recursion
        What was simulated, with truncation times that vary if a law in time is to be fitted.
    simulated : SimulatedRecursion
        Its record, with at least two runs.
    degree : int
        A Hermite degree with energy in the data, >= 1.

    Returns
    -------
    times, deviations, standard_errors : array, shape (rounds,)
        The standard errors come from the scatter of the runs.

    Raises
    ------
    InputError
        If there is one run only, or the degree was not recorded or has no energy in the data.

    Examples
    --------
    >>> import numpy as np
    >>> import hermite_collapse as hc
    >>> from hermite_collapse.storage.record import SimulatedRecursion
    >>> data = hc.presets.load("three_modes_1d")
    >>> recursion = hc.Recursion(data, fresh_fraction=0.3, truncation_time=[0.1, 0.05])
    >>> noise = 0.01 * np.random.default_rng(0).standard_normal((2, 3, 3))
    >>> record = SimulatedRecursion(
    ...     indices=np.array([[0], [1], [2]]), coefficients=recursion.coefficients(2, rounds=2) + noise,
    ...     second_moments=np.ones((2, 3, 3)), means=np.zeros((2, 3, 1)), covariances=np.ones((2, 3, 1, 1)),
    ...     truncation_times=recursion.schedule.times(2), wall_seconds=np.zeros(3), generator="channel",
    ...     particles=10_000, seed=0, device="cpu", versions={})
    >>> times, deviations, errors = measured_deviations(recursion, record, 1)
    >>> times.tolist(), bool(np.all(deviations > 0.0))
    ([0.1, 0.05], True)
    """
    n = checks.integer(degree, "degree", minimum=1)
    if simulated.runs < 2:
        raise InputError(f"simulated must hold at least 2 runs for a standard error, got {simulated.runs}.")
    selected = simulated.degrees == n
    data = recursion.target.hermite_coefficients(simulated.degree).values
    energy = float(np.sum(data[selected] ** 2))
    if not energy > 0.0:
        raise InputError(f"degree must be one that was recorded and has energy in the data, got {n}.")
    defects = round_defects(recursion, simulated.coefficients, simulated.indices, target=data)[:, :, selected]
    squares = np.sum(defects**2, axis=2) / energy
    deviations = np.sqrt(squares.mean(axis=0))
    return simulated.truncation_times, deviations, standard_error_of_mean(squares) / (2.0 * deviations)
