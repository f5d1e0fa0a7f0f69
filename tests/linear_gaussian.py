"""A linear score error on a Gaussian law: every quantity of one round in closed form or one smooth integral.

One dimension (a diagonal problem is a product of these).  The law being reversed is N(m, v) at OU time t0; the
score error is k x + c at every time from T down to t0, so e(x) = sqrt(2 theta) (k x + c) and the learned path stays
Gaussian.  Written with U_t = (X_t - m_t)/sqrt(v_t), v_t = a^2 v + 1 - a^2, r_t = a sqrt(v / v_t) the correlation of
U_t with U_{t0}, a = exp(-theta (t - t0)):

    E[M given X_{t0}] = A h_1(U) + B h_2(U),     eta eps_star^2 = A^2 + B^2,
    A = int 2 theta (k m_t + c) r_t / sqrt(v_t) dt,
    B = sqrt(2) k int 2 theta r_t^2 dt = sqrt(2) k v log(v / v_T) / (v - 1).

Derivation: turned round in time the ideal path is the OU process, and the stochastic integral becomes minus an
integral against the OU process's own noise, whose mean given X_{t0} is zero, minus
int sqrt(2 theta) (div e + e . score) dt; for a linear error the integrand is
2 theta (k - k U^2 - (k m_t + c) U / sqrt(v_t)), whose conditional mean is read off with E[h_n(U_t) given U] =
r_t^n h_n(U).

References : arXiv:2602.16601, Definition 3.2; derivation above.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hermite_collapse.core import checks
from hermite_collapse.core.errors import InputError
from hermite_collapse.core.estimates import Estimate

FloatArray = NDArray[np.float64]

_NODES = 80


@dataclass(frozen=True)
class LinearGaussianError:
    """One reverse diffusion of N(mean, variance) with score error slope * x + offset.

    Parameters
    ----------
    mean, variance : the ideal end law, at OU time `end_time`; variance > 0.
    slope, offset : k and c of the score error.
    start_time, end_time : T > t0 >= 0, OU times; the learned path starts from the exact law at T.
    rate : theta.

    Accuracy : 1e-12 relative for variances from 1e-4 to 1e4 and T to 5 / rate (Gauss-Legendre, 80 nodes).
    Raises   : InputError if an argument is out of range.
    """

    mean: float
    variance: float
    slope: float
    offset: float
    start_time: float
    end_time: float = 0.0
    rate: float = 0.5

    def __post_init__(self) -> None:
        checks.real(self.mean, "mean")
        checks.positive(self.variance, "variance")
        checks.real(self.slope, "slope")
        checks.real(self.offset, "offset")
        checks.positive(self.rate, "rate")
        end = checks.nonnegative(self.end_time, "end_time")
        if not checks.real(self.start_time, "start_time") > end:
            raise InputError(f"start_time must exceed end_time = {end!r}, got {self.start_time!r}.")

    def _marginal(self, age: FloatArray | float) -> tuple[FloatArray, FloatArray]:
        """Mean and variance of the ideal path `age` after (in forward time) its end."""
        scale = np.exp(-self.rate * np.asarray(age))
        return scale * self.mean, 1.0 + (self.variance - 1.0) * scale**2

    def _nodes(self, low: FloatArray | float, high: float) -> tuple[FloatArray, FloatArray]:
        """Gauss-Legendre nodes and weights on [low, high] in u = log(1 + age/c), c = min(1, v): the integrands
        vary with v + age near the end of the path and with age at its start."""
        x, w = np.polynomial.legendre.leggauss(_NODES)
        unit = min(1.0, self.variance)
        first = np.log1p(np.asarray(low, float) / unit)[..., None]
        half = (math.log1p(high / unit) - first) / 2.0
        u = first + half * (x + 1.0)
        return unit * np.expm1(u), unit * np.exp(u) * half * w

    @property
    def _span(self) -> float:
        return self.start_time - self.end_time

    @cached_property
    def ideal_energy(self) -> float:
        """eps_star^2 = int 2 theta E (k X_t + c)^2 dt along the ideal path."""
        age, weight = self._nodes(0.0, self._span)
        mean, variance = self._marginal(age)
        return float(2.0 * self.rate * np.sum(weight * self._square(mean, variance)))

    def _square(self, mean: FloatArray, variance: FloatArray) -> FloatArray:
        return (self.slope * mean + self.offset) ** 2 + self.slope**2 * variance

    def _learned_marginal(self, age: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean and variance of the learned path; its drift is linear, its propagator from age s to age t <= s is
        exp(-theta (1 - 2k)(s - t)) v_t / v_s."""
        age = np.atleast_1d(age)
        decay = self.rate * (1.0 - 2.0 * self.slope)
        s, weight = self._nodes(age, self._span)
        mean_s, variance_s = self._marginal(s)
        _, variance_t = self._marginal(age)
        propagator = np.exp(-decay * (s - age[:, None])) * variance_t[:, None] / variance_s
        drive = 2.0 * self.rate * (self.offset + mean_s / variance_s)
        mean_0, variance_0 = self._marginal(self._span)
        whole = np.exp(-decay * (self._span - age)) * variance_t / variance_0
        mean = whole * mean_0 + np.sum(weight * propagator * drive, axis=1)
        variance = whole**2 * variance_0 + np.sum(weight * 2.0 * self.rate * propagator**2, axis=1)
        return mean, variance

    @cached_property
    def learned_energy(self) -> float:
        """eps_hat^2 = int 2 theta E (k X_t + c)^2 dt along the learned path."""
        age, weight = self._nodes(0.0, self._span)
        mean, variance = self._learned_marginal(age)
        return float(2.0 * self.rate * np.sum(weight * self._square(mean, variance)))

    @cached_property
    def learned_end(self) -> tuple[float, float]:
        """Mean and variance of the learned end law."""
        mean, variance = self._learned_marginal(np.zeros(1))
        return float(mean[0]), float(variance[0])

    @cached_property
    def visible_modes(self) -> tuple[float, float]:
        """(A, B): the coefficients of E[M given the end point] on h_1 and h_2 of the standardised end point."""
        age, weight = self._nodes(0.0, self._span)
        mean, variance = self._marginal(age)
        correlation = np.exp(-self.rate * age) * np.sqrt(self.variance / variance)
        push = (self.slope * mean + self.offset) * correlation / np.sqrt(variance)
        first = float(2.0 * self.rate * np.sum(weight * push))
        gap = self.variance - 1.0
        last = float(self._marginal(self._span)[1])
        # log(v / v_T) / (v - 1) with v - v_T = (v - 1)(1 - a^2): no cancellation at v = 1.
        lost = -math.expm1(-2.0 * self.rate * self._span)
        step = gap * lost / last
        ratio = math.log1p(step) / step if abs(step) > 1e-8 else 1.0 - step / 2.0
        return first, math.sqrt(2.0) * self.slope * self.variance * ratio * lost / last

    @property
    def observability(self) -> Estimate:
        """eta = (A^2 + B^2) / eps_star^2."""
        first, second = self.visible_modes
        if self.ideal_energy == 0.0:
            raise InputError(
                "slope and offset must not both be 0: the observability of no error is undefined."
            )
        value = (first**2 + second**2) / self.ideal_energy
        return Estimate(value, 1e-12 * value, "bound", "quadrature")

    def kl(self) -> Estimate:
        """KL of the learned end law against the ideal one."""
        mean, variance = self.learned_end
        ratio = variance / self.variance
        excess = ratio - 1.0
        value = (excess - math.log1p(excess) + (mean - self.mean) ** 2 / self.variance) / 2.0
        return Estimate(value, 1e-12 * (abs(value) + abs(excess)), "bound", "quadrature")

    def chi_square(self) -> Estimate:
        """chi2 of the learned end law against the ideal one; infinite if its variance is twice as large or more.

        With r = v_hat / v: exp(delta^2 / (v (2 - r))) / sqrt(r (2 - r)) - 1.
        """
        mean, variance = self.learned_end
        ratio = variance / self.variance
        if ratio >= 2.0:
            return Estimate(math.inf, 0.0)
        square = (mean - self.mean) ** 2 / (self.variance * (2.0 - ratio))
        # r (2 - r) = 1 - (1 - r)^2
        value = math.expm1(square - math.log1p(-((1.0 - ratio) ** 2)) / 2.0)
        return Estimate(value, 1e-11 * (value + abs(ratio - 1.0)), "bound", "quadrature")
