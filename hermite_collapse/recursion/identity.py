r"""Truncation bias and accumulated defects: the identity that joins collapse and error propagation.

A simulated round does not apply its channel exactly.  Its defect on the Hermite coefficients, with L_i the action of
the channel on coefficients and (w_i, v_i) the mixing weights,

    d(i) = c(p^_{i+1}) - L_i ( w_i c(p*) + sum_j v_ij c(p^_j) ),

enters every later round through the same channels, so that

    c(p^_N) - c(p*)  =  [ c(p_N) - c(p*) ]  +  e(N),
    e(i+1) = L_i sum_j v_ij e(j) + d(i),      e(0) = c(p^_0) - c(p_0).

The bracket is the truncation bias, -(1 - f_n(N)) c_k(p*) where rounds are Ornstein-Uhlenbeck and p_0 = p*; the rest is
the discounted defects, sum_j kappa_n^{N-1-j} d_k(j) under replacement.  The bias accumulates like defects
(L_i - 1) c(p*).  No moment condition is needed.

With the defects of the runs they are compared with, this is an identity and tests nothing.  Here they are estimated on
one half of the runs and compared with the other half, which tests that the halves agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..core.errors import InputError
from ..core.estimates import standard_error_of_mean
from ..core.types import FloatArray, IntArray
from ..core.value import Value
from ..laws.channel_action import through_channel
from ..laws.channels import GaussianChannel, Process
from .recursion import Recursion
from .regimes import Regime
from .schedules import Schedule


class Rounds(Protocol):
    """What the identity needs of a recursion: mixing weights and channel of every round."""

    def mixing(self, round_index: int) -> tuple[float, FloatArray]:
        """Return the weight of p* and the weights of p_0, ..., p_i in the training law of round i."""

    def channel(self, round_index: int) -> GaussianChannel:
        """Return the channel of round i."""


class MeasuredRuns(Protocol):
    """What the identity needs of a record of simulated runs."""

    @property
    def runs(self) -> int:
        """Number of runs."""

    @property
    def rounds(self) -> int:
        """Number of rounds."""

    @property
    def degree(self) -> int:
        """Highest total degree."""

    @property
    def dimension(self) -> int:
        """d."""

    @property
    def indices(self) -> IntArray:
        """Multi-indices, shape (m, d)."""

    @property
    def coefficients(self) -> FloatArray:
        """Coefficients of every run and round, shape (runs, rounds + 1, m)."""


@dataclass(frozen=True)
class ProcessRounds:
    """Rounds given by regime, schedule and process, without a data law."""

    regime: Regime
    schedule: Schedule
    process: Process

    def mixing(self, round_index: int) -> tuple[float, FloatArray]:
        """Return the weight of p* and the weights of p_0, ..., p_i in the training law of round i."""
        return self.regime.mixing(round_index)

    def channel(self, round_index: int) -> GaussianChannel:
        """Return the channel of round i."""
        return self.process.channel(float(self.schedule.times(round_index + 1)[-1]))


def round_defects(
    rounds: Rounds, coefficients: FloatArray, indices: IntArray, *, target: FloatArray
) -> FloatArray:
    """Return the defects d(i), (runs, n, m), of coefficients (runs, n + 1, m); target holds c(p*), (m,)."""
    result = np.empty((coefficients.shape[0], coefficients.shape[1] - 1, coefficients.shape[2]))
    for i in range(result.shape[1]):
        fresh, earlier = rounds.mixing(i)
        training = fresh * target + np.einsum("j,rjm->rm", earlier, coefficients[:, : i + 1])
        result[:, i] = coefficients[:, i + 1] - through_channel(training, indices, rounds.channel(i))
    return result


def accumulate_defects(
    rounds: Rounds, defects: FloatArray, indices: IntArray, *, start: FloatArray | None = None
) -> FloatArray:
    """Return what defects (runs, n, m) have become by each round, e(i), from e(0) = start; (runs, n + 1, m)."""
    runs, count, modes = defects.shape
    result = np.zeros((runs, count + 1, modes))
    if start is not None:
        result[:, 0] = start
    for i in range(count):
        _, earlier = rounds.mixing(i)
        passed = np.einsum("j,rjm->rm", earlier, result[:, : i + 1])
        result[:, i + 1] = through_channel(passed, indices, rounds.channel(i)) + defects[:, i]
    return result


@dataclass(frozen=True, eq=False)
class JointIdentity(Value):
    """The two sides of the identity, by round and mode.

    Attributes
    ----------
    indices : array of int, shape (m, d)
    bias : array, shape (n + 1, m)
        Predicted truncation bias c(p_i) - c(p*), exact.
    accumulated, accumulated_error : array, shape (n + 1, m)
        Discounted defects e(i), mean over the first half of the runs, and their standard error.
    measured, measured_error : array, shape (n + 1, m)
        c(p^_i) - c(p*), mean over the second half of the runs, and its standard error.
    defects, defect_error : array, shape (n, m)
        d(i), mean over the first half of the runs, and their standard error.
    """

    indices: IntArray
    bias: FloatArray
    accumulated: FloatArray
    accumulated_error: FloatArray
    measured: FloatArray
    measured_error: FloatArray
    defects: FloatArray
    defect_error: FloatArray

    @property
    def predicted(self) -> FloatArray:
        """Bias plus accumulated defects, shape (n + 1, m)."""
        return self.bias + self.accumulated

    @property
    def z(self) -> FloatArray:
        """(measured - predicted) in units of its standard error; NaN where both are free of noise."""
        error = np.hypot(self.accumulated_error, self.measured_error)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(error > 0.0, (self.measured - self.predicted) / error, np.nan)


def joint_identity(recursion: Recursion, simulated: MeasuredRuns) -> JointIdentity:
    """Return truncation bias, accumulated defects and measured deviation of a simulated recursion.

    Parameters
    ----------
    recursion : Recursion
        The recursion that was simulated.
    simulated : SimulatedRecursion
        Its record, with at least four runs.

    Returns
    -------
    JointIdentity

    Raises
    ------
    InputError
        For fewer than four runs, or a recursion of another dimension.

    Notes
    -----
    Defects of every round are taken from the first half of the runs, so that this is a comparison of two samples of
    runs: it holds for arbitrary curves.  `bounds.check_robustness` tests a restrictive model of the defects.

    References
    ----------
    arXiv:2606.13796, Theorem 5.2 and Proposition 5.3; arXiv:2602.16601.
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
    first, indices = simulated.coefficients[:half], simulated.indices
    defects = round_defects(recursion, first, indices, target=data)
    accumulated = accumulate_defects(recursion, defects, indices, start=first[:, 0] - exact[0])
    measured = simulated.coefficients[half:] - data
    return JointIdentity(
        indices=indices,
        bias=exact - data,
        accumulated=accumulated.mean(0),
        accumulated_error=standard_error_of_mean(accumulated),
        measured=measured.mean(0),
        measured_error=standard_error_of_mean(measured),
        defects=defects.mean(0),
        defect_error=standard_error_of_mean(defects),
    )
