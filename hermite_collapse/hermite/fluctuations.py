r"""Third and fourth moments of what fluctuates in a Hermite polynomial of a Gaussian vector, or in a sum of them.

Exact for products over axes, W' = B u + b W + W u from axis to axis with the moments of each axis' u by Gauss nodes;
by the product rule with 2 n + 1 nodes an axis for full covariances and for sums of modes.  Where that rule would be too
large, fourth moments are bounded: E W^4 <= 9^n (E W^2)^2 for a polynomial of degree n, or Minkowski's inequality over
the modes of a sum if that is smaller.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..core.types import BoolArray, FloatArray, IntArray
from .basis import hermite_values
from .gauss import gauss_rule
from .joint import JointExpansion

LARGEST_RULE = 1 << 13  # nodes of a product rule
AFFORDABLE = 1 << 25  # nodes x statistics x components: about a second


class Components(NamedTuple):
    """Moments of s statistics about their means under each of K components, arrays (K, s)."""

    mean: FloatArray
    variance: FloatArray
    third: FloatArray
    third_error: FloatArray
    fourth: FloatArray


class Rule(NamedTuple):
    """A product rule: h_l at the nodes (r, q), times the fourth root of the weight, and that root (q,)."""

    values: FloatArray
    root: FloatArray

    def moments(self, coefficients: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return third and fourth moments of sums of h_l(Z) with coefficients (..., r)."""
        shape = coefficients.shape[:-1]
        sums = coefficients.reshape(-1, len(self.values)) @ self.values
        square = sums * sums
        return ((square * sums) @ self.root).reshape(shape), np.einsum("iq,iq->i", square, square).reshape(
            shape
        )


def product_rule(lower: IntArray, degree: int) -> Rule:
    """Return the product rule that is exact for fourth powers of polynomials of this degree, on the h_l given."""
    dimension = lower.shape[1]
    nodes, log_weights = gauss_rule(2 * degree + 1)
    roots = np.exp(0.25 * log_weights)
    # The root of the weight goes into the values before any power is taken: far nodes would overflow.
    axis = hermite_values(nodes, degree) * roots[:, None]
    values, root = np.ones((len(lower), 1)), np.ones(1)
    for j in range(dimension):
        values = (values[:, :, None] * axis.T[lower[:, j]][:, None, :]).reshape(len(lower), -1)
        root = np.multiply.outer(root, roots).reshape(-1)
    return Rule(values, root)


def is_affordable(degree: int, dimension: int, count: int) -> bool:
    """Whether a product rule may be used for so many statistics times components."""
    nodes = float(2 * degree + 1) ** dimension
    return nodes <= LARGEST_RULE and nodes * count <= AFFORDABLE


class Entries(NamedTuple):
    """The nonzero entries of multi-indices, row by row: row starts (m + 1,), axes and powers."""

    starts: IntArray
    axes: IntArray
    powers: IntArray

    @classmethod
    def of(cls, indices: IntArray) -> Entries:
        rows, axes = np.nonzero(indices)
        return cls(np.searchsorted(rows, np.arange(len(indices) + 1)), axes, indices[rows, axes])


def moments_of_products(table: FloatArray, entries: Entries, needed: BoolArray | None) -> Components:
    """Return the moments of products over axes, from the coefficients of each axis (`axis_coefficients`).

    Where no mode is needed, all but the means are left at 0.
    """
    from ._kernels_central import product_moments

    highest = len(table) - 1
    second = np.einsum("nlaj,nlaj->naj", table[:, 1:], table[:, 1:])
    third = np.zeros_like(second)
    fourth = 3.0 * second**2  # normal: degree 1
    if highest > 1 and (needed is None or needed.any()):
        rule = product_rule(np.arange(1, highest + 1)[:, None], highest)
        third, fourth = rule.moments(np.moveaxis(table[:, 1:], 1, -1))  # (n, axis, component, l > 0)
    moments = np.empty((4, len(entries.starts) - 1, table.shape[-1]))
    own = np.ascontiguousarray(table[:, 0])
    product_moments(own, second, third, fourth, *entries, moments)
    mean, second, third, fourth = (moment.T for moment in moments)
    return Components(mean, second, third, np.zeros_like(third), fourth)


class Sums:
    """Sums f_s = sum_k c_sk h_k, and the higher moments of their fluctuation under each component."""

    def __init__(self, indices: IntArray, combinations: FloatArray, lower: IntArray, count: int) -> None:
        used = combinations != 0.0
        self.combinations = combinations
        self.degree = np.where(used, indices.sum(axis=1), 0).max(axis=1, initial=0)
        self.single = used.sum(axis=1) <= 1
        highest = int(self.degree.max(initial=0))
        self.several = (self.degree > 1) & ~self.single
        others = int(self.several.sum())
        self.rule = None
        if others and is_affordable(highest, indices.shape[1], others * count):
            self.rule = product_rule(lower, highest)
        # Modes whose own higher moments enter: those that are a statistic alone, or all where sums are bounded.
        alone = self.single & (self.degree > 0)
        self.needed = used[alone if self.rule is not None or not others else slice(None)].any(axis=0)

    @property
    def nodes(self) -> int:
        """Number of nodes of the product rule, 0 where none is used."""
        return 0 if self.rule is None else len(self.rule.root)

    def moments(self, modes: Components, coefficients: FloatArray) -> Components:
        """Return the moments of the sums from those of the modes, and the coefficients of h_l(Z), (K, s, r)."""
        rows = self.combinations
        variance = np.sum(coefficients**2, axis=-1)
        third, error, fourth = np.zeros_like(variance), np.zeros_like(variance), 3.0 * variance**2
        single = self.single
        third[:, single] = modes.third @ (rows[single] ** 3).T
        error[:, single] = modes.third_error @ np.abs(rows[single] ** 3).T
        fourth[:, single] = modes.fourth @ (rows[single] ** 4).T
        several = self.several
        if several.any() and self.rule is not None:
            third[:, several], fourth[:, several] = self.rule.moments(coefficients[:, several])
        elif several.any():
            minkowski = (modes.fourth**0.25 @ np.abs(rows[several]).T) ** 4
            fourth[:, several] = np.minimum(
                9.0 ** self.degree[several] * variance[:, several] ** 2, minkowski
            )
            error[:, several] = np.sqrt(variance[:, several] * fourth[:, several])
        return Components(modes.mean @ rows.T, variance, third, error, fourth)


class Support:
    """The modes that depend on the same axes, and the rule in these axes alone."""

    def __init__(self, indices: IntArray, axes: BoolArray, components: int) -> None:
        self.axes = np.flatnonzero(axes)
        self.rows = np.flatnonzero(np.all((indices > 0) == axes, axis=1))
        own = indices[np.ix_(self.rows, self.axes)]
        self.degree = own.sum(axis=1)
        highest = int(self.degree.max(initial=0))
        self.rule = None
        if len(self.axes) and is_affordable(highest, len(self.axes), len(self.rows) * components):
            self.expansion = JointExpansion(own)
            self.rule = product_rule(self.expansion.table[1:], highest)

    def fill(
        self,
        mean: FloatArray,
        covariance: FloatArray,
        variance: FloatArray,
        third: FloatArray,
        error: FloatArray,
        fourth: FloatArray,
    ) -> None:
        """Write the third and fourth moments of these modes under one component."""
        rows = self.rows
        if self.rule is not None:
            coefficients = self.expansion(mean[self.axes], covariance[np.ix_(self.axes, self.axes)])
            third[rows], fourth[rows] = self.rule.moments(coefficients[:, 1:])
        elif len(self.axes):
            fourth[rows] = 9.0**self.degree * variance[rows] ** 2
            error[rows] = np.sqrt(variance[rows] * fourth[rows])
