"""Random generators are taken from whatever NumPy takes; everything else is one sentence."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import hermite_collapse as hc

LAW = hc.presets.load("two_modes_1d")


@pytest.mark.parametrize("rng", ["x", -1, 1.5, [1, -2]])
def test_what_is_no_generator_is_refused(rng):
    for law in (
        LAW,
        hc.EmpiricalLaw([0.0, 1.0]),
        hc.Recursion(LAW, fresh_fraction=0.3, truncation_time=0.1).limit(),
    ):
        with pytest.raises(hc.InputError, match="rng must be a generator or a seed >= 0"):
            law.sample(3, rng)


def test_seeds_and_generators_give_the_same_draws():
    np.testing.assert_array_equal(LAW.sample(5, 3), LAW.sample(5, np.random.default_rng(3)))


def test_explicit_times_are_replaced_like_any_dataclass():
    schedule = hc.schedules.Explicit([0.3, 0.1])
    assert dataclasses.replace(schedule, values=(0.2,)) == hc.schedules.Explicit([0.2])
    assert hash(schedule) == hash(hc.schedules.Explicit((0.3, 0.1)))
    with pytest.raises(hc.InputError, match="truncation_time must hold times >= 0"):
        dataclasses.replace(schedule, values=[-1.0])
