"""Whether truncation times that change from round to round describe the curves better than constant mechanisms do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..core.numbers import p_equals, significant, with_error
from .fits.affine_models import TruncationModel
from .fits.changing_truncation import DriftingTruncation
from .fits.fitting import BORDER_ERRORS, PROFILE_RISE, MechanismFit, fit
from .fits.round_models import AffineModel, RoundModel
from .noise.own_rounds import fit_of_own_rounds
from .noise.training_sizes import misfit
from .observed.observations import Observations

_CHANGE = 0.2
"""Of truncation times over all rounds, by which a fresh fraction is tried."""
_CLEAR = 1e-3
"""p-value of a constant time beside a trend, below which residuals by round show one."""


class Trend(NamedTuple):
    """Truncation at a time that grows or shrinks by one factor a round.

    Attributes
    ----------
    one : MechanismFit
    misfit : float
        -2 log likelihood with the price of its parameters.
    gain : float
        p-value of a constant time beside it.
    first, last : float
        Times of the first and the last round.
    rounds : int
    is_constant_rejected : bool
        Whether truncation at one time is rejected by itself.
    """

    one: MechanismFit
    misfit: float
    gain: float
    first: float
    last: float
    rounds: int
    is_constant_rejected: bool

    @property
    def text(self) -> str:
        """What a reader may do about it."""
        way = "grows" if self.last > self.first else "shrinks"
        begin = (
            "Truncation at one time is rejected, but one that {} describes the curves ({})"
            if self.is_constant_rejected
            else "Truncation at one time is not rejected by itself, but one that {} describes the curves clearly "
            "better ({})"
        )
        times = (
            f"{way} from round to round, from about {significant(self.first, 2)} in round 1 to "
            f"{significant(self.last, 2)} in round {self.rounds},"
        )
        p = self.one.p_value if self.is_constant_rejected else self.gain
        return (
            f"{begin.format(times, p_equals(p))}: if truncation times were scheduled, give them as truncation_time "
            "(--truncation-time), with fit_factor (--fit-factor) where they are known up to a factor."
        )


def trend_of(
    fits: Mapping[str, MechanismFit],
    observations: Observations,
    models: Sequence[RoundModel],
    fresh: float | None,
) -> Trend | None:
    """Return a trend of truncation times, where residuals by round show one.

        chi-square at a constant time - chi-square >= 10.83,     misfit + 3.84 < misfit of each other mechanism

    The second is asked of mechanisms that are not rejected; a rate and a plateau of each curve are none.

    Parameters
    ----------
    fits : mapping of str to MechanismFit
        Of the models.
    observations : Observations
    models : sequence of RoundModel
    fresh : float, optional
        If held.
    """
    constant = next((model for model in models if isinstance(model, TruncationModel)), None)
    if constant is None or constant.time is not None or not observations.has_errors:
        return None
    accepted = [one for name, one in fits.items() if name != AffineModel.name and one.is_accepted]
    model, fitted = DriftingTruncation(constant.rate), observations
    one = fit(model, fitted, fresh_fraction=fresh)
    if not accepted:
        one, fitted = fit_of_own_rounds(one, model, fitted, fresh)
    if not one.is_accepted:
        return None
    own_misfit = misfit(fitted, {one.name: one})
    if any(misfit(fitted, {other.name: other}) <= own_misfit + PROFILE_RISE for other in accepted):
        return None
    still = fit(model, fitted, fresh_fraction=fresh, fixed={"drift": 0.0})
    gain = still.gain_p_value(one)
    # A constant time that another noise of rounds does not reject needs no trend.
    if gain >= _CLEAR or (still.is_rejected and not fits[one.name].is_rejected):
        return None
    own = np.array([[one.fitted["truncation_time"][0], one.fitted["drift"][0]]])
    times, last = model.times(own, observations.last)[0], observations.last
    return Trend(one, own_misfit, gain, float(times[0]), float(times[-1]), last, fits[one.name].is_rejected)


def on_constant_time(one: MechanismFit, observations: Observations, rate: float) -> list[str]:
    """Return what a fitted fresh fraction owes to one truncation time in all rounds, where that is much."""
    value, error = one.fitted["fresh_fraction"]
    drift = np.log(1.0 + _CHANGE) / max(observations.last - 1, 1)
    shrinking, growing = (
        fit(DriftingTruncation(rate), observations, fixed={"drift": way * drift}).fitted["fresh_fraction"][0]
        for way in (-1.0, 1.0)
    )
    if not max(abs(growing - value), abs(shrinking - value)) > BORDER_ERRORS * error:
        return []
    free = fit(DriftingTruncation(rate), observations).parameters["fresh_fraction"]
    return [
        "The fresh fraction rests on one truncation time in all rounds: it would be "
        f"{significant(growing, 2)} with times that grow by 20 % over these rounds, "
        f"{significant(shrinking, 2)} with ones that shrink so, and "
        f"{'undetermined' if free is None else with_error(free)} with ones that may grow or shrink steadily. Give the "
        "fresh fraction or the times if they are known."
    ]
