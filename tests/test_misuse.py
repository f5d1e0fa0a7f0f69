"""Misuse of the public names is answered with one sentence: misspelt arguments, wrong order, missing names."""

from __future__ import annotations

import inspect

import pytest

import hermite_collapse as hc

RECURSION = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
RESULTS = {"Comparison", "Estimate", "ConvergenceError", "InputError"}  # made by the package, not by users
CALLABLE = {
    **{f"hc.{name}": getattr(hc, name) for name in hc.__all__ if name not in RESULTS},
    **{f"hc.distances.{name}": getattr(hc.distances, name) for name in ("kl", "wasserstein", "bures")},
    **{f"hc.bounds.{name}": getattr(hc.bounds, name) for name in ("ball_radius", "mode_radius")},
    **{f"hc.schedules.{name}": getattr(hc.schedules, name) for name in ("Constant", "Geometric", "Explicit")},
}
CALLABLE = {
    name: value for name, value in CALLABLE.items() if callable(value) and not inspect.ismodule(value)
}


@pytest.mark.parametrize("name", CALLABLE)
def test_a_name_that_no_argument_has(name):
    with pytest.raises(hc.InputError, match=r"must be given arguments it knows, got surely_no_argument \("):
        CALLABLE[name](surely_no_argument=1)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: hc.attenuation(2, fresh_fracton=0.3, truncation_time=0.1),
            "attenuation must be given arguments it knows, got fresh_fracton (did you mean fresh_fraction?).",
        ),
        (
            lambda: hc.attenuation(2, 0.3, 0.1),
            "attenuation must be given fresh_fraction by name, as in fresh_fraction=0.3, got 0.3 by position.",
        ),
        (
            lambda: hc.attenuation(2),
            "attenuation must be given fresh_fraction and truncation_time, got none.",
        ),
        (
            lambda: hc.Recursion(RECURSION.target, fresh_fraction=0.3, trunc=0.1),
            "Recursion must be given arguments it knows, got trunc (did you mean truncation_time?).",
        ),
        (
            lambda: hc.predict(RECURSION.target, rounds=2),
            "recursion must be a Recursion, got a GaussianMixture.",
        ),
        (
            lambda: hc.compare(RECURSION.target, RECURSION),
            "recursion must be a Recursion, got a GaussianMixture.",
        ),
        (
            lambda: hc.compare(RECURSION, RECURSION),
            "simulated must be a SimulatedRecursion, got a Recursion.",
        ),
    ],
)
def test_one_sentence(call, sentence):
    with pytest.raises(hc.InputError) as caught:
        call()
    assert str(caught.value) == sentence
