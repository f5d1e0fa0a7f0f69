"""How many particles a simulation or an experiment needs to see an effect of a given size."""

from __future__ import annotations

import numpy as np

from ..core import checks
from ..core.errors import InputError
from ..core.signature import public
from ..recursion.recursion import Recursion
from ..recursion.sampling_error import KURTOSIS_RULE, degree_combinations, predict_degree_error

REFERENCE = 10**7
"""Particles at which the predicted variance is read; times N it no longer depends on N."""
HIGHEST_DEGREE = 300
"""Of a standard normal law E h_n^4 grows like 9^n: the fourth moments of higher degrees are no doubles."""


@public
def required_particles(
    degree: int,
    effect: float,
    *,
    recursion: Recursion,
    rounds: int,
    generator: str = "channel",
    level: float = 0.01,
    power: float = 0.9,
) -> int:
    """Return the particles needed to see a deviation of the factor f_n by `effect`, in the last round.

        N = ((z_{1 - level/2} + z_power) / effect)^2 * N Var,    and N >= kurtosis / 0.05

    Parameters
    ----------
    degree : int
        Hermite degree with energy in the data, in [1, 300].
    effect : float
        Absolute deviation of the factor to detect, > 0: 0.05 f_n(rounds) for 5 % of it.
    recursion : Recursion
        What is simulated.
    rounds : int
        The round in which it is to be seen.
    generator : str
        "channel", "exact" or "kernel": whose predicted sampling error is inverted.
    level, power : float
        Of the two-sided test, in [0, 1].

    Returns
    -------
    int

    Raises
    ------
    InputError
        If an argument is outside its range, or the degree has no energy in the data.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("off_centre_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> required_particles(1, 0.02, recursion=recursion, rounds=5) > 10_000
    True
    """
    from scipy.special import ndtri

    size = checks.positive(effect, "effect")
    n = checks.integer(degree, "degree", minimum=1)
    share, certainty = checks.share(level, "level"), checks.share(power, "power")
    if share == 0.0 or certainty == 1.0:
        raise InputError(f"level must be > 0 and power < 1 for a finite number, got {level!r} and {power!r}.")
    z = float(ndtri(certainty) - ndtri(share / 2.0))
    if n > HIGHEST_DEGREE:
        raise InputError(f"degree must be <= {HIGHEST_DEGREE} for its fourth moments to be doubles, got {n}.")
    data = recursion.target.hermite_coefficients(n)
    if not degree_combinations(data.indices, data.values)[n].any():
        raise InputError(f"degree must have energy in the data for its factor to be measured, got {n}.")
    with np.errstate(over="ignore", invalid="ignore"):
        predicted = predict_degree_error(
            recursion, n, rounds=rounds, particles=REFERENCE, generator=generator
        )
    ratio = max(z, 0.0) / size * float(predicted.standard_error[-1, n])
    kurtosis = float(predicted.kurtosis[-1, n])
    if np.isinf(ratio) and np.isfinite(predicted.standard_error[-1, n]):
        raise InputError(f"effect must be so large that the particles are a finite number, got {size!r}.")
    if not (np.isfinite(ratio) and kurtosis < 1e300):
        raise InputError(f"degree must be low enough for its moments to be doubles, got {n}.")
    if ratio > 1e140:
        raise InputError(f"effect must be large enough for a number of particles, got {size!r}.")
    return int(np.ceil(max(ratio**2 * REFERENCE, kurtosis / KURTOSIS_RULE)))
