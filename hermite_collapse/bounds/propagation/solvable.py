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

References: arXiv:2602.16601, Definition 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from ... import distances
from ...core import checks
from ...core.errors import InputError
from ...core.estimates import Estimate
from ...core.signature import public
from ...core.types import FloatArray
from ...core.value import Value
from ...distances.line import LineMixture
from ...laws.channels import GaussianChannel
from ...laws.mixture import GaussianMixture, Law
from ..fisher import expected_square
from .divergences import against_target
from .innovation import PropagationRecord, PropagationRound


@public
@dataclass(frozen=True, eq=False)
class SolvableFamily(Value):
    """One round with a state-free drift error; the module has the formulas.

    Parameters
    ----------
    start : Law
        Law of X, one-dimensional; components of variance zero are allowed.
    amplitude : float
        beta; the energy is beta^2.
    integrated_share : float
        rho in [0, 1], the share of the energy in the constant part.
    diffusion : float
        sigma > 0, the diffusion coefficient.

    Raises
    ------
    InputError
        If an argument is out of range or the law is not one-dimensional.

    Accuracy
    --------
    Closed forms to a few ulp if X is one Gaussian, else quadrature with the error stated.

    References
    ----------
    arXiv:2602.16601, Definition 3.2.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> family = hc.bounds.SolvableFamily(hc.EmpiricalLaw([0.0]), 0.5, 0.36)
    >>> round(family.observability().value, 6), round(family.kl().value, 6)
    (0.36, 0.045)
    """

    start: Law
    amplitude: float
    integrated_share: float
    diffusion: float = 1.0

    def __post_init__(self) -> None:
        _require_line(self.start, "start")
        checks.keep(self, checks.share, "integrated_share")
        checks.keep(self, checks.positive, "diffusion")
        checks.keep(self, checks.real, "amplitude")
        super().__post_init__()

    @cached_property
    def end(self) -> GaussianMixture:
        """Law of Y_1, the end of the ideal path."""
        return self.start.as_mixture().through(GaussianChannel(1.0, self.diffusion**2))

    def drift_error(self, time: ArrayLike) -> FloatArray:
        """Return e(t), shaped like t; t in [0, 1]."""
        t = np.asarray(time, float)
        rho = self.integrated_share
        wave = math.sqrt(2.0) * np.sin(2.0 * np.pi * t)
        return np.asarray(self.amplitude * (math.sqrt(rho) + math.sqrt(1.0 - rho) * wave))

    @property
    def energy(self) -> float:
        """eps^2 = beta^2, along either path and as a supremum."""
        return self.amplitude**2

    @property
    def shift(self) -> float:
        """sigma beta sqrt(rho): how far the learned end point is moved."""
        return self.diffusion * self.amplitude * math.sqrt(self.integrated_share)

    def fisher_information(self) -> Estimate:
        """Return J = int (p')^2 / p of the law of Y_1."""
        return _fisher_information(self.end)

    def observability(self) -> Estimate:
        """Return eta = rho sigma^2 J, in [0, rho]; it does not depend on beta."""
        return _scaled(self.fisher_information(), self.integrated_share * self.diffusion**2)

    def chi_square(self) -> Estimate:
        """Return I = chi2(p_hat against p); exp(shift^2 / v) - 1 for one Gaussian of variance v."""
        return distances.chi_square(_moved(self.end, self.shift), self.end)

    def kl(self) -> Estimate:
        """Return KL(p_hat against p); shift^2 / (2 v) for one Gaussian of variance v."""
        return distances.kl(_moved(self.end, self.shift), self.end)


@public
@dataclass(frozen=True, eq=False)
class SolvableRecursion(Value):
    """Many rounds of the solvable family, with every quantity of error propagation known.

    Round i: q_i = alpha p* + (1-alpha) p_i; the ideal path X + sigma W_t ends exactly in q_i (X is q_i
    deconvolved by N(0, sigma^2), so component variances of p* must be at least sigma^2); the learned one
    ends in

        p_{i+1} = q_i moved by sigma beta_i sqrt(rho_i).

    There is no truncation: this is the idealised setting of arXiv:2602.16601 in which D_i = chi2(p_i
    against p*) is finite in every round.  Amplitudes of one sign are coherent defects, of random signs
    incoherent ones.

    Parameters
    ----------
    target : Law
        p*, one-dimensional with a density.
    fresh_fraction : float
        alpha in [0, 1].
    amplitudes : sequence of float, shape (rounds,)
        beta_i.
    integrated_shares : float or sequence of float, shape (rounds,)
        rho_i in [0, 1].
    diffusion : float or None
        sigma; default: the smallest component standard deviation of the target, for which the error is as
        observable as it can be.

    Raises
    ------
    InputError
        If an argument is out of range, or diffusion exceeds that standard deviation.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> run = hc.bounds.SolvableRecursion(hc.GaussianMixture([1.0], [0.0], 1.0), 0.5, [0.2, 0.2])
    >>> [round(entry.innovation_kl.value, 3) for entry in run.record().rounds]
    [0.02, 0.02]
    """

    target: Law
    fresh_fraction: float
    amplitudes: Sequence[float]
    integrated_shares: float | Sequence[float] = 1.0
    diffusion: float | None = None

    def __post_init__(self) -> None:
        _require_line(self.target, "target")
        fresh_fraction = checks.fraction(self.fresh_fraction)
        amplitudes = checks.vector(self.amplitudes, "amplitudes")
        given = checks.real_array(self.integrated_shares, "integrated_shares")
        if given.shape not in ((), (1,), amplitudes.shape):
            raise InputError(
                f"integrated_shares must be one number or one for each of {len(amplitudes)} amplitudes, got an array "
                f"of shape {given.shape}."
            )
        if given.min() < 0.0 or given.max() > 1.0:
            outside = given.min() if given.min() < 0.0 else given.max()
            raise InputError(f"integrated_shares must lie in [0, 1], got {float(outside)!r}.")
        shares = np.broadcast_to(given, amplitudes.shape)
        smallest = float(LineMixture.of(self.target, "target").scales.min())
        sigma = smallest if self.diffusion is None else checks.positive(self.diffusion, "diffusion")
        if sigma > smallest * (1.0 + 1e-12):
            raise InputError(
                f"diffusion must not exceed the target's smallest component standard deviation {smallest!r}, "
                f"got {sigma!r}."
            )
        for name, value in (
            ("fresh_fraction", fresh_fraction),
            ("diffusion", sigma),
            ("amplitudes", amplitudes),
            ("integrated_shares", shares),
        ):
            object.__setattr__(self, name, value)
        super().__post_init__()

    def laws(self) -> list[GaussianMixture]:
        """Return p_0 = p*, p_1, ..., p_rounds."""
        path = [self.target.as_mixture()]
        for shift in self._shifts:
            path.append(_moved(self._training_law(path[-1]), shift))
        return path

    @property
    def _sigma(self) -> float:
        assert self.diffusion is not None
        return self.diffusion

    @property
    def _shifts(self) -> list[float]:
        shifts = self._sigma * np.asarray(self.amplitudes) * np.sqrt(self.integrated_shares)
        return [float(shift) for shift in shifts]

    def _training_law(self, law: GaussianMixture) -> GaussianMixture:
        """alpha p* + (1 - alpha) p_i, with equal components merged: there would be twice as many every round."""
        data = self.target.as_mixture()
        parts = np.concatenate([np.hstack([part.means, part.variances]) for part in (law, data)])
        weights = np.concatenate(
            [(1.0 - self.fresh_fraction) * law.weights, self.fresh_fraction * data.weights]
        )
        distinct, label = np.unique(parts, axis=0, return_inverse=True)
        total = np.bincount(label.reshape(-1), weights=weights, minlength=len(distinct))
        used = total > 0.0
        return GaussianMixture(total[used], distinct[used, 0], distinct[used, 1])

    def record(self) -> PropagationRecord:
        """Return energies, eta, I, KL, D, R and the cross term of every round, each with its error bound."""
        rounds = []
        before = Estimate(0.0, 0.0)
        laws = self.laws()
        shares = np.asarray(self.integrated_shares)
        for i, (law, after_law, shift) in enumerate(zip(laws[:-1], laws[1:], self._shifts, strict=True)):
            training = self._training_law(law)
            after, residual, cross = against_target(self.target, law, training, after_law)
            square = float(self.amplitudes[i]) ** 2
            energy = Estimate(square, 0.0)
            moved = _moved(training, shift)
            rounds.append(
                PropagationRound(
                    ideal_energy=energy,
                    learned_energy=energy,
                    observability=_scaled(_fisher_information(training), float(shares[i]) * self._sigma**2),
                    supremum_energy=square,
                    innovation=distances.chi_square(moved, training),
                    innovation_kl=distances.kl(moved, training),
                    divergence_before=before,
                    divergence_after=after,
                    residual=residual,
                    cross=cross,
                )
            )
            before = after
        return PropagationRecord(self.fresh_fraction, tuple(rounds), "solvable recursion")


def _require_line(law: Law, name: str) -> None:
    if not isinstance(law, Law):
        raise InputError(f"{name} must be a law, a Gaussian mixture for example, got {type(law).__name__}.")
    if law.dimension != 1:
        raise InputError(f"{name} must be one-dimensional, got dimension {law.dimension}.")


def _moved(law: GaussianMixture, shift: float) -> GaussianMixture:
    """The law of X + shift."""
    return GaussianMixture.from_spectra(law.weights, law.means + shift, law.variances)


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    return Estimate(factor * estimate.value, factor * estimate.error, estimate.kind, estimate.route)


def _fisher_information(law: GaussianMixture) -> Estimate:
    if len(law.weights) == 1:
        value = 1.0 / float(law.variances[0, 0])
        return Estimate(value, 2.3e-16 * value)
    return expected_square(LineMixture.of(law, "law"), 0.0)
