"""Error propagation where everything is known: a drift error that does not depend on the state.

The ideal path is Y_t = X + sigma W_t on [0, 1]; the learned path adds sigma e(t) to the drift, with

    e(t) = beta (sqrt(rho) + sqrt(1 - rho) sqrt(2) sin(2 pi t)).

The first part is constant and moves the end point, the second integrates to zero and leaves no trace.  So

    eps_star^2 = eps_hat^2 = B = beta^2        energies and supremum energy: e is deterministic
    p_hat = law of Y_1 moved by sigma beta sqrt(rho)
    eta = rho sigma^2 J                        J the Fisher information of Y_1

because the stochastic integral M = beta (sqrt(rho) W_1 + sqrt(1-rho) Z), Z independent of (X, W_1), and
E[W_1 given Y_1] = -sigma grad log p(Y_1) (Tweedie).  Hence sigma^2 J <= 1, with equality iff X is constant,
and a time-only error has eta = 0 iff its integral vanishes: "time-only errors are unobservable" is false in
general.

X may be any one-dimensional Gaussian mixture: one component gives closed forms, several are integrated on
the line.

References : arXiv:2602.16601, Definition 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import checks
from ...core.errors import InputError
from ...core.estimates import Estimate
from ._line import FloatArray, LineMixture, integrate_line, ratio_support
from .divergences import against_target
from .innovation import PropagationRecord, PropagationRound


@dataclass(frozen=True)
class SolvableFamily:
    """One round with a state-free drift error; see the module for the formulas.

    Parameters
    ----------
    start : law of X, a one-dimensional GaussianMixture (or anything with weights, means, variances);
        variances of zero are allowed.
    amplitude : beta, any real number; the energy is beta^2.
    integrated_share : rho in [0, 1], the share of the energy in the constant part.
    diffusion : sigma > 0, the diffusion coefficient.

    Accuracy : closed forms to a few ulp if X is one Gaussian, else quadrature with the error stated.
    Raises   : InputError if an argument is out of range or the law is not one-dimensional.
    """

    start: Any
    amplitude: float
    integrated_share: float
    diffusion: float = 1.0
    _end: LineMixture = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        start = LineMixture.of(self.start, "start")
        checks.fraction(self.integrated_share, "integrated_share")
        checks.positive(self.diffusion, "diffusion")
        checks.real(self.amplitude, "amplitude")
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "_end", start.widened(self.diffusion**2))

    def drift_error(self, time: ArrayLike) -> NDArray[np.float64]:
        """e(t), shape of t; t in [0, 1]."""
        t = np.asarray(time, float)
        rho = self.integrated_share
        wave = math.sqrt(2.0) * np.sin(2.0 * np.pi * t)
        return self.amplitude * (math.sqrt(rho) + math.sqrt(1.0 - rho) * wave)

    @property
    def energy(self) -> float:
        """eps^2 = beta^2, along either path and as a supremum."""
        return self.amplitude**2

    @property
    def shift(self) -> float:
        """sigma beta sqrt(rho): how far the learned end point is moved."""
        return self.diffusion * self.amplitude * math.sqrt(self.integrated_share)

    def fisher_information(self) -> Estimate:
        """J = int (p')^2 / p of the law of Y_1."""
        return _fisher_information(self._end)

    def observability(self) -> Estimate:
        """eta = rho sigma^2 J, in [0, rho]; it does not depend on beta."""
        return _scaled(self.fisher_information(), self.integrated_share * self.diffusion**2)

    def chi_square(self) -> Estimate:
        """I = chi2(p_hat against p); exp(shift^2 / v) - 1 for one Gaussian of variance v."""
        return shift_chi_square(self._end, self.shift)

    def kl(self) -> Estimate:
        """KL(p_hat against p); shift^2 / (2 v) for one Gaussian of variance v."""
        return shift_kl(self._end, self.shift)


@dataclass(frozen=True)
class SolvableRecursion:
    """Many rounds of the solvable family, with every quantity of error propagation known.

    Round i: q_i = alpha p* + (1-alpha) p_i; the ideal path X + sigma W_t ends exactly in q_i (X is q_i
    deconvolved by N(0, sigma^2), so component variances of p* must be at least sigma^2); the learned one
    ends in

        p_{i+1} = q_i moved by sigma beta_i sqrt(rho_i).

    There is no truncation: this is the idealised setting of arXiv:2602.16601 in which D_i = chi2(p_i
    against p*) is finite in every round.  `amplitudes` of one sign are coherent defects, of random signs
    incoherent ones.

    Parameters
    ----------
    target : p*, a one-dimensional Gaussian mixture.
    fresh_fraction : alpha in [0, 1].
    amplitudes : beta_i, shape (rounds,).
    integrated_shares : rho_i in [0, 1], a number or shape (rounds,).
    diffusion : sigma; default: the smallest component standard deviation of the target, for which the error is
        as observable as it can be.
    """

    target: Any
    fresh_fraction: float
    amplitudes: Sequence[float]
    integrated_shares: float | Sequence[float] = 1.0
    diffusion: float | None = None
    _sigma: float = field(init=False, repr=False, compare=False)
    _errors: tuple[tuple[float, float], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        target = LineMixture.of(self.target, "target")
        object.__setattr__(self, "target", target)
        checks.fraction(self.fresh_fraction)
        amplitudes = checks.vector(self.amplitudes, "amplitudes")
        shares = np.broadcast_to(np.asarray(self.integrated_shares, float), amplitudes.shape)
        checked = tuple(checks.fraction(share, "integrated_shares") for share in shares)
        smallest = math.sqrt(float(target.variances.min()))
        sigma = smallest if self.diffusion is None else checks.positive(self.diffusion, "diffusion")
        if sigma > smallest * (1.0 + 1e-12):
            raise InputError(
                f"diffusion must not exceed the target's smallest component standard deviation {smallest!r}, "
                f"got {sigma!r}."
            )
        object.__setattr__(self, "_sigma", sigma)
        object.__setattr__(self, "_errors", tuple(zip(amplitudes.tolist(), checked, strict=True)))

    def laws(self) -> list[LineMixture]:
        """p_0 = p*, p_1, ..., p_rounds as mixtures."""
        path = [self.target]
        for amplitude, share in self._errors:
            path.append(self._training_law(path[-1]).shifted(self._shift(amplitude, share)))
        return path

    def _shift(self, amplitude: float, share: float) -> float:
        return self._sigma * amplitude * math.sqrt(share)

    def _training_law(self, law: LineMixture) -> LineMixture:
        return law.mixed(self.fresh_fraction, self.target)

    def record(self) -> PropagationRecord:
        """Energies, eta, I, KL, D, R and the cross term of every round, each with its error bound."""
        rounds = []
        before = Estimate(0.0, 0.0)
        laws = self.laws()
        for law, after_law, (amplitude, share) in zip(laws[:-1], laws[1:], self._errors, strict=True):
            shift = self._shift(amplitude, share)
            training = self._training_law(law)
            after, residual, cross = against_target(self.target, law, training, after_law)
            energy = Estimate(amplitude**2, 0.0)
            rounds.append(
                PropagationRound(
                    ideal_energy=energy,
                    learned_energy=energy,
                    observability=_scaled(_fisher_information(training), share * self._sigma**2),
                    supremum_energy=amplitude**2,
                    innovation=shift_chi_square(training, shift),
                    innovation_kl=shift_kl(training, shift),
                    divergence_before=before,
                    divergence_after=after,
                    residual=residual,
                    cross=cross,
                )
            )
            before = after
        return PropagationRecord(self.fresh_fraction, tuple(rounds), "solvable recursion")


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    return Estimate(factor * estimate.value, factor * estimate.error, estimate.kind, estimate.route)


def _fisher_information(law: LineMixture) -> Estimate:
    if law.gaussian:
        return Estimate(1.0 / float(law.variances[0]), 2.3e-16 / float(law.variances[0]))

    def integrand(x: FloatArray) -> FloatArray:
        return law.score(x) ** 2 * np.exp(law.log_density(x))

    return integrate_line(integrand, law.means, np.sqrt(law.variances))[0]


def shift_chi_square(law: Any, shift: float) -> Estimate:
    """chi2(law moved by `shift` against law) of a one-dimensional Gaussian mixture.

        int (p(x - s) / p(x) - 1)^2 p(x) dx;      one Gaussian of variance v: exp(s^2 / v) - 1

    Always finite: the two laws have the same component variances.

    Accuracy : the stated bound, about 1e-12 relative.
    """
    law = LineMixture.of(law, "law")
    move = checks.real(shift, "shift")
    if move == 0.0:
        return Estimate(0.0, 0.0)
    if law.gaussian:
        value = math.expm1(move**2 / float(law.variances[0]))
        return Estimate(value, 1e-15 * (1.0 + value) * move**2 / float(law.variances[0]))
    moved = law.shifted(move)

    def integrand(x: FloatArray) -> FloatArray:
        base, gap = law.log_density(x), law.shift_log_ratio(x, move)
        # (exp(u) - 1)^2 p as exp(2 u + log p) where u is large: the factors alone would overflow.
        return np.where(gap < 1.0, np.expm1(np.minimum(gap, 1.0)) ** 2 * np.exp(base), _square_gap(base, gap))

    centres, widths = ratio_support(moved, law)
    return integrate_line(
        integrand,
        np.concatenate([centres, law.means]),
        np.concatenate([widths, np.sqrt(law.variances)]),
    )[0]


def _square_gap(base: FloatArray, gap: FloatArray) -> FloatArray:
    """(exp(gap) - 1)^2 exp(base) for gap >= 1, without overflow of the factors."""
    safe = np.maximum(gap, 1.0)
    return np.exp(2.0 * safe + base) * np.expm1(-safe) ** 2


def shift_kl(law: Any, shift: float) -> Estimate:
    """KL(law moved by `shift` against law) of a one-dimensional Gaussian mixture.

        int (r log r - r + 1) p dx,  r = p(x - s) / p(x);      one Gaussian of variance v: s^2 / (2 v)

    Accuracy : the stated bound, about 1e-12 relative.
    """
    law = LineMixture.of(law, "law")
    move = checks.real(shift, "shift")
    if move == 0.0:
        return Estimate(0.0, 0.0)
    if law.gaussian:
        value = move**2 / (2.0 * float(law.variances[0]))
        return Estimate(value, 4e-16 * value)
    moved = law.shifted(move)

    def integrand(x: FloatArray) -> FloatArray:
        base, gap = law.log_density(x), law.shift_log_ratio(x, move)
        other = base + gap
        small = np.abs(gap) < 0.05
        near = np.where(small, gap, 0.0)
        # e^u u - e^u + 1 = sum_{k >= 2} (k - 1) u^k / k!
        series = near**2 * (
            1 / 2 + near * (1 / 3 + near * (1 / 8 + near * (1 / 30 + near * (1 / 144 + near / 840))))
        )
        far = gap * np.exp(other) - np.exp(other) + np.exp(base)
        return np.where(small, series * np.exp(base), far)

    support = np.concatenate([law.means, moved.means])
    return integrate_line(integrand, support, np.sqrt(np.tile(law.variances, 2)))[0]
