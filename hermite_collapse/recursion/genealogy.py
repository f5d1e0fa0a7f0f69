"""Genealogy: a law of the recursion as ages of the data, and of the initial law.

Unrolled, every law is an average of channels applied to the data: a sample's age is the number of generations between
it and real data, and p_i is the law of the data carried through that many channels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..core.errors import InputError
from ..core.types import FloatArray, IntArray
from ..laws.ages import geometric_ages
from ..laws.channels import GaussianChannel, channel_powers

MAXIMUM_AGES = 4096
EXACT_ROUNDS = 64  # longer replacement runs at constant time use the compressed geometric ages


class Ages(NamedTuple):
    """Weight, channel and root (0 the data, 1 the initial law) of each age; arrays of shape (M,)."""

    weights: FloatArray
    scales: FloatArray
    variances: FloatArray
    roots: IntArray

    @classmethod
    def youngest(cls, root: int, weight: float = 1.0) -> Ages:
        """Return a root that no channel has acted on."""
        return cls(np.array([weight]), np.ones(1), np.zeros(1), np.array([root]))

    def through(self, channel: GaussianChannel) -> Ages:
        """Return the ages after one more channel."""
        return self._replace(
            scales=channel.scale * self.scales,
            variances=channel.scale**2 * self.variances + channel.variance,
        )

    def weighted(self, weight: float) -> Ages:
        """Return the ages with their weights multiplied by one number."""
        return self._replace(weights=weight * self.weights)


def joined(parts: list[Ages], round_index: int) -> Ages:
    """Return several lists of ages as one, equal ages added; refuse more than MAXIMUM_AGES of them."""
    ages = merged(Ages(*(np.concatenate(columns) for columns in zip(*parts, strict=True))))
    if len(ages.weights) > MAXIMUM_AGES:
        raise InputError(
            f"law must have at most {MAXIMUM_AGES} distinct ages, got {len(ages.weights)} after round "
            f"{round_index}: accumulation under varying times doubles them every round; use `mode_factors` or "
            "`coefficients`."
        )
    return ages


def merged(ages: Ages) -> Ages:
    """Return ages with those of equal root and channel (to twelve digits) added, weight 0 left out; newest first."""
    used = ages.weights > 0.0
    weights, scales, variances = ages.weights[used], ages.scales[used], ages.variances[used]
    roots = ages.roots[used]
    keys = np.stack([roots, _rounded(-scales), _rounded(variances)], axis=1)
    _, first, label = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    total = np.bincount(label.reshape(-1), weights=weights).astype(np.float64)
    return Ages(total, scales[first], variances[first], roots[first])


def replacement_ages(channels: list[GaussianChannel], fractions: list[float], root: int) -> Ages:
    """Return the ages after rounds of replacement: 1..N of the data, and N of the initial law.

    channels, fractions : of rounds 0..N-1, N >= 1.
    """
    rounds = len(channels)
    weights, scales, variances = np.empty(rounds + 1), np.empty(rounds + 1), np.empty(rounds + 1)
    constant = all(channel == channels[0] for channel in channels)
    chain, keep = GaussianChannel.identity(), 1.0
    for k in range(rounds):
        i = rounds - 1 - k
        # Powers of one channel have no rounding that grows with their number.
        chain = channels[0].power(k + 1) if constant else chain.after(channels[i])
        weights[k], scales[k], variances[k] = keep * fractions[i], chain.scale, chain.variance
        keep *= 1.0 - fractions[i]
    weights[rounds], scales[rounds], variances[rounds] = keep, chain.scale, chain.variance
    return merged(Ages(weights, scales, variances, np.append(np.zeros(rounds, dtype=np.int64), root)))


def compressed_replacement_ages(
    channel: GaussianChannel, fresh_fraction: float, rounds: int, root: int
) -> Ages:
    """Return the same for many rounds alike, with Gauss rules in place of most of the ages."""
    powers, weights = geometric_ages(fresh_fraction, rounds) if fresh_fraction > 0.0 else (np.empty(0),) * 2
    scales, variances = channel_powers(channel, np.append(powers, float(rounds)))
    rest = np.exp(rounds * np.log1p(-fresh_fraction)) if fresh_fraction < 1.0 else 0.0
    roots = np.append(np.zeros(len(powers), dtype=np.int64), root)
    return merged(Ages(np.append(weights, rest), scales, variances, roots))


def _rounded(values: FloatArray) -> FloatArray:
    """Return values to twelve significant digits."""
    size = 10.0 ** np.floor(np.log10(np.maximum(np.abs(values), 1e-300)))
    return np.asarray(np.where(values == 0.0, 0.0, np.round(values / size, 12) * size))
