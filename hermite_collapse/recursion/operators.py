"""Operators on Hermite space that are diagonal in the degree, the attenuation operator above all.

References: arXiv:2606.13796, Proposition 3.3.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.signature import public
from ..core.types import FloatArray, IntArray
from ..core.value import plain
from ..hermite.coefficients import HermiteCoefficients
from .constant_rounds import ConstantRounds


class DiagonalOperator(ABC):
    """An operator on Hermite space that multiplies every mode of degree n by an eigenvalue."""

    @abstractmethod
    def _eigenvalue(self, degree: IntArray) -> FloatArray:
        """Return the eigenvalue at each degree, for an array of degrees."""

    def eigenvalues(self, degree: ArrayLike) -> FloatArray:
        """Return the eigenvalue at each degree, shaped like degree."""
        return plain(self._eigenvalue(checks.degrees(degree)))

    @overload
    def apply(self, coefficients: HermiteCoefficients) -> HermiteCoefficients: ...
    @overload
    def apply(self, coefficients: ArrayLike) -> FloatArray: ...
    def apply(self, coefficients: HermiteCoefficients | ArrayLike) -> HermiteCoefficients | FloatArray:
        """Return the operator applied to coefficients.

        Parameters
        ----------
        coefficients : HermiteCoefficients or array
            Standard errors are scaled alike.  An array holds degrees 0, 1, 2, ... of a one-dimensional law along its
            last axis.
        """
        return _scaled(coefficients, self)

    def compose(self, other: DiagonalOperator) -> DiagonalOperator:
        """Return this operator after `other`; diagonal operators commute."""
        return ComposedOperator(self, other)

    __matmul__ = compose

    @overload
    def inverse(
        self, coefficients: HermiteCoefficients, *, smallest: float = 1e-8
    ) -> HermiteCoefficients: ...
    @overload
    def inverse(self, coefficients: ArrayLike, *, smallest: float = 1e-8) -> FloatArray: ...
    def inverse(
        self, coefficients: HermiteCoefficients | ArrayLike, *, smallest: float = 1e-8
    ) -> HermiteCoefficients | FloatArray:
        """Return the coefficients before the operator acted, on the resolvable degrees.

        Parameters
        ----------
        coefficients : HermiteCoefficients or array
            As for `apply`.
        smallest : float
            Modes with an eigenvalue below it are refused: their noise would be multiplied by more than 1 / smallest.

        Raises
        ------
        InputError
            If coefficients reach a degree with a smaller eigenvalue.
        """
        return _scaled(coefficients, _Reciprocal(self, checks.positive(smallest, "smallest")))


@dataclass(frozen=True)
class ComposedOperator(DiagonalOperator):
    """One diagonal operator after another."""

    left: DiagonalOperator
    right: DiagonalOperator

    def _eigenvalue(self, degree: IntArray) -> FloatArray:
        return self.left._eigenvalue(degree) * self.right._eigenvalue(degree)


@dataclass(frozen=True)
class _Reciprocal(DiagonalOperator):
    operator: DiagonalOperator
    smallest: float

    def _eigenvalue(self, degree: IntArray) -> FloatArray:
        values = self.operator._eigenvalue(degree)
        if np.any(values < self.smallest):
            worst = int(degree[np.argmin(values)])
            raise InputError(
                f"coefficients must stop below degree {worst}, whose eigenvalue {values.min():.3g} is less than"
                f" smallest = {self.smallest:.3g}."
            )
        return 1.0 / values


@public
@dataclass(frozen=True, kw_only=True)
class AttenuationOperator(DiagonalOperator):
    """The map from the data's Hermite modes to those of the limit law, diagonal with eigenvalues g_n.

    Parameters
    ----------
    fresh_fraction : float
        alpha in [0, 1].
    truncation_time : float
        Ornstein-Uhlenbeck time, >= 0.
    rate : float
        Rate of the process.

    Notes
    -----
    `power(rounds)` is the map after that many rounds; it tends to this operator.  `inverse` recovers the data's
    modes from those of the limit law: p* = (C^{-1} - (1 - alpha)) p_inf / alpha, one deconvolution.

    References
    ----------
    arXiv:2606.13796, Proposition 3.3.

    Examples
    --------
    >>> operator = AttenuationOperator(fresh_fraction=0.3, truncation_time=0.1)
    >>> operator.eigenvalues([1, 2]).round(4).tolist()
    [0.854, 0.7404]
    >>> operator.inverse(operator.apply([1.0, 0.5, 0.2])).round(12).tolist()
    [1.0, 0.5, 0.2]
    """

    fresh_fraction: float
    truncation_time: float
    rate: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "fresh_fraction", checks.fraction(self.fresh_fraction))
        time = checks.nonnegative(self.truncation_time, "truncation_time")
        object.__setattr__(self, "truncation_time", time)
        checks.keep(self, checks.positive, "rate")

    def _eigenvalue(self, degree: IntArray) -> FloatArray:
        return self.rounds.attenuation(degree)

    @property
    def rounds(self) -> ConstantRounds:
        """The rounds that it is the limit of."""
        return ConstantRounds(self.fresh_fraction, self.rate * self.truncation_time)

    @property
    def contraction(self) -> DiagonalOperator:
        """The homogeneous part of one round, with eigenvalues kappa_n."""
        return DeviationOperator(self, 1)

    def power(self, rounds: int) -> DiagonalOperator:
        """Return the map from the data to the law after `rounds` rounds, with eigenvalues f_n(rounds)."""
        return PowerOperator(self, checks.integer(rounds, "rounds"))


@dataclass(frozen=True)
class DeviationOperator(DiagonalOperator):
    """What rounds leave of a deviation from the limit law: eigenvalues kappa_n^rounds."""

    limit: AttenuationOperator
    rounds: int

    def _eigenvalue(self, degree: IntArray) -> FloatArray:
        alpha = self.limit.fresh_fraction
        if self.rounds == 0 or alpha == 1.0:
            return np.full(np.shape(degree), float(self.rounds == 0))
        # Through logarithms, so that a rounded 1 - alpha does not enter with its power.
        exponent = np.log1p(-alpha) - degree * self.limit.rounds.decay
        return np.asarray(np.exp(self.rounds * exponent))


@dataclass(frozen=True)
class PowerOperator(DiagonalOperator):
    """The map from the data to the law after some rounds: eigenvalues g_n + (1 - g_n) kappa_n^rounds."""

    limit: AttenuationOperator
    rounds: int

    def _eigenvalue(self, degree: IntArray) -> FloatArray:
        deviation = DeviationOperator(self.limit, self.rounds)._eigenvalue(degree)
        return self.limit._eigenvalue(degree) + self.limit.rounds.loss(degree) * deviation


def _scaled(
    coefficients: HermiteCoefficients | ArrayLike, operator: DiagonalOperator
) -> HermiteCoefficients | FloatArray:
    if isinstance(coefficients, HermiteCoefficients):
        scale = operator._eigenvalue(coefficients.degrees)
        errors = coefficients.standard_error
        return coefficients.replace(
            values=scale * coefficients.values,
            standard_error=None if errors is None else np.abs(scale) * errors,
            square_integrable=None,
        )
    array = checks.real_array(coefficients, "coefficients")
    if array.ndim == 0:
        raise InputError(
            f"coefficients must be HermiteCoefficients or an array by degree, got {coefficients!r}."
        )
    return np.asarray(array * operator._eigenvalue(np.arange(array.shape[-1])))
