r"""Ages: how many model generations lie between a sample and the data, as small quadrature rules.

The limit law of a recursion with fresh fraction alpha is sum_{k>=1} alpha (1-alpha)^{k-1} C^k p*: an average over
the age k, geometric, with thousands of terms for small alpha.  Two rules replace the sum.

**Ornstein-Uhlenbeck rounds.**  With a = exp(-x), x = rate t, the scales a^k carry the little q-Jacobi measure, whose
orthogonal polynomials are known: with D(j) = alpha + (1-alpha)(-expm1(-j x)),

    A_n = a^n D(n)^2 / (D(2n) D(2n+1)),     C_n = (1-alpha) a^{n-1} (1-a^n)^2 / (D(2n-1) D(2n)),     C_0 = 0,

the symmetric tridiagonal matrix with diagonal A_n + C_n and off-diagonal sqrt(A_n C_{n+1}) has the nodes s_m as
eigenvalues and the weights as squared first components.  M nodes give E a^{nK} exactly for n < 2M.

**Any other rounds.**  The first ages are kept; the rest is cut into blocks of 2^j consecutive ages, each replaced by a
Gauss rule of the geometric weights on it.  A block of 2^{j+1} is a block of 2^j and its shifted copy, so its rule comes
from the union of two rules by one small Lanczos run, exact for polynomials of the age of degree
< 2 nodes.

References: arXiv:2606.13796, Theorem 3.1 and Corollary 3.2 (the sum); the rules are this package's.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

FIRST_AGES = (
    16  # kept one by one; a block never is longer than the ages before it, so the integrand is smooth on it
)
BLOCK_NODES = 14
NEGLIGIBLE = 1e-18  # weight of a node that is dropped
LAST_MASS = (
    1e-100  # of the ages beyond the last block: they carry the tail of laws whose variance grows with age
)


def ornstein_uhlenbeck_ages(
    fresh_fraction: float, exponent: float, count: int
) -> tuple[FloatArray, FloatArray]:
    """Nodes (scales, descending) and weights of the Gauss rule for the limit law of OU rounds.

    Parameters
    ----------
    fresh_fraction : alpha in (0, 1].
    exponent : rate * truncation_time, > 0.
    count : number M of nodes; fewer come back where weights vanish (alpha = 1 leaves one).

    Accuracy : scales and weights to about 1e-15 of 1, so that a variance 1 - scale^2 has relative error
    1e-15 / (1 - scale).
    """
    alpha, x = fresh_fraction, exponent

    def d(j: FloatArray) -> FloatArray:
        return alpha - (1.0 - alpha) * np.expm1(-j * x)

    n = np.arange(count, dtype=float)
    up = np.exp(-n * x) * (d(n) / d(2 * n)) * (d(n) / d(2 * n + 1))
    m = n[1:]
    down = np.zeros(count)
    down[1:] = (
        (1.0 - alpha)
        * np.exp(-(m - 1) * x)
        * (np.expm1(-m * x) / d(2 * m - 1))
        * (np.expm1(-m * x) / d(2 * m))
    )
    nodes, vectors = np.linalg.eigh(_tridiagonal(up + down, np.sqrt(up[:-1] * down[1:])))
    weights = vectors[0] ** 2
    used = weights > NEGLIGIBLE
    scales = np.exp(-x) * np.clip(nodes[used], 0.0, 1.0)
    return scales[::-1], weights[used][::-1] / weights[used].sum()


def geometric_ages(
    fresh_fraction: float, last: int | None = None, *, nodes: int = BLOCK_NODES
) -> tuple[FloatArray, FloatArray]:
    """Nodes (real ages >= 1) and weights for sum_{k=1..last} alpha (1-alpha)^{k-1} F(C^k); `last` None: all ages.

    The weights sum to 1 - (1-alpha)^last.  Exact first ages, then the dyadic rule of the module
    with `nodes` nodes a block.

    Accuracy : relative 4e-15 on functions of the age that are smooth on the scale of the age itself; rounding of the
    doublings, not the rules, is what is left.  Where every round adds variance, densities
    are right to the same accuracy down to about exp(-100); beyond, nodes and the ages left out count.
    """
    # Powers of a rounded 1 - alpha would be off by age * 1e-16.  At alpha = 1 only the first age has any weight.
    log_keep = float(np.log1p(-fresh_fraction)) if fresh_fraction < 1.0 else -1e3

    def kept(rounds: int | NDArray[Any]) -> FloatArray:
        return np.exp(rounds * log_keep)

    first = FIRST_AGES if last is None else min(last, FIRST_AGES)
    ages = [np.arange(1.0, first + 1.0)]
    weights = [fresh_fraction * kept(np.arange(first))]
    done = first
    while (last is None or done < last) and kept(done) > LAST_MASS:
        level = int(np.log2(done))
        if last is not None:
            level = min(level, int(np.log2(last - done)))
        inside, masses = _geometric_block(log_keep, level, nodes)
        ages.append(done + 1.0 + inside)
        weights.append(fresh_fraction * kept(done) * masses)
        done += 2**level
    return np.concatenate(ages), np.concatenate(weights)


@lru_cache(maxsize=256)
def _geometric_block(log_keep: float, level: int, count: int) -> tuple[FloatArray, FloatArray]:
    """Gauss rule of sum_{k < 2^level} keep^k F(k), nodes in [0, 2^level - 1], weights summing to the geometric sum."""
    if 2**level <= count:
        ages = np.arange(2.0**level)
        return ages, np.exp(ages * log_keep)
    half = 2.0 ** (level - 1)
    nodes, weights = _geometric_block(log_keep, level - 1, count)
    both = np.concatenate([weights, np.exp(half * log_keep) * weights])
    return compress(np.concatenate([nodes, nodes + half]), both, count)


def compress(nodes: FloatArray, weights: FloatArray, count: int) -> tuple[FloatArray, FloatArray]:
    """The Gauss rule with `count` nodes of a discrete positive measure.

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
