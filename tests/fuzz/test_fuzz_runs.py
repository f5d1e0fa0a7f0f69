"""Random legal configurations run at small size: numbers and a verdict, "untested", or one sentence."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hermite_collapse as hc
from hermite_collapse.app.config import parse_config
from hermite_collapse.app.sweep import compute_point
from tests.fuzz.damage import examples

pytest.importorskip("torch")

LEVEL = 1e-7  # a true theory is rejected this often: in no example
NUMBERS = st.one_of(st.floats(0.0, 1.0), st.sampled_from([0.0, 1e-9, 1e-3, 0.1, 0.5, 1.0]))
TIMES = st.one_of(st.floats(0.0, 5.0), st.sampled_from([0.0, 1e-12, 1e-3, 0.1, 1.0, 50.0]))
MEANS = st.floats(-2.0, 2.0, width=32)


@st.composite
def targets(draw):
    """A mixture in one to three dimensions, some with point masses, or a preset."""
    if draw(st.booleans()):
        return {"preset": draw(st.sampled_from(["two_modes_1d", "three_modes_1d", "off_centre_1d"]))}
    dimension, count = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    weights = [draw(st.integers(1, 9)) for _ in range(count)]
    return {
        "weights": [weight / sum(weights) for weight in weights],
        "means": [[draw(MEANS) for _ in range(dimension)] for _ in range(count)],
        "covariances": [draw(st.sampled_from([1e-6, 0.01, 0.3, 1.0, 2.5])) for _ in range(count)],
        "covariance_type": "spherical",
    }


@st.composite
def recursions(draw):
    rounds = draw(st.integers(1, 3))
    section = {
        "rounds": rounds,
        "fresh_fraction": draw(NUMBERS),
        "regime": draw(st.sampled_from(["replace", "accumulate", "accumulate_with_fresh"])),
        "process": draw(st.sampled_from(["ornstein_uhlenbeck", "ornstein_uhlenbeck", "variance_exploding"])),
        "schedule": draw(st.sampled_from(["constant", "polynomial", "geometric", "explicit"])),
        "blur": draw(st.sampled_from([0.0, 0.0, 0.0, 0.2])),
        "rate": draw(st.sampled_from([0.5, 0.5, 2.0])),
    }
    if section["regime"] == "accumulate":  # the data enter once
        section["fresh_fraction"] = 0.0
    if section["schedule"] == "explicit":
        section["truncation_times"] = [draw(TIMES) for _ in range(rounds)]
    else:
        section["truncation_time"] = draw(TIMES)
    return section


@st.composite
def documents(draw, generators):
    generator = draw(st.sampled_from(generators))
    simulation = {
        "generator": generator,
        "particles": draw(st.sampled_from([2, 50, 2000])),
        "runs": draw(st.integers(1, 2)),
        "device": "cpu",
        "seed": draw(st.integers(0, 2**31)),
        "final_step": draw(st.sampled_from(["noisy", "noisy", "noisy", "rescaled", "full"])),
    }
    document = {"target": draw(targets()), "recursion": draw(recursions()), "simulation": simulation}
    if generator != "channel":  # these know the one process, without a blur
        document["recursion"] |= {"process": "ornstein_uhlenbeck", "blur": 0.0, "rate": 0.5}
    if generator in ("channel", "steps"):
        simulation["final_step"] = "noisy"
    if generator == "steps":
        simulation |= {"sampler": draw(st.sampled_from(["ddim", "ddpm", "edm_heun", "flow"])), "steps": 20}
        document["recursion"] |= {"schedule": "constant", "truncation_time": 0.0, "blur": 0.0}
        document["recursion"].pop("truncation_times", None)
    if generator == "kernel":
        simulation["pool"] = draw(st.sampled_from([5, 300]))
    document["analysis"] = {"degree": draw(st.integers(1, 4)), "significance": LEVEL}
    return document


def assert_right(document, task):
    """Numbers that are numbers, no rejection of the truth; or one sentence."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("default", UserWarning)  # the package's own sentences
        try:
            point = compute_point(document | {"sweep": {"task": task}})
        except (hc.InputError, hc.ConvergenceError) as error:
            text = str(error)
            assert text.endswith(".") and "\n" not in text and len(text) < 700, text
            return False
    for name, values in point.items():
        if name in ("factor", "measured_factor", "measured_error", "attenuation", "contraction"):
            values = values[..., 1:]  # of degree 0 nothing is measured; NaN: the data have no such degree
        elif name == "largest_z" or (name == "p_value" and not point["tested"]):
            continue
        elif name == "exact_variance":  # NaN: no exact law of that round
            values = values[:1]
        elif name.startswith("distance"):
            assert not np.isnan(values), (name, values)  # chi2 may be infinite
            continue
        elif name != "p_value":
            assert not np.isnan(values).any(), (name, values)
        assert not np.isinf(values).any() or name == "half_degree", (name, values)
    if task == "compare":
        assert point["rejected"] == 0.0 or not point["tested"], point
        assert point["tested"] == 0.0 or math.isfinite(point["largest_z"])
    return True


@pytest.mark.slow  # the runs below predict as well
@settings(max_examples=examples(15, 0.02))
@given(document=documents(["channel"]))
def test_predictions_of_any_configuration(document):
    parse_config(document)
    assert_right(document, "predict")


@settings(max_examples=examples(10, 0.02))
@given(document=documents(["channel"]))
def test_runs_of_any_configuration(document):
    assert_right(document, "compare")


@pytest.mark.slow
@settings(max_examples=examples(12, 0.005))
@given(document=documents(["exact", "kernel", "steps"]))
def test_runs_of_any_generator(document):
    assert_right(document, "compare")


def test_a_wrong_theory_is_rejected_at_this_size(monkeypatch):
    """The walk would notice: particles of another share of fresh data are no longer what theory says."""
    from hermite_collapse.app import run

    document = {
        "recursion": {"rounds": 3, "fresh_fraction": 0.1, "truncation_time": 0.5},
        "simulation": {"particles": 2000, "runs": 2, "device": "cpu"},
        "analysis": {"degree": 2, "significance": LEVEL},
    }
    assert assert_right(document, "compare")
    simulate = run.simulate

    def other(config, recursion, **options):
        return simulate(config, recursion.replace(fresh_fraction=0.9), **options)

    monkeypatch.setattr(run, "simulate", other)
    with pytest.raises((AssertionError, hc.InputError)):
        assert_right(document, "compare")
