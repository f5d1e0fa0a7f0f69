r"""Values of one curve round by round: what each adds to those before it, at several factors of a round at once.

What rounds pass on is of rank one between any two of them, so that noise whose covariance fills a matrix of all rounds
is white after one pass along the curve (Kalman filter).  With z_i the deviations of values from a curve in the order of
rounds, each is told by those before it up to an innovation of variance D_i:

    z_i = rho_i k_{i-1} + nu_i,     k_i = rho_i k_{i-1} + K_i nu_i,     Var nu_i = D_i.

k_i is what values so far say of the deviation of round i itself, rho_i the product of the factors since the last value,
and K_i the part of what is new that rounds pass on, which errors of a value alone are not.

Training sets in proportion to what a round really trained on.  T samples of variance w have the variance w (1 + xi),
Var xi = c = 2 / T.  With v the variance of a round's model, p the curve without noise, v_+ and p_+ of the next round,
and b what a round adds after training, which no set scatters,

    v_+ = p_+ + kappa (v - p) + (p_+ - b + kappa (v - p)) xi,     y = v + eps,     Var eps = e^2.

After some rounds of noise v may be far from p, and the noise of a round with it.  Given values so far, of which those
tell v to a variance V about the mean d + p, the next has

    d -> kappa d,     V -> kappa^2 V + c s^2,     s^2 = (p - b + kappa d)^2 + kappa^2 V,

and a value y turns them into d + K (y - p - d) and (1 - K) V, K = V / (V + e^2), D = V + e^2: the best linear estimate.
c s^2 is the variance of what a round adds given all values before, exactly where values tell v (e = 0), so that
whitened deviations have variance 1 and no correlation however far curves have drifted.  Factors of modes are scattered
in proportion to 1 instead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...core.types import FloatArray, IntArray
from . import _kernels_filters as kernels
from .roots import scales_and_factors


class Filter(NamedTuple):
    """How values of a curve, in the order of rounds, go on those before them, at g factors of a round.

    Attributes
    ----------
    rates : array, shape (g, n)
        rho, 0 of the first value that any round passes on.
    gains : array, shape (g, n)
        K.
    innovations : array, shape (g, n)
        D.
    """

    rates: FloatArray
    gains: FloatArray
    innovations: FloatArray

    def whitened(self, vectors: FloatArray) -> FloatArray:
        """Return deviations (g, n, k) as innovations in their errors."""
        return kernels.whiten(vectors, *self)

    def covariance(self) -> FloatArray:
        """Return the covariances of deviations, shape (g, n, n)."""
        lower = kernels.roots_of_covariances(*self)
        return np.asarray(lower @ np.swapaxes(lower, 1, 2))

    def after_data(self, variance: float) -> Filter:
        """Return the same with the data of round 0 before it, of which no round passes an error on."""
        nothing = np.zeros((len(self.rates), 1))
        parts = zip((nothing, nothing, nothing + variance), self, strict=True)
        return Filter(*(np.concatenate(both, axis=1) for both in parts))


class Factored(NamedTuple):
    """The same of noise that reaches later rounds by more ways than one, by Cholesky factors.

    Attributes
    ----------
    scales : array, shape (g, n)
        Errors.
    factors : array, shape (g, n, n)
        Lower, of correlations.
    """

    scales: FloatArray
    factors: FloatArray

    @classmethod
    def of(cls, covariances: FloatArray) -> Factored:
        return cls(*scales_and_factors(covariances))

    @property
    def innovations(self) -> FloatArray:
        """D, shape (g, n)."""
        return np.square(self.scales * np.diagonal(self.factors, axis1=1, axis2=2))

    def whitened(self, vectors: FloatArray) -> FloatArray:
        """Return deviations (g, n, k) as innovations in their errors."""
        return np.asarray(np.linalg.solve(self.factors, vectors / self.scales[:, :, None]), dtype=np.float64)

    def covariance(self) -> FloatArray:
        """Return the covariances of deviations, shape (g, n, n)."""
        lower = self.scales[:, :, None] * self.factors
        return np.asarray(lower @ np.swapaxes(lower, 1, 2))

    def after_data(self, variance: float) -> Factored:
        """Return the same with the data of round 0 before it, of which no round passes an error on."""
        many, count = self.scales.shape
        factors = np.zeros((many, count + 1, count + 1))
        factors[:, 0, 0], factors[:, 1:, 1:] = 1.0, self.factors
        return Factored(np.concatenate([np.full((many, 1), variance**0.5), self.scales], axis=1), factors)


def of_innovations(rounds: IntArray, kappa: FloatArray, innovations: FloatArray) -> Filter:
    """Return the filter of values that all of later rounds follow from.

    Parameters
    ----------
    rounds : int array, shape (n,)
        In their order, from 1 on.
    kappa : array, shape (last, g)
    innovations : array, shape (g, n)
    """
    rates = kernels.rates_between(rounds, np.array(kappa))
    return Filter(rates, np.ones_like(rates), innovations)


class Sets(NamedTuple):
    """Values of one curve and the training sets behind them.

    Attributes
    ----------
    rounds : int array, shape (n,)
        In their order, from 1 on.
    values : array, shape (n,)
    stated : array, shape (n,)
        e^2, or c s^2 where values are of the very sets (`are_own`), in units of a round's mean square where
        `are_relative`.
    unscattered : float
        b.
    share : float
        Of data in sets that are drawn anew from own samples and data; 0 if these train themselves.
    follows : bool
        Whether noise is in proportion to what values say of a round, and not to the curve.
    are_relative, are_own : bool
    """

    rounds: IntArray
    values: FloatArray
    stated: FloatArray
    unscattered: float = 0.0
    share: float = 0.0
    follows: bool = True
    are_relative: bool = False
    are_own: bool = False

    def filter(self, kappa: FloatArray, predicted: FloatArray, added: FloatArray) -> Filter:
        """Return what values say of those after them, at factors of rounds (last, g).

        Parameters
        ----------
        kappa : array, shape (last, g)
        predicted : array, shape (last + 1, 1) or (last + 1, g)
            p, the curve without noise.
        added : array, shape (g,) or ()
            c.
        """
        many = kappa.shape[1]
        of = kernels.filter_of_sets(
            self.rounds,
            self.values,
            self.stated,
            np.array(kappa),
            np.array(np.broadcast_to(predicted, (len(predicted), many))),
            np.array(np.broadcast_to(added, many), dtype=np.float64),
            float(self.unscattered),
            float(self.share),
            self.follows,
            self.are_relative,
            self.are_own,
        )
        return Filter(*of)


def of_runs(
    rounds: IntArray,
    stated: FloatArray,
    kappa: FloatArray,
    sizes: FloatArray,
    part: float,
    *,
    is_shape: bool,
) -> Filter:
    """Return the filter of means of runs, of whose stated scatter a part is passed on.

    Parameters
    ----------
    rounds, stated : array, shape (n,)
    kappa : array, shape (last, g)
    sizes : array, shape (last + 1, 1) or (last + 1, g)
        What noise of a round is in proportion to.
    part : float
    is_shape : bool
        Whether errors are as stated in the mean alone, in the shape that rounds give them.
    """
    widened = np.array(np.broadcast_to(sizes, (len(sizes), kappa.shape[1])))
    return Filter(*kernels.filter_of_runs(rounds, stated, np.array(kappa), widened, float(part), is_shape))
