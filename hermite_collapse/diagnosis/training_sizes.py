"""How many samples trained each model, where nobody said so: sizes that the scatter between rounds does not contradict.

    -2 log likelihood = chi-square + log det C,     C that of training sets of T samples, fresh ones drawn anew

with the price of its parameters, at the mechanism that is best for each T.  Smaller training sets scatter more from
round to round, so that a rejection holds only if it does not rest on T.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .fitting import PROFILE_RISE, MechanismFit, fit
from .measured import Measured
from .observations import Observations
from .reweighting import followed
from .round_models import RoundModel

RELATIVE_SIZES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0)
"""Sizes of training sets that are tried, by that of a generation."""


class TrainingSize(NamedTuple):
    """Training sets of one size: how many samples, and the curves with the covariance that follows."""

    samples: int
    observations: Observations


def misfit(observations: Observations, fits: dict[str, MechanismFit]) -> float:
    """Return -2 log likelihood of the best mechanism with the price of its parameters (Schwarz)."""
    price = np.log(observations.count)
    return observations.log_determinant + min(one.chi_square + one.free * price for one in fits.values())


def mildest_size(
    measured: Measured,
    models: Sequence[RoundModel],
    fresh: float | None,
    default: Observations,
    fits: dict[str, MechanismFit],
) -> TrainingSize | None:
    """Return the size that rejects fewest mechanisms, of those that the scatter does not contradict.

    These are within 3.84 of the smallest misfit.  None where no such size rejects fewer than the default assumption.

    Parameters
    ----------
    measured : Measured
        Of unknown training sets.
    models : sequence of RoundModel
    fresh : float, optional
        Fresh fraction, if held.
    default : Observations
        The curves where the measured samples trained the next model, beside all data.
    fits : dict of str to MechanismFit
        Of these.
    """
    tried: list[tuple[float, int, TrainingSize]] = []
    curves = measured.only(np.array([measured.names.index(name) for name in default.names]))
    for share in RELATIVE_SIZES:
        size = max(1, round(share * float(np.median(curves.samples))))
        observations = followed(curves.replace(training_samples=size), fresh)
        if observations.names == default.names:
            own = {model.name: fit(model, observations, fresh_fraction=fresh) for model in models}
            tried.append((misfit(observations, own), _rejections(own), TrainingSize(size, observations)))
    known = misfit(default, fits)
    least = min([known, *(value for value, _, _ in tried)])
    possible = [one for one in tried if one[0] <= least + PROFILE_RISE]
    if not possible:
        return None
    _, rejections, mildest = min(possible, key=lambda one: (one[1], one[0]))
    return mildest if rejections < _rejections(fits) else None


def _rejections(fits: dict[str, MechanismFit]) -> int:
    return sum(one.is_rejected for one in fits.values())
