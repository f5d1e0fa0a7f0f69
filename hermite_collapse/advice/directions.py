r"""Principal directions of data as an audit needs them: variances, those of class means, and what decoding does.

With labels the directions are those of the covariance within classes, and along each of them

    w = variance within a class,      b = variance of the class means, less what w adds to those of n_c samples.

The variance of samples along their own principal directions is no estimate of the data's: where every direction has
variance 1 it lies between (1 - sqrt(d/n))^2 and (1 + sqrt(d/n))^2, from 0 to 4 with as many samples as dimensions, and
28 % off with 50 times as many.  So the variances are those of samples that were held out along the directions of the
others, so that each is that of the data along a direction, without bias.

An autoencoder is fitted in the leading principal directions; the rest of its input counts as residual.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..core.errors import InputError
from ..core.types import FloatArray, IntArray
from ..core.value import Value
from ..diagnosis.measuring.principal import principal_axes
from ..pipeline.interpolant import SMALLEST
from ..pipeline.matrix_autoencoder import AutoencoderFit, fit_autoencoder
from .held_out import held_out_variances

MOST_FITTED = 64
SAMPLES_PER_FITTED = 10


@dataclass(frozen=True, eq=False)
class PrincipalDirections(Value):
    """Directions of data, from the widest on.

    Attributes
    ----------
    variances : array, shape (m,)
        Along each direction, of held-out samples; within a class where there are classes.
    vectors : array, shape (m, d)
        The directions.
    between : array, shape (m,), or None
        Variances of the class means.
    count : int
        Number of samples.
    classes : int
        Number of classes, 1 without labels.
    unseen_share : float
        Share of the variance in the directions that so few samples do not show.
    """

    variances: FloatArray
    vectors: FloatArray
    between: FloatArray | None
    count: int
    classes: int = 1
    unseen_share: float = 0.0

    @property
    def unseen(self) -> int:
        """Number of directions that the samples do not show."""
        return self.vectors.shape[1] - len(self.variances)

    def quantiles(self, number: int) -> IntArray:
        """Return the indices of at most so many directions, evenly spread over their ranks, both ends among them."""
        last = len(self.variances) - 1
        return np.unique(np.round(np.linspace(0, last, min(number, last + 1))).astype(np.int64))


def principal_directions(samples: FloatArray, labels: IntArray | None = None) -> PrincipalDirections:
    """Return the principal directions of samples, within classes if there are labels.

    Raises
    ------
    InputError
        If there are fewer than two samples in all or in a class, fewer than two classes, or nothing varies.
    """
    count = len(samples)
    if count < 2:
        raise InputError(f"samples must be at least 2 for a variance, got {count}.")
    index: IntArray = np.zeros(count, dtype=np.int64)
    if labels is None:
        deviations, freedom, means, sizes = samples - samples.mean(axis=0), count - 1, None, None
    else:
        classes, index, sizes = np.unique(labels, return_inverse=True, return_counts=True)
        if len(classes) < 2 or sizes.min() < 2:
            raise InputError(
                f"labels must name at least two classes of at least two samples, got {len(classes)} classes, the "
                f"smallest of {int(sizes.min())}."
            )
        means = np.zeros((len(classes), samples.shape[1]))
        np.add.at(means, index, samples)
        means /= sizes[:, np.newaxis]
        deviations, freedom = samples - means[index], count - len(classes)
    variances, vectors = principal_axes(deviations, freedom)
    variances, vectors = variances[variances > SMALLEST], vectors[variances > SMALLEST]
    if len(variances) == 0:
        raise InputError("samples must vary, got all of them equal.")
    held_out, unseen_share = held_out_variances(samples, index)
    shown = np.flatnonzero(held_out > SMALLEST)
    shown = shown[shown < len(vectors)]
    if len(shown) == 0:
        raise InputError(f"samples must be enough to hold some out of each class, got {count}.")
    variances, vectors = held_out[shown], vectors[shown]
    between = None
    if means is not None and sizes is not None:
        along = (means - samples.mean(axis=0)) @ vectors.T
        raw = np.average(along**2, axis=0, weights=sizes)
        between = np.maximum(raw - variances * (len(sizes) - 1) / count, 0.0)
    number = 1 if sizes is None else len(sizes)
    return PrincipalDirections(variances, vectors, between, count, number, unseen_share)


@dataclass(frozen=True, eq=False)
class DecodedDirections(Value):
    """What one decode and encode does to the leading principal directions.

    Attributes
    ----------
    directions : PrincipalDirections
    fit : AutoencoderFit
        In the coordinates of the leading directions, as many as can be fitted.
    """

    directions: PrincipalDirections
    fit: AutoencoderFit

    @property
    def number(self) -> int:
        """Number of leading directions that were fitted."""
        return self.fit.autoencoder.dimension

    @cached_property
    def leading(self) -> PrincipalDirections:
        """The directions that were fitted."""
        d, k = self.directions, self.number
        between = None if d.between is None else d.between[:k]
        return d.replace(variances=d.variances[:k], vectors=d.vectors[:k], between=between)


def decoded_directions(
    directions: PrincipalDirections,
    samples: FloatArray,
    decoded: FloatArray,
    decoded_again: FloatArray | None = None,
) -> DecodedDirections:
    """Return the regression of decoded samples on samples in the leading principal directions."""
    number = min(len(directions.variances), MOST_FITTED, max(1, len(samples) // SAMPLES_PER_FITTED))
    basis = directions.vectors[:number].T
    again = None if decoded_again is None else decoded_again @ basis
    return DecodedDirections(directions, fit_autoencoder(samples @ basis, decoded @ basis, again))
