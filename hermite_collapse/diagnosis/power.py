r"""Before measuring: what generations of N images can show, and which mechanisms they could tell apart.

The variance v of a Gaussian direction, measured on N images, has variance 2 v^2 / N.  The same images train the next
round, so that an error is passed on with the contraction kappa of the curve:

    V_1 = 2 v_1^2 / N,     V_{i+1} = kappa^2 V_i + 2 v_{i+1}^2 / N,     Cov(y_i, y_j) = kappa^{j-i} V_i

Errors of parameters are those of generalised least squares on the exact curves.  A wrong mechanism, fitted to them,
leaves a chi-square lambda: with noise it is rejected with the probability that a noncentral chi-square of noncentrality
lambda exceeds the quantile of the test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.numbers import grouped, percent, significant
from ..core.signature import public
from ..core.types import FloatArray
from ..core.value import Value
from ..pipeline.mechanism import Mechanism, variances
from ..pipeline.pipeline import Pipeline
from .catalogue import model_of, models_to_try
from .fits.fitting import REJECTED_BELOW, MechanismFit, fit
from .measuring.history import passed_on_covariance
from .observed.gathering import from_arrays
from .observed.observations import Observations


@dataclass(frozen=True, eq=False)
class DetectionPower(Value):
    """What measured generations can show of a mechanism.

    Attributes
    ----------
    mechanism : str
        The one that is at work.
    images, directions, rounds : int
    errors : mapping of str to float
        Standard error of each parameter; infinite where the curves do not determine it.
    smallest : mapping of str to float
        Smallest difference of each parameter that is seen with the asked power.
    rejection : mapping of str to float
        Probability that each other mechanism is rejected.
    level, power : float
        Of the two-sided test of a difference.
    """

    mechanism: str
    images: int
    directions: int
    rounds: int
    errors: Mapping[str, float]
    smallest: Mapping[str, float]
    rejection: Mapping[str, float]
    level: float
    power: float

    @property
    def text(self) -> str:
        """What can be seen, in a few sentences."""
        measured = (
            f"{grouped(self.images)} images, {self.directions} direction{'s' * (self.directions > 1)} and "
            f"{self.rounds} rounds"
        )
        detectable = ", ".join(
            f"{name.replace('_', ' ')} by {significant(size, 2)}"
            if np.isfinite(size)
            else f"{name.replace('_', ' ')} by no size, since such curves do not determine it"
            for name, size in self.smallest.items()
        )
        apart = ", ".join(f"{name.replace('_', ' ')} {percent(p)}" for name, p in self.rejection.items())
        differences = (
            f"With {measured}, differences are seen with a power of {percent(self.power)} from these sizes on: "
            f"{detectable}."
            if detectable
            else f"With {measured}, nothing is fitted."
        )
        return f"{differences} Probability that another mechanism is rejected: {apart}."


@public
def detection_power(
    mechanism: Mechanism,
    data_variances: ArrayLike,
    *,
    fresh_fraction: float,
    images: int,
    rounds: int,
    fresh_fraction_known: bool = False,
    level: float = 0.05,
    power: float = 0.9,
) -> DetectionPower:
    """Return what variances of directions, measured on generations of N images, can show of a mechanism.

        smallest difference = (z_{1 - level/2} + z_power) x standard error

    Parameters
    ----------
    mechanism : Mechanism
        What is at work: a truncation, blur, refit, score error, autoencoder, or any sampler.
    data_variances : float or array, shape (d,)
        Variances of the data along the directions that will be measured, in the diffusion's units, > 0.
    fresh_fraction : float
        In [0, 1].
    images : int
        N, of every generation, >= 2; the next round trains on them.
    rounds : int
        Measured after the data, >= 2.
    fresh_fraction_known : bool
        Whether the fresh fraction is held in the fits.
    level, power : float
        Of the two-sided test of a difference, in (0, 1).

    Returns
    -------
    DetectionPower

    Raises
    ------
    InputError
        If an argument is outside its range.

    Accuracy
    --------
    Exact for Gaussian directions to first order in 1/N; errors of parameters are linearised.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> seen = detection_power(
    ...     hc.mechanisms.Truncation(0.05), [1.5, 0.3, 0.05], fresh_fraction=0.2, images=2000, rounds=9
    ... )
    >>> seen.errors["truncation_time"] < 0.005, seen.rejection["refit"] > 0.999
    (True, True)
    """
    from scipy.special import chdtri, chndtr, ndtri

    if not isinstance(mechanism, Mechanism):
        raise InputError(f"mechanism must be a round map of hc.mechanisms, got {mechanism!r}.")
    data = np.atleast_1d(variances(data_variances, "data_variances"))
    if data.ndim != 1 or data.size == 0 or data.min() <= 0.0:
        raise InputError(f"data_variances must be a non-empty vector of numbers > 0, got {data_variances!r}.")
    alpha = checks.fraction(fresh_fraction)
    count, last = checks.count(images, "images", minimum=2), checks.integer(rounds, "rounds", minimum=2)
    size, wanted = checks.probability(level, "level"), checks.probability(power, "power")
    truth = model_of(mechanism)
    observations = _expected(mechanism, data, alpha, count, last)
    held = alpha if fresh_fraction_known else None
    own = fit(truth, observations, fresh_fraction=held)
    z = float(ndtri(wanted) - ndtri(size / 2.0))
    errors = _errors(own)
    rejection = {}
    for model in models_to_try():
        if model.name != truth.name:
            other = fit(model, observations, fresh_fraction=held)
            edge = chdtri(other.freedom, REJECTED_BELOW)
            rejection[model.name] = float(1.0 - chndtr(edge, other.freedom, other.chi_square))
    return DetectionPower(
        mechanism=truth.name,
        images=count,
        directions=len(data),
        rounds=last,
        errors=errors,
        smallest={name: z * error for name, error in errors.items()},
        rejection=rejection,
        level=size,
        power=wanted,
    )


def variance_covariance(curves: FloatArray, contraction: FloatArray, images: int) -> FloatArray:
    """Return the joint covariance of variances (r, d) of rounds 0, 1, ..., measured on so many images each.

    The images of round 0 train nothing: fresh data are drawn anew from the law of the data.
    """
    count, columns = curves.shape
    noise = 2.0 / images * np.einsum("ij,jk->ijk", curves**2, np.eye(columns))
    covariance = np.zeros((count * columns, count * columns))
    covariance[:columns, :columns] = noise[0]
    covariance[columns:, columns:] = passed_on_covariance(
        noise[1:],
        rounds=np.arange(1, count),
        steps=np.broadcast_to(contraction, (count, columns)),
        first=np.zeros((columns, columns)),
    )
    return covariance


def _expected(mechanism: Mechanism, data: FloatArray, alpha: float, images: int, rounds: int) -> Observations:
    pipeline = Pipeline([mechanism], fresh_fraction=alpha)
    curves = pipeline.trajectory(data, rounds)
    contraction = np.clip(np.asarray(pipeline.rate(data)), 0.0, 1.0)
    return from_arrays(
        curves,
        kind="variances",
        degrees=None,
        rounds=None,
        standard_errors=None,
        covariance=variance_covariance(curves, contraction, images),
        data=None,
        data_errors=None,
        names=None,
    )


def _errors(own: MechanismFit) -> dict[str, float]:
    """Return standard errors of what was fitted, infinite where it is not determined."""
    return {
        name: np.inf if value is None or np.isnan(value.error) else value.error
        for name, value in own.parameters.items()
        if value is None or value.error != 0.0
    }
