r"""Which curves are measured: directions of all widths, degrees that stand out of the noise, bands of frequencies."""

from __future__ import annotations

import numpy as np

from ...core.errors import InputError
from ...core.types import FloatArray, IntArray
from ...hermite.degree import degree_kernel
from .blocks import scatter_of, without
from .functionals import Functionals, bands_of, inner_products, noise_powers
from .image_axes import ImageAxes
from .principal import axes_of, principal_axes

MOST_PARTNERS = 2000
"""Real samples in inner products: any fixed set of them gives an exact curve, more of them a stronger one."""
SAMPLES_PER_RANK = 20
"""Data samples for each rank of a direction that they themselves choose, so that its variance is off by 5 % at most
where models smooth the data they saw."""
MOST_BANDS = 8
LEAST_NOISE = 0.01
"""Smallest share of a band of frequencies that must be left without the direction of the mean."""
CLEAR = 5.0
"""Standard errors by which the inner product of the data with themselves must differ from 0."""
OWN_NOISE = 0.1
"""Largest part of it that may come from samples paired with themselves."""


def choose_curves(
    reference: FloatArray,
    independent: FloatArray | None,
    *,
    mean: FloatArray,
    axes: ImageAxes | None,
    directions: int,
    degree: int,
) -> tuple[Functionals, list[str]]:
    """Return the curves to measure, and sentences on those that were left out.

    Parameters
    ----------
    reference : array, shape (n, d)
        Samples that give the values of the data.
    independent : array, shape (m, d), or None
        Other real samples, for directions and inner products; None: those of `reference` serve.
    mean : array, shape (d,)
        Of the data: directions are orthogonal to it.
    axes : ImageAxes or None
    directions, degree : int

    Raises
    ------
    InputError
        If no curve is left.
    """
    selected = reference if independent is None else independent
    most = max(1, len(selected) // SAMPLES_PER_RANK) if independent is None else len(selected)
    vectors, ranks, notes = _directions(selected, reference, mean, directions, most)
    partner = _subset(selected)
    degrees, scale, dropped = _degrees(reference, partner, degree, independent is not None)
    centres, bands = bands_of(axes, MOST_BANDS)
    if axes is not None and bands:  # a band that the direction of the mean fills says nothing without it
        used = np.flatnonzero(noise_powers(axes, bands, mean) > LEAST_NOISE)
        centres, bands = centres[used], [bands[b] for b in used]
    if len(ranks) + len(degrees) + len(bands) == 0:
        if degree == 0 and reference.shape[1] == 1:
            raise InputError(
                "degrees must be > 0 for samples of one number, whose only direction is that of their mean, got 0."
            )
        raise InputError("real must show a curve above the noise, got none: give more samples or directions.")
    functionals = Functionals(vectors, ranks, partner, degrees, scale, axes, bands, centres, mean)
    return functionals, [*notes, *dropped]


def _directions(
    selected: FloatArray, reference: FloatArray, mean: FloatArray, number: int, most: int
) -> tuple[FloatArray, IntArray, list[str]]:
    """Return principal directions orthogonal to the mean (k, d), their ranks from 1 on, and a note."""
    dimension = selected.shape[1]
    none = np.empty((0, dimension)), np.empty(0, dtype=np.int64)
    if number == 0:
        return *none, []
    centre, square = selected.mean(axis=0), float(mean @ mean)
    orthogonal = mean if dimension > 1 else np.zeros(1)
    if dimension <= len(selected):
        covariance = scatter_of(selected, centre, orthogonal) / (len(selected) - 1)
        variances, vectors = axes_of(covariance)
    else:
        deviations = without(selected, centre, orthogonal)
        variances, vectors = principal_axes(deviations, len(selected) - 1)
    # A mean of the size of its own error gives a random direction, which only a line cannot spare.
    if dimension == 1 and square > 4.0 * float(selected.var()) / len(selected):
        return *none, [
            "On a line no direction is orthogonal to the mean, which is not 0: its variance is left out."
        ]
    last = min(len(variances), most)
    if last == 0:
        return *none, ["The data vary in no direction orthogonal to their mean."]
    ranks = np.unique(np.round(np.geomspace(1, last, min(number, last))).astype(np.int64))
    for rank in range(1, last + 1):  # rounding makes the first ranks coincide
        if len(ranks) == min(number, last):
            break
        ranks = np.union1d(ranks, rank)
    along = reference @ vectors[ranks - 1].T
    ranks = ranks[along.std(axis=0) > 0.0]
    return np.ascontiguousarray(vectors[ranks - 1]), ranks, []


def _degrees(
    reference: FloatArray, partner: FloatArray, degree: int, is_independent: bool
) -> tuple[IntArray, FloatArray, list[str]]:
    """Return the degrees whose inner product stands out of the noise, these inner products, and notes."""
    if degree == 0:
        return np.empty(0, dtype=np.int64), np.empty(0), []
    degrees = np.arange(1, degree + 1)
    each = inner_products(reference, partner, degrees)
    value = each.mean(axis=0)
    error = each.std(axis=0, ddof=1) / np.sqrt(len(each))
    clear = np.abs(value) > CLEAR * error
    own = np.zeros(degree)
    if not is_independent:
        own = degree_kernel(partner, partner, degree)[:, 1:].mean(axis=0) / len(reference)
    used = clear & (own <= OWN_NOISE * np.abs(value))
    notes = []
    if not used.all():
        listed = ", ".join(map(str, degrees[~used]))
        notes.append(
            f"Degrees that do not stand out of the noise of {len(reference)} samples are left out: {listed}."
        )
    return degrees[used], value[used], notes


def _subset(samples: FloatArray) -> FloatArray:
    """Return at most 2000 of the samples at random, always the same ones."""
    if len(samples) <= MOST_PARTNERS:
        return np.ascontiguousarray(samples)
    index = np.random.default_rng(1).choice(len(samples), size=MOST_PARTNERS, replace=False)
    return np.ascontiguousarray(samples[np.sort(index)])
