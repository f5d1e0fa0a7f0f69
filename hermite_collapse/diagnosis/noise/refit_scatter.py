r"""A refit to n samples held to the scatter that its own n gives to rounds.

Refits shrink variances by 1/n in a round, and scatter them by sqrt(2/n).  A shrinkage without that scatter is no refit:
with the covariance of training sets of n samples its chi-square is too small, which the lower tail says.

Curves of a table are means of S runs, S = 1 where each is of one.  With A = 1 - 1/n and w what a round trains on,

    y_{i+1} = A w_i (1 + xi),     Var xi = 2 / (n S),

of which later rounds pass on what they train on: the least that such refits scatter, since the square of a mean w_i is
at most the mean of squares.  Where S is not said, the curves say it: chi-square goes with S, and is the number of its
degrees of freedom at the S of true refits.
"""

from __future__ import annotations

import numpy as np

from ...core.significance import chi_square_p_value
from ...core.types import FloatArray
from ...recursion.accumulated import passed_on, training
from ..fits.fitting import BORDER_ERRORS, LEAST_FREEDOM, MechanismFit, fit
from ..fits.reweighting import of_rounds
from ..fits.round_models import RoundModel
from ..observed.innovations import are_followed, given_the_last
from ..observed.observations import VARIANCE, Observations

_FEWER = 0.5  # share of the training sets' size below which the samples of a refit are held to their scatter
_TOO_SMALL = 1e-3
"""Lower tail of chi-square below which a refit is rejected; what only shrinks is far below."""
_LARGEST_ROUND = 2000  # of a table


def held_to_scatter(
    one: MechanismFit, model: RoundModel, observations: Observations, fresh_fraction: float | None
) -> MechanismFit:
    """Return a fit, or for a refit whose rounds scatter too little for its samples that which rejects it.

    Curves of nobody knows how many runs reject none: the fit then says of how many they would be the mean.

    Parameters
    ----------
    one : MechanismFit
    model : RoundModel
    observations : Observations
        That it fits: measured generations, or variances of a table.
    fresh_fraction : float, optional
        If held.
    """
    if not one.is_accepted or "samples" not in one.fitted or one.freedom < LEAST_FREEDOM:
        return one
    loss, error = one.fitted["samples"]  # 1/n, whose errors are symmetric
    least = loss - BORDER_ERRORS * error
    if not least > 0.0:
        return one
    if observations.measured is None:
        return _held_to_runs(one, model, observations, fresh_fraction, least)
    measured, fresh = observations.measured, one.parameters.get("fresh_fraction")
    size = measured.training_samples or float(np.median(measured.samples))
    if one.parameters["samples"] is None or fresh is None or not least * _FEWER * size > 1.0:
        return one
    scattered = observations.replace(measured=measured.replace(training_samples=max(1, round(1.0 / least))))
    again = fit(model, of_rounds(one, fresh.value, scattered), fresh_fraction=fresh_fraction)
    below = _lower_tail(again)
    if below >= _TOO_SMALL:
        return one
    return again.replace(parameters=one.parameters, p_value=below, scatters_too_little=True)


def _held_to_runs(
    one: MechanismFit,
    model: RoundModel,
    observations: Observations,
    fresh_fraction: float | None,
    least: float,
) -> MechanismFit:
    """Return a refit of a table's variances, rejected where means of its runs would scatter more."""
    if np.any(observations.degrees != VARIANCE) or observations.last > _LARGEST_ROUND:
        return one
    runs = np.ones(len(observations.names)) if observations.runs is None else observations.runs
    if np.isinf(runs).any():
        return one
    if observations.innovations is not None and are_followed(observations) and observations.runs is not None:
        scattered = given_the_last(
            observations.variances, one.contraction, one.predicted, observations, samples=1.0 / least
        )
    else:
        held = one.parameters.get("fresh_fraction") if fresh_fraction is not None else None
        fresh = held.value if held is not None else one.fitted.get("fresh_fraction", (0.0, 0.0))[0]
        single = scatter_of_refits(one, fresh, 1.0 / least, observations)
        entries = np.sqrt(np.broadcast_to(runs, observations.values.shape)[observations.used])
        scattered = observations.replace(
            covariance=single / entries / entries[:, None],
            error_freedom=None,
            error_groups=None,
            innovations=None,
        )
    again = fit(model, scattered, fresh_fraction=fresh_fraction)
    below = _lower_tail(again)
    if below >= _TOO_SMALL:
        return one
    if observations.runs is None:
        return one.replace(mean_of_runs=again.freedom / max(again.chi_square, 1e-300))
    return again.replace(parameters=one.parameters, p_value=below, scatters_too_little=True)


def scatter_of_refits(
    one: MechanismFit, fresh_fraction: float, samples: float, observations: Observations
) -> FloatArray:
    """Return the covariance of the entries that are fitted in one run of refits, shape (N, N).

    Parameters
    ----------
    one : MechanismFit
        Mean curves.
    fresh_fraction : float
    samples : float
        n.
    observations : Observations
        Whose errors in round 0 are kept.
    """
    slope, alpha, regime = 1.0 - 1.0 / samples, np.array(fresh_fraction), observations.regime
    value, total = one.start, np.zeros_like(one.start)
    noise = []
    for i in range(observations.last):
        value = slope * training(regime, alpha, one.start, value, total, i)
        total = total + value
        noise.append(2.0 * value**2 / samples)
    passed = passed_on(regime, np.array((1.0 - fresh_fraction) * slope), observations.last)
    rows, columns = np.nonzero(observations.used)
    rounds = observations.rounds[rows].astype(np.int64)
    response = passed[rounds] * np.sqrt(np.array(noise).T[columns])
    covariance = np.where(columns[:, None] == columns, response @ response.T, 0.0)
    covariance[np.diag_indices(len(rows))] += np.where(rounds == 0, observations.variances, 0.0)
    return covariance


def _lower_tail(one: MechanismFit) -> float:
    return 1.0 - chi_square_p_value(one.chi_square, one.freedom)
