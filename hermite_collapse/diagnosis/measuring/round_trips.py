r"""How far a lossy format moved the curves of generations, from samples whose originals are known.

A file says nothing of what it lost: stored once more it hardly changes.  What a format does is tried on samples that
are like those of the generation before they were stored,

    x = m + a (y - m) + sqrt(s) z,      y of the data, z white noise

with a and s such that the variances and powers w of the format's own pictures of x are the measured ones,

    w = a^2 w_data + s + b(a, s),       b what storing changes.

Noise below the steps of a format is gone without a trace: all s that the curves do not contradict are asked, and the
largest change of each curve counts.  Degrees are asked at these a and s as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ...core.types import FloatArray, IntArray
from ...storage.image_forms import Form
from ...storage.recompression import stored_again
from ...storage.units import Units
from .clipping import NOTICED
from .coordinates import Coordinates
from .functionals import Functionals, Sampled
from .image_axes import ImageAxes
from .measured import FACTOR

MOST_IMAGES = 256
"""Of the data, that are stored again for each variance of noise, and half of them for degrees."""
LEVELS = np.array([0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.6, 1.0])
"""Variances s of noise that are tried: what diffusion adds is at most 1."""
_BETWEEN = 8
"""Variances between two levels, at which changes are interpolated."""
_SAME_SHARE = 0.1
"""Difference of a^2 between generations below which one of them stands for all."""
_CONTRADICTED = 4.0
"""Chi-square above the least one, in units of its share of a degree of freedom."""
_ROUGH = 0.01
"""Of the data's variances and powers: how well curves are described, also where they hardly have errors."""
_LONGEST_POLYNOMIAL = 4
_LARGEST_BYTE = 255.0
_USUAL_NOISE, _MOST = 0.05, 0.9
"""Variance of the noise of samples whose values at the ends are followed, and the share of them that is found again."""


class Changes(NamedTuple):
    """What storing changes in curves, (..., c), and the errors of that."""

    values: FloatArray
    errors: FloatArray

    def at(self, index: int) -> Changes:
        """Return those at one position of the first axis."""
        return Changes(self.values[index], self.errors[index])


class RoundTrips:
    """Stores images again and measures what that changes.

    Parameters
    ----------
    data : array, shape (n, d)
        All numbers of the real samples.
    axes : ImageAxes
        Of the images as they are stored.
    coordinates : Coordinates
    units : Units
    """

    def __init__(self, data: FloatArray, axes: ImageAxes, coordinates: Coordinates, units: Units) -> None:
        self._axes, self._coordinates, self._units = axes, coordinates, units
        self._data, self._centre = data, data.mean(axis=0)

    def _white(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Return white noise of the measured numbers, alike in all channels where they are measured as one."""
        shape, measured = (count, self._data.shape[1]), self._coordinates.measured
        if measured is None:
            return rng.standard_normal(shape)
        noise = np.zeros(shape)
        noise[:, measured] = rng.standard_normal((shape[0], len(measured)))
        own = self._coordinates.axes
        if own is not None and own.channels == 1 < self._axes.channels:
            first, *others = self._axes.positions().reshape(self._axes.channels, -1)
            for other in others:
                noise[:, other] = noise[:, first]
        return noise

    def bias(
        self,
        forms: Mapping[Form, int],
        quality: int,
        functionals: Functionals,
        truth: FloatArray,
        values: FloatArray,
        errors: FloatArray,
    ) -> FloatArray:
        """Return how far storing moved the curves of generations in the same forms, (r, c), less what chance may give.

        Parameters
        ----------
        forms : mapping of Form to int
            How many images have each form.
        quality : int
            Of a lossy WebP among them.
        functionals : Functionals
        truth : array, shape (c,)
            Of the data.
        values, errors : array, shape (r, c)
            Measured.
        """
        drawn = _drawn(forms, min(MOST_IMAGES, len(self._data)))
        plain = replace(functionals, degrees=functionals.degrees[:0], scale=functionals.scale[:0])
        is_plain = np.array([kind != FACTOR for kind in functionals.kinds])
        known, measured = truth[is_plain], values[:, is_plain]
        weights = 1.0 / (np.square(errors[:, is_plain]) + np.square(_ROUGH * known))
        shares = _shares(known, measured, weights)
        nodes = np.unique([shares.min(), shares.max()])
        if nodes[-1] - nodes[0] < _SAME_SHARE:
            nodes = nodes[-1:]
        tried = [
            _smoothed(
                _together([self._changes(plain, drawn, quality, share, s, i) for i, s in enumerate(LEVELS)])
            )
            for share in nodes
        ]
        changes = Changes(*(np.array(part) for part in zip(*tried, strict=True)))
        bias = np.zeros(values.shape)
        ranges = np.zeros((len(values), 2))
        for i, share in enumerate(shares):
            fine, each = _between(_mixed(nodes, changes, share))
            possible = _possible(fine, each.values, known, measured[i], weights[i])
            bias[i, is_plain] = _largest(each.values[possible], each.errors[possible])
            ranges[i] = fine[possible][[0, -1]]
        if len(functionals.degrees):
            half = drawn[: (len(drawn) + 1) // 2]
            bias[:, ~is_plain] = self._of_degrees(functionals, half, quality, shares, ranges)
        return bias

    def spread(self, forms: Mapping[Form, int], quality: int) -> float:
        """Return the distance from the ends of the range within which storing leaves most values that were there."""
        drawn = _drawn(forms, min(MOST_IMAGES, len(self._data)))
        before, after = self._levels(drawn, quality, 1.0, _USUAL_NOISE, 0)
        at_end = (before == 0.0) | (before == _LARGEST_BYTE)
        if at_end.mean() < NOTICED:
            return 0.0
        return float(np.quantile(np.abs(after - before)[at_end], _MOST)) / self._units.scale

    def _of_degrees(
        self,
        functionals: Functionals,
        drawn: Sequence[Form],
        quality: int,
        shares: FloatArray,
        ranges: FloatArray,
    ) -> FloatArray:
        """Return the changes of the degrees, (r, n): of the first and the last generation, and those between them."""
        alone = replace(
            functionals, directions=functionals.directions[:0], ranks=functionals.ranks[:0], bands=()
        )
        ends = []
        for i in sorted({0, len(shares) - 1}):
            asked = [self._changes(alone, drawn, quality, shares[i], s, 0) for s in np.unique(ranges[i])]
            ends.append(_largest(*_together(asked)))
        part = np.linspace(0.0, 1.0, len(shares))[:, None]
        return np.asarray((1.0 - part) * ends[0] + part * ends[-1])

    def _changes(
        self,
        functionals: Functionals,
        drawn: Sequence[Form],
        quality: int,
        share: float,
        noise: float,
        seed: int,
    ) -> Changes:
        """Return what storing changes in samples with this share of the data's variances and this noise."""
        before, after = self._levels(drawn, quality, share, noise, seed)
        one, other = (self._measured(functionals, part) for part in (before, after))
        scatter = (other.influences - one.influences).std(axis=0, ddof=1)
        return Changes(other.values - one.values, scatter / np.sqrt(len(before)))

    def _levels(
        self, drawn: Sequence[Form], quality: int, share: float, noise: float, seed: int
    ) -> tuple[FloatArray, FloatArray]:
        """Return bytes of such samples before and after storing, (n, d) each."""
        rng = np.random.default_rng(seed)
        data = self._data[rng.permutation(len(self._data))[: len(drawn)]]
        samples = self._centre + np.sqrt(share) * (data - self._centre)
        samples += np.sqrt(noise) * self._white(len(drawn), rng)
        levels = np.clip(np.rint(samples * self._units.scale + self._units.shift), 0.0, _LARGEST_BYTE)
        order = np.moveaxis(self._axes.positions(), 0, 2)
        images = levels[:, order].astype(np.uint8)
        stored = stored_again(images[..., 0] if order.shape[2] == 1 else images, drawn, quality)
        after = levels.copy()
        after[:, order.ravel()] = stored.reshape(len(stored), -1)
        return levels, after

    def _measured(self, functionals: Functionals, levels: FloatArray) -> Sampled:
        return functionals.of(self._coordinates.of((levels - self._units.shift) / self._units.scale))


def _drawn(forms: Mapping[Form, int], count: int) -> list[Form]:
    """Return a form for each of so many images, in the shares of a mixed folder."""
    kinds, counts = list(forms), np.cumsum(list(forms.values()))
    positions = np.random.default_rng(1).permutation((np.arange(count) + 0.5) / count * counts[-1])
    return [kinds[k] for k in np.searchsorted(counts, positions)]


def _together(parts: Sequence[Changes]) -> Changes:
    return Changes(np.array([part.values for part in parts]), np.array([part.errors for part in parts]))


def _smoothed(changes: Changes) -> Changes:
    """Return the changes by level as the shortest polynomial of the noise that their errors allow.

    Each level has samples of its own, so that this makes errors smaller.
    """
    values, errors = (part.copy() for part in changes)
    for c in np.flatnonzero(np.all(errors > 0.0, axis=0)):
        for degree in range(1, _LONGEST_POLYNOMIAL + 1):
            columns = np.vander(np.sqrt(LEVELS), degree + 1)
            weighted = columns / changes.errors[:, c, None]
            solution = np.linalg.lstsq(weighted, changes.values[:, c] / changes.errors[:, c], rcond=None)[0]
            freedom = len(LEVELS) - degree - 1
            away = (columns @ solution - changes.values[:, c]) / changes.errors[:, c]
            if float(away @ away) <= freedom + np.sqrt(2.0 * freedom):
                covariance = np.linalg.pinv(weighted.T @ weighted)
                values[:, c] = columns @ solution
                errors[:, c] = np.sqrt(np.einsum("li,ij,lj->l", columns, covariance, columns))
                break
    return Changes(values, errors)


def _shares(truth: FloatArray, measured: FloatArray, weights: FloatArray) -> FloatArray:
    """Return a^2 of each generation from its curves as they are, w = a^2 w_data + s, (r,)."""
    if len(truth) < 2:
        return np.ones(len(measured))
    ones = np.ones(len(truth))
    result = []
    for row, weight in zip(measured, weights, strict=True):
        columns = np.stack([truth, ones], axis=1) * np.sqrt(weight)[:, None]
        result.append(np.linalg.lstsq(columns, row * np.sqrt(weight), rcond=None)[0][0])
    return np.clip(result, 0.0, 1.0)


def _mixed(nodes: FloatArray, changes: Changes, share: float) -> Changes:
    """Return the changes at a share between two nodes, by level."""
    if len(nodes) == 1:
        return changes.at(0)
    part = (share - nodes[0]) / (nodes[1] - nodes[0])
    low, high = changes.at(0), changes.at(1)
    return Changes(*((1.0 - part) * one + part * other for one, other in zip(low, high, strict=True)))


def _between(changes: Changes) -> tuple[FloatArray, Changes]:
    """Return levels of noise with others between them, and the changes at all of them."""
    position = np.linspace(0.0, len(LEVELS) - 1.0, _BETWEEN * (len(LEVELS) - 1) + 1)
    low = np.minimum(position.astype(int), len(LEVELS) - 2)
    part = (position - low)[:, None]
    fine = [(1.0 - part) * each[low] + part * each[low + 1] for each in (LEVELS[:, None], *changes)]
    return fine[0][:, 0], Changes(fine[1], fine[2])


def _possible(
    levels: FloatArray, changes: FloatArray, truth: FloatArray, measured: FloatArray, weights: FloatArray
) -> IntArray:
    """Return the positions of the variances of noise that measured curves do not contradict."""
    if len(truth) < 2:
        return np.arange(len(levels))
    rest = measured - changes - levels[:, None]
    share = np.clip(rest @ (weights * truth) / np.sum(weights * truth**2), 0.0, None)
    chi_square = np.square(rest - share[:, None] * truth) @ weights
    least = float(chi_square.min())
    return np.flatnonzero(chi_square <= least + _CONTRADICTED * max(1.0, least / max(1, len(truth) - 2)))


def _largest(changes: FloatArray, errors: FloatArray) -> FloatArray:
    """Return of each column the change that is largest beyond its own error, (c,)."""
    clear = np.sign(changes) * np.sqrt(np.maximum(changes**2 - errors**2, 0.0))
    row = np.abs(clear).argmax(axis=0)
    return np.asarray(clear[row, np.arange(clear.shape[1])])
