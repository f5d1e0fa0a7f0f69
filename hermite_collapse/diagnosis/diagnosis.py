r"""Diagnosis: which mechanisms a measured recursion does not contradict, and what its curves determine.

Every mechanism of `round_models` is fitted by generalised least squares (`fitting`), and `verdict` says what may be
concluded.  A single curve of any of them is

    y_i = L + (y_0 - L) kappa^i:

it fixes a rate and a plateau.  The fresh fraction, or a second direction of another variance, tells mechanisms apart.
"""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.signature import public
from ..core.threads import one_product_thread
from ..pipeline.mechanism import Mechanism
from ..recursion import regimes
from ..recursion.schedules import Schedule
from ..storage.curves import Curve
from .answers import answered
from .arguments import mechanism_of, models_of, rate_of, require_mechanisms, sampler_of, truncation_of
from .histories import require_regime
from .known_training_sets import known_sets, require_one_run
from .measuring.measured import Measured
from .observed.few_runs import number_of_runs, with_runs
from .observed.round_noise import NOISE
from .question import Question, measured_curves, observations_of
from .result import Diagnosis
from .verdict import IDENTIFIED, RATE_AND_PLATEAU, REJECTED, UNDETERMINED

VERDICTS = (IDENTIFIED, RATE_AND_PLATEAU, UNDETERMINED, REJECTED)
LEAST_VALUES = 3


@public
@one_product_thread()
def diagnose(
    curve: ArrayLike | Curve | Measured,
    *,
    kind: str | None = None,
    degrees: ArrayLike | None = None,
    rounds: ArrayLike | None = None,
    standard_errors: ArrayLike | None = None,
    covariance: ArrayLike | None = None,
    data: ArrayLike | None = None,
    data_errors: ArrayLike | None = None,
    fresh_fraction: float | None = None,
    truncation_time: float | Sequence[float] | Schedule | None = None,
    fit_factor: bool = False,
    rate: float = 0.5,
    sampler: Mechanism | None = None,
    mechanism: str | None = None,
    runs: float | None = None,
    regime: str | None = None,
    noise: str | None = None,
    training_samples: int | None = None,
) -> Diagnosis:
    """Return which mechanisms measured curves do not contradict, and what the curves determine.

        y_i = kappa^i y_0 + (alpha A y_0 + B) (1 - kappa^i) / (1 - kappa),     kappa = (1 - alpha) A

    Parameters
    ----------
    curve : array of shape (r,) or (r, m), Curve or Measured
        Values by round, one column a degree, direction or distance, NaN where one is missing; a table of
        `read_curve`; or the generations that `measure` measured.
    kind : str, optional
        "factors" (f_n(i), 1 for the data), "variances" (of centred directions, in the diffusion's units),
        "deviations" (standard deviations of the same), "distances" (to the data: W1, W2, total variation; recall:
        whatever approaches a plateau as a deviation does) or "squared_distances" (FID, KID, squared MMD, KL).  What
        the table says, or "factors", if None; of the distances of a table each is what its name says.
    degrees : array of int, shape (m,), optional
        Hermite degree of each column of factors; 1, 2, ... if None.
    rounds : array of int, shape (r,), optional
        Round of each row; 0, 1, ... if None.  Round 0 is the data.
    standard_errors : array, shape of curve, optional
        0 in round 0 for data that are known exactly, elsewhere for values that are left out.  Without them nothing is
        tested.
    covariance : array, shape (r m, r m), optional
        Joint covariance of the values in the order of `curve.ravel()`, in place of standard errors.
    data, data_errors : float or array, shape (m,), optional
        Values of the data where the curve has no round 0, and their standard errors, 0 if None.
    fresh_fraction : float, optional
        Held at this value instead of fitted, in [0, 1].
    truncation_time : float, sequence of float or schedule, optional
        Held at this value instead of fitted; times of rounds 1, 2, ... if a sequence, the last one for all later
        rounds, or if a schedule such as `hc.schedules.Geometric(0.1, 0.9)`.
    fit_factor : bool
        Whether these times are known up to a factor, which is fitted (`time_factor`, 1 for the times as given).
    rate : float
        Of the Ornstein-Uhlenbeck process, within [1e-4, 1e4].
    sampler : Mechanism, optional
        Round map to try besides, such as `hc.mechanisms.SamplerSteps.edm(steps=18)`.  Columns of variances are taken
        as those of eigenvectors of the data's covariance; measured generations say how their directions lie to them.
    mechanism : str, optional
        The only mechanism to try: "truncation", "blur", "refit", "score_error", "autoencoder", "sampler" or "affine".
    runs : float, optional
        Of how many runs each value is the mean, from whose scatter its error is; infinity for exact errors.  Without it
        errors that scatter as those of a few runs are taken for such.
    regime : str, optional
        What each round trained on, as in `Recursion`: "replace" (fresh data and the last generation), "accumulate" (the
        data and all generations) or "accumulate_with_fresh".  Without it, and without a fresh fraction, all are tried.
    noise : str, optional
        How errors of different rounds belong together: "independent" (of the evaluation alone), "between_runs" (scatter
        of runs that pass their noise on), "own_samples" (of samples that train the next round) or "training_sets"
        (independent beside the noise of training sets).  Without it what the curves do not contradict is said.
    training_samples : int, optional
        T, of variances and standard deviations of a single run whose models saw so many samples each: noise of training
        sets of this size beside standard errors, or the errors of own samples where the curve has none.

    Returns
    -------
    Diagnosis

    Raises
    ------
    InputError
        If an argument is outside its range, or the mechanism that is asked for says nothing of such curves.

    Accuracy
    --------
    Errors are from the curvature of chi-square at its minimum.  A true mechanism is rejected in five per cent of cases.

    Notes
    -----
    On factors truncation is exact at every degree, blur and autoencoders to degree 5, with free weights by which lower
    degrees feed higher ones.  Above degree 2 the others are a closure: exact for linear maps about the origin.
    Distances are fitted by their leading order where one rate leads, L - F = C for plain and C^2 for squared ones in

        y_i = F + (L - F) (1 - kappa^i)^p,     p = 1 (plain) or 2 (squared).

    Directions of several rates add up in a distance, so that it rejects nothing: what does not fit is undetermined.

    References
    ----------
    arXiv:2606.13796, Proposition 3.3, for truncation.

    Examples
    --------
    >>> import numpy as np
    >>> import hermite_collapse as hc
    >>> curve = hc.mode_factors([1, 2], fresh_fraction=0.3, truncation_time=0.1, rounds=8)
    >>> diagnosis = diagnose(curve, standard_errors=np.full(curve.shape, 0.002))
    >>> diagnosis.verdict, round(diagnosis.fresh_fraction.value, 4), round(diagnosis.truncation_time.value, 4)
    ('identified', 0.3, 0.1)
    """
    fresh = None if fresh_fraction is None else checks.fraction(fresh_fraction)
    speed = rate_of(rate)
    truncation = truncation_of(truncation_time, fit_factor, curve, speed)
    only = mechanism_of(mechanism, truncation, truncation_time)
    steps = sampler_of(sampler)
    table = {
        "kind": kind,
        "degrees": degrees,
        "rounds": rounds,
        "standard_errors": standard_errors,
        "covariance": covariance,
        "data": data,
        "data_errors": data_errors,
    }
    sets = known_sets(training_samples, curve, table, noise)
    if sets is not None:
        noise, curve, table["standard_errors"] = sets.noise, sets.curve, sets.standard_errors
    measured = None
    if isinstance(curve, Measured):
        measured = measured_curves(curve, table | {"runs": runs, "noise": noise}, fresh, truncation, steps)
        stated = measured.observations
    else:
        stated = observations_of(curve, table)
    number = number_of_runs(runs, curve)
    observations = stated if number is None else with_runs(stated, number)
    require_mechanisms(truncation_time, observations)
    if sets is not None:
        require_one_run(sets, observations)
    if regime is not None:
        history = checks.one_of(regime, regimes.NAMES, "regime")
        fresh = require_regime(history, observations, fresh, steps)
        observations = observations.replace(regime=history)
    if observations.count < LEAST_VALUES:
        raise InputError(
            f"curve must hold at least {LEAST_VALUES} usable values for a fit, got {observations.count}."
        )
    return answered(
        Question(
            curve=curve,
            kind=kind,
            stated=stated,
            observations=observations,
            measured=measured,
            models=models_of(observations, only, truncation, steps, fresh),
            fresh=fresh,
            truncation=truncation,
            rate=speed,
            is_regime_said=regime is not None,
            noise=None if noise is None else checks.one_of(noise, NOISE, "noise"),
            sets=sets,
        )
    )
