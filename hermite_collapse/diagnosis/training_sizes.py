"""Which samples trained each model, where nobody said so: what the scatter between rounds does not contradict.

    -2 log likelihood = chi-square + log det C,     C that of training sets of T samples, fresh ones drawn anew

with the price of its parameters, at the mechanism that is best for each T.  Smaller training sets scatter more from
round to round, so that a rejection holds only if it does not rest on T; nor on whether the measured samples were among
those that trained, or others of the same models.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .changing_truncation import scheduled_of
from .fitting import PROFILE_RISE, MechanismFit, fit
from .measuring.measured import Measured
from .observations import Observations
from .reweighting import followed
from .round_models import RoundModel

RELATIVE_SIZES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0)
"""Sizes of training sets that are tried, by that of a generation,"""
RELATIVE_SIZES_APART = (1 / 32, 1 / 8, 1 / 2, 2.0, 16.0)
"""and where the measured samples are none of theirs."""


class TrainingSets(NamedTuple):
    """What was tried: the size of training sets, whether apart from the measured samples, and what follows.

    Attributes
    ----------
    samples : int
    apart : bool
    size_is_given : bool
        Whether the samples were told, and what is tried is whether they are apart.
    observations : Observations
        The curves with the errors that follow.
    """

    samples: int
    apart: bool
    size_is_given: bool
    observations: Observations

    @property
    def assumed(self) -> str:
        """What they were taken as."""
        if self.size_is_given:
            return "training sets without the measured samples"
        others = ", others than the measured ones" if self.apart else ""
        return f"training sets of about {self.samples} samples{others}, fresh ones drawn anew"

    @property
    def otherwise(self) -> str:
        """What is assumed where nobody says more."""
        return "among them" if self.size_is_given else "the ones that trained, beside all of the data"

    @property
    def unsaid(self) -> str:
        """What decides."""
        return "whether the measured samples" if self.size_is_given else "how many samples"

    @property
    def options(self) -> str:
        """What to give to measure."""
        if self.size_is_given:
            return "--apart or --no-apart"
        return "--training-samples and --apart" if self.apart else "--training-samples"


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
) -> TrainingSets | None:
    """Return the training sets that reject fewest mechanisms, of those that the scatter does not contradict.

    These are within 3.84 of the smallest misfit.  None where no such size rejects fewer than the default assumption.

    Parameters
    ----------
    measured : Measured
        Of unknown training sets, or of those of which it is not said whether they are apart.
    models : sequence of RoundModel
    fresh : float, optional
        Fresh fraction, if held.
    default : Observations
        The curves as they are taken where nothing more is said.
    fits : dict of str to MechanismFit
        Of these.
    """
    tried: list[tuple[float, int, TrainingSets]] = []
    curves = measured.only(np.array([measured.names.index(name) for name in default.names]))
    for size, apart in _candidates(curves):
        observations = followed(
            curves.replace(training_samples=size, apart=apart), fresh, scheduled_of(models)
        )
        if observations.names == default.names:
            own = {model.name: fit(model, observations, fresh_fraction=fresh) for model in models}
            sets = TrainingSets(size, apart, measured.training_samples is not None, observations)
            tried.append((misfit(observations, own), _rejections(own), sets))
    known = misfit(default, fits)
    least = min([known, *(value for value, _, _ in tried)])
    possible = [one for one in tried if one[0] <= least + PROFILE_RISE]
    if not possible:
        return None
    _, rejections, mildest = min(possible, key=lambda one: (one[1], one[0]))
    return mildest if rejections < _rejections(fits) else None


def _candidates(measured: Measured) -> list[tuple[int, bool]]:
    """Return sizes of training sets, and whether they are apart from the measured samples."""
    if measured.training_samples is not None:
        return [(measured.training_samples, True)]
    typical = float(np.median(measured.samples))
    sizes = [(share, False) for share in RELATIVE_SIZES] + [(share, True) for share in RELATIVE_SIZES_APART]
    return [(max(1, round(share * typical)), apart) for share, apart in sizes]


def _rejections(fits: dict[str, MechanismFit]) -> int:
    return sum(one.is_rejected for one in fits.values())
