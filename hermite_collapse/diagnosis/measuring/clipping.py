r"""Samples at the ends of the range that their files can hold, and what the cut does to measured curves.

A generation y that is stored as clip(y) loses what lies beyond the ends.  With p the share of a coordinate's values at
an end, p* that of the data (at the end, not beyond) and f the density just inside,

    q = abs(p - p*)              was beyond the end: half of a spike that noise widened, or what flowed over it;
                                 less what p and p* differ by chance
    s = q sqrt(2 / pi) / f       scale of the half-normal tail of mass q whose density at the end is f

Values at the end are moved out by draws from that tail; what this changes in a curve estimates what the cut did to it.
Where p = p* nothing is lost that the data had.  Lossy formats spread what was at an end: such values are counted there,
of the generation and of the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.types import BoolArray, FloatArray
from ...core.value import Value
from .blocks import blocks

LARGEST_BIAS = 1.0
"""Standard errors: a bias above this makes a curve useless for a fit."""
PILE = 1e-3
"""Share of equal values from which the lowest or highest number of a set counts as an end."""
NOTICED = 1e-4
"""Share of values beyond the ends from which the change of the curves is computed."""
_SAME_END = 1e-6  # of the range: rounding of numbers of 32 bits
_WINDOW = 1.0 / 16.0  # of the range: where the density just inside is read
_LONGEST_TAIL = 0.25  # of the range


@dataclass(frozen=True, eq=False)
class Clipping(Value):
    """How many values lie at the ends of the range, in the data and in every generation.

    Attributes
    ----------
    ends : array, shape (2,)
        Lowest and highest value that can be stored, in units of the diffusion; NaN where there is no end.
    shares : array, shape (1 + r, 2)
        Share of values at each end, of the data and of each generation.
    bias : array, shape (r, c)
        Estimated error of each curve, in its standard errors.
    """

    ends: FloatArray
    shares: FloatArray
    bias: FloatArray

    @property
    def is_biased(self) -> bool:
        """Whether some curve is off by more than a standard error."""
        return bool(np.any(np.abs(self.bias) > LARGEST_BIAS))

    @property
    def text(self) -> str:
        """What was counted, in one or two sentences; empty where no generation has values at the ends."""
        totals = 100.0 * self.shares.sum(axis=1)
        if not self.is_biased and not np.any(totals[1:] > 100.0 * NOTICED):
            return ""
        ends = " and ".join(f"{end:.4g}" for end in self.ends if np.isfinite(end))
        least, most = totals[1:].min(), totals[1:].max()
        models = f"{most:.3g} %" if f"{least:.3g}" == f"{most:.3g}" else f"{least:.3g} to {most:.3g} %"
        counted = (
            f"At the ends of the range ({ends}) lie {totals[0]:.3g} % of the data's values and {models} of the "
            "generations'."
        )
        if not self.is_biased:
            return counted
        return (
            f"{counted} Generations were cut there, which moves curves by up to {np.abs(self.bias).max():.2g} standard "
            "errors: a fit to them would be wrong; store samples before they are cut, as .npy files of floating-point "
            "numbers (or in a wider value_range)."
        )


def ends_of(
    samples: FloatArray, stored: tuple[float, float] | None, of_data: FloatArray | None = None
) -> FloatArray:
    """Return the ends of the range of samples, (2,): those of the file, or where values pile up; NaN for none.

    Where the data pile up at an end, a pile of other samples inside of it is no cut, which would leave what the data
    have there: it is the background of the data, moved.
    """
    if stored is not None:
        return np.array(stored)
    ends = np.array([samples.min(), samples.max()])
    if ends[0] == ends[1]:
        return np.array([np.nan, np.nan])  # one value is no range
    distinct = _without_copies(samples)
    piles = sum(np.array([np.sum(rows == end) for end in ends]) for rows in blocks(distinct)) / distinct.size
    ends = np.where(piles >= PILE, ends, np.nan)
    if of_data is None:
        return ends
    slack = _SAME_END * float(samples.max() - samples.min())
    return np.where(np.array([1.0, -1.0]) * (ends - of_data) > slack, np.nan, ends)


def _without_copies(samples: FloatArray) -> FloatArray:
    """Return the samples without exact copies, whose equal values are no cut; those of one number as they are."""
    if samples.shape[1] == 1:
        return samples
    direction = np.random.default_rng(0).standard_normal(samples.shape[1])
    first = np.unique(samples @ direction, return_index=True)[1]
    return samples if len(first) == len(samples) else samples[np.sort(first)]


def at_ends(samples: FloatArray, ends: FloatArray) -> tuple[BoolArray, BoolArray]:
    """Return which values lie at or beyond each end, (n, d) each; comparisons with NaN are false."""
    return samples <= ends[0], samples >= ends[1]


def gathered(samples: FloatArray, ends: FloatArray, spread: float) -> FloatArray:
    """Return the samples with values that a lossy format spread from an end put back there."""
    return np.where(
        samples <= ends[0] + spread, ends[0], np.where(samples >= ends[1] - spread, ends[1], samples)
    )


def shares_at_ends(samples: FloatArray, ends: FloatArray) -> FloatArray:
    """Return the share of the values of each coordinate at each end, (2, d)."""
    counts = np.zeros((2, samples.shape[1]))
    for rows in blocks(samples):
        counts += [cut.sum(axis=0) for cut in at_ends(rows, ends)]
    return counts / len(samples)


def moved_out(
    samples: FloatArray, data: FloatArray, ends: FloatArray, rng: np.random.Generator
) -> FloatArray | None:
    """Return the samples with values at the ends moved out by draws from the estimated tails; None if none were cut."""
    masses = []
    slack = _SAME_END * float(samples.max() - samples.min()) * np.array([-1.0, 1.0])
    of_data = shares_at_ends(data, ends - slack) - shares_at_ends(data, ends + slack)  # at an end, not beyond
    for mine, theirs in zip(shares_at_ends(samples, ends), of_data, strict=True):
        by_chance = mine * (1.0 - mine) / len(samples) + theirs * (1.0 - theirs) / len(data)
        masses.append(np.minimum(np.sqrt(np.maximum((mine - theirs) ** 2 - by_chance, 0.0)), mine))
    if sum(float(mass.mean()) for mass in masses) < NOTICED:
        return None
    length = float(samples.max() - samples.min())
    restored = samples.copy()
    for end, sign, mass, cut in zip(ends, (-1.0, 1.0), masses, at_ends(samples, ends), strict=True):
        if not cut.any():
            continue
        inside = (sign * samples < sign * end) & (sign * samples >= sign * end - _WINDOW * length)
        density = inside.mean(axis=0) / (_WINDOW * length)
        tail = np.divide(mass * np.sqrt(2.0 / np.pi), density, out=np.zeros_like(mass), where=density > 0.0)
        tail = np.minimum(tail, _LONGEST_TAIL * length)
        share = np.divide(mass, cut.mean(axis=0), out=np.zeros_like(mass), where=mass > 0.0)
        beyond = cut & (rng.random(cut.shape) < share)
        restored += np.where(beyond, sign * tail * np.abs(rng.standard_normal(cut.shape)), 0.0)
    return restored
