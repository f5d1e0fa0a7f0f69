"""How the rounds approach the limit: rates seen in exact laws, and distances of simulated coefficients.

The square of a measured difference exceeds the true one by the variance of the measurement.  With weights w_k,
standard errors s_k and differences d_k,

    D^2 = sum_k w_k (d_k^2 - s_k^2),     standard deviation of D^2  <=  sum_k w_k (2 |d_k| s_k + sqrt(2) s_k^2)

The bound is Minkowski's: it holds however the modes are correlated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..core.estimates import Estimate
from ..core.types import BoolArray, FloatArray
from ..core.value import Value

if TYPE_CHECKING:
    from ..recursion.prediction import Prediction
    from .result import Comparison

DEGREE_WEIGHT = 0.5
"""Weight of a degree against the one before in the distance between coefficients."""

ROUNDING = 1e-13
"""Size below which a distance of order one is rounding."""

RELIABLE, SHARP = 0.5, 0.003
"""Relative errors up to which a distance is shown, and up to which a rate is read off it."""

VISIBLE, CLEAR = 2.0, 5.0
"""Standard deviations by which a square stands out of its noise: to be shown, and to be used for a rate."""


def reliable(values: ArrayLike, errors: ArrayLike) -> BoolArray:
    """Return which distances are finite, positive and known to half of themselves."""
    return _known(values, errors, RELIABLE)


def has_visible_distance(values: ArrayLike, errors: ArrayLike) -> bool:
    """Return whether there is a distance to show: a reliable one above rounding, or none as all are infinite."""
    distance = np.asarray(values, dtype=float)
    return bool(np.all(np.isinf(distance)) or np.any(reliable(distance, errors) & (distance > ROUNDING)))


def observed_rate(values: ArrayLike, errors: ArrayLike) -> float | None:
    """Return the factor of the last round between two sharply known distances; None without such a pair."""
    distance = np.asarray(values, dtype=float)
    sharp = _known(distance, errors, SHARP)
    pairs = np.flatnonzero(sharp[1:] & sharp[:-1])
    return float(distance[pairs[-1] + 1] / distance[pairs[-1]]) if pairs.size else None


def shown_distances(prediction: Prediction) -> dict[str, list[Estimate]]:
    """Return the distances of every round's law to the limit, by the metrics that tables and figures show."""
    line = ("total_variation", "kl", "wasserstein2", "chi_square", "wasserstein1")
    space = ("total_variation", "kl", "bures")
    return prediction.approach(line if prediction.recursion.dimension == 1 else space)


def corrected_square(
    deviation: FloatArray, standard_error: FloatArray, weight: FloatArray, *, size: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return weighted squares of differences without their noise, and bounds of their standard deviations.

    Parameters
    ----------
    deviation, standard_error : array, shape (..., m)
        Measured differences.
    weight : array, shape (m,)
    size : array, shape (..., m), optional
        The differences themselves where they are known; they make the bounds sharper.

    Returns
    -------
    tuple of two arrays, shape (...)
    """
    known = deviation if size is None else size
    square = (deviation**2 - standard_error**2) @ weight
    noise = 2.0 * (np.abs(known) * standard_error) @ weight + np.sqrt(2.0) * standard_error**2 @ weight
    return square, noise


@dataclass(frozen=True, eq=False)
class ModeDistances(Value):
    """Distances between the coefficients of the rounds and those of the limit, modes of degree n weighted by 2^-n.

    Attributes
    ----------
    degree : int
        Highest degree of the modes.
    exact, error : array, shape (rounds + 1,)
        Distances predicted, and a bound of their rounding.
    measured, standard_error : array, shape (rounds + 1,), or None
        Distances in the simulation less their expected noise, NaN where they are lost in it.
    """

    degree: int
    exact: FloatArray
    error: FloatArray
    measured: FloatArray | None
    standard_error: FloatArray | None


def mode_distances(prediction: Prediction, comparison: Comparison | None = None) -> ModeDistances | None:
    """Return the distances of the coefficients to those of the limit; None where there is no limit or no list."""
    if prediction.coefficients is None or prediction.limit_coefficients is None or prediction.indices is None:
        return None
    degree = prediction.indices.sum(axis=1)
    weight = np.where(degree > 0, DEGREE_WEIGHT**degree, 0.0)
    gap = prediction.coefficients - prediction.limit_coefficients
    measured = standard_error = None
    if comparison is not None and comparison.measured.shape == gap.shape:
        deviation = comparison.measured - prediction.limit_coefficients
        square, noise = corrected_square(deviation, comparison.standard_error, weight, size=gap)
        visible = square > VISIBLE * noise
        measured = np.where(visible, np.sqrt(np.maximum(square, 0.0)), np.nan)
        standard_error = np.where(visible, noise / (2.0 * np.where(visible, measured, 1.0)), 0.0)
    return ModeDistances(
        degree=int(degree.max()),
        exact=np.sqrt(gap**2 @ weight),
        error=1e-14 * np.sqrt(prediction.coefficients**2 @ weight),
        measured=measured,
        standard_error=standard_error,
    )


@dataclass(frozen=True)
class SimulatedRate:
    """The mean factor of one round on the distance of coefficients to those of the limit, measured and exact.

    Attributes
    ----------
    measured : Estimate
    exact : float
        The same factor of the predicted coefficients: of the same modes, over the same rounds.
    rounds : int
        The last round k of the mean.
    modes : int
        Number of modes.
    """

    measured: Estimate
    exact: float
    rounds: int
    modes: int

    @property
    def z(self) -> float:
        """Deviation in standard errors; these are bounds, so that it is rather too small."""
        return (self.measured.value - self.exact) / self.measured.error


def simulated_rate(prediction: Prediction, comparison: Comparison) -> SimulatedRate | None:
    """Return the mean factor of one round on the distance of measured coefficients to those of the limit.

        (D_k / D_0)^(1/k)

    over the modes that are tested, up to the last round k at which D_k^2 stands clear of its noise.  D_0 is exact:
    the start is known.

    Returns
    -------
    SimulatedRate or None
        None where no round stands clear of the noise, or the limit has no list of coefficients.
    """
    if prediction.coefficients is None or prediction.limit_coefficients is None:
        return None
    if comparison.measured.shape != prediction.coefficients.shape:
        return None
    modes = comparison.tested[1:].all(axis=0) & (comparison.indices.sum(axis=1) > 0)
    gap = (comparison.measured - prediction.limit_coefficients)[:, modes]
    square, noise = corrected_square(gap, comparison.standard_error[:, modes], np.ones(gap.shape[1]))
    start = float(((prediction.coefficients[0] - prediction.limit_coefficients)[modes] ** 2).sum())
    clear = np.flatnonzero(square[1:] > CLEAR * noise[1:]) + 1
    if start <= 0.0 or len(clear) == 0:
        return None
    k = int(clear[-1])
    rate = float((square[k] / start) ** (0.5 / k))
    predicted = (prediction.coefficients[k] - prediction.limit_coefficients)[modes]
    return SimulatedRate(
        Estimate(rate, float(rate * noise[k] / (2.0 * k * square[k])), "standard_error", "samples"),
        exact=float((float((predicted**2).sum()) / start) ** (0.5 / k)),
        rounds=k,
        modes=int(modes.sum()),
    )


def _known(values: ArrayLike, errors: ArrayLike, share: float) -> BoolArray:
    distance = np.asarray(values, dtype=float)
    good = np.isfinite(distance) & (distance > 0.0)
    return good & (np.asarray(errors, dtype=float) <= share * np.where(good, distance, 0.0))
