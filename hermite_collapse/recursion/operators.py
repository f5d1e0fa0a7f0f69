"""Operators on Hermite space that are diagonal in the degree, the attenuation operator above all.

References: arXiv:2606.13796, Proposition 3.3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import checks
from ..core.errors import InputError
from ..hermite.coefficients import HermiteCoefficients
from .modes import attenuation, attenuation_loss

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class DiagonalOperator:
    """An operator on Hermite space that multiplies every mode of degree n by eigenvalue(n)."""

    def __init__(self, eigenvalue: Callable[[IntArray], FloatArray]) -> None:
        self._eigenvalue = eigenvalue

    def eigenvalues(self, degree: ArrayLike) -> FloatArray:
        """Eigenvalue at each degree; shaped like degree."""
        values = self._eigenvalue(checks.degrees(degree))
        return float(values) if np.ndim(degree) == 0 else values  # type: ignore[return-value]

    def apply(self, coefficients: Any) -> Any:
        """The operator applied to coefficients.

        coefficients : HermiteCoefficients (standard errors are scaled alike), or an array whose last axis runs
        over degrees 0, 1, 2, ... of a one-dimensional law.
        """
        return self._scaled(coefficients, self._eigenvalue)

    def compose(self, other: DiagonalOperator) -> DiagonalOperator:
        """This operator after `other`; diagonal operators commute."""
        return DiagonalOperator(lambda n: self._eigenvalue(n) * other._eigenvalue(n))

    __matmul__ = compose

    def inverse(self, coefficients: Any, *, smallest: float = 1e-8) -> Any:
        """Coefficients before the operator acted, on the resolvable degrees.

        Modes whose eigenvalue is below `smallest` are refused: their noise would be multiplied by more than
        1 / smallest.
        """
        floor = checks.positive(smallest, "smallest")

        def reciprocal(n: IntArray) -> FloatArray:
            values = self._eigenvalue(n)
            if np.any(values < floor):
                worst = int(n[np.argmin(values)])
                raise InputError(
                    f"coefficients must stop below degree {worst}, whose eigenvalue {values.min():.3g} is less than"
                    f" smallest = {floor:.3g}."
                )
            return 1.0 / values

        return self._scaled(coefficients, reciprocal)

    @staticmethod
    def _scaled(coefficients: Any, factor: Callable[[IntArray], FloatArray]) -> Any:
        if isinstance(coefficients, HermiteCoefficients):
            scale = factor(coefficients.degrees)
            errors = coefficients.standard_error
            return replace(
                coefficients,
                values=scale * coefficients.values,
                standard_error=None if errors is None else np.abs(scale) * errors,
                square_integrable=None,
            )
        array = np.asarray(coefficients, dtype=float)
        if array.ndim == 0:
            raise InputError(
                f"coefficients must be HermiteCoefficients or an array by degree, got {coefficients!r}."
            )
        return array * factor(np.arange(array.shape[-1]))


class AttenuationOperator(DiagonalOperator):
    """The map from the data's Hermite modes to those of the limit law, diagonal with eigenvalues g_n.

    Parameters
    ----------
    fresh_fraction : alpha in [0, 1].
    truncation_time : Ornstein-Uhlenbeck time, >= 0.
    rate : rate of the process.

    Notes
    -----
    `power(rounds)` is the map after that many rounds; it tends to this operator.  `inverse` recovers the data's
    modes from those of the limit law: p* = (C^{-1} - (1 - alpha)) p_inf / alpha, one deconvolution.

    References : arXiv:2606.13796, Proposition 3.3.
    """

    def __init__(self, *, fresh_fraction: float, truncation_time: float, rate: float = 0.5) -> None:
        self.fresh_fraction = checks.fraction(fresh_fraction)
        self.truncation_time = checks.nonnegative(truncation_time, "truncation_time")
        self.rate = checks.positive(rate, "rate")
        super().__init__(lambda n: np.asarray(attenuation(n, **self._settings)))

    def __repr__(self) -> str:
        return (
            f"AttenuationOperator(fresh_fraction={self.fresh_fraction:g}, "
            f"truncation_time={self.truncation_time:g}, rate={self.rate:g})"
        )

    @property
    def _settings(self) -> dict[str, float]:
        return {
            "fresh_fraction": self.fresh_fraction,
            "truncation_time": self.truncation_time,
            "rate": self.rate,
        }

    @property
    def contraction(self) -> DiagonalOperator:
        """The homogeneous part of one round, with eigenvalues kappa_n."""
        return self._deviation(1)

    def power(self, rounds: int) -> DiagonalOperator:
        """The map from the data to the law after `rounds` rounds, with eigenvalues f_n(rounds)."""
        deviation = self._deviation(checks.integer(rounds, "rounds"))._eigenvalue

        def eigenvalue(n: IntArray) -> FloatArray:
            return attenuation(n, **self._settings) + attenuation_loss(n, **self._settings) * deviation(n)

        return DiagonalOperator(eigenvalue)

    def _deviation(self, rounds: int) -> DiagonalOperator:
        """kappa_n^rounds, through logarithms so that a rounded 1 - alpha does not enter with its power."""
        if rounds == 0 or self.fresh_fraction == 1.0:
            return DiagonalOperator(lambda n: np.full(np.shape(n), float(rounds == 0)))
        log_keep = np.log1p(-self.fresh_fraction)
        return DiagonalOperator(lambda n: np.exp(rounds * (log_keep - n * self.rate * self.truncation_time)))
