r"""Theory against a simulation by a sampler of K steps, whose steps are the map itself and leave no error.

On a line everything is known for mixtures, with guidance too (`line_rounds`): the Hermite coefficients of every round,
the variance, and their sampling errors with the covariance between rounds.  In several dimensions means and variances
along directions are known where the training law is a product (`direction_rounds`).  What is known is tested, what is
not is left untested, with the reason; V(w) for a law that is no Gaussian is a closure, shown beside and never tested.

The tests are those of `comparison`: every statistic in every round, each over all rounds with the predicted covariance,
and, with half of the level, the fresh fraction that all of them imply.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ..core import checks
from ..core.errors import InputError
from ..core.estimates import Estimate
from ..core.signature import public
from ..core.significance import Verdict, holm, normal_test
from ..core.types import BoolArray, FloatArray
from ..pipeline.denoiser import Sampler
from ..pipeline.line_grid import can_be_followed
from ..recursion.recursion import Recursion
from ..recursion.sampling_error import SamplingError
from ..storage.record import SimulatedRecursion
from .direction_rounds import closure_of, predict_direction_rounds, principal_directions
from .implied import one_parameter_fit
from .line_rounds import LinePath, predict_line_rounds
from .mode_tests import statistic_tests, tested_statistics
from .steps_result import StepsComparison

__all__ = ["StepsComparison", "compare_steps"]

GENERATORS = ("steps", "scheduler")
"""Generators of the simulation by samplers of K steps."""


@public
def compare_steps(
    recursion: Recursion,
    simulated: SimulatedRecursion,
    sampler: Sampler,
    *,
    guidance_scale: float = 1.0,
    level: float = 0.01,
) -> StepsComparison:
    """Compare the exact laws of a sampler of K steps with a simulation by it.

        z = (measured - predicted) / predicted standard error,     tests corrected by Holm's method

    Parameters
    ----------
    recursion : Recursion
        The recursion as theory knows it, with truncation time 0: the sampler has its own end.
    simulated : SimulatedRecursion
        What was measured, by `StepsGeneration` or `SchedulerGeneration`.
    sampler : SamplerSteps or ProbedSteps
        The sampler as theory knows it, without guidance of its own.
    guidance_scale : float
        1 + omega >= 1 of classifier-free guidance between the components of the data; 1 is none.
    level : float
        Probability of rejecting a true theory anywhere, in (0, 1).

    Returns
    -------
    StepsComparison

    Raises
    ------
    InputError
        Where the two do not belong together.

    Accuracy
    --------
    Expected values to `grid_error`; standard errors to first order in 1/sqrt(particles).

    Cost
    ----
    On a line, tenths of a second a round and component; with noise a few times as much.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.5, truncation_time=0.0)
    >>> sampler = hc.mechanisms.SamplerSteps.ddim(steps=10)
    >>> run = hc.simulation.simulate(
    ...     recursion, rounds=2, particles=2000, degree=4, generator=hc.simulation.StepsGeneration(sampler), seed=1
    ... )
    >>> compare_steps(recursion, run, sampler).verdict.passed
    True
    """
    checks.instance(recursion, Recursion, "recursion")
    checks.instance(simulated, SimulatedRecursion, "simulated")
    if not isinstance(sampler, Sampler) or sampler.guidance is not None:
        raise InputError(
            "sampler must be a sampler of K steps without guidance of its own, such as SamplerSteps.ddim(), got "
            f"{sampler!r}."
        )
    scale, size = checks.real(guidance_scale, "guidance_scale"), checks.probability(level, "level")
    if scale < 1.0:
        raise InputError(f"guidance_scale must be >= 1 (1 is no guidance), got {scale!r}.")
    _require_match(recursion, simulated)
    if recursion.dimension == 1 and can_be_followed(sampler):
        return _on_line(recursion, simulated, sampler, scale, size)
    return _along_directions(recursion, simulated, sampler, scale, size)


def _require_match(recursion: Recursion, simulated: SimulatedRecursion) -> None:
    if simulated.generator not in GENERATORS:
        raise InputError(
            f"simulated must come from a sampler of K steps ({', '.join(GENERATORS)}), got "
            f"{simulated.generator!r}: use `compare` or `compare_learned`."
        )
    if simulated.dimension != recursion.dimension:
        raise InputError(
            f"simulated must have the dimension of recursion, {recursion.dimension}, got {simulated.dimension}."
        )
    if simulated.degree < 1:
        raise InputError(f"simulated must record degree 1 or more, got {simulated.degree}.")
    if simulated.particles < 2:
        raise InputError(f"simulated must have at least 2 particles, got {simulated.particles}.")
    for index, time in enumerate(recursion.schedule.times(simulated.rounds)):
        if time != 0.0:
            raise InputError(
                "recursion must have truncation time 0 in every round for a sampler of K steps, which has its own end, "
                f"got {float(time)!r} in round {index}."
            )
    if not recursion.target.has_density:
        raise InputError("recursion must have a target with a density for a sampler of K steps, got points.")


def _on_line(
    recursion: Recursion, simulated: SimulatedRecursion, sampler: Sampler, scale: float, level: float
) -> StepsComparison:
    degree, rounds = simulated.degree, simulated.rounds
    path = LinePath(recursion, sampler, scale)
    predicted = predict_line_rounds(
        path, degree, rounds=rounds, particles=simulated.particles, runs=simulated.runs
    )
    error, linear = predicted.error, predicted.is_linear
    coefficients = simulated.mean_coefficients[:, 1:]
    measured = np.column_stack([coefficients, simulated.covariances[:, :, 0, 0].mean(axis=0)])
    closure = np.full_like(measured, np.nan)
    if scale == 1.0:
        both = closure_of(recursion, sampler, np.eye(1), rounds=rounds)
        closure[:, [0, -1]] = both
    grid_error = np.column_stack([predicted.grid_error[:, 1:], _variance_error(error, predicted.grid_error)])
    expected = np.where(linear[:, None], error.expected, np.nan)
    fresh = None
    if linear.all():
        fresh = _implied_fresh_fraction(path, _first(error, degree), coefficients, simulated.runs)
    reason = ""
    if not linear.all():
        first = int(np.flatnonzero(~linear)[0])
        reason = (
            f"From round {first} on nothing is tested: the mixture refitted to the particles before it is too "
            "uncertain for error bars of first order, or a draw of them decides which of several mixtures the refit "
            "ends in; more particles, or a sampler that changes the data less, make it certain."
        )
    return _result(
        recursion,
        simulated,
        sampler,
        scale,
        level,
        labels=(*(f"degree {n}" for n in range(1, degree + 1)), "variance"),
        error=dataclasses.replace(error, expected=expected),
        measured=measured,
        closure=closure,
        grid_error=grid_error,
        data=np.append(
            recursion.target.hermite_coefficients(degree).values[1:], recursion.target.covariance[0, 0]
        ),
        fresh=fresh,
        reason=reason,
    )


def _along_directions(
    recursion: Recursion, simulated: SimulatedRecursion, sampler: Sampler, scale: float, level: float
) -> StepsComparison:
    target, rounds, size = recursion.target.as_mixture(), simulated.rounds, recursion.dimension
    predicted = None
    if scale == 1.0:
        predicted = predict_direction_rounds(recursion, sampler, rounds=rounds, particles=simulated.particles)
    basis = principal_directions(target) if predicted is None else predicted.basis
    nothing = np.full((rounds + 1, 2 * size), np.nan)
    none = SamplingError(
        nothing,
        np.zeros((rounds + 1, *nothing.shape)),
        None,
        np.full_like(nothing, np.inf),
        simulated.particles,
    )
    error = none if predicted is None else predicted.error
    measured = np.concatenate(
        [
            simulated.means.mean(axis=0) @ basis,
            np.einsum("da,ride,ea->ia", basis, simulated.covariances, basis) / simulated.runs,
        ],
        axis=1,
    )
    return _result(
        recursion,
        simulated,
        sampler,
        scale,
        level,
        labels=tuple(f"{what} {a + 1}" for what in ("mean", "variance") for a in range(size)),
        error=error,
        measured=measured,
        closure=closure_of(recursion, sampler, basis, rounds=rounds) if scale == 1.0 else nothing,
        grid_error=np.zeros_like(nothing) if predicted is None else predicted.grid_error,
        data=np.append(target.mean @ basis, np.einsum("da,de,ea->a", basis, target.covariance, basis)),
        fresh=None,
        reason=_why_untested(
            error,
            guided=scale > 1.0,
            is_known=predicted is not None,
            is_followed=can_be_followed(sampler),
        ),
    )


def _why_untested(error: SamplingError, *, guided: bool, is_known: bool, is_followed: bool) -> str:
    """Return which rounds are not tested, why, and what would be; nothing if all of them are."""
    how = "a law on a line, a single Gaussian or a product of laws on lines, without guidance, can be tested"
    if not is_known and not is_followed:
        return (
            "Nothing is tested: the sampler draws noise in steps that look further back than one, and its law is known "
            "for a single Gaussian without guidance alone."
        )
    if guided:
        return (
            "Nothing is tested: guidance couples the directions of a law in several dimensions; on a line it can be "
            "tested."
        )
    if not is_known:
        return (
            "Nothing is tested: the data are no product of laws on lines, so that the denoiser couples their "
            f"directions and V(w) is a Gaussian closure; {how}."
        )
    unknown = np.flatnonzero(np.all(~np.isfinite(error.expected), axis=1))
    if len(unknown) == 0:
        return ""
    which = f"Round {unknown[0]} is" if len(unknown) == 1 else f"Rounds {unknown[0]} to {unknown[-1]} are"
    return (
        f"{which} not tested: fresh and generated data together are no product of laws on lines, so that the denoiser "
        "couples the directions and V(w) is a Gaussian closure; on a line, or with fresh data alone "
        "(fresh_fraction = 1), every round can be tested."
    )


def _result(
    recursion: Recursion,
    simulated: SimulatedRecursion,
    sampler: Sampler,
    scale: float,
    level: float,
    *,
    labels: tuple[str, ...],
    error: SamplingError,
    measured: FloatArray,
    closure: FloatArray,
    grid_error: FloatArray,
    data: FloatArray,
    fresh: Estimate | None,
    reason: str,
) -> StepsComparison:
    tested = tested_statistics(error, simulated.runs)
    return StepsComparison(
        labels=labels,
        expected=error.expected,
        measured=measured,
        standard_error=error.standard_error / np.sqrt(simulated.runs),
        tested=tested,
        closure=closure,
        grid_error=grid_error,
        data=data,
        implied_fresh_fraction=fresh,
        fresh_fraction=float(recursion.regime.final_fraction),
        reason=reason,
        sampler=sampler.describe(),
        guidance_scale=scale,
        runs=simulated.runs,
        particles=simulated.particles,
        verdict=_verdict(error, measured, labels, tested, fresh, recursion, simulated.runs, level),
    )


def _verdict(
    error: SamplingError,
    measured: FloatArray,
    labels: tuple[str, ...],
    tested: BoolArray,
    fresh: Estimate | None,
    recursion: Recursion,
    runs: int,
    level: float,
) -> Verdict:
    known = np.isfinite(error.expected) & (error.standard_error > 0.0)
    untested = int(np.sum(known & ~tested))
    if not tested.any():
        return holm([], level, untested)
    tests = statistic_tests(error, measured, list(labels), runs)
    if fresh is not None:
        z = (fresh.value - recursion.regime.final_fraction) / fresh.error
        tests.append(dataclasses.replace(normal_test("implied fresh fraction", z), weight=float(len(tests))))
    return holm(tests, level, untested)


def _first(error: SamplingError, count: int) -> SamplingError:
    """Return the first statistics alone."""
    assert error.joint is not None
    return SamplingError(
        error.expected[:, :count],
        error.covariance[:, :, :count],
        error.joint[:, :, :count, :count],
        error.kurtosis[:, :count],
        error.particles,
    )


def _implied_fresh_fraction(
    path: LinePath, error: SamplingError, coefficients: FloatArray, runs: int
) -> Estimate | None:
    """Return the fresh fraction that fits the coefficients of all rounds best."""
    regime, rounds = path.recursion.regime, len(coefficients) - 1
    if len(regime.fresh_fractions) > 1 or regime.name not in ("replace", "accumulate_with_fresh"):
        return None
    alpha = regime.final_fraction
    step = min(1e-3, alpha / 2.0, (1.0 - alpha) / 2.0)
    if step == 0.0:
        return None
    above, below = (
        dataclasses.replace(
            path, recursion=path.recursion.replace(regime=regime.replace(fresh_fractions=(near,)))
        ).coefficients(coefficients.shape[1], rounds)[:, 1:]
        for near in (alpha + step, alpha - step)
    )
    return one_parameter_fit(alpha, (above - below) / (2.0 * step), error, coefficients, runs)


def _variance_error(error: SamplingError, grid_error: FloatArray) -> FloatArray:
    """Return how far the variance of a finer grid can be from that of the grid: sqrt(2) c_2 + 1 - c_1^2."""
    second = grid_error[:, 2] if grid_error.shape[1] > 2 else grid_error[:, 1]
    return np.asarray(np.sqrt(2.0) * second + 2.0 * np.abs(error.expected[:, 0]) * grid_error[:, 1])
