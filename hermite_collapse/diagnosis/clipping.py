r"""Samples at the ends of the range that their files can hold, and what the cut does to measured curves.

A generation y that is stored as clip(y) loses what lies beyond the ends.  Where the share of values at the ends is the
same in the data and in every generation nothing is lost that the data had; where it changes, low degrees are biased.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.types import FloatArray
from ..core.value import Value

LARGEST_BIAS = 1.0
"""Standard errors: a bias above this makes a curve useless for a fit."""


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
        """What was found, in one or two sentences; empty where nothing lies at the ends."""
        totals = 100.0 * self.shares.sum(axis=1)
        if not np.any(totals > 0.0):
            return ""
        counted = (
            f"{totals[0]:.3g} % of the data's values lie at the ends of the range {self.ends[0]:g} to "
            f"{self.ends[1]:g}, {totals[1:].min():.3g} to {totals[1:].max():.3g} % of the generations'."
        )
        if not self.is_biased:
            return counted
        return (
            f"{counted} The generations were cut there: curves are off by up to {np.abs(self.bias).max():.3g} standard "
            "errors, and what is fitted to them is not what happened; keep values beyond the range, or store a wider "
            "range and give value_range."
        )
