r"""Hermite polynomials of a Gaussian in the polynomials of its own noise, for full covariances.

    h_k(m + L Z) = sum_{abs(l) <= abs(k)} a_{k,l} h_l(Z),      a_{k,l} = E h_k(X) h_l(Z),      S = L L^T

The pair (X, Z) is Gaussian, so that the matrix a obeys the recurrence of the coefficients of one component.
"""

from __future__ import annotations

import numpy as np

from ..core.errors import InputError
from ..core.types import FloatArray, IntArray
from ..core.value import writable
from .indices import index_count, lowered, positions, total_degree_indices

LARGEST_MATRIX = 1 << 27  # entries of one matrix: 1 GB


def principal_axes(covariance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the eigenvectors and the square roots of the eigenvalues of one covariance."""
    eigenvalues, frame = np.linalg.eigh(covariance)
    return frame, np.sqrt(np.maximum(eigenvalues, 0.0))


class JointExpansion:
    """Rows of a_{k,l} for the asked indices k and all l up to the largest degree, one component at a time."""

    def __init__(self, indices: IntArray) -> None:
        dimension = indices.shape[1]
        degree = int(indices.sum(axis=1).max(initial=0))
        count = index_count(dimension, degree)
        if count**2 > LARGEST_MATRIX:
            raise InputError(
                f"indices of degree {degree} in dimension {dimension} need a matrix of {count} x {count} numbers for a "
                f"full covariance, more than 1 GB: lower the degree, or rotate to axes in which it is diagonal."
            )
        self.table = total_degree_indices(dimension, degree)
        self.parents = lowered(dimension, degree)
        self.pivots = np.argmax(self.table > 0, axis=1)
        self.rows = positions(indices)

    def __call__(self, mean: FloatArray, covariance: FloatArray) -> FloatArray:
        from ._kernels_moments import joint_coefficients

        frame, scales = principal_axes(covariance)
        mean, covariance, factor = (
            writable(np.ascontiguousarray(array)) for array in (mean, covariance, frame * scales)
        )
        matrix: FloatArray = joint_coefficients(
            mean, covariance, factor, self.table, self.parents, self.pivots
        )
        return matrix[self.rows]
