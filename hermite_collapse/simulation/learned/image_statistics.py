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

References: arXiv:2606.13796, Proposition 3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...core import checks
from ...core.errors import InputError
from ...core.types import FloatArray, IntArray
from ...core.value import Value
from ...hermite.basis import hermite_values
from ...hermite.degree_sums import two_sample_sums
from ...hermite.pair_sums import TwoSampleSums
from ...laws.empirical import EmpiricalLaw
from ...recursion.recursion import Recursion

# Values (n, m) of m functionals at samples (n, d).
Functionals = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, eq=False)
class FunctionalCurves(Value):
    """Averages of functionals by round, beside what ideal rounds would give.

    Attributes
    ----------
    degree : array of int, shape (m,)
        Of each functional.
    data : array, shape (m,)
        Averages over the training images, exact.
    measured, standard_error : array, shape (rounds + 1, m)
        Averages over the particles; their error about the law they come from.
    predicted : array, shape (rounds + 1, m)
        f_n(i) times `data`.
    """

    degree: IntArray
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
        """measured / data, to be compared with f_n(i)."""
        return self.measured / self.data

    @property
    def factor_errors(self) -> FloatArray:
        """Standard errors of `factors`."""
        return self.standard_error / np.abs(self.data)


def degree_factors(
    rounds: Sequence[ArrayLike],
    *,
    recursion: Recursion,
    held_out: ArrayLike,
    degree: int,
    independent: bool = False,
    pair_sums: Callable[[FloatArray, FloatArray, int], TwoSampleSums] = two_sample_sums,
) -> FunctionalCurves:
    """Return projections of each round on the held-out images, degree by degree.

        <c_n(p_i), c_n(held out)>  =  f_n(i) <c_n(p*), c_n(held out)>

    Parameters
    ----------
    rounds : sequence of arrays, shape (N, d)
        Particles of rounds 0, 1, ...
    recursion : Recursion
        Its target is the empirical law of the training images.
    held_out : array, shape (M, d)
        Images that nothing was trained on.
    degree : int
        Degrees 1 to `degree`; those above the resolvable degree of the data have a small `data` and say little.
    independent : bool
        Whether particles are independent given the round's network, not passed on from round to round.
    pair_sums : function
        (x, y, degree) -> sums over pairs; `simulation.spectrum.two_sample_sums_on` makes one for a GPU.

    Returns
    -------
    FunctionalCurves

    Cost
    ----
    len(train) + rounds * N products with every held-out image.
    """
    count = checks.integer(degree, "degree", minimum=1)
    other = checks.samples(held_out, "held_out", 2)

    def functionals(x: FloatArray) -> FloatArray:
        return pair_sums(x, other, count).rows[:, 1:] / len(other)

    return _curves(rounds, recursion, functionals, np.arange(1, count + 1), independent)


def projection_curves(
    rounds: Sequence[ArrayLike],
    *,
    recursion: Recursion,
    directions: ArrayLike,
    degree: int,
    independent: bool = False,
) -> FunctionalCurves:
    """Return Hermite coefficients along directions by round.

        h_1(u_1 . x), ..., h_degree(u_1 . x), h_1(u_2 . x), ...

    Parameters
    ----------
    rounds, recursion, independent
        As for `degree_factors`.
    directions : array, shape (k, d)
        Of length 1.
    degree : int
        Largest n; there are k * degree functionals.

    Returns
    -------
    FunctionalCurves
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
    """Return the leading principal directions of samples (n, d), as rows of length 1.

    Parameters
    ----------
    samples : array, shape (n, d)
    count : int
        In [1, d].

    Returns
    -------
    array, shape (count, d)
    """
    x = checks.samples(samples, minimum=2)
    if not 1 <= checks.integer(count, "count", minimum=1) <= x.shape[1]:
        raise InputError(f"count must be at most the dimension, {x.shape[1]}, got {count}.")
    centred = x - x.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    return np.ascontiguousarray(vectors[:, ::-1][:, :count].T)


def quadratic_curves(
    rounds: Sequence[ArrayLike],
    *,
    recursion: Recursion,
    forms: Sequence[Functionals],
    traces: ArrayLike,
    independent: bool = False,
) -> FunctionalCurves:
    """Return quadratic forms less their values for white noise by round: x' Q x - tr Q, of degree 2.

    Parameters
    ----------
    rounds, recursion, independent
        As for `degree_factors`.
    forms : sequence of functions
        Of samples (n, d), each returns x' Q x, shape (n,).
    traces : array, shape (m,)
        tr Q of each.

    Returns
    -------
    FunctionalCurves
    """
    trace = checks.vector(traces, "traces")

    def functionals(x: FloatArray) -> FloatArray:
        return np.stack([form(x) for form in forms], axis=1) - trace

    return _curves(rounds, recursion, functionals, np.full(len(trace), 2), independent)


def second_moment(x: FloatArray) -> FloatArray:
    """Return norm(x)^2 / d of samples (n, d): a quadratic form of trace 1."""
    return np.asarray(np.einsum("nd,nd->n", x, x) / x.shape[1])


def _curves(
    rounds: Sequence[ArrayLike],
    recursion: Recursion,
    functionals: Functionals,
    degrees: IntArray,
    independent: bool,
) -> FunctionalCurves:
    if not isinstance(recursion.target, EmpiricalLaw) or recursion.initial is not None:
        raise InputError(
            "recursion must start from the empirical law of its training images, got another law."
        )
    if not independent and recursion.regime.name != "replace":
        raise InputError('recursion must have regime "replace" for its error bars, got another.')
    data = functionals(recursion.target.samples).mean(axis=0)
    values = [functionals(checks.samples(x, "rounds", 2)) for x in rounds]
    variances = [v.var(axis=0, ddof=1) / len(v) for v in values]
    last = len(values) - 1
    if not independent:
        times = recursion.schedule.times(max(last, 1))
        for i in range(last):
            share = 1.0 - recursion.regime.fresh_fraction(i)
            kappa = share * np.exp(-degrees * recursion.rate * float(times[i]))
            variances[i + 1] = variances[i + 1] + kappa**2 * (1.0 - 1.0 / len(values[i])) * variances[i]
    measured = np.stack([v.mean(axis=0) for v in values])
    predicted = recursion.mode_factors(degrees, rounds=last) * data
    return FunctionalCurves(degrees, data, measured, np.sqrt(np.stack(variances)), predicted)
