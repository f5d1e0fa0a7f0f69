r"""Truncation bias and accumulated defects: the identity that joins collapse and error propagation.

A simulated round does not apply its channel exactly.  Its defect on the Hermite coefficients, with L_i the action of
the channel on coefficients and (w_i, v_i) the mixing weights,

    d(i) = c(p^_{i+1}) - L_i ( w_i c(p*) + sum_j v_ij c(p^_j) ),

enters every later round through the same channels, so that

    c(p^_N) - c(p*)  =  [ c(p_N) - c(p*) ]  +  e(N),
    e(i+1) = L_i sum_j v_ij e(j) + d(i),      e(0) = c(p^_0) - c(p_0).

The bracket is the truncation bias, -(1 - f_n(N)) c_k(p*) where rounds are Ornstein-Uhlenbeck and p_0 = p*; the rest is
the discounted defects, sum_j kappa_n^{N-1-j} d_k(j) under replacement.  No moment condition is needed.

With the defects of the runs they are compared with, this is an identity and tests nothing.  Here they are estimated on
one half of the runs and compared with the other half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..laws.channel_action import through_channel
from ..storage.record import SimulatedRecursion

if TYPE_CHECKING:
    from .recursion import Recursion

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class JointIdentity:
    """The two sides of the identity, by round and mode.

    Attributes
    ----------
    indices : (m, d).
    bias : (n + 1, m), predicted truncation bias c(p_i) - c(p*), exact.
    accumulated : (n + 1, m), discounted defects e(i), mean over the first half of the runs.
    accumulated_error : (n + 1, m), their standard error.
    measured : (n + 1, m), c(p^_i) - c(p*), mean over the second half of the runs.
    measured_error : (n + 1, m), its standard error.
    defects : (n, m), d(i), mean over the first half of the runs.
    defect_error : (n, m), their standard error.
    """

    indices: NDArray[np.int64]
    bias: FloatArray
    accumulated: FloatArray
    accumulated_error: FloatArray
    measured: FloatArray
    measured_error: FloatArray
    defects: FloatArray
    defect_error: FloatArray

    @property
    def predicted(self) -> FloatArray:
        """Bias plus accumulated defects, (n + 1, m)."""
        return self.bias + self.accumulated

    @property
    def z(self) -> FloatArray:
        """(measured - predicted) in units of its standard error; NaN where both are free of noise."""
        error = np.hypot(self.accumulated_error, self.measured_error)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(error > 0.0, (self.measured - self.predicted) / error, np.nan)


def joint_identity(recursion: Recursion, simulated: SimulatedRecursion) -> JointIdentity:
    """Truncation bias, accumulated defects and measured deviation of a simulated recursion.

    Parameters
    ----------
    recursion : the recursion that was simulated.
    simulated : its record, with at least four runs.

    Raises
    ------
    InputError : for fewer than four runs, or a recursion of another dimension.
    References : arXiv:2606.13796, Theorem 5.2 and Proposition 5.3; arXiv:2602.16601.
    """
    if simulated.runs < 4:
        raise InputError(f"simulated must hold at least 4 runs to be split in halves, got {simulated.runs}.")
    if simulated.dimension != recursion.dimension:
        raise InputError(
            f"simulated must have the dimension of recursion, {recursion.dimension}, got {simulated.dimension}."
        )
    data = recursion.target.hermite_coefficients(simulated.degree).values
    exact = recursion.coefficients(simulated.degree, rounds=simulated.rounds)
    half = simulated.runs // 2
    defects = round_defects(recursion, simulated.coefficients[:half], simulated.indices)
    start = simulated.coefficients[:half, 0] - exact[0]
    accumulated = accumulate_defects(recursion, defects, simulated.indices, start=start)
    measured = simulated.coefficients[half:] - data
    return JointIdentity(
        indices=simulated.indices,
        bias=exact - data,
        accumulated=accumulated.mean(0),
        accumulated_error=_standard_error(accumulated),
        measured=measured.mean(0),
        measured_error=_standard_error(measured),
        defects=defects.mean(0),
        defect_error=_standard_error(defects),
    )


def round_defects(recursion: Recursion, coefficients: FloatArray, indices: NDArray[np.int64]) -> FloatArray:
    """Defects d(i) of coefficients (runs, n + 1, m) that follow one another; shape (runs, n, m)."""
    degree = int(indices.sum(axis=1).max())
    data = recursion.target.hermite_coefficients(degree).values
    result = np.empty((coefficients.shape[0], coefficients.shape[1] - 1, coefficients.shape[2]))
    for i in range(result.shape[1]):
        fresh, earlier = recursion.mixing(i)
        training = fresh * data + np.einsum("j,rjm->rm", earlier, coefficients[:, : i + 1])
        result[:, i] = coefficients[:, i + 1] - through_channel(training, indices, recursion.channel(i))
    return result


def accumulate_defects(
    recursion: Recursion, defects: FloatArray, indices: NDArray[np.int64], *, start: FloatArray | None = None
) -> FloatArray:
    """What defects (runs, n, m) have become by each round, e(i), from e(0) = start; shape (runs, n + 1, m)."""
    runs, rounds, m = defects.shape
    result = np.zeros((runs, rounds + 1, m))
    if start is not None:
        result[:, 0] = start
    for i in range(rounds):
        _, earlier = recursion.mixing(i)
        passed = np.einsum("j,rjm->rm", earlier, result[:, : i + 1])
        result[:, i + 1] = through_channel(passed, indices, recursion.channel(i)) + defects[:, i]
    return result


def _standard_error(values: FloatArray) -> FloatArray:
    return values.std(axis=0, ddof=1) / np.sqrt(len(values))
