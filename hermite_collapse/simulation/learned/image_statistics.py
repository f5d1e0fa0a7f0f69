r"""What is measured on images: functionals of one Hermite degree, their predicted curves and error bars.

A functional g that combines h_k of one degree n, abs(k) = n, is carried through the ideal rounds by a factor,

    E_{p_i} g = f_n(i) E_{p*} g,

whatever the dimension.  Here p* is the empirical law of the training images, so the right side is known exactly, and

    V_{i+1} = kappa_n(i)^2 (1 - 1/N) V_i + Var_{p_{i+1}}(g) / N,         V_0 = Var_{p*}(g) / N,

is the variance of the particle average of g in round i, for particles that pass through the exact channel.  For
particles drawn independently given a network it is Var(g)/N, about the network's own law.

    degree factors    g(x) = mean over held-out y of K_n(x, y):     E_{p*} g estimates the degree energy E_n
    projections       g(x) = h_n(u . x) along a direction u
    quadratic forms   g(x) = x' Q x - tr Q,  n = 2: second moments, power in a band of frequencies

Since y is fixed and E_{p*} g is exact, the ratio of a measured average to it is unbiased, and the noise of the held-out
images, which limits estimates of E_n itself, does not enter.

References : arXiv:2606.13796, Proposition 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ...core import checks
from ...core.errors import InputError
from ...hermite.basis import hermite_values
from ...hermite.degree_sums import two_sample_sums
from ..spectrum import _two_samples as two_sample_sums_on_device

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class FunctionalCurves:
    """Averages of functionals by round, beside what ideal rounds would give.

    Attributes
    ----------
    degree : (m,) of each functional.
    data : (m,) averages over the training images, exact.
    measured, standard_error : (rounds + 1, m), averages over the particles; their error about the law they come from.
    predicted : (rounds + 1, m), f_n(i) times `data`.
    """

    degree: NDArray[np.int64]
    data: FloatArray
    measured: FloatArray
    standard_error: FloatArray
    predicted: FloatArray

    @property
    def z(self) -> FloatArray:
        """(measured - predicted) / standard_error, (rounds + 1, m); 0 where both agree without error."""
        difference = self.measured - self.predicted
        exact = np.where(difference == 0.0, 0.0, np.inf)
        return np.divide(difference, self.standard_error, out=exact, where=self.standard_error > 0.0)

    @property
    def factors(self) -> FloatArray:
        """measured / data, to be held against f_n(i)."""
        return self.measured / self.data

    @property
    def factor_errors(self) -> FloatArray:
        """Standard errors of `factors`."""
        return self.standard_error / np.abs(self.data)


def degree_factors(
    rounds: Sequence[ArrayLike],
    *,
    recursion: Any,
    held_out: ArrayLike,
    degree: int,
    independent: bool = False,
    device: str | torch.device = "cpu",
) -> FunctionalCurves:
    """Projections of each round on the held-out images, degree by degree.

        <c_n(p_i), c_n(held out)>  =  f_n(i) <c_n(p*), c_n(held out)>

    Parameters
    ----------
    rounds : particles (N, d) of rounds 0, 1, ...
    recursion : whose target is the empirical law of the training images.
    held_out : (M, d) images that nothing was trained on.
    degree : degrees 1 .. degree; those above the resolvable degree of the data have a small `data` and say little.
    independent : whether particles are independent given the round's network, not handed from round to round.
    device : where the sums over pairs are done.

    Cost : len(train) + rounds N products with every held-out image.
    """
    count = checks.integer(degree, "degree", minimum=1)
    other = checks.samples(held_out, "held_out", 2)
    place = torch.device(device)

    def functionals(x: FloatArray) -> FloatArray:
        if place.type == "cpu":
            sums = two_sample_sums(x, other, count)
        else:
            sums = two_sample_sums_on_device(
                torch.as_tensor(x, device=place), torch.as_tensor(other, device=place), count
            )
        return sums.rows[:, 1:] / len(other)

    return _curves(rounds, recursion, functionals, np.arange(1, count + 1), independent)


def projection_curves(
    rounds: Sequence[ArrayLike],
    *,
    recursion: Any,
    directions: ArrayLike,
    degree: int,
    independent: bool = False,
) -> FunctionalCurves:
    """Hermite coefficients along directions: functionals h_1(u_1 . x), ..., h_degree(u_1 . x), h_1(u_2 . x), ...

    Parameters
    ----------
    rounds, recursion, independent : as for `degree_factors`.
    directions : (k, d), of length 1.
    degree : largest n; there are k * degree functionals.
    """
    u = checks.samples(directions, "directions")
    if not np.allclose(np.sum(u**2, axis=1), 1.0, atol=1e-8):
        raise InputError(
            f"directions must have length 1, got {float(np.sqrt(np.sum(u**2, axis=1)).max()):.6g}."
        )
    count = checks.integer(degree, "degree", minimum=1)

    def functionals(x: FloatArray) -> FloatArray:
        return hermite_values(x @ u.T, count)[..., 1:].reshape(len(x), -1)

    return _curves(rounds, recursion, functionals, np.tile(np.arange(1, count + 1), len(u)), independent)


def principal_directions(samples: ArrayLike, count: int) -> FloatArray:
    """The leading principal directions of samples (n, d), as rows of length 1; shape (count, d)."""
    x = checks.samples(samples, minimum=2)
    if not 1 <= checks.integer(count, "count", minimum=1) <= x.shape[1]:
        raise InputError(f"count must be at most the dimension, {x.shape[1]}, got {count}.")
    centred = x - x.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    return np.ascontiguousarray(vectors[:, ::-1][:, :count].T)


def quadratic_curves(
    rounds: Sequence[ArrayLike],
    *,
    recursion: Any,
    forms: Sequence[Any],
    traces: ArrayLike,
    independent: bool = False,
) -> FunctionalCurves:
    """Quadratic forms less their values for white noise: functionals x' Q x - tr Q, of degree 2.

    Parameters
    ----------
    rounds, recursion, independent : as for `degree_factors`.
    forms : functions of samples (n, d) that return x' Q x, shape (n,).
    traces : tr Q of each.
    """
    trace = checks.vector(traces, "traces")

    def functionals(x: FloatArray) -> FloatArray:
        return np.stack([form(x) for form in forms], axis=1) - trace

    return _curves(rounds, recursion, functionals, np.full(len(trace), 2), independent)


def second_moment(x: FloatArray) -> FloatArray:
    """norm(x)^2 / d of samples (n, d): a quadratic form of trace 1."""
    return np.einsum("nd,nd->n", x, x) / x.shape[1]


def _curves(
    rounds: Sequence[ArrayLike],
    recursion: Any,
    functionals: Any,
    degrees: NDArray[np.int64],
    independent: bool,
) -> FunctionalCurves:
    if not hasattr(recursion.target, "samples") or recursion.initial is not None:
        raise InputError(
            "recursion must start from the empirical law of its training images, got another law."
        )
    data = functionals(recursion.target.samples)
    measured, variances, counts = [], [], []
    for x in rounds:
        values = functionals(checks.samples(x, "rounds", 2))
        measured.append(values.mean(axis=0))
        variances.append(values.var(axis=0, ddof=1))
        counts.append(len(values))
    last = len(measured) - 1
    factors = recursion.mode_factors(degrees, rounds=last)
    exact = data.mean(axis=0)
    spread = [v / n for v, n in zip(variances, counts, strict=True)]
    if not independent:
        times = recursion.schedule.times(max(last, 1))
        for i in range(last):
            _, earlier = recursion.mixing(i)
            if np.any(earlier[:i] > 0.0):
                raise InputError('recursion must have regime "replace" for its error bars, got another.')
            kappa = float(earlier[i]) * np.exp(-degrees * recursion.rate * float(times[i]))
            spread[i + 1] = spread[i + 1] + kappa**2 * (1.0 - 1.0 / counts[i]) * spread[i]
    return FunctionalCurves(degrees, exact, np.stack(measured), np.sqrt(np.stack(spread)), factors * exact)
