"""What steps do to Gaussians, exactly, and to mixtures on a line, followed without particles."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.comparison.gaussian_steps import log_sigma, variance_defect
from hermite_collapse.comparison.step_bound import PlannedSteps

pytest.importorskip("torch")

from hermite_collapse.simulation import EulerMaruyama, ExponentialMultistep, ProbabilityFlowHeun, time_grid
from hermite_collapse.simulation.grids import spaced_times
from tests.followed_steps import LineMixture, defect_of_stages, effects_on_modes

SAMPLERS = {
    f"{sampler.name} {sampler.order} {sampler.grid}": sampler
    for sampler in (
        ExponentialMultistep(order=1),
        ExponentialMultistep(),
        ExponentialMultistep(grid="geometric"),
        EulerMaruyama(),
        EulerMaruyama(grid="log_snr"),
        ProbabilityFlowHeun(),
        ProbabilityFlowHeun(grid="uniform"),
    )
}
VARIANCES = np.logspace(-6.0, 4.0, 21)


@pytest.mark.filterwarnings("ignore:.*steps down to the truncation time")
@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize(("stop", "rate"), [(1e-3, 0.5), (0.3, 2.0), (6.0, 0.5)])
def test_the_defect_is_that_of_the_stages(name, stop, rate):
    sampler, start = SAMPLERS[name], max(4.0 / rate, stop + 1.0 / rate)
    for steps in (1, 2, 3, 7, 30, 101):
        times = time_grid(sampler.grid, steps, start=start, stop=stop, rate=rate)
        made = variance_defect(sampler.name, sampler.order, times, rate, VARIANCES)
        expected = defect_of_stages(
            sampler.stages(steps=steps, start=start, stop=stop, rate=rate), stop, rate, VARIANCES
        )
        np.testing.assert_allclose(made, expected, rtol=1e-8, atol=1e-11)
        moved = variance_defect(sampler.name, sampler.order, times, rate, 1.01 * VARIANCES)
        assert np.abs(moved - expected).max() > 1e-4 * np.abs(expected).max()


def test_samplers_that_are_not_known_have_no_defect():
    assert variance_defect("own", 1.0, np.array([8.0, 1.0]), 0.5, VARIANCES) is None
    assert variance_defect("exponential_multistep", 3.0, np.array([8.0, 1.0]), 0.5, VARIANCES) is None


@pytest.mark.parametrize("grid", ["log_snr", "uniform", "geometric"])
def test_first_order_exponential_steps_lose_at_most_the_largest_of_their_losses(grid):
    """Proved in the module, for any grid: the variance is too small by at most max (1 - e^(-2 h)) w of itself."""
    for steps in (1, 4, 40):
        for stop in (1e-4, 0.2, 3.0):
            times = spaced_times(grid, steps, start=8.0, stop=stop, rate=0.5)
            defect = variance_defect("exponential_multistep", 1.0, times, 0.5, VARIANCES)
            shares = 1.0 / (1.0 + np.expm1(times[1:, None]) / VARIANCES)
            largest = np.max(-np.expm1(2.0 * np.diff(log_sigma(times, 0.5)))[:, None] * shares, axis=0)
            assert np.all(defect <= 0.0) and np.all(-defect <= largest * (1.0 + 1e-12))
            assert steps > 1 or np.any(-defect > 0.2 * largest)


def test_functions_of_a_gaussian_direction_move_by_at_most_chi_square_and_degree_two_by_nearly_as_much():
    law, sampler, stop = LineMixture([1.0], [0.0], [0.5]), EulerMaruyama(grid="log_snr"), 0.1
    stages = sampler.stages(steps=60, start=8.0, stop=stop, rate=0.5)
    (delta,) = defect_of_stages(stages, stop, 0.5, np.array([0.5]))
    effects = np.abs(effects_on_modes(law, stages, stop, 0.5))
    largest = np.sqrt(1.0 / np.sqrt(1.0 - delta**2) - 1.0)
    assert effects.max() <= largest <= 1.02 * effects[1] and effects[1] > 0.02


def share_of_the_bound(law: LineMixture, sampler, steps: int, stop: float, refined: bool) -> float | None:
    """The largest effect on a mode, of what `PlannedSteps` says; None where the steps do more than a third."""
    target = hc.GaussianMixture(law.weights, law.means, law.variances)
    recursion = hc.Recursion(target, fresh_fraction=1.0, truncation_time=stop)
    bound = PlannedSteps(recursion, sampler.describe(), 1, 1.0, refined).bound(steps)
    if PlannedSteps(recursion, sampler.describe(), 1, 1.0).bound(steps) > 0.3:
        return None
    effects = [
        effects_on_modes(law, sampler.stages(steps=count, start=8.0, stop=stop, rate=0.5), stop, 0.5)
        for count in ((steps, 2 * steps) if refined else (steps,))
    ]
    if any(effect is None for effect in effects):
        return None
    effect = effects[0]
    if refined:  # of order one: extrapolated, with error bars sqrt(5) as wide
        effect = (2.0 * effects[1] - effects[0]) / np.sqrt(5.0)
    return float(np.abs(effect).max() / bound)


CASES = [
    ("exponential_multistep 2 log_snr", 30, False),
    ("exponential_multistep 2 geometric", 30, False),
    ("exponential_multistep 1 log_snr", 120, False),
    ("euler_maruyama 1 uniform", 120, False),
    ("euler_maruyama 1 log_snr", 100, True),
    ("probability_flow_heun 2 log_snr", 30, False),
]


@pytest.mark.parametrize(("name", "steps", "refined"), CASES)
def test_effects_on_a_mixture_stay_below_the_bound(name, steps, refined):
    """Sharp modes of unequal weights, which need more than Gaussians do."""
    law = LineMixture([0.9, 0.1], [-1.0, 1.0], [0.02, 0.02])
    share = share_of_the_bound(law, SAMPLERS[name], steps, 0.3, refined)
    assert share is not None and 0.02 < share < 1.0


@pytest.mark.slow
@pytest.mark.parametrize(("name", "steps", "refined"), CASES)
@pytest.mark.parametrize("seed", range(3))
def test_effects_on_random_mixtures_stay_below_the_bound(name, steps, refined, seed):
    """One to four components, wide and narrow, near and far; twelve laws of each kind."""
    generator, shares = np.random.default_rng(100 + seed), []
    for _ in range(12):
        count, size = int(generator.integers(1, 5)), 10.0 ** generator.uniform(-0.6, 0.6)
        law = LineMixture(
            generator.dirichlet(np.ones(count)),
            size * generator.normal(size=count),
            size**2 * 10.0 ** generator.uniform(-2.0, 0.0, size=count),
        )
        stop = 10.0 ** generator.uniform(-1.5, 0.3)
        share = share_of_the_bound(law, SAMPLERS[name], steps, stop, refined)
        shares += [] if share is None else [share]
    assert len(shares) >= 4
    assert max(shares) < 1.0
