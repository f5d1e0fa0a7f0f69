"""Theory against a simulated recursion: predicted values and error bars, tests, and a verdict.

Every mode of every round is compared with its exact value in units of its predicted standard error.  Three families of
tests enter one weighted Holm correction, so that the verdict keeps its level whatever their dependence:

- each mode in each round, a normal test (modes too far from normal for the number of particles are left untested);
- each mode over all rounds together, a chi-square test with the predicted covariance between rounds;
- the fresh fraction and the truncation times implied by all degrees and rounds, estimated by generalised least squares:
  a few per cent off in either is visible here before it shows in any single mode, so these two tests carry half of
  the level.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ..core import checks
from ..core.errors import InputError
from ..core.estimates import Estimate
from ..core.signature import public
from ..core.significance import Test, holm, normal_test
from ..core.types import FloatArray
from ..hermite.indices import mode_label
from ..recursion.recursion import Recursion
from ..recursion.sampling_error import (
    GENERATORS,
    LARGEST_COMBINED,
    SamplingError,
    degree_combinations,
    predict_degree_error,
    predict_sampling_error,
)
from ..storage.record import SimulatedRecursion
from .implied import implied_fresh_fraction, implied_truncation
from .mode_tests import statistic_tests, tested_statistics
from .result import Comparison
from .step_bound import gain_of, order_of, too_few_steps

__all__ = ["Comparison", "compare"]


@public
def compare(
    recursion: Recursion,
    simulated: SimulatedRecursion,
    *,
    level: float = 0.01,
    refined: SimulatedRecursion | None = None,
) -> Comparison:
    """Compare the theory with a simulation of the same recursion.

        z = (measured - predicted) / predicted standard error,     tests corrected by Holm's method

    Parameters
    ----------
    recursion : Recursion
        The recursion as theory knows it.
    simulated : SimulatedRecursion
        What was measured, by any generator with predicted error bars ("channel", "exact", "kernel").
    level : float
        Probability of rejecting a true theory anywhere, in (0, 1).
    refined : SimulatedRecursion, optional
        The same simulation with twice the steps, from other random numbers; the values are then extrapolated to
        infinitely many steps by Richardson's rule, with the error bars of that, and the effect of the steps is shown.

    Returns
    -------
    Comparison
        Without a test, and with the reason, where the steps of the sampler may move a coefficient by more than its
        error bars (`step_bound`): such a simulation says nothing about the theory.

    Raises
    ------
    InputError
        Where the two do not belong together: another dimension, a generator without predicted error bars, or a final
        step other than the noisy one.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> run = hc.simulation.simulate(recursion, rounds=2, particles=2000, degree=3, generator="channel", seed=1)
    >>> compare(recursion, run).verdict.passed
    True
    """
    checks.instance(recursion, Recursion, "recursion")
    checks.instance(simulated, SimulatedRecursion, "simulated")
    _require_match(recursion, simulated)
    size = checks.probability(level, "level")
    measured, runs, degree = simulated.mean_coefficients, simulated.runs, simulated.degree
    rounds, particles = simulated.rounds, simulated.particles
    generator, pool = simulated.generator, simulated.pool
    data = recursion.target.hermite_coefficients(degree)
    modes = predict_sampling_error(
        recursion, degree, rounds=rounds, particles=particles, generator=generator, pool=pool
    )
    step, step_error, wider = _discretisation(simulated, refined, modes)
    if step is not None:
        measured, modes = measured - step, _widened(modes, wider)
    reason = too_few_steps(recursion, simulated, refined=refined is not None)
    degrees = factors = fresh = times = None
    if recursion.is_diagonal and recursion.initial is None and len(simulated.indices) <= LARGEST_COMBINED:
        degrees = predict_degree_error(
            recursion, degree, rounds=rounds, particles=particles, generator=generator, pool=pool
        )
        degrees = _widened(degrees, wider)
        combinations = degree_combinations(data.indices, data.values)
        factors = np.where(np.any(combinations != 0.0, axis=1), measured @ combinations.T, np.nan)
        if not reason:
            fresh = implied_fresh_fraction(recursion, degrees, factors, runs)
            times = implied_truncation(recursion, degrees, factors, runs)
    tests = [] if reason else _tests(recursion, simulated, modes, measured, degrees, factors, fresh, times)
    untested = int(np.sum(~tested_statistics(modes, runs)[:, simulated.degrees > 0]))
    return Comparison(
        indices=simulated.indices,
        modes=modes,
        measured=measured,
        degrees=degrees,
        measured_factors=factors,
        implied_fresh_fraction=fresh,
        implied_truncation=times,
        discretisation=step,
        discretisation_error=step_error,
        runs=runs,
        particles=particles,
        generator=generator,
        target_standard_error=data.standard_error,
        verdict=holm(tests, size, untested, reason),
    )


def _require_match(recursion: Recursion, simulated: SimulatedRecursion) -> None:
    if simulated.generator not in GENERATORS:
        raise InputError(
            f"simulated must come from a generator with predicted error bars ({', '.join(GENERATORS)}), got "
            f"{simulated.generator!r}: `compare_learned` shows others with their defects."
        )
    final_step = (simulated.sampler or {}).get("final_step", "noisy")
    if final_step != "noisy":
        raise InputError(
            f"simulated must end with the noisy step the theory is about, got the final step {final_step!r}; "
            "`final_steps` predicts the others."
        )
    if simulated.dimension != recursion.dimension:
        raise InputError(
            f"simulated must have the dimension of recursion, {recursion.dimension}, got {simulated.dimension}."
        )


def _tests(
    recursion: Recursion,
    simulated: SimulatedRecursion,
    modes: SamplingError,
    measured: FloatArray,
    degrees: SamplingError | None,
    factors: FloatArray | None,
    fresh: Estimate | None,
    times: Estimate | None,
) -> list[Test]:
    name = "degree {}" if recursion.dimension == 1 else "mode ({})"
    labels = [name.format(mode_label(k).replace(",", ", ")) for k in simulated.indices.tolist()]
    tests = statistic_tests(modes, measured, labels, simulated.runs)
    if degrees is not None and factors is not None and recursion.dimension > 1:
        names = [f"energy of degree {n}" for n in range(factors.shape[1])]
        tests += statistic_tests(degrees, factors, names, simulated.runs)
    implied = []
    if fresh is not None:
        implied.append(
            ("implied fresh fraction", (fresh.value - recursion.regime.final_fraction) / fresh.error)
        )
    if times is not None:
        implied.append(("implied truncation time", (times.value - 1.0) / times.error))
    weight = max(len(tests), 1) / max(len(implied), 1)
    return tests + [dataclasses.replace(normal_test(name, z), weight=weight) for name, z in implied]


def _widened(error: SamplingError, factor: float) -> SamplingError:
    """Return the error of values whose covariance is a multiple of that of one run's."""
    if factor == 1.0:
        return error
    joint = None if error.joint is None else factor * error.joint
    return error.replace(covariance=factor * error.covariance, joint=joint)


def _discretisation(
    simulated: SimulatedRecursion, refined: SimulatedRecursion | None, modes: SamplingError
) -> tuple[FloatArray | None, FloatArray | None, float]:
    """Return the effect of the steps, its standard error, and the factor of covariances without this effect."""
    if refined is None:
        return None, None, 1.0
    if refined.steps is None or simulated.steps is None or refined.steps != 2 * simulated.steps:
        raise InputError(
            f"refined must have twice the steps of simulated, {simulated.steps}, got {refined.steps}."
        )
    order = order_of(simulated.sampler)
    if order is None:
        raise InputError(
            "simulated must record the weak order of its sampler to be refined, got "
            f"{(simulated.sampler or {}).get('order')!r}."
        )
    gain = gain_of(order)
    difference = simulated.mean_coefficients - refined.mean_coefficients
    share = simulated.particles * simulated.runs / (refined.particles * refined.runs)
    error = gain * modes.standard_error * np.sqrt((1.0 + share) / simulated.runs)
    return gain * difference, error, (1.0 - gain) ** 2 + gain**2 * share
