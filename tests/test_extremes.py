"""Public functions at the ends of what can be passed: finite numbers, a documented infinity, or one sentence.

Every call of `CALLS` is valid; each of its arguments in turn becomes each value of `EXTREMES`.
"""

from __future__ import annotations

import dataclasses
import functools
import signal
import warnings
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hermite_collapse as hc

SECONDS = 20
ROUND = {"fresh_fraction": 0.3, "truncation_time": 0.1}
GIVEN = {"fresh_fraction": 0.3, "truncation_time": 0.1}
EXTREMES = [
    *(0.0, -0.0, 1.0, -1.0, 0.5, 1.0 - 2**-53, 1.0 + 2**-52, 2**-1074, 1e-310, 1e-300, 1e-160, 1e-16, 1e-8),
    *(30.0, 1e3, 1e8, 1e16, 1e155, 1e300, 1.7e308, -1e300, np.inf, -np.inf, np.nan),
    *(0, 1, 2, -1, 7, 100, 2**40, 2**63 - 1, 2**63, 10**400),
    *(None, True, "x", b"x", (), [], {}, [0.0], [1e300, 1e-300], [[1.0]], [0.5, np.nan], object()),
    *(np.float32(0.3), np.float16(0.1), np.int8(3), np.uint64(2**64 - 1), np.array(0.3), np.ma.masked),
]


@functools.cache
def recursion() -> hc.Recursion:
    return hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)


ONE = hc.GaussianMixture([0.5, 0.5], [-1.0, 1.0], 0.3)
OTHER = hc.GaussianMixture([1.0], [0.2], 0.9)
SAMPLE = np.random.default_rng(0).normal(size=(50, 1))
ENERGIES = [0.1, 0.09, 0.11, 0.1, 0.1, 0.1, 0.09]

# name: (function, arguments); those under a name that starts with "_" stay as they are.
CALLS = {
    "GaussianMixture": (hc.GaussianMixture, {"weights": [0.5, 0.5], "means": [0.0, 1.0], "covariances": 0.3}),
    "EmpiricalLaw": (hc.EmpiricalLaw, {"samples": SAMPLE, "scale": 1.0}),
    "GaussianChannel": (hc.GaussianChannel, {"scale": 0.5, "variance": 0.5}),
    "OrnsteinUhlenbeck": (hc.OrnsteinUhlenbeck, {"rate": 0.5}),
    "OrnsteinUhlenbeck.channel": (
        lambda rate, time: hc.OrnsteinUhlenbeck(rate).channel(time),
        {"rate": 0.5, "time": 0.1},
    ),
    "VarianceExploding.channel": (lambda time: hc.VarianceExploding().channel(time), {"time": 0.1}),
    "Recursion": (
        hc.Recursion,
        {"_target": ONE, "fresh_fraction": 0.3, "truncation_time": 0.1, "regime": "replace", "blur": 0.1},
    ),
    "AttenuationOperator": (hc.AttenuationOperator, {**ROUND, "rate": 0.5}),
    "FinitePool": (hc.FinitePool, {"pool": 100, "spread": (1.0,), "rate": 0.5}),
    "PowerLaw": (hc.PowerLaw, {"scale": 0.1, "exponent": 0.5}),
    "advise_sampler": (
        hc.advise_sampler,
        {"sampler": "ddpm", "fresh_fraction": 0.3, "degree": 4, "smallest_variance": 1.0, "steps": 20},
    ),
    "alpha_bar_from_time": (hc.alpha_bar_from_time, {"time": 0.1, "rate": 0.5}),
    "sigma_from_time": (hc.sigma_from_time, {"time": 0.1, "rate": 0.5}),
    "time_from_alpha_bar": (hc.time_from_alpha_bar, {"alpha_bar": 0.9, "rate": 0.5}),
    "time_from_sigma": (hc.time_from_sigma, {"sigma": 0.3, "rate": 0.5}),
    "annealing_law": (hc.annealing_law, {"degree": 2, **GIVEN, "rounds": 5, "rate": 0.5}),
    "annealing_law, geometric": (
        lambda degree, fresh_fraction, time, ratio, rounds: hc.annealing_law(
            degree,
            fresh_fraction=fresh_fraction,
            truncation_time=hc.schedules.Geometric(time, ratio),
            rounds=rounds,
        ),
        {"degree": 2, "fresh_fraction": 0.49, "time": 0.5, "ratio": 0.5, "rounds": 5},
    ),
    "attenuation": (hc.attenuation, {"degree": 2, **ROUND, "rate": 0.5}),
    "contraction_rate": (hc.contraction_rate, {**ROUND, "metric": "kl", "rate": 0.5}),
    "half_degree": (hc.half_degree, {**ROUND, "rate": 0.5}),
    "largest_truncation": (
        hc.largest_truncation,
        {"degree": 2, "fidelity": 0.9, "fresh_fraction": 0.3, "rate": 0.5},
    ),
    "mode_contraction": (hc.mode_contraction, {"degree": 2, **ROUND, "rate": 0.5}),
    "mode_factors": (hc.mode_factors, {"degree": 2, **GIVEN, "rounds": 3, "rate": 0.5, "regime": "replace"}),
    "degree_kernel": (hc.degree_kernel, {"x": [0.3], "y": [0.2], "degree": 3}),
    "degree_spectrum": (hc.degree_spectrum, {"x": SAMPLE, "y": SAMPLE, "degree": 3}),
    "plan_schedule": (
        hc.plan_schedule,
        {
            "degree": 2,
            "rounds": 3,
            "fresh_fraction": 0.3,
            "_error": hc.PowerLaw(0.001, 0.5),
            "weights": None,
            "total_time": None,
            "floor": 0.0,
            "rate": 0.5,
        },
    ),
    "fit_error_model": (
        hc.fit_error_model,
        {"times": [0.1, 0.2, 0.4], "deviations": [0.3, 0.2, 0.1], "standard_errors": None},
    ),
    "predict": (
        lambda rounds, degree: hc.predict(recursion(), rounds=rounds, degree=degree),
        {"rounds": 2, "degree": 3},
    ),
    "required_particles": (
        lambda degree, effect, rounds, level, power: hc.required_particles(
            degree, effect, recursion=recursion(), rounds=rounds, level=level, power=power
        ),
        {"degree": 4, "effect": 0.1, "rounds": 2, "level": 0.01, "power": 0.9},
    ),
    "detection_power": (
        hc.detection_power,
        {
            "_mechanism": hc.mechanisms.Truncation(0.1),
            "data_variances": [1.0, 0.5],
            "fresh_fraction": 0.3,
            "images": 1000,
            "rounds": 3,
            "level": 0.05,
            "power": 0.9,
        },
    ),
    "diagnose": (
        hc.diagnose,
        {
            "curve": [[1.0], [0.9], [0.85], [0.82]],
            "kind": "factors",
            "degrees": [1],
            "standard_errors": [[0.01]] * 4,
            "fresh_fraction": 0.3,
            "truncation_time": 0.1,
            "rate": 0.5,
        },
    ),
    "log_density": (ONE.log_density, {"x": 0.3}),
    "score": (ONE.score, {"x": 0.3}),
    "hermite_coefficients": (ONE.hermite_coefficients, {"degree": 3}),
    "sample": (ONE.sample, {"n": 3, "rng": 0}),
    "ball_radius": (hc.bounds.ball_radius, {"defect": 0.1, **ROUND, "rate": 0.5}),
    "coupling_bound": (
        hc.bounds.coupling_bound,
        {"second_moment": 1.0, "dimension": 2, **ROUND, "rate": 0.5},
    ),
    "discount_weights": (
        hc.bounds.discount_weights,
        {"rounds": 3, "fresh_fraction": 0.3, "coherence": "incoherent"},
    ),
    "discounted_divergence": (
        hc.bounds.discounted_divergence,
        {"residuals": [0.1], "fresh_fraction": 0.3, "start": 0.1},
    ),
    "divergence_to_limit": (
        hc.bounds.divergence_to_limit,
        {"residuals": [0.1], "fresh_fraction": 0.3, "start": 0.1},
    ),
    "drift_regime": (
        hc.bounds.drift_regime,
        {"energies": ENERGIES, "fresh_fraction": 0.3, "standard_errors": None},
    ),
    "fisher_bound": (hc.bounds.fisher_bound, {"information": 1.0, **ROUND, "rate": 0.5}),
    "innovation_bounds": (
        hc.bounds.innovation_bounds,
        {"ideal_energy": 0.1, "observability": 0.5, "supremum_energy": 0.2},
    ),
    "mode_radius": (hc.bounds.mode_radius, {"degree": 2, "defect": 0.1, **ROUND, "rate": 0.5}),
    "mode_deviation": (
        hc.bounds.mode_deviation,
        {"degree": [1, 2], "defects": [[0.1, 0.1]], "target": [1.0, 1.0], **GIVEN, "rate": 0.5},
    ),
    "persistence_floor": (
        hc.bounds.persistence_floor,
        {"energy_floor": 0.1, "observability_floor": 0.5, "fresh_fraction": 0.3},
    ),
    "rate_table": (hc.bounds.rate_table, {**ROUND, "degree": 1, "rate": 0.5}),
    "refreshed_divergence": (hc.bounds.refreshed_divergence, {"divergence": 0.1, "fresh_fraction": 0.3}),
    "small_time_distance": (hc.bounds.small_time_distance, {"information": 0.1, **ROUND, "rate": 0.5}),
    "wasserstein_bound": (
        hc.bounds.wasserstein_bound,
        {"defects": [0.1, 0.1], "initial_distance": 0.1, **GIVEN, "rate": 0.5},
    ),
    "rounds_to_distance": (
        lambda distance, metric: hc.bounds.rounds_to_distance(recursion(), distance, metric=metric),
        {"distance": 0.1, "metric": "kl"},
    ),
    "gaussian_mmd": (hc.distances.gaussian_mmd, {"_p": ONE, "_q": OTHER, "bandwidth": 1.0}),
    "mehler": (hc.distances.mehler, {"_p": ONE, "_q": OTHER, "r": 0.5}),
    "optimal_transport": (hc.distances.optimal_transport, {"x": SAMPLE, "y": SAMPLE + 0.1, "order": 2}),
    "sliced_wasserstein": (
        hc.distances.sliced_wasserstein,
        {"p": SAMPLE, "q": SAMPLE + 0.1, "order": 2, "directions": 4, "rng": 0},
    ),
    "wasserstein": (hc.distances.wasserstein, {"p": SAMPLE, "q": SAMPLE + 0.1, "order": 2}),
    "Constant": (lambda time: hc.schedules.Constant(time).times(3), {"time": 0.1}),
    "Explicit": (lambda values: hc.schedules.Explicit(values).times(1), {"values": [0.1]}),
    "Geometric": (
        lambda time, ratio, floor: hc.schedules.Geometric(time, ratio, floor).times(5),
        {"time": 0.1, "ratio": 0.5, "floor": 0.0},
    ),
    "Polynomial": (
        lambda time, exponent: hc.schedules.Polynomial(time, exponent).times(5),
        {"time": 0.1, "exponent": 0.5},
    ),
    **{
        f"mechanisms.{name}": (
            lambda kind=kind, images=100, variance=1.0, fresh_fraction=0.3, **arguments: hc.Pipeline(
                [kind(**arguments)], fresh_fraction=fresh_fraction, images=images
            ).limit(variance),
            {"_kind": kind, **arguments, "images": 100, "variance": 1.0, "fresh_fraction": 0.3},
        )
        for name, kind, arguments in (
            ("Autoencoder", hc.mechanisms.Autoencoder, {"gain": 0.9, "residual": 0.01}),
            ("Blur", hc.mechanisms.Blur, {"bandwidth": 0.1}),
            ("CappedSlope", hc.mechanisms.CappedSlope, {"slope": 0.5}),
            ("FinalStep", hc.mechanisms.FinalStep, {"sigma": 0.1}),
            ("FlowStop", hc.mechanisms.FlowStop, {"stop": 0.1}),
            ("Rounding", hc.mechanisms.Rounding, {"step": 0.01}),
            ("ScoreError", hc.mechanisms.ScoreError, {"slope": 0.1, "energy": 0.1}),
            ("Truncation", hc.mechanisms.Truncation, {"time": 0.1, "rate": 0.5}),
        )
    },
}


def parameters() -> list[tuple[str, str]]:
    return [(name, key) for name, (_, base) in CALLS.items() for key in base if not key.startswith("_")]


def numbers_in(value: object, path: str = "") -> list[tuple[str, float]]:
    """Every floating-point number that a result holds, with where it is."""
    if isinstance(value, float | np.floating):
        return [(path, float(value))]
    if isinstance(value, np.ndarray):
        return [(path, float(x)) for x in value.ravel()] if value.dtype.kind == "f" else []
    if isinstance(value, list | tuple):
        return [pair for i, item in enumerate(value) for pair in numbers_in(item, f"{path}[{i}]")]
    if isinstance(value, Mapping):
        return [pair for key, item in value.items() for pair in numbers_in(item, f"{path}[{key!r}]")]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [
            pair
            for field in dataclasses.fields(value)
            for pair in numbers_in(getattr(value, field.name), f"{path}.{field.name}")
        ]
    return []


def outcome(name: str, changes: Mapping[str, object]) -> str:
    """ "" for a result or one sentence, else what is wrong with it."""
    function, base = CALLS[name]
    arguments = {key.removeprefix("_"): value for key, value in {**base, **changes}.items()}

    def too_long(number, frame):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = function(**arguments)
    except (hc.InputError, hc.ConvergenceError) as error:
        text = str(error)
        return "" if text.endswith(".") and "\n" not in text and len(text) < 700 else f"sentence: {text!r}"
    except TimeoutError:
        return f"more than {SECONDS} seconds"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    bad = [path for path, number in numbers_in(result) if np.isnan(number)]
    infinite = [path for path, number in numbers_in(result) if np.isinf(number)]
    if bad:
        return f"NaN in {sorted(set(bad))[:4]}"
    return f"infinite {sorted(set(infinite))[:4]}" if infinite else ""


# Results that may be infinite, and why; whatever else is infinite or NaN fails.
INFINITE = {
    "drift_regime": "without fresh data nothing is forgotten",
    "OrnsteinUhlenbeck.channel": "rate times time overflows: nothing is left",
    "GaussianChannel": "the time of a channel that keeps nothing",
    "half_degree": "without truncation every degree is kept",
    "detection_power": "what cannot be told has no finite error",
    "log_density": "the square of the distance overflows",
    "ball_radius": "a bound that overflows holds",
    "mode_radius": "a bound that overflows holds",
    "small_time_distance": "an infinite information, or a bound that overflows",
    "discounted_divergence": "an infinite start",
    "divergence_to_limit": "an infinite start",
    "refreshed_divergence": "an infinite divergence",
    "fisher_bound": "an infinite information",
    "innovation_bounds": "constants relative to an energy of 0, and energies of which the exponential overflows",
    **dict.fromkeys(
        (name for name in CALLS if name.startswith("mechanisms.")), "variances that grow without bound"
    ),
}
UNDEFINED = {"diagnose": "what the curves do not determine has no error"}


def is_right(name: str, text: str) -> bool:
    return (
        not text
        or (text.startswith("infinite ") and name in INFINITE)
        or (text.startswith("NaN ") and name in UNDEFINED)
    )


@pytest.mark.parametrize("name", CALLS)
def test_the_valid_call_gives_numbers(name):
    function, base = CALLS[name]
    result = function(**{key.removeprefix("_"): value for key, value in base.items()})
    assert result is not None
    assert name in UNDEFINED or not any(np.isnan(number) for _, number in numbers_in(result))


@pytest.mark.parametrize("name", CALLS)
def test_one_extreme_argument(name):
    keys = [key for key in CALLS[name][1] if not key.startswith("_")]
    wrong = {
        f"{key} = {value!r:.20}": text
        for key in keys
        for value in EXTREMES
        if not is_right(name, text := outcome(name, {key: value}))
    }
    assert wrong == {}


@settings(max_examples=400)
@given(data=st.data())
def test_several_extreme_arguments(data):
    name = data.draw(st.sampled_from(sorted(CALLS)))
    keys = [key for key in CALLS[name][1] if not key.startswith("_")]
    several = data.draw(st.lists(st.sampled_from(keys), min_size=1, max_size=3, unique=True))
    floats = st.floats(allow_nan=False, allow_infinity=False, min_value=0.0)
    text = outcome(name, {key: data.draw(st.one_of(floats, st.sampled_from(EXTREMES))) for key in several})
    assert is_right(name, text), text


def test_what_is_wrong_would_be_said(monkeypatch):
    def wrong(x):
        return {0: np.array([np.nan]), 1: 1.0 / np.float64(x), 2: [np.inf]}[x]

    monkeypatch.setitem(CALLS, "wrong", (wrong, {"x": 0}))
    assert [is_right("wrong", outcome("wrong", {"x": x})) for x in (0, 2, 3)] == [False, False, False]


def test_every_public_function_of_numbers_is_called():
    """Functions whose required arguments are all numbers are in the table."""
    import inspect

    for module in (hc, hc.bounds, hc.distances):
        for name in module.__all__:
            function = getattr(module, name)
            if not inspect.isfunction(function):
                continue
            required = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
            kinds = {str(p.annotation) for p in required}
            if name.startswith("plot_"):
                continue
            if required and kinds <= {"float", "int", "ArrayLike", "float | Estimate", "Sequence[float]"}:
                assert name in CALLS, name
