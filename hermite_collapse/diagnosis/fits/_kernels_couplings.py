"""Compiled recursion of `couplings`: states of generations that are kept, round by round."""

from __future__ import annotations

import numpy as np

from ...hermite._jit import jit


@jit
def accumulated(matrix, constant, data, alpha, last, has_fresh):
    """Return states (s, last + 1, k), each matrix w + constant of w, a mean of the data and the states before.

    Parameters
    ----------
    matrix, constant : array, shape (s, k, k) and (s, k)
        The matrix is 0 below its diagonal.
    data : array, shape (k,)
    alpha : array, shape (s,)
        Share of data beside the mean of all states after them, where `has_fresh`; else all weigh the same.
    last : int
    has_fresh : bool
    """
    many, size = constant.shape
    states = np.empty((many, last + 1, size))
    total, mixed = np.empty(size), np.empty(size)
    for j in range(many):
        share = alpha[j]
        for a in range(size):
            states[j, 0, a], mixed[a], total[a] = data[a], data[a], 0.0
        for i in range(last):
            for a in range(size):
                value = constant[j, a]
                for b in range(a, size):
                    value += matrix[j, a, b] * mixed[b]
                states[j, i + 1, a] = value
                total[a] += value
            for a in range(size):
                if has_fresh:
                    mixed[a] = share * data[a] + (1.0 - share) * total[a] / (i + 1.0)
                else:
                    mixed[a] = (data[a] + total[a]) / (i + 2.0)
    return states
