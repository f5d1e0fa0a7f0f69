"""Verdicts: known mechanisms identified, single curves not, noise and straight lines never explained."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.diagnosis import diagnosis as module
from hermite_collapse.diagnosis.diagnosis import diagnose
from hermite_collapse.diagnosis.sentences import critical_slope

DEGREES = np.array([1, 2, 4])
VARIANCES = np.array([1.5, 0.5, 0.1])
EXAMPLES = Path(module.__file__).parent / "examples"
MECHANISMS = hc.mechanisms


def noisy_factors(alpha=0.25, time=0.12, rounds=15, sigma=0.004, seed=0):
    exact = hc.mode_factors(DEGREES, fresh_fraction=alpha, truncation_time=time, rounds=rounds)
    return exact + sigma * np.random.default_rng(seed).normal(size=exact.shape), np.full(exact.shape, sigma)


def noisy_variances(mechanism, alpha=0.3, rounds=12, relative=0.01, seed=1, data=VARIANCES):
    exact = hc.Pipeline([mechanism], fresh_fraction=alpha).trajectory(data, rounds)
    errors = relative * exact
    return exact + errors * np.random.default_rng(seed).normal(size=exact.shape), errors


def test_truncation_is_identified_by_the_shares_of_degrees():
    curve, errors = noisy_factors()
    result = diagnose(curve, degrees=DEGREES, standard_errors=errors)
    assert result.verdict == "identified" and result.fits is True and result.leading.name == "truncation"
    assert abs(result.fresh_fraction.value - 0.25) < 4.5 * result.fresh_fraction.error
    assert abs(result.truncation_time.value - 0.12) < 4.5 * result.truncation_time.error
    exact = hc.attenuation(DEGREES, fresh_fraction=0.25, truncation_time=0.12)
    assert np.all(np.abs(result.plateau - exact) < 4.5 * result.plateau_error)
    assert "Truncation explains the curves: fresh fraction 0.2" in result.text
    assert {"blur", "refit"}.isdisjoint(result.accepted)


def test_a_closure_above_degree_two_is_said_where_it_was_used():
    curve, errors = noisy_factors()
    said = "Above degree 2 refitting to finite samples and an error of the learned score are exact only for linear maps"
    assert said in diagnose(curve, degrees=DEGREES, standard_errors=errors).text
    spoilt = curve + 0.2 * np.eye(len(curve), 3)
    assert said in diagnose(spoilt, degrees=DEGREES, standard_errors=errors).text
    low = diagnose(curve[:, :2], degrees=DEGREES[:2], standard_errors=errors[:, :2])
    alone = diagnose(curve, degrees=DEGREES, standard_errors=errors, mechanism="truncation")
    assert "Above degree 2" not in low.text + alone.text


@pytest.mark.parametrize(
    ("name", "mechanism"),
    [
        ("truncation", MECHANISMS.Truncation(0.1)),
        ("blur", MECHANISMS.Blur(0.3)),
        ("refit", MECHANISMS.Refit(15)),
        ("score_error", MECHANISMS.ScoreError(0.1, 0.01)),
        ("sampler", MECHANISMS.SamplerSteps.ddim(steps=20)),
    ],
)
def test_mechanisms_are_identified_by_directions_of_different_variance(name, mechanism):
    curve, errors = noisy_variances(mechanism)
    sampler = mechanism if name == "sampler" else None
    runs = (
        np.inf if name == "refit" else None
    )  # the mean of infinitely many, which scatters no more than its errors
    result = diagnose(curve, kind="variances", standard_errors=errors, sampler=sampler, runs=runs)
    assert (result.verdict, result.leading.name) == ("identified", name)
    fresh = result.leading.parameters["fresh_fraction"]
    assert abs(fresh.value - 0.3) < 4.5 * fresh.error
    if name != "truncation":
        assert result.fresh_fraction is None and result.truncation_time is None
        assert "truncation" not in result.accepted


def test_score_errors_and_autoencoders_make_the_same_variances():
    curve, errors = noisy_variances(MECHANISMS.Autoencoder(0.9, 0.02))
    result = diagnose(curve, kind="variances", standard_errors=errors)
    assert result.verdict == "rate_and_plateau"
    assert {"score_error", "autoencoder"} <= set(result.accepted)


def test_one_curve_fixes_a_rate_and_a_plateau():
    curve, errors = noisy_variances(MECHANISMS.Truncation(0.1), data=np.array([0.1]))
    result = diagnose(curve, kind="variances", standard_errors=errors)
    assert result.verdict == "rate_and_plateau" and {"truncation", "blur"} <= set(result.accepted)
    assert "a second direction of another variance" in result.text and "The fresh fraction" in result.text
    limit = hc.Pipeline([MECHANISMS.Truncation(0.1)], fresh_fraction=0.3).limit(0.1)
    assert abs(result.plateau[0] - limit) < 4.5 * result.plateau_error[0]
    # The fresh fraction alone leaves one of them: blur settles at (1 - alpha), truncation below it.
    with_fresh = diagnose(
        *noisy_variances(MECHANISMS.Truncation(0.5), data=np.array([0.1]))[:1],
        kind="variances",
        standard_errors=noisy_variances(MECHANISMS.Truncation(0.5), data=np.array([0.1]))[1],
        fresh_fraction=0.3,
    )
    assert (with_fresh.verdict, with_fresh.leading.name) == ("identified", "truncation")


def test_directions_of_equal_variance_count_as_one():
    curve, errors = noisy_variances(MECHANISMS.Blur(0.3), data=np.array([0.4, 0.4, 0.4]))
    assert diagnose(curve, kind="variances", standard_errors=errors).verdict == "rate_and_plateau"


def test_a_widening_round_has_a_critical_share():
    curve, errors = noisy_variances(MECHANISMS.ScoreError(0.25, 0.01))
    result = diagnose(curve, kind="variances", standard_errors=errors)
    shown = re.search(r"critical share 1 - 1/A = ([0-9.]+) ± ([0-9.]+) ", result.text)
    assert abs(float(shown.group(1)) - 0.2) < 4.5 * float(shown.group(2)) < 0.03
    narrowing, errors = noisy_variances(MECHANISMS.Truncation(0.1))
    assert "critical" not in diagnose(narrowing, kind="variances", standard_errors=errors).text


def test_growth_without_a_plateau():
    curve, errors = noisy_variances(MECHANISMS.ScoreError(0.3, 0.01), alpha=0.05)
    result = diagnose(curve, kind="variances", standard_errors=errors)
    assert np.all(np.isinf(result.plateau)) and np.all(np.isinf(result.rounds))
    assert result.leading.name == "score_error" and "without a plateau" in result.text


@pytest.mark.parametrize("kind", ["factors", "variances", "distances", "deviations"])
@pytest.mark.parametrize("tested", [True, False])
def test_random_numbers_straight_lines_and_constants_are_never_explained(kind, tested):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        curves = [rng.random(12), np.linspace(1.0, 2.0, 12) + 0.01 * rng.normal(size=12)]
        curves += [1.0 + 0.01 * rng.normal(size=12)] + [np.ones(12)] * (seed == 0)
        for curve in curves:
            errors = np.full(12, 0.01) if tested else None
            result = diagnose(curve, kind=kind, standard_errors=errors)
            if result.fits:  # one in twenty of what is constant changes by chance
                assert result.verdict == "rate_and_plateau" and tested and np.ptp(curve) < 0.1
            assert result.fresh_fraction is None or result.fits
            assert "e-1" not in result.text and "explain" not in result.text
    assert (
        diagnose(np.random.default_rng(0).random(12), standard_errors=np.full(12, 0.01)).verdict == "rejected"
    )


def test_without_errors_nothing_is_tested():
    curve = hc.mode_factors(DEGREES, fresh_fraction=0.25, truncation_time=0.12, rounds=8)
    result = diagnose(curve, degrees=DEGREES)
    assert result.verdict == "undetermined" and result.fits is None and result.accepted == ()
    assert result.fresh_fraction is None and np.isnan(result.p_value)
    assert "Best fit, not tested: truncation with fresh fraction 0.25 and truncation time 0.12" in result.text
    best = result.leading.parameters
    assert best["truncation_time"].value == pytest.approx(0.12, rel=1e-6)


def test_parameters_at_their_border_are_undetermined():
    curve = np.ones((10, 3)) + 0.002 * np.random.default_rng(2).normal(size=(10, 3))
    result = diagnose(curve, standard_errors=np.full(curve.shape, 0.002))
    assert result.verdict == "undetermined" and "nothing changes beyond the errors" in result.text
    assert result.truncation_time is None
    one = result.fits_by_mechanism["truncation"]
    assert one.parameters["truncation_time"] is None


def test_fewer_than_three_degrees_of_freedom_have_no_error_bars():
    curve = hc.mode_factors([1, 2], fresh_fraction=0.3, truncation_time=0.2, rounds=2)[1:]
    result = diagnose(curve, rounds=[1, 2], standard_errors=np.full((2, 2), 1e-3))
    assert result.verdict == "undetermined" and "degrees of freedom" in result.text
    assert all(one.freedom < 3 for one in result.fits_by_mechanism.values())
    assert np.all(np.isnan(result.plateau_error))
    for one in result.fits_by_mechanism.values():
        assert all(value is None or not value.error > 0 for value in one.parameters.values())


def test_the_start_is_measured_with_its_error():
    """Off by two of its errors the start must not count as exact: z would grow with it."""
    pulls = []
    for seed in range(60):
        curve, errors = noisy_variances(MECHANISMS.Truncation(0.1), seed=seed, rounds=8)
        said = {"mechanism": "truncation", "regime": "replace", "noise": "independent"}
        result = diagnose(curve, kind="variances", standard_errors=errors, **said)
        pulls.append((result.truncation_time.value - 0.1) / result.truncation_time.error)
    assert np.sqrt(np.mean(np.square(pulls))) == pytest.approx(1.0, abs=0.3)


def test_rounds_may_start_at_one_and_the_data_be_given():
    curve, errors = noisy_variances(MECHANISMS.Truncation(0.1))
    whole = diagnose(curve, kind="variances", standard_errors=errors)
    parts = diagnose(
        curve[1:],
        kind="variances",
        rounds=np.arange(1, 13),
        standard_errors=errors[1:],
        data=curve[0],
        data_errors=errors[0],
    )
    assert parts.truncation_time.value == pytest.approx(whole.truncation_time.value, rel=1e-9)
    unknown = diagnose(curve[1:], kind="variances", rounds=np.arange(1, 13), standard_errors=errors[1:])
    assert unknown.leading.name == "truncation" and unknown.freedom == whole.freedom - 3


def test_exact_data_in_round_zero_have_no_error():
    exact = hc.Pipeline([MECHANISMS.Blur(0.3)], fresh_fraction=0.3).trajectory(VARIANCES, 6)
    errors = np.full(exact.shape, 0.01)
    errors[0] = 0.0
    result = diagnose(exact, kind="variances", standard_errors=errors)
    assert result.observations.count == 18 and not np.isnan(result.observations.starts).any()


def test_standard_deviations_are_squared():
    curve, errors = noisy_variances(MECHANISMS.Truncation(0.1))
    deviations, spread = np.sqrt(curve), errors / (2.0 * np.sqrt(curve))
    squared = diagnose(deviations, kind="deviations", standard_errors=spread)
    direct = diagnose(curve, kind="variances", standard_errors=errors)
    assert squared.truncation_time.value == pytest.approx(direct.truncation_time.value, rel=1e-9)


def test_distances_have_a_floor_a_rate_and_a_plateau():
    i = np.arange(14)
    rng = np.random.default_rng(4)
    curve = 1.5 + 4.0 * (1 - 0.6**i) + 0.05 * rng.normal(size=14)
    result = diagnose(curve, kind="distances", standard_errors=np.full(14, 0.05))
    assert result.verdict == "rate_and_plateau" and result.accepted == ("affine",)
    assert abs(result.plateau[0] - 5.5) < 4.5 * result.leading.plateau_error[0]
    assert np.isnan(result.plateau_error[0]) and result.fresh_fraction is None  # other rates may be at work
    recall = 0.9 - 0.5 * (1 - 0.6**i) + 0.005 * rng.normal(size=14)
    falling = diagnose(recall, kind="distances", standard_errors=np.full(14, 0.005))
    assert falling.plateau[0] == pytest.approx(0.4, abs=0.02)


def test_a_known_schedule_of_truncation_times():
    times = [0.4, 0.2, 0.1, 0.05, 0.05, 0.05, 0.05, 0.05]
    exact = hc.mode_factors([1, 2, 4], fresh_fraction=0.2, truncation_time=times, rounds=8)
    curve = exact + 0.003 * np.random.default_rng(4).normal(size=exact.shape)
    errors = np.full(exact.shape, 0.003)
    result = diagnose(curve, degrees=[1, 2, 4], standard_errors=errors, truncation_time=times)
    assert "truncation" in result.accepted and result.fresh_fraction.value == pytest.approx(0.2, abs=0.02)
    constant = diagnose(curve, degrees=[1, 2, 4], standard_errors=errors)
    assert "truncation" not in constant.accepted


def test_a_joint_covariance_counts():
    """Errors that all rounds share move the plateau without making the fit worse."""
    exact = hc.mode_factors([1, 2, 4], fresh_fraction=0.25, truncation_time=0.12, rounds=9)[1:]
    shared = np.kron(np.ones((9, 9)), 0.02**2 * np.eye(3)) + 0.002**2 * np.eye(27)
    rng = np.random.default_rng(5)
    curve = exact + np.tile(0.02 * rng.normal(size=3), (9, 1)) + 0.002 * rng.normal(size=(9, 3))
    keywords = {"degrees": [1, 2, 4], "rounds": np.arange(1, 10)}
    assert "truncation" in diagnose(curve, covariance=shared, **keywords).accepted
    blind = diagnose(curve, standard_errors=np.full((9, 3), 0.002), **keywords)
    assert "truncation" not in blind.accepted


def test_missing_values_are_left_out():
    curve, errors = noisy_factors()
    curve[4, 1] = np.nan
    assert diagnose(curve, degrees=DEGREES, standard_errors=errors).observations.count == curve.size - 1
    with_none = [[1.0, 1.0], [0.9, None], [0.85, 0.7], [0.8, 0.65]]
    assert diagnose(with_none).observations.count == 7


def test_a_mechanism_asked_for_is_the_only_one():
    curve, errors = noisy_factors()
    result = diagnose(curve, degrees=DEGREES, standard_errors=errors, mechanism="blur")
    assert (
        result.verdict == "rejected" and result.fits is False and list(result.fits_by_mechanism) == ["blur"]
    )
    alone = diagnose(curve, degrees=DEGREES, standard_errors=errors, mechanism="truncation")
    assert alone.verdict == "rate_and_plateau" and "No other mechanism was tried" in alone.text


REAL = [
    ("ring", {"fresh_fraction": 0.25}, "rate_and_plateau"),
    ("mnist_distance", {}, "rate_and_plateau"),
    ("four_modes_mixed", {}, "rate_and_plateau"),
    ("four_modes_replace", {}, "rate_and_plateau"),
    ("eight_gaussians", {}, "undetermined"),
    ("gaussian_refits_100", {"fresh_fraction": 0.0}, "identified"),
    ("gaussian_refits_32", {"fresh_fraction": 0.0}, "identified"),
]


@pytest.mark.parametrize(("name", "keywords", "verdict"), REAL)
def test_real_curves(name, keywords, verdict):
    result = diagnose(hc.read_curve(EXAMPLES / f"{name}.csv"), **keywords)
    assert result.verdict == verdict
    assert "truncation" not in result.accepted and result.truncation_time is None
    origin = (EXAMPLES / f"{name}.csv").read_text()
    assert "# Origin: " in origin and "# Verdict" in origin


def test_every_shipped_curve_has_its_verdict_here():
    assert {path.stem for path in EXAMPLES.glob("*.csv")} == {name for name, _, _ in REAL} | {"curves"}


def test_the_shipped_format_is_read_and_truncation_identified():
    curve = hc.read_curve(EXAMPLES / "curves.csv")
    assert curve.kind == "factors" and curve.degrees == (1, 2, 4)
    result = diagnose(curve)
    assert (result.verdict, result.leading.name) == ("identified", "truncation")
    assert abs(result.fresh_fraction.value - 0.2) < 3.0 * result.fresh_fraction.error
    assert abs(result.truncation_time.value - 0.05) < 3.0 * result.truncation_time.error


def test_the_ring_rejects_truncation_and_leaves_a_rate_and_a_plateau():
    ring = hc.read_curve(EXAMPLES / "ring.csv")
    result = diagnose(ring, fresh_fraction=0.25, runs=np.inf)
    truncation = result.fits_by_mechanism["truncation"]
    assert truncation.freedom == 14 and truncation.chi_square == pytest.approx(54.6, abs=0.5)
    assert truncation.p_value == pytest.approx(1.1e-6, rel=0.1)
    assert result.accepted == ("score_error", "autoencoder", "affine")
    # Errors of three runs, which they are, weaken the rejection and leave it one.
    of_three = diagnose(ring, fresh_fraction=0.25, runs=3)
    assert np.all(of_three.observations.runs == 3.0)
    assert of_three.fits_by_mechanism["truncation"].p_value == pytest.approx(0.0138, rel=0.02)
    independent = diagnose(ring, fresh_fraction=0.25, runs=3, noise="independent")
    assert independent.fits_by_mechanism["truncation"].p_value == pytest.approx(8.7e-4, rel=0.02)
    assert of_three.accepted == result.accepted and of_three.leading.p_value > 0.3
    # Nobody says how many: their scatter does, and the answer asks for the number.
    unsaid = diagnose(ring, fresh_fraction=0.25)
    assert unsaid.accepted == result.accepted and "as those of means of about 5 runs do" in unsaid.text
    assert unsaid.fits_by_mechanism["truncation"].p_value == truncation.p_value


def test_gaussian_refits_are_refits_and_their_plateau_lies_above_no_real_digit():
    result = diagnose(hc.read_curve(EXAMPLES / "gaussian_refits_100.csv"), fresh_fraction=0.0)
    samples = result.leading.parameters["samples"]
    assert abs(samples.value - 100.0) < 2.0 * samples.error and "refit" in result.accepted
    # As shares of one degree the same numbers could be truncation too: then it is not named alone.
    curve = hc.read_curve(EXAMPLES / "gaussian_refits_100.csv")
    alone = diagnose(
        curve.values[1:, 0],
        rounds=curve.rounds[1:],
        standard_errors=curve.standard_errors[1:, 0],
        fresh_fraction=0.0,
    )
    assert {"truncation", "refit"} <= set(alone.accepted) and alone.verdict != "identified"
    assert "truncation time" not in alone.text or "samples" in alone.text
    digits = diagnose(hc.read_curve(EXAMPLES / "mnist_distance.csv"))
    assert digits.plateau[0] - 1.3376 == pytest.approx(1.70, abs=0.03)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"curve": np.ones((2, 1))}, "curve must hold at least 3 usable values"),
        (
            {"curve": np.ones((5, 2)), "degrees": [1]},
            "degrees must have one entry >= 1 a column of curve (2)",
        ),
        (
            {"curve": np.ones(5), "standard_errors": np.ones(4)},
            "standard_errors must be >= 0 and shaped like curve",
        ),
        ({"curve": np.ones(5), "standard_errors": np.zeros(5)}, "standard_errors must be > 0 for values"),
        ({"curve": np.ones(5), "kind": "moments"}, "kind must be one of"),
        (
            {"curve": np.ones(5), "rounds": [0, 1]},
            "rounds must be whole numbers >= 0, one a row of curve (5)",
        ),
        ({"curve": np.ones(3), "rounds": [0, 1, 1]}, "rounds must not repeat, got round 1"),
        ({"curve": np.ones(3), "rounds": [0, 1, 1e9]}, "rounds must be at most 100000"),
        (
            {"curve": np.ones(5), "kind": "distances", "mechanism": "blur"},
            "mechanism must be 'affine' for distances, which fix no more, got 'blur'",
        ),
        ({"curve": np.ones(5), "mechanism": "sampler"}, "sampler must be given where mechanism"),
        ({"curve": np.ones(5), "mechanism": "guidance"}, "mechanism must be one of"),
        ({"curve": np.ones(5), "data": 1.0}, "data must be left out where the curve has a round 0"),
        ({"curve": -np.ones(5), "kind": "variances"}, "curve must hold variances >= 0"),
        (
            {"curve": np.ones(5), "truncation_time": [0.1, -0.2]},
            "truncation_time must hold times >= 0, got -0.2",
        ),
        ({"curve": np.ones(3), "covariance": np.ones((3, 3))}, "covariance must be positive definite"),
        (
            {"curve": np.ones(3), "covariance": np.ones((2, 2))},
            "covariance must be symmetric of shape (3, 3)",
        ),
    ],
)
def test_bad_curves_are_named(settings, words):
    with pytest.raises(hc.InputError) as problem:
        diagnose(**settings)
    assert words in str(problem.value) and "\n" not in str(problem.value)


def test_required_particles_invert_the_predicted_error():
    from hermite_collapse.recursion.sampling_error import predict_degree_error

    recursion = hc.Recursion(hc.presets.load("three_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    count = hc.required_particles(4, 0.02, recursion=recursion, rounds=5)
    error = predict_degree_error(recursion, 4, rounds=5, particles=count).standard_error[-1, 4]
    assert 0.02 / error == pytest.approx(2.5758 + 1.2816, rel=1e-3)
    with pytest.raises(hc.InputError, match="must have energy in the data"):
        symmetric = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
        hc.required_particles(3, 0.02, recursion=symmetric, rounds=5)


def test_required_particles_off_centre_are_those_of_a_mean():
    """The mean of N(5, 0.3) in units of 5: z^2 Var / (25 effect^2), no more for lying off centre."""
    recursion = hc.Recursion(hc.GaussianMixture([1.0], [5.0], 0.3), fresh_fraction=1.0, truncation_time=0.0)
    count = hc.required_particles(1, 0.01, recursion=recursion, rounds=1)
    assert count == pytest.approx((2.5758 + 1.2816) ** 2 * 0.3 / 25.0 / 0.01**2, rel=1e-3)


def test_a_mechanism_of_weights_alone_is_not_identified():
    """On degrees above 2 a blur of one curve is a free weight, without a bandwidth."""
    curve = 0.5 + 0.5 * 0.85 ** np.arange(11)[:, None]
    result = diagnose(curve, degrees=[4], standard_errors=np.full(curve.shape, 0.01), fresh_fraction=0.15)
    assert result.verdict == "rate_and_plateau" and "blur" in result.accepted
    assert "A second degree would tell more" in result.text


def test_a_blur_that_a_score_error_may_replace_is_not_identified_by_one_curve():
    """With errors of a slope that alone could do what the blur does, one number is no evidence; sharper ones are."""
    start, rounds, alpha, added = 0.6, np.arange(9), 0.25, 0.15
    limit = start + added / alpha
    curve = limit + (start - limit) * 0.75**rounds
    verdicts = []
    for error in (0.1, 0.002):
        errors = error * curve * (rounds > 0)
        told = {"kind": "variances", "standard_errors": errors, "fresh_fraction": alpha}
        result = diagnose(curve, noise="independent", **told)
        general = result.fits_by_mechanism["score_error"].fitted["slope"]
        verdicts.append((result.verdict, 2.0 * general[1] * start <= added))
    assert verdicts == [("rate_and_plateau", False), ("identified", True)]


def test_no_critical_share_beside_a_mechanism_that_never_widens():
    rng = np.random.default_rng(0)
    data = np.array([0.2, 0.8])
    seen = 0
    for _ in range(12):
        exact = hc.Pipeline([MECHANISMS.Blur(0.3)], fresh_fraction=0.2)
        curve = np.stack([exact.trajectory(v, 8) for v in data], axis=1)
        errors = 0.03 * curve
        errors[0] = 0.0
        curve = curve + errors * rng.normal(size=curve.shape)
        result = diagnose(curve, kind="variances", standard_errors=errors, noise="independent")
        if result.verdict == "identified" and result.leading.name == "blur":
            seen += 1
            assert "critical share" not in result.text and "a special case of" in result.text.casefold()
            assert critical_slope(result.fits_by_mechanism, result.verdict, result.leading) is None
    assert seen > 3
