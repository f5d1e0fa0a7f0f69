"""Whitened principal coordinates, in which few degrees of freedom hold most of the energy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import checks
from ..core.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Whitening:
    """Affine map to uncorrelated coordinates of variance 1: z = (x - mean) @ matrix.

    The diffusion's noise is isotropic in x, not in z: energies in z compare laws with one another, but do not decay
    like f_n.
    """

    mean: Array
    matrix: Array

    def coordinates(self, samples: ArrayLike) -> Array:
        """(n, rank) whitened coordinates of (n, d) samples."""
        x = checks.samples(samples)
        if x.shape[1] != len(self.mean):
            raise InputError(f"samples must have {len(self.mean)} columns, got {x.shape[1]}.")
        return (x - self.mean) @ self.matrix


def whitening(samples: ArrayLike, *, components: int) -> Whitening:
    """Whitening by the leading principal components of a sample.

        z_j = u_j . (x - mean) / sqrt(lambda_j)

    Parameters
    ----------
    samples : (n, d).  Energies of the *same* sample in these coordinates are biased (degrees 1 and 2 vanish by
        construction): fit on one half, measure on the other.
    components : number of coordinates kept.

    Raises : InputError if fewer than that many directions have variance.
    """
    x = checks.samples(samples, minimum=2)
    components = checks.integer(components, "components", 1)
    mean = x.mean(axis=0)
    _, scales, directions = np.linalg.svd(x - mean, full_matrices=False)
    rank = (
        int(np.count_nonzero(scales > scales[0] * max(x.shape) * np.finfo(float).eps)) if scales[0] > 0 else 0
    )
    if components > rank:
        raise InputError(
            f"components must be at most the number of directions with variance, {rank}, got {components}."
        )
    deviations = scales[:components] / np.sqrt(len(x) - 1.0)
    return Whitening(mean, directions[:components].T / deviations)
