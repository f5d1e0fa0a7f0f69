"""Steps of a sampler against the error bars of a comparison: what few of them do says nothing about the theory."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.comparison.step_bound import MARGIN, PlannedSteps, independent_particles

pytest.importorskip("torch")

from hermite_collapse.app.config import Config
from hermite_collapse.app.enough_steps import MOST, enough_steps
from hermite_collapse.simulation import (
    EulerMaruyama,
    ExponentialMultistep,
    ProbabilityFlowHeun,
    simulate,
    time_grid,
)
from hermite_collapse.simulation.samplers import SAMPLERS
from tests.followed_steps import defect_of_stages
from tests.processor_time import is_kept, seconds_of

TWO = hc.presets.load("two_modes_1d")
NARROW = hc.GaussianMixture([1.0], [0.0], [1e-4])


def record_of(recursion, **options):
    defaults = {"rounds": 2, "particles": 20_000, "runs": 2, "degree": 4, "generator": "exact", "seed": 11}
    return simulate(recursion, **{**defaults, **options}, device="cpu")


@pytest.mark.filterwarnings("ignore:.*steps down to the truncation time")
@pytest.mark.parametrize(
    ("law", "time", "steps"), [(TWO, 1e-6, 30), (TWO, 0.1, 5), (NARROW, 1e-3, 20), (NARROW, 1e-10, 60)]
)
def test_few_steps_test_nothing_and_are_named(law, time, steps):
    recursion = hc.Recursion(law, fresh_fraction=0.3, truncation_time=time)
    record = record_of(recursion, steps=steps)
    comparison = hc.compare(recursion, record)
    near_normal = comparison.modes.is_testable(comparison.runs)
    largest = np.abs(comparison.z[near_normal]).max()
    assert largest > 4.5  # the steps alone, as the theory is the truth
    planned = PlannedSteps.of_record(recursion, record)
    assert largest < planned.bound(steps)
    assert not comparison.verdict.is_tested and not comparison.verdict.passed and not comparison.tested.any()
    assert not comparison.statistics.tested.any() and comparison.implied_fresh_fraction is None
    assert f"{steps} steps of the sampler may move a coefficient" in comparison.verdict.text
    assert planned == PlannedSteps(recursion, record.sampler, 2, 40_000)
    needed = planned.needed(steps)
    assert f"steps = {needed} are enough" in comparison.verdict.text
    assert hc.compare(recursion, record_of(recursion, steps=needed)).verdict.passed


@pytest.mark.parametrize("sampler", [ExponentialMultistep(), ProbabilityFlowHeun(), EulerMaruyama()])
@pytest.mark.parametrize("process", [hc.OrnsteinUhlenbeck(2.0), hc.VarianceExploding()])
def test_the_bound_is_that_of_the_grid_the_simulation_runs(sampler, process):
    recursion = hc.Recursion(TWO, fresh_fraction=0.3, truncation_time=(0.05, 0.2), process=process)
    record = record_of(recursion, sampler=sampler, steps=100, particles=50)
    largest = max(float(recursion.training_law(i).covariance[0, 0]) for i in range(2))
    expected = 0.0
    for time in (0.05, 0.2):
        stop, rate = (time, 2.0) if isinstance(process, hc.OrnsteinUhlenbeck) else (np.log1p(time), 0.5)
        times = time_grid(sampler.grid, 100, start=4.0 / rate, stop=stop, rate=rate)
        signal = np.exp(-rate * times)
        steps = -np.diff(np.log(np.sqrt(1.0 - signal**2) / signal))
        noise = (1.0 - signal[1:] ** 2) / signal[1:] ** 2
        stages = sampler.stages(steps=100, start=4.0 / rate, stop=stop, rate=rate)
        delta = np.abs(defect_of_stages(stages, stop, rate, largest * np.logspace(-10.0, 0.0, 31))).max()
        steep = min(delta, 0.9)
        gaussian = delta / steep * np.sqrt(1.0 / np.sqrt(1.0 - steep**2) - 1.0)
        expected = max(expected, gaussian, np.max(steps**sampler.order * largest / (largest + noise)))
    assert PlannedSteps.of_record(recursion, record).bound(100) == pytest.approx(MARGIN * 10.0 * expected)


def test_samplers_of_ones_own_have_the_estimate_alone():
    recursion = hc.Recursion(TWO, fresh_fraction=0.3, truncation_time=0.1)
    known = EulerMaruyama().describe()
    own, exact = (PlannedSteps(recursion, {**known, "name": name}, 1, 1.0) for name in ("own", known["name"]))
    assert 0.0 < own.bound(300) <= exact.bound(300)


def test_laws_wider_than_one_and_late_stops_need_more_steps():
    """What is left of wide laws is more, and Euler's rule has a defect where nothing is left of any."""
    wide = hc.GaussianMixture([1.0], [0.0], [300.0])
    late, sampler = {"fresh_fraction": 1.0, "truncation_time": 2.0}, ExponentialMultistep()
    few = PlannedSteps(hc.Recursion(TWO, **late), sampler.describe(), 1, 1e6).bound(50)
    assert PlannedSteps(hc.Recursion(wide, **late), sampler.describe(), 1, 1e6).bound(50) > 3.0 * few
    nothing_left = hc.Recursion(NARROW, fresh_fraction=1.0, truncation_time=6.0)
    stages = EulerMaruyama().stages(steps=50, start=8.0, stop=6.0, rate=0.5)
    (delta,) = defect_of_stages(stages, 6.0, 0.5, np.array([1e-4]))
    bound = PlannedSteps(nothing_left, EulerMaruyama().describe(), 1, 1.0).bound(50)
    assert delta > 5e-3 and bound == pytest.approx(MARGIN * delta / np.sqrt(2.0), rel=0.01)


@pytest.mark.parametrize("name", SAMPLERS)
def test_more_steps_than_are_followed_go_on_where_these_end(name, monkeypatch):
    recursion = hc.Recursion(TWO, fresh_fraction=0.3, truncation_time=0.1)
    planned = PlannedSteps(recursion, {**SAMPLERS[name]().describe(), "grid": "log_snr"}, 1, 1e4)
    exact = planned.bound(1000)
    monkeypatch.setattr("hermite_collapse.comparison.step_bound.EXACT_STEPS", 500)
    assert planned.bound(1000) == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize("grid", ["uniform", "geometric", "log_snr"])
def test_the_largest_step_is_found_among_some(grid):
    """A sampler that is not known has the estimate alone: the largest over all steps, here in closed form."""
    recursion = hc.Recursion(TWO, fresh_fraction=0.3, truncation_time=1e-3)
    known = {**EulerMaruyama().describe(), "name": "own", "grid": grid}
    largest = float(recursion.training_law(0).covariance[0, 0])
    times = time_grid(grid, 100_000, start=8.0, stop=1e-3, rate=0.5)
    steps = -np.diff(0.5 * np.log(np.expm1(times)))
    expected = np.max(steps * largest / (largest + np.expm1(times[1:])))
    assert PlannedSteps(recursion, known, 1, 1.0).bound(100_000) == pytest.approx(MARGIN * expected, rel=1e-5)


def test_a_need_of_millions_of_steps_is_told_at_once():
    recursion = hc.Recursion(TWO, fresh_fraction=0.3, truncation_time=1e-6)
    needs = []

    def ask():
        needs.append(PlannedSteps(recursion, EulerMaruyama().describe(), 2, 1e6, refined=True).needed(500))

    assert is_kept(lambda: seconds_of(ask) < 3.0)
    assert needs[0] > 1_000_000


def test_a_first_order_sampler_is_tested_where_it_is_extrapolated():
    recursion, sampler = hc.Recursion(TWO, fresh_fraction=0.3, truncation_time=0.1), EulerMaruyama()
    size = {"particles": 4000, "runs": 1, "sampler": sampler}
    needed = PlannedSteps(recursion, sampler.describe(), 2, 4000, refined=True).needed(50)
    coarse = record_of(recursion, steps=needed, **size)
    fine = record_of(recursion, steps=2 * needed, **{**size, "seed": 12})
    assert "steps of the sampler may move" in hc.compare(recursion, coarse).verdict.text
    assert hc.compare(recursion, coarse, refined=fine).verdict.passed
    other = hc.Recursion(TWO, fresh_fraction=0.3, truncation_time=0.4)
    wrong = hc.compare(other, coarse, refined=fine).verdict
    assert wrong.is_tested and not wrong.passed
    few = [
        dataclasses.replace(record, steps=steps)
        for record, steps in ((coarse, needed // 8), (fine, 2 * (needed // 8)))
    ]
    assert "extrapolated from twice as many" in hc.compare(recursion, few[0], refined=few[1]).verdict.text


def test_unasked_steps_are_enough():
    recursion = hc.Recursion(TWO, fresh_fraction=0.3, truncation_time=1e-3)
    for options in (
        {},
        {"particles": 1000},
        {"sampler": "euler_maruyama", "particles": 1000},
        {"generator": "kernel"},
    ):
        config = Config().updated({"generator": "exact", **options})
        section = config.simulation
        sampler = EulerMaruyama() if section.sampler else ExponentialMultistep()
        steps = enough_steps(config, recursion, sampler)
        pool = section.particles if section.generator == "kernel" else None
        particles = independent_particles(section.particles, section.runs, pool)
        planned = PlannedSteps(recursion, sampler.describe(), 12, particles, refined=bool(section.sampler))
        bound = planned.bound(steps)
        assert steps >= sampler.default_steps and (bound <= 1.0 or steps == MOST)
    asked = Config().updated({"generator": "exact", "steps": 7})
    assert enough_steps(asked, recursion, None) == 7
    assert enough_steps(Config(), recursion, None) is None
