r"""What finite training sets do to the mean of a round map of matrices that is not affine.

A model is trained on the covariance W^ = W + E of finitely many samples.  In the axes u_j and variances w_j of W the
mean of the round is, to second order in E,

    E[u_j^T V(W^) u_j] = V(w_j) + sum_k V[w_j, w_k, w_j] Var(E_jk),       second divided differences, all k,

where k = j counts with V''(w_j) / 2.  Samples of models of variances s, and fresh ones of the data's c, give in each
round

    Var(E_jk) = (1 + [j = k]) (s_j s_k / n_s + c_j c_k / n_c) + (1 - alpha)^2 F_jk,
    F'_jk     = V[w_j, w_k]^2 Var(E_jk),

F what errors of earlier rounds left.  Directions far narrower than others get about d/T of their own variance from all
d directions, so that the sum needs the data's whole spectrum.  The next order is d/T of this one.

What training sets add scatters about this mean, as the squares of E_jk do: between rounds i and l by

    2 sum_k V[w_j, w_k, w_j]_i V[w_j, w_k, w_j]_l Cov(E_jk in round i, E_jk in round l)^2,

which in narrow directions is more than what the samples scatter along the direction itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ...core.types import FloatArray
from ...pipeline.interpolant import Interpolant
from ..measuring.measured import Measured
from ..measuring.principal import NEGLIGIBLE

MOST_NODES = 64
"""Groups of equal width in log w that stand for a longer spectrum."""
_NEAR = 3e-3  # relative distance of variances at which a second divided difference is half the curvature
_TOUCHING = 1e-5  # and at which a first one is the slope
_STEP = 1e-4  # of the logarithm, between the slopes whose difference is the curvature
_SMALLEST = 1e-300


class FiniteSets(NamedTuple):
    """Sizes of training sets, and the data's spectrum as variances that stand for so many directions.

    Attributes
    ----------
    spectrum, counts : array, shape (k,)
    trained : float or None
        T; None where the measured samples are passed on beside all of the data.
    first : float
        Samples behind the first training set, infinite where the law of the data is known.
    rounds, samples : array, shape (r,)
        Of the measured generations.
    """

    spectrum: FloatArray
    counts: FloatArray
    trained: float | None
    first: float
    rounds: FloatArray
    samples: FloatArray

    @classmethod
    def of(cls, measured: Measured | None) -> FiniteSets | None:
        """Return those of measured generations, None where nothing is known of them."""
        if measured is None or measured.moments is None:
            return None
        spectrum, counts = grouped(measured.moments.variances)
        is_known = measured.data_are_exact and measured.rounds[0] > 0
        return cls(
            spectrum,
            counts,
            measured.training_samples,
            np.inf if is_known else float(measured.samples[0]),
            measured.rounds.astype(np.float64),
            measured.samples.astype(np.float64),
        )

    def shares(self, i: int, alpha: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return 1 / n_s and 1 / n_c of round i."""
        old = 1.0 - alpha
        if i == 0:
            return np.full_like(
                alpha, 1.0 / (self.first if self.trained is None else self.trained)
            ), 0.0 * alpha
        if self.trained is None:
            row = min(int(np.searchsorted(self.rounds, i)), len(self.rounds) - 1)
            return old**2 / self.samples[row], 0.0 * alpha
        return old**2 / np.maximum(old * self.trained, 1.0), alpha / self.trained


def grouped(variances: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return at most `MOST_NODES` variances of the same sum as a spectrum, and for how many each stands."""
    used = variances[variances > NEGLIGIBLE * max(float(np.max(variances, initial=0.0)), _SMALLEST)]
    if len(used) <= MOST_NODES:
        return used, np.ones(len(used))
    logs = np.log(used)
    edges = np.linspace(logs.min(), logs.max(), MOST_NODES + 1)[1:-1]
    group = np.searchsorted(edges, logs)
    counts = np.bincount(group, minlength=MOST_NODES).astype(np.float64)
    sums = np.bincount(group, weights=used, minlength=MOST_NODES)
    filled = counts > 0.0
    return sums[filled] / counts[filled], counts[filled]


class _Second(NamedTuple):
    """One round: V[w_j, w_k, w_j], Var(E_jk) and V[w_j, w_k], (b, k), and V'(w_j)."""

    second: FloatArray
    variance: FloatArray
    first: FloatArray
    slope: FloatArray


@dataclass
class Scatter:
    """Errors of the training laws, carried from round to round.

    Attributes
    ----------
    sets : FiniteSets
    alpha : array, shape (s, 1)
    nodes : array, shape (s, k)
        Variances of the model that stand for all.
    between : array, shape (s, b, k)
        F_jk of axes j and nodes k.
    own : array, shape (s, b)
        Half of F_jj.
    """

    sets: FiniteSets
    alpha: FloatArray
    nodes: FloatArray
    between: FloatArray
    own: FloatArray
    round: int = 0
    past: list[_Second] = field(default_factory=list)
    """Rounds of a single recursion."""

    @classmethod
    def before(cls, sets: FiniteSets, alpha: FloatArray, axes: int) -> Scatter:
        """Return errors of no round."""
        count, nodes = len(alpha), len(sets.spectrum)
        return cls(
            sets,
            alpha,
            np.tile(sets.spectrum, (count, 1)),
            np.zeros((count, axes, nodes)),
            np.zeros((count, axes)),
        )

    def at(self, alpha: FloatArray) -> Scatter:
        """Return the errors of one recursion as those of several, of fresh fractions (s, 1)."""
        nodes, between, own = (np.repeat(a, len(alpha), axis=0) for a in (self.nodes, self.between, self.own))
        return Scatter(self.sets, alpha, nodes, between, own, self.round)

    def bias(
        self,
        interpolant: Interpolant,
        variances: FloatArray,
        made: tuple[FloatArray, FloatArray],
        model: FloatArray,
        data: FloatArray,
    ) -> FloatArray:
        """Return what the next round adds to V(w_j), and carry the errors on.

        Parameters
        ----------
        interpolant : Interpolant
            V.
        variances : array, shape (s, b)
            Of the training law, increasing.
        made : tuple of two arrays, shape (s, b)
            V and V' of these.
        model, data : array, shape (s, b)
            Variances of the model and of the data along its axes.
        """
        old = 1.0 - self.alpha
        of_model, of_data = self.sets.shares(self.round, self.alpha)
        spectrum, counts = self.sets.spectrum, self.sets.counts
        between, own = self.between, self.own
        between *= old[:, :, None] ** 2
        between += (of_model * model)[:, :, None] * self.nodes[:, None, :]
        between += (of_data * data)[:, :, None] * spectrum
        own = old**2 * own + of_model * model**2 + of_data * data**2
        nodes = self.alpha * spectrum + old * self.nodes
        image, slope = made
        w = np.maximum(variances, _SMALLEST)
        images, slopes = interpolant.with_slope(
            np.concatenate([nodes, w * (1.0 - _STEP), w * (1.0 + _STEP)], axis=1)
        )
        count = nodes.shape[1]
        node_image, node_slope = images[:, :count], slopes[:, :count]
        below, above = np.split(slopes[:, count:], 2, axis=1)
        half = (above - below) / (4.0 * _STEP * w)
        apart = variances[:, :, None] - nodes[:, None, :]
        size = variances[:, :, None] + nodes[:, None, :]
        distance = np.abs(apart)
        touching, near = distance <= _TOUCHING * size, distance <= _NEAR * size
        apart[touching] = 1.0
        first = (image[:, :, None] - node_image[:, None, :]) / apart
        first = np.where(touching, 0.5 * (slope[:, :, None] + node_slope[:, None, :]), first)
        second = np.where(near, half[:, :, None], (slope[:, :, None] - first) / apart)
        added = np.einsum("sbk,sbk,k->sb", second, between, counts) + half * own
        if len(self.alpha) == 1:
            self.past.append(_Second(second[0], between[0], first[0], slope[0]))
        self.between = first**2 * between
        self.own = slope**2 * own
        self.nodes = node_image
        self.round += 1
        return np.asarray(added)

    def joint(self) -> FloatArray:
        """Return the covariance between rounds 1, 2, ... of what a single recursion adds, along its axes, (k, k, b)."""
        count, old = len(self.past), float(1.0 - self.alpha[0, 0])
        added = np.zeros((count, count, len(self.own[0])))
        for i, one in enumerate(self.past):
            shared = one.variance
            for later in range(i, count):
                other = self.past[later]
                weights = one.second * other.second * np.square(shared)
                added[i, later] = added[later, i] = 2.0 * weights @ self.sets.counts
                shared = old * other.first * shared
        passed = np.zeros_like(added)
        for i in range(count):
            passed[i, i] = 1.0
            for later in range(i + 1, count):
                passed[later, i] = old * self.past[later].slope * passed[later - 1, i]
        return np.asarray(np.einsum("ija,jla,mla->ima", passed, added, passed, optimize=True))
