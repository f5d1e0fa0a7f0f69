r"""A mechanism that the common covariance rejects, with the covariance of its own rounds.

What rounds pass on depends on the mechanism and its fresh fraction.  The common covariance is that of the law of all
mechanisms, at the share which is likeliest under that law: with a share that is far off for the mechanism in question,
its chi-square says nothing.  Its own is that of its own fit at the likeliest share, the smallest of

    -2 log likelihood = chi-square + log det C.

A mechanism is rejected by both, or it is not rejected.  So it is with the noise that rounds of a table pass on, which
those of refits do even where errors of rounds are taken as independent; there what is not rejected has errors that hold
by both.
"""

from __future__ import annotations

from ..fits.affine_models import RefitModel
from ..fits.fitting import MechanismFit, fit
from ..fits.reweighting import SHARES, of_likeliest_share
from ..fits.round_models import RoundModel
from ..observed.innovations import are_followed, given_the_last
from ..observed.observations import Observations
from ..samplers.sampler_model import SamplerModel
from .passed_noise import noise_of_rounds

_PASSES = 2


def fit_of_own_rounds(
    one: MechanismFit, model: RoundModel, observations: Observations, fresh_fraction: float | None
) -> tuple[MechanismFit, Observations]:
    """Return the better of a rejected fit and that with the covariance of the mechanism's own rounds, and what it fits.

    Parameters
    ----------
    one : MechanismFit
        With the common covariance.
    model : RoundModel
    observations : Observations
        Of measured generations, or of a table whose rounds pass noise on; others have the errors they have, and a
        sampler has those of its rounds already.
    fresh_fraction : float, optional
        If held.
    """
    if isinstance(model, RefitModel) and observations.noise is None and are_followed(observations):
        return _given_the_last(one, model, observations, fresh_fraction)
    if isinstance(model, SamplerModel):
        return one, observations
    if one.is_accepted and observations.noise is not None and observations.innovations is None:
        other = fit(model, noise_of_rounds(one, observations), fresh_fraction=fresh_fraction)
        return one.with_errors_beside(other), observations
    if not one.is_rejected:
        return one, observations
    if observations.noise is not None:
        for _ in range(_PASSES):
            own = noise_of_rounds(one, observations)
            other = fit(model, own, fresh_fraction=fresh_fraction)
            if other.p_value <= one.p_value:
                break
            one, observations = other, own
        return one, observations
    if observations.measured is None:
        return one, observations
    shares = SHARES if fresh_fraction is None else (fresh_fraction,)
    likeliest = of_likeliest_share(model, observations, shares)
    other = fit(model, likeliest, fresh_fraction=fresh_fraction)
    return (other, likeliest) if other.p_value > one.p_value else (one, observations)


def _given_the_last(
    one: MechanismFit, model: RoundModel, observations: Observations, fresh_fraction: float | None
) -> tuple[MechanismFit, Observations]:
    """Return the fit of means of runs of refits, by the round before, and what it fits; the first if only that fits."""
    best, own = one, observations
    for _ in range(_PASSES):
        own = given_the_last(observations.variances, one.contraction, one.predicted, own)
        one = fit(model, own, fresh_fraction=fresh_fraction)
    return (best, observations) if one.is_rejected and best.is_accepted else (one, own)
