r"""Ages: how many model generations lie between a sample and the data, as small quadrature rules.

The limit law of a recursion with fresh fraction alpha is sum_{k>=1} alpha (1-alpha)^{k-1} C^k p*: an average over
the age k, geometric, with thousands of terms for small alpha.  Two rules replace the sum.

**Ornstein-Uhlenbeck rounds.**  With a = exp(-x), x = rate t, the scales a^k carry the little q-Jacobi measure, whose
orthogonal polynomials are known: with D(j) = alpha + (1-alpha) e(j) and e(j) = -expm1(-j x),

    A_n = a^n D(n)^2 / (D(2n) D(2n+1)),     C_n = (1-alpha) a^{n-1} e(n)^2 / (D(2n-1) D(2n)),     C_0 = 0,

the symmetric tridiagonal matrix J with diagonal A_n + C_n and off-diagonal sqrt(A_n C_{n+1}) has the nodes s_m as
eigenvalues and the weights as squared first components.  M nodes give E a^{nK} exactly for n < 2M.

Young ages have s near 1, and what a density feels is the noise they added, 1 - s.  So it is I - J that is
diagonalised, by way of its Cholesky factor: the polynomials at 1 have the ratios

    r_n = -p_{n+1}(1) / p_n(1) = (1-alpha) a^n e(n+1) / D(n),

and I - J = L L^T with L bidiagonal, L_nn = sqrt(A_n r_n), L_{n+1,n} = -sqrt(C_{n+1} / r_n): products of positive
numbers, so that the squared singular values of L are the 1 - s_m to full relative accuracy, however small x is.

**Any other rounds.**  The first ages are kept; the rest is cut into blocks of 2^j consecutive ages, each replaced by a
Gauss rule of the geometric weights on it.  A block of 2^{j+1} is a block of 2^j and its shifted copy, so its rule comes
from the union of two rules by one small Lanczos run, exact for polynomials of the age of degree
< 2 nodes.

References: arXiv:2606.13796, Theorem 3.1 and Corollary 3.2 (the sum); the rules are this package's.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..core.types import FloatArray, IntArray
from .channels import GaussianChannel, channel_powers

FIRST_AGES = (
    16  # listed one by one; no block is longer than the ages before it, so the integrand is smooth on it
)
BLOCK_NODES = 14
LAST_MASS = (
    1e-100  # of the ages beyond the last block: they carry the tail of laws whose variance grows with age
)


class Nodes(NamedTuple):
    """Weights, scales and variances of finitely many ages, youngest first; each of shape (M,)."""

    weights: FloatArray
    scales: FloatArray
    variances: FloatArray


@dataclass(frozen=True)
class AgeRule:
    """The rule behind the ages of a limit law: sum_{k>=1} alpha (1-alpha)^{k-1} of `after` times `channel`^k.

    Parameters
    ----------
    fresh_fraction : float
        alpha in (0, 1].
    channel : GaussianChannel
        One round.
    count : int
        Number of Gauss nodes for Ornstein-Uhlenbeck rounds; other rounds take count / 2 nodes a block, at least 14.
    after : GaussianChannel
        A channel applied to the limit law.
    """

    fresh_fraction: float
    channel: GaussianChannel
    count: int
    after: GaussianChannel = field(default_factory=GaussianChannel.identity)

    def nodes(self) -> Nodes:
        """Return the ages; the weights sum to 1."""
        if self.channel.is_ornstein_uhlenbeck and self.channel.decay > 0.0:
            weights, scales, variances = ornstein_uhlenbeck_ages(
                self.fresh_fraction, self.channel.decay, self.count
            )
        else:
            powers, weights = geometric_ages(self.fresh_fraction, nodes=max(BLOCK_NODES, self.count // 2))
            scales, variances = channel_powers(self.channel, powers)
        return Nodes(
            weights / weights.sum(),
            self.after.scale * scales,
            self.after.scale**2 * variances + self.after.variance,
        )

    def doubled(self) -> AgeRule:
        """Return the same rule with twice as many nodes."""
        return replace(self, count=2 * self.count)

    def then(self, channel: GaussianChannel) -> AgeRule:
        """Return the rule of the limit law carried through one more channel."""
        return replace(self, after=channel.after(self.after))

    @property
    def tail(self) -> GaussianChannel | None:
        """Where the channels of ever older ages tend; None if their variance grows for ever."""
        return None if self.channel.decay == 0.0 else self.after.after(attractor(self.channel))


def attractor(channel: GaussianChannel) -> GaussianChannel:
    """Return the channel that infinitely many repetitions of one with scale < 1 tend to: (0, v / (1 - A^2))."""
    return GaussianChannel(0.0, channel.variance / channel.loss)


def ornstein_uhlenbeck_ages(fresh_fraction: float, exponent: float, count: int) -> Nodes:
    """Return the Gauss rule for the limit law of Ornstein-Uhlenbeck rounds.

    Parameters
    ----------
    fresh_fraction : float
        alpha in (0, 1].
    exponent : float
        rate * truncation_time, > 0.
    count : int
        Number M of nodes; fewer are returned where weights vanish (alpha = 1 leaves one).

    Returns
    -------
    Nodes
        With variances 1 - scale^2; the weights sum to 1.

    Accuracy
    --------
    Variances and 1 - scale to relative 1e-14, weights to 1e-14 of 1.
    """
    alpha, x = fresh_fraction, min(exponent, 1e4)  # of which exp(-x) is 0 already, and no multiple overflows
    keep = 1.0 - alpha

    def e(j: FloatArray) -> FloatArray:
        return np.asarray(-np.expm1(-j * x))

    def d(j: FloatArray) -> FloatArray:
        return alpha + keep * e(j)

    n = np.arange(count, dtype=float)
    up = np.exp(-n * x) * (d(n) / d(2 * n)) * (d(n) / d(2 * n + 1))
    m = n[1:]
    down = keep * np.exp(-(m - 1) * x) * (e(m) / d(2 * m - 1)) * (e(m) / d(2 * m))
    ratio = keep * np.exp(-n * x) * e(n + 1) / d(n)
    below = np.divide(down, ratio[:-1], out=np.zeros_like(down), where=ratio[:-1] > 0.0)
    factor = np.diag(np.sqrt(up * ratio)) - np.diag(np.sqrt(below), -1)
    vectors, values, _ = np.linalg.svd(factor)
    weights = vectors[0] ** 2
    used = weights > 0.0
    deficit = np.minimum(values[used][::-1] ** 2, 1.0)  # 1 - s, youngest first
    lost = e(np.ones(1)) + np.exp(-x) * deficit  # 1 - a s
    return Nodes(weights[used][::-1] / weights.sum(), np.exp(-x) * (1.0 - deficit), lost * (2.0 - lost))


def geometric_ages(
    fresh_fraction: float, last: int | None = None, *, nodes: int = BLOCK_NODES
) -> tuple[FloatArray, FloatArray]:
    """Return ages (real, >= 1) and weights for sum_{k=1..last} alpha (1-alpha)^{k-1} F(C^k).

    Parameters
    ----------
    fresh_fraction : float
        alpha in (0, 1].
    last : int, optional
        Largest age; all ages where it is left out.
    nodes : int
        Gauss nodes of each block.

    Returns
    -------
    tuple of array, shape (M,) each
        The weights sum to 1 - (1-alpha)^last.  First ages one by one, then the dyadic rule of the module.

    Accuracy
    --------
    Relative 4e-15 on functions of the age that are smooth on the scale of the age itself; what is left is rounding of
    the doublings.  Where every round adds variance, densities are right to the same accuracy down to about exp(-100);
    beyond, nodes and the ages left out count.
    """
    # Powers of a rounded 1 - alpha would be off by age * 1e-16.  At alpha = 1 only the first age has any weight.
    log_keep = float(np.log1p(-fresh_fraction)) if fresh_fraction < 1.0 else -1e3

    def remaining(rounds: int | IntArray) -> FloatArray:
        return np.asarray(np.exp(rounds * log_keep))

    first = FIRST_AGES if last is None else min(last, FIRST_AGES)
    ages = [np.arange(1.0, first + 1.0)]
    weights = [fresh_fraction * remaining(np.arange(first))]
    done = first
    while (last is None or done < last) and remaining(done) > LAST_MASS:
        level = done.bit_length() - 1
        if last is not None:
            level = min(level, int(last - done).bit_length() - 1)
        inside, masses = _geometric_block(log_keep, level, nodes)
        ages.append(done + 1.0 + inside)
        weights.append(fresh_fraction * remaining(done) * masses)
        done += 2**level
    return np.concatenate(ages), np.concatenate(weights)


@lru_cache(maxsize=256)
def _geometric_block(log_keep: float, level: int, count: int) -> tuple[FloatArray, FloatArray]:
    """Return the Gauss rule of sum_{k < 2^level} keep^k F(k), with nodes in [0, 2^level - 1]."""
    if 2**level <= count:
        ages = np.arange(2.0**level)
        return ages, np.exp(ages * log_keep)
    half = 2.0 ** (level - 1)
    nodes, weights = _geometric_block(log_keep, level - 1, count)
    both = np.concatenate([weights, np.exp(half * log_keep) * weights])
    return compress(np.concatenate([nodes, nodes + half]), both, count)


def compress(nodes: FloatArray, weights: FloatArray, count: int) -> tuple[FloatArray, FloatArray]:
    """Return the Gauss rule with `count` nodes of a discrete positive measure.

    Exact for polynomials of degree < 2 count.  Lanczos with full reorthogonalisation; meant for a few dozen nodes.
    """
    used = weights > 0.0
    nodes, weights = nodes[used], weights[used]
    if len(nodes) <= count:
        return nodes, weights
    mass = weights.sum()
    centre, radius = 0.5 * (nodes.max() + nodes.min()), 0.5 * (nodes.max() - nodes.min())
    position = (nodes - centre) / radius
    basis = np.zeros((count, len(nodes)))
    basis[0] = np.sqrt(weights / mass)
    diagonal, off_diagonal = np.zeros(count), np.zeros(count - 1)
    for j in range(count):
        vector = position * basis[j]
        diagonal[j] = basis[j] @ vector
        if j + 1 == count:
            break
        for _ in range(2):  # twice is enough
            vector = vector - basis[: j + 1].T @ (basis[: j + 1] @ vector)
        off_diagonal[j] = np.linalg.norm(vector)
        if off_diagonal[j] < 1e-15:  # the measure has fewer points of visible weight than nodes asked for
            diagonal, off_diagonal = diagonal[: j + 1], off_diagonal[:j]
            break
        basis[j + 1] = vector / off_diagonal[j]
    values, vectors = np.linalg.eigh(_tridiagonal(diagonal, off_diagonal))
    return centre + radius * values, mass * vectors[0] ** 2


def _tridiagonal(diagonal: FloatArray, off_diagonal: FloatArray) -> FloatArray:
    return np.diag(diagonal) + np.diag(off_diagonal, 1) + np.diag(off_diagonal, -1)
