"""Steps of a sampler against the error bars of a comparison: what few of them do says nothing about the theory."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.comparison.step_bound import PlannedSteps, independent_particles

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
    record = record_of(recursion, sampler=sampler, steps=40, particles=50)
    expected = 0.0
    for time in (0.05, 0.2):
        stop, rate = (time, 2.0) if isinstance(process, hc.OrnsteinUhlenbeck) else (np.log1p(time), 0.5)
        times = time_grid(sampler.grid, 40, start=4.0 / rate, stop=stop, rate=rate)
        signal = np.exp(-rate * times)
        steps = -np.diff(np.log(np.sqrt(1.0 - signal**2) / signal))
        expected = max(expected, np.max(steps**sampler.order * signal[1:] ** 2))
    assert PlannedSteps.of_record(recursion, record).bound(40) == pytest.approx(10.0 * expected)


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
    few = [dataclasses.replace(record, steps=record.steps // 8) for record in (coarse, fine)]
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
