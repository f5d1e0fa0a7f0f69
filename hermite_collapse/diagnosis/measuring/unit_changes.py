r"""Sets of plain numbers in different units: real images in [0, 1] and generated ones in [-1, 1], say.

A change of units is affine and the same for all coordinates, as no mechanism is:

    p' = a p + b,     mean' = a mean + b,     deviation' = |a| deviation

Only what people do by mistake is looked for: the usual ranges and full scales of images, numbers divided twice, and the
factors of well-known autoencoders; where the means say nothing, as with latents about 0, a collapse may look the same.
It must fit the coordinates with the largest deviations, happen from one set to the next, and all other steps between
sets must be small beside it: a collapse goes on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ...core.types import BoolArray, FloatArray
from ...storage.units import Units

RANGES = {
    "[0, 1]": (0.0, 1.0),
    "[-1, 1]": (-1.0, 1.0),
    "[-0.5, 0.5]": (-0.5, 0.5),
    "[0, 255]": (0.0, 255.0),
    "[0, 65535]": (0.0, 65535.0),
}
LATENTS = {"0.18215": (0.18215, 0.0), "0.13025": (0.13025, 0.0), "0.3611": (0.3611, 0.1159)}
"""Factor and shift of the autoencoders of Stable Diffusion, SDXL and FLUX: (p - shift) factor."""
FULL_SCALES = {8: (1, 15, 16, 31, 63, 127, 255), 16: (255, 1023, 4095, 16383, 32767, 65535)}
"""Largest numbers of images that are stored with so many bits."""
DARKER = 8.0
"""Factor up to which images that became darker look like those of another full scale."""
DIVISORS = (127.5, 255.0, 65535.0)
"""What numbers are divided by once too often."""
BEYOND_DOUBT = 50.0
"""Factor that no round has."""
_WIDE = 0.25
"""Of the largest deviation: coordinates that are compared."""
_SAME_FACTOR = 0.12
"""Largest difference of the logarithm of the factor."""
_SAME_EVERYWHERE = 0.15
"""Largest median difference of it between coordinates."""
_SAME_MEAN = 0.25
"""Deviations by which means may differ."""
_OTHER_MEAN = 0.4
"""Deviations by which means of a small factor must differ without it."""
_TELLING = 2.5
"""Factor that says enough without means."""
_SLACK, _FILLED = 0.02, 0.6
"""Of a range: how far numbers may lie beyond it, and how much of it they fill."""
_SMALL_STEP = 0.25
"""Of the logarithm of the factor: what all other steps stay below."""


class Spread(NamedTuple):
    """A set of samples, in units of the diffusion or as stored.

    Attributes
    ----------
    mean, deviation : array, shape (d,)
    low, high : float
        Its smallest and largest number.
    """

    mean: FloatArray
    deviation: FloatArray
    low: float
    high: float

    def stored(self, units: Units) -> Spread:
        """Return the same in the units of the file, from those of the diffusion."""
        scale, shift = units.scale, units.shift
        low, high = self.low * scale + shift, self.high * scale + shift
        return Spread(self.mean * scale + shift, self.deviation * scale, low, high)


class _Change(NamedTuple):
    """p' = factor p + shift, and the words for both sides."""

    factor: float
    shift: float
    text: str
    is_open: bool = False


class OtherUnits(NamedTuple):
    """A set that seems to be in other units than the data.

    Attributes
    ----------
    text : str
        Which one, and how, as what was got instead of the units of the data.
    is_certain : bool
        Whether no round could do the same.
    is_open : bool
        Whether it may as well be what it looks like, a collapse about 0 or images that became darker.
    """

    text: str
    is_certain: bool
    is_open: bool = False


def other_units(data: Spread, sets: Mapping[str, Spread], bits: int | None = None) -> OtherUnits | None:
    """Return the first set, in order of rounds, that seems to be in other units than the data; None where none does.

    Parameters
    ----------
    data : Spread
    sets : mapping of str to Spread
    bits : int or None
        Of the stored whole numbers, 8 or 16, all spreads being in their unit; None for other numbers.
    """
    spreads = [data, *sets.values()]
    wide = data.deviation > _WIDE * float(data.deviation.max())
    steps = [_log_factors(before, after, wide) for before, after in pairwise(spreads)]
    for change in (*_changes(data), *(_other_scales(data, sets, bits) if bits else ())):
        jumps = [
            bool(np.isfinite(step).all()) and _fits(change, *pair, wide, step)
            for step, pair in zip(steps, pairwise(spreads), strict=True)
        ]
        if any(jumps) and _others_are_small(steps, jumps, change.factor):
            jump = jumps.index(True)
            name, size = list(sets)[jump], max(change.factor, 1.0 / change.factor)
            before, after = spreads[jump].mean[wide], spreads[jump + 1].mean[wide]
            is_open = (
                change.is_open or _size((after - before) / spreads[jump + 1].deviation[wide]) <= _OTHER_MEAN
            )
            ratio = float(np.exp(np.median(steps[jump])))
            text = change.text.format(ratio=ratio, high=spreads[jump + 1].high, full=data.high)
            return OtherUnits(f"{name} {text}", size >= BEYOND_DOUBT, is_open)
    return None


def _changes(data: Spread) -> Iterator[_Change]:
    """Yield the changes of units that a mistake could have made."""
    is_image = False
    for name, (low, high) in RANGES.items():
        slack = _SLACK * (high - low)
        is_inside = low - slack <= data.low and data.high <= high + slack
        if not is_inside or data.high - data.low < _FILLED * (high - low):
            continue
        is_image = True
        for other, (bottom, top) in RANGES.items():
            factor = (top - bottom) / (high - low)
            if other != name:
                text = f"with numbers of {other} where those of the data are of {name}"
                yield _Change(factor, bottom - factor * low, text)
    for divisor in DIVISORS:
        yield _Change(
            1.0 / divisor, 0.0, f"with numbers {divisor:g} times smaller than those of the set before it"
        )
        yield _Change(1.0 / divisor, -1.0, f"with numbers made [-1, 1] once more, as p / {divisor:g} - 1")
    for name, (factor, shift) in LATENTS.items() if not is_image else ():
        text = (
            "with deviations {ratio:.3g} times those of the set before it, as latents %s the factor "
            f"{name} of an autoencoder have beside those %s it"
        )
        yield _Change(factor, -factor * shift, text % ("after", "before"))
        yield _Change(1.0 / factor, shift, text % ("before", "after"))


def _other_scales(data: Spread, sets: Mapping[str, Spread], bits: int) -> Iterator[_Change]:
    """Yield the changes between full scales of images that are stored with the same number of bits."""
    text = "with values up to {high:g} where those of the data go up to {full:g}, as images of another full scale have"
    scales = FULL_SCALES[bits]
    for own in (scale for scale in scales if scale >= data.high):
        for other in scales:
            if other != own and any(one.high <= other for one in sets.values()):
                yield _Change(other / own, 0.0, text, max(own / other, other / own) < DARKER)


def _log_factors(before: Spread, after: Spread, wide: BoolArray) -> FloatArray:
    """Return log(deviation' / deviation) of the coordinates that are compared; not finite where one is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(after.deviation[wide]) - np.log(before.deviation[wide])


def _fits(change: _Change, before: Spread, after: Spread, wide: BoolArray, step: FloatArray) -> bool:
    """Return whether a step between two sets is a change of units."""
    median = float(np.median(step))
    if abs(median - math.log(change.factor)) > _SAME_FACTOR:
        return False
    if float(np.median(np.abs(step - median))) > _SAME_EVERYWHERE:
        return False
    mean, later, deviation = before.mean[wide], after.mean[wide], after.deviation[wide]
    if _size((later - change.factor * mean - change.shift) / deviation) > _SAME_MEAN:
        return False
    is_telling = abs(math.log(change.factor)) > math.log(_TELLING)
    return is_telling or _size((later - mean) / np.maximum(deviation, before.deviation[wide])) > _OTHER_MEAN


def _others_are_small(steps: Sequence[FloatArray], jumps: Sequence[bool], factor: float) -> bool:
    """Return whether sets are in one of two units, and all steps between sets of the same unit are small."""
    size, is_other = abs(math.log(factor)), False
    for step, is_jump in zip(steps, jumps, strict=True):
        median = float(np.median(step)) if np.isfinite(step).all() else math.inf
        if is_jump:
            if is_other:  # twice the same: a round map
                return False
            is_other = True
        elif is_other and abs(median + math.log(factor)) <= _SAME_FACTOR and size > _SAME_FACTOR:
            is_other = False
        elif abs(median) > max(_SMALL_STEP * size, _SAME_FACTOR):
            return False
    return True


def _size(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
