"""Which samples trained each model, where nobody said so: what the scatter between rounds does not contradict.

    -2 log restricted likelihood = chi-square + log det C + log det X^T C^{-1} X

with C that of training sets of T samples, fresh ones drawn anew, X what rates and plateaus of the curves follow, and
the price of its parameters, at the mechanism that is best for each T.  Smaller training sets scatter more from round
to round, so that a rejection holds only if it does not rest on T; nor on whether the measured samples were among
those that trained, or others of the same models.

The likelihood of a size has a bound before all is fitted: a mechanism's chi-square is no less than that of one that
contains it, and that of a sampler is known roughly.  Only what a bound leaves within 3.84 of the best is fitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ...core.significance import chi_square_p_value
from ...core.types import FloatArray
from ..fits.changing_truncation import scheduled_of
from ..fits.fitting import PROFILE_RISE, REJECTED_BELOW, MechanismFit
from ..fits.minimum import Minimum, Problem, minimum
from ..fits.reweighting import followed
from ..fits.round_models import CONTAINED_IN, AffineModel, RoundModel
from ..measuring.measured import Measured
from ..observed.observations import Observations
from ..samplers.sampler_model import SamplerModel

RELATIVE_SIZES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0)
"""Sizes of training sets that are tried, by that of a generation,"""
RELATIVE_SIZES_APART = (1 / 32, 1 / 8, 1 / 2, 2.0, 16.0)
"""and where the measured samples are none of theirs."""
_SILENT = 1e-6
_ROUGHLY = "sampler, roughly"
_ORDER = ("score_error", "affine", "truncation", "blur", "refit", "autoencoder", _ROUGHLY, "sampler")
"""Steps, those first that are cheap and bound others."""
_ROUGH, _ROUGH_SHARE = 3.0, 0.05
_BENT, _MOST_BENT = 1000.0, 0.65
"""By how much less than its rough value a sampler's chi-square may be, and the part of what it has above that of rates
and plateaus, which grows with it as its curves bend."""


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
    curves = measured.only(np.array([measured.names.index(name) for name in default.names]))
    followed_away = _directions(default)
    trials: list[_Trial] = []
    shares: list[float] = []
    for size, apart in _candidates(curves):
        observations = followed(
            curves.replace(training_samples=size, apart=apart), fresh, scheduled_of(models)
        )
        if observations.names == default.names:
            sets = TrainingSets(size, apart, measured.training_samples is not None, observations)
            trials.append(_Trial(sets, models, fresh, shares, _restriction(observations, followed_away)))
    known = misfit(default, fits) + _restriction(default, followed_away)
    limit = _misfits_within(PROFILE_RISE, trials, known)
    rejected = sum(one.is_rejected for one in fits.values())
    mildest = [
        (trial.rejections(rejected), trial.misfit, k)
        for k, trial in enumerate(trials)
        if trial.misfit <= limit and trial.rejections(rejected) < rejected
    ]
    return trials[min(mildest)[2]].sets if mildest else None


def _directions(observations: Observations) -> FloatArray:
    """Return what rates, plateaus and starts follow of all entries, one direction a column, shape (N, p)."""
    one = minimum(AffineModel(), observations)
    errors = np.sqrt(observations.variances)
    slopes = one.problem.derivatives(one.problem.entries, one.x) / errors[:, None]
    sizes = np.linalg.norm(slopes, axis=0)
    basis, parts, _ = np.linalg.svd(slopes[:, sizes > 0.0] / sizes[sizes > 0.0], full_matrices=False)
    return np.asarray(errors[:, None] * basis[:, parts > _SILENT * parts[0]])


def _restriction(observations: Observations, directions: FloatArray) -> float:
    """Return log det X^T C^{-1} X: scatter that curves follow is none that was found small."""
    whitened = observations.whiten(directions.T).T
    return 2.0 * float(np.log(np.abs(np.diagonal(np.linalg.qr(whitened)[1]))).sum())


def _misfits_within(rise: float, trials: list[_Trial], known: float) -> float:
    """Fit what may be within a rise of the smallest misfit, cheapest and likeliest first, and return that limit."""
    while True:
        limit = min([known, *(trial.misfit for trial in trials)]) + rise
        steps = [
            (_ORDER.index(trial.next_of(model)), trial.bound(model), k, model)
            for k, trial in enumerate(trials)
            for model in trial.models
            if trial.may_gain(model) and trial.bound(model) <= limit
        ]
        if not steps:
            return limit
        _, _, k, model = min(steps, key=lambda step: step[:3])
        trials[k].advance(model)


@dataclass
class _Trial:
    """Training sets of one size, and what is known of how mechanisms fit.

    Attributes
    ----------
    sets : TrainingSets
    models : sequence of RoundModel
    fresh : float or None
        Fresh fraction, if held.
    shares : list of float
        Likeliest fresh fractions of the given sampler in one trial after the other.
    restriction : float
        log det X^T C^{-1} X of what rates and plateaus follow.
    minima : dict of str to Minimum
        Fits so far.
    rough : float or None
        Least chi-square of the given sampler, as far as it is known without a fit.
    """

    sets: TrainingSets
    models: Sequence[RoundModel]
    fresh: float | None
    shares: list[float]
    restriction: float
    minima: dict[str, Minimum] = field(default_factory=dict)
    rough: float | None = None
    offsets: dict[str, float] = field(init=False)
    """What the misfit of each mechanism adds to its chi-square."""

    def __post_init__(self) -> None:
        observations = self.sets.observations
        volume = observations.log_determinant + self.restriction
        price = float(np.log(observations.count))
        self.offsets = {
            model.name: volume + price * Problem(model, observations, self.fresh, {}).count
            for model in self.models
        }

    def chi_square(self, name: str) -> float:
        """Return chi-square, or what it is at least."""
        if name in self.minima:
            return self.minima[name].chi_square
        if name == SamplerModel.name:
            return self._rough_bound()
        return max((self.minima[c].chi_square for c in CONTAINED_IN[name] if c in self.minima), default=0.0)

    def _rough_bound(self) -> float:
        if self.rough is None:
            return 0.0
        least = self.minima[AffineModel.name].chi_square if AffineModel.name in self.minima else 0.0
        excess = max(self.rough - least, 0.0)
        return max(self.rough - _ROUGH - excess * min(_ROUGH_SHARE + excess / _BENT, _MOST_BENT), 0.0)

    def bound(self, model: RoundModel) -> float:
        """Return the misfit of a mechanism, or what it is at least."""
        return self.offsets[model.name] + self.chi_square(model.name)

    @property
    def misfit(self) -> float:
        """The smallest of what is fitted."""
        return min((self.bound(one) for one in self.models if one.name in self.minima), default=np.inf)

    def next_of(self, model: RoundModel) -> str:
        """Return what is to be done for a mechanism: a step of `_ORDER`."""
        is_rough = isinstance(model, SamplerModel) and self.rough is None
        return _ROUGHLY if is_rough else model.name

    def may_gain(self, model: RoundModel) -> bool:
        """Return whether a mechanism is not fitted yet."""
        return model.name not in self.minima

    def advance(self, model: RoundModel) -> None:
        """Do what is next for a mechanism."""
        observations = self.sets.observations
        if isinstance(model, SamplerModel) and self.rough is None:
            near = self.shares[-1] if self.shares else None
            self.rough, share = model.roughly(observations, self.fresh, near)
            self.shares.append(share)
        else:
            self.minima[model.name] = minimum(model, observations, fresh_fraction=self.fresh)

    def rejections(self, limit: int) -> int:
        """Return how many mechanisms are rejected, or the limit where there are as many."""
        number = self.sets.observations.count
        certain = sum(
            chi_square_p_value(self.chi_square(model.name), number) < REJECTED_BELOW for model in self.models
        )
        if certain >= limit:
            return limit
        for model in self.models:
            while self.may_gain(model):
                self.advance(model)
        return min(limit, sum(one.p_value < REJECTED_BELOW for one in self.minima.values()))


def _candidates(measured: Measured) -> list[tuple[int, bool]]:
    """Return sizes of training sets, and whether they are apart from the measured samples."""
    if measured.training_samples is not None:
        return [(measured.training_samples, True)]
    typical = float(np.median(measured.samples))
    sizes = [(share, False) for share in RELATIVE_SIZES] + [(share, True) for share in RELATIVE_SIZES_APART]
    return [(max(1, round(share * typical)), apart) for share, apart in sizes]
