"""Noise that rounds of a table pass on: its covariance, its likelihood, and what diagnoses make of it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2, multivariate_normal

import hermite_collapse as hc
from hermite_collapse.core.estimates import Estimate
from hermite_collapse.diagnosis.fits.fitting import MechanismFit
from hermite_collapse.diagnosis.noise.noise_likelihood import likelihoods, likely, possible
from hermite_collapse.diagnosis.noise.passed_noise import with_noise
from hermite_collapse.diagnosis.observed.round_noise import NOISE, RoundNoise
from hermite_collapse.recursion import regimes
from hermite_collapse.recursion.accumulated import passed_on
from tests.diagnosis.observed_arrays import observed
from tests.diagnosis.own_samples import models, own_samples

STARTS, TIME, ROUNDS = np.array([0.6, 0.05]), 0.05, 10


def runs_of(training, fresh, rng, *, count=1):
    """Return variances (count, ROUNDS + 1, 2) of recursions whose models see so many samples."""
    return own_samples(rng, training, starts=np.broadcast_to(STARTS, (count, 2)), fresh=fresh, rounds=ROUNDS)


def table(kind, fresh, seed, *, training=2000):
    """Return values and standard errors of one table, and how many runs are said."""
    rng = np.random.default_rng(seed)
    if kind == "between_runs":
        values = runs_of(training, fresh, rng, count=8)
        errors = values.std(axis=0, ddof=1) / np.sqrt(8)
        errors[0] = 1e-4 * STARTS
        return values.mean(axis=0), errors, 8
    if kind == "independent":
        values = runs_of(None, fresh, rng)[0]
        errors = 0.03 * values
        return values + errors * rng.standard_normal(values.shape), errors, None
    if kind == "own_samples":
        values = runs_of(training, fresh, rng)[0]
        errors = np.sqrt(2.0 / training) * values
        errors[0] = 1e-4 * STARTS
        return values, errors, 1
    values = models(rng, training, starts=STARTS, fresh=fresh, rounds=ROUNDS)
    errors = np.sqrt(2.0 / 20_000) * values
    return values + errors * rng.standard_normal(values.shape), errors, 1


@pytest.mark.parametrize("regime", regimes.NAMES)
def test_noise_passes_on_as_deviations_do(regime):
    """By recursions of one deviation each, of constant factors of a round and of those that change."""
    kappas = np.array([0.3, 0.9])
    steps = np.array([[0.5, 0.8], [0.2, 0.9], [0.7, 0.1], [0.4, 1.0]])
    for factors, constant in ((kappas, True), (steps, False)):
        passed = passed_on(regime, factors, 4)
        for column in range(2):
            for born in range(1, 5):
                values = [0.0]
                for i in range(1, 5):
                    earlier = {
                        "replace": values[-1],
                        "accumulate": sum(values) / i,
                        "accumulate_with_fresh": sum(values[1:]) / max(i - 1, 1),
                    }[regime]
                    factor = factors[column] if constant else factors[i - 1, column]
                    values.append(factor * earlier + (i == born))
                np.testing.assert_allclose(passed[column, :, born - 1], values, rtol=1e-14)


def test_covariances_are_those_of_simulated_rounds():
    """Entries of different rounds and columns, with a missing value, to four errors of 200 000 recursions."""
    kappa, rng = np.array([0.7, 0.4]), np.random.default_rng(5)
    values = np.stack([np.linspace(1.0, 2.0, 5), np.full(5, 0.5)], axis=1)
    values[3, 1] = np.nan
    errors = 0.1 * values
    observations = observed(values, errors)
    shape = np.nan_to_num(values, nan=0.5)
    for name, ratio in (("own_samples", 0.0), ("training_sets", 4.0), ("between_runs", 1.0)):
        noise = RoundNoise(name, observations.covariance, ratio)
        covariance = with_noise(noise, kappa, shape, observations).covariance
        spread = 0.1 * shape * (2.0 if name == "training_sets" else 1.0)
        deviations = np.zeros((200_000, 5, 2))
        deviations[:, 0] = 0.1 * shape[0] * rng.standard_normal((200_000, 2))
        passed = np.zeros((200_000, 2))
        for i in range(1, 5):
            passed = kappa * passed + spread[i] * rng.standard_normal(passed.shape)
            deviations[:, i] = passed
        if name == "training_sets":
            deviations[:, 1:] += 0.1 * shape[1:] * rng.standard_normal(deviations[:, 1:].shape)
        entries = deviations[:, observations.used]
        found = entries.T @ entries / len(entries)
        if name == "between_runs":  # the same correlations, with the errors as stated
            np.testing.assert_allclose(np.diagonal(covariance), observations.covariance, rtol=1e-12)
            scale = np.sqrt(np.diagonal(covariance) / np.diagonal(found))
            found = found * scale * scale[:, None]
        sizes = np.sqrt(np.outer(np.diagonal(covariance), np.diagonal(covariance)))
        assert np.abs(found - covariance).max() < 4.5 * np.sqrt(2.0 / 200_000) * sizes.max()


@pytest.mark.parametrize("share", [0.25, 1e-9])
def test_sets_that_are_drawn_anew_add_what_sampling_does(share):
    """By 400 000 recursions of small deviations: samples of the data, those of the last ones, and the values' own."""
    rng, slope, relative = np.random.default_rng(8), 0.9, 1e-4
    means = [2.0, 2.0 * slope + 0.1]
    for _ in range(ROUNDS - 1):
        means.append(slope * (share * 2.0 + (1.0 - share) * means[-1]) + 0.1)
    means, total = np.array(means), np.zeros((400_000, ROUNDS + 1))

    def normal(variance):
        return np.sqrt(relative * variance) * rng.standard_normal(len(total))

    for i in range(1, ROUNDS + 1):
        if i == 1:
            trained = normal(means[0] ** 2)
        else:
            fresh = share * normal(means[0] ** 2 / share)
            # (1 - share) T of T samples: what is left of their scatter in so large a part
            rest = (1.0 - share) * normal(means[i - 1] ** 2 * (1.0 / (1.0 - share) - 1.0))
            trained = fresh + rest + (1.0 - share) * total[:, i - 1]
        total[:, i] = slope * trained + normal(means[i] ** 2)
    errors = np.sqrt(relative) * means[:, None]
    errors[0] = 0.0
    one = observed(means[:, None], errors)
    noise = RoundNoise("own_samples", one.covariance, share)
    covariance = with_noise(noise, np.array([slope * (1.0 - share)]), means[:, None], one).covariance
    deviations = total[:, 1:]
    simulated = deviations.T @ deviations / len(deviations)
    sizes = np.sqrt(np.outer(np.diagonal(simulated), np.diagonal(simulated)))
    assert (
        np.abs(simulated - covariance[-ROUNDS:, -ROUNDS:]).max() < 4.5 * np.sqrt(2.0 / 400_000) * sizes.max()
    )


def test_likelihoods_are_those_of_contrasts():
    """The restricted likelihood is the density of what no plateau and no start changes, up to a constant."""
    values, errors, _ = table("own_samples", 0.25, 3)
    one = observed(values[:, :1], errors[:, :1])
    for likelihood in likelihoods(one, ["own_samples", "between_runs"]):
        kappa = likelihood.kappa[0]
        sums = (1.0 - kappa ** np.arange(ROUNDS + 1.0)) / (1.0 - kappa)
        i = np.arange(ROUNDS + 1.0)
        slopes = (sums - i * kappa ** np.maximum(i - 1.0, 0.0)) / (1.0 - kappa)
        design = np.stack([np.ones_like(sums), sums, slopes], axis=1)
        contrasts = np.linalg.svd(design)[0][:, 3:]
        covariance = with_noise(likelihood.noise, likelihood.kappa, likelihood.predicted, one).covariance
        law = multivariate_normal(cov=contrasts.T @ covariance @ contrasts)
        at_rate = np.linalg.svd(design[:, :2])[0][:, 2:]
        of_curve, rest = at_rate.T @ values[:, 0], contrasts.T @ values[:, 0]
        direct = -2.0 * law.logpdf(rest) - (ROUNDS - 2) * np.log(2.0 * np.pi)
        # The volume is that of contrasts with the rate, too; residuals are those of the curve at the likeliest rate.
        direct += of_curve @ np.linalg.solve(at_rate.T @ covariance @ at_rate, of_curve)
        direct -= rest @ np.linalg.solve(contrasts.T @ covariance @ contrasts, rest)
        assert likelihood.misfit == pytest.approx(direct, abs=1e-4)


def test_curves_that_begin_after_the_data_have_likelihoods():
    """At factor 0 start and plateau are one number then."""
    values, errors, _ = table("own_samples", 0.25, 3)
    one = observed(values[1:], errors[1:], rounds=np.arange(1, ROUNDS + 1))
    for likelihood in likelihoods(one):
        assert np.isfinite(likelihood.misfit) and np.isfinite(likelihood.predicted).all()
    assert possible(likelihoods(one))


@pytest.mark.parametrize("kind", NOISE)
def test_what_is_at_work_is_possible(kind):
    """By curves of a rate and a plateau each, in at least nine of ten tables (of the likelihood 95 per cent)."""
    held = 0
    for seed in range(20):
        values, errors, _ = table(kind, 0.25, seed)
        names = {one.noise.name for one in possible(likelihoods(observed(values, errors)))}
        held += kind in names
    assert held >= 16


def unsaid(kind, seeds, *, training=2000):
    """Return diagnoses of tables of true truncation whose noise nobody says."""
    for seed in seeds:
        values, errors, runs = table(kind, 0.25, seed, training=training)
        yield hc.diagnose(values, kind="variances", standard_errors=errors, fresh_fraction=0.25, runs=runs)


@pytest.mark.parametrize("kind", NOISE)
def test_a_true_truncation_is_not_rejected_where_nobody_says_what_errors_are(kind):
    for result in unsaid(kind, range(4)):
        assert "truncation" in result.accepted and result.verdict != "rejected"


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", NOISE)
def test_the_level_where_nobody_says_what_errors_are(kind):
    """A true truncation rejected in five per cent at most; errors of what it determines at most half too small."""
    count, rejected, deviations = 150, 0, []
    for result in unsaid(kind, range(1000, 1000 + count)):
        rejected += "truncation" not in result.accepted
        time = result.fits_by_mechanism["truncation"].parameters["truncation_time"]
        if result.verdict in ("identified", "rate_and_plateau") and time is not None:
            deviations.append((time.value - TIME) / time.error)
    assert rejected <= count * (0.05 + 3.1 * np.sqrt(0.05 * 0.95 / count))
    # Noise of training sets beside smaller errors leaves nearly everything undetermined.
    assert len(deviations) <= 3 if kind == "training_sets" else deviations
    many = max(len(deviations), 1)
    largest = 1.6 if many > 20 else (chi2.ppf(0.999, many) / many) ** 0.5  # of few, those of normal ones
    assert np.sqrt(np.sum(np.square(deviations)) / many) < largest


def said(kind, seeds):
    for seed in seeds:
        values, errors, runs = table(kind, 0.25, seed)
        told = {"kind": "variances", "standard_errors": errors, "fresh_fraction": 0.25, "runs": runs}
        yield hc.diagnose(values, noise=kind, mechanism="truncation", **told)


@pytest.mark.parametrize("kind", NOISE)
def test_errors_are_right_where_it_is_said(kind):
    deviations, p_values = [], []
    for result in said(kind, range(100, 120)):
        one = result.fits_by_mechanism["truncation"]
        time = one.parameters["truncation_time"]
        deviations.append((time.value - TIME) / time.error)
        p_values.append(one.p_value)
        assert result.noise == kind
    assert np.sqrt(np.mean(np.square(deviations))) == pytest.approx(1.0, abs=3.3 / np.sqrt(40))
    assert np.mean(np.array(p_values) < 0.05) <= 0.05 + 3.1 * np.sqrt(0.05 * 0.95 / 20)


def test_a_rejection_of_everything_that_rests_on_independent_errors_is_undetermined():
    values, errors, _ = table("training_sets", 0.25, 0, training=1000)
    told = {"kind": "variances", "standard_errors": errors, "fresh_fraction": 0.25}
    result = hc.diagnose(values, **told)
    assert result.verdict == "undetermined" and result.fits is None and "truncation" in result.accepted
    assert result.truncation_time is None and result.noise == "training_sets"
    size = float(result.text.partition("noise of training sets of about ")[2].split()[0])
    assert 300.0 <= size <= 3000.0
    assert result.text.endswith("say which it is (noise, --noise).")
    independent = hc.diagnose(values, noise="independent", **told)
    assert independent.verdict == "rejected" and independent.noise == "independent"
    exact = hc.diagnose(values, runs=np.inf, **told)
    assert exact.verdict == "rejected" and "noise" not in exact.text
    known = hc.diagnose(values, noise="training_sets", **told)
    assert known.verdict in ("identified", "rate_and_plateau")


SINGLE_RUN = np.array(
    [
        [0.290426, 0.0483436], [0.326703, 0.112281], [0.350847, 0.153569], [0.376439, 0.172533],
        [0.399854, 0.202831], [0.400628, 0.225292], [0.389431, 0.221343], [0.413485, 0.224021],
        [0.41197, 0.220956], [0.414129, 0.212099], [0.414791, 0.203754],
    ]
)  # fmt: skip
"""A true truncation whose values are of the 1000 samples that train the next round."""


def test_a_name_that_another_noise_does_not_leave_alone_is_undetermined():
    errors = np.sqrt(2.0 / 1000) * SINGLE_RUN
    errors[0] = 0.0
    told = {"kind": "variances", "standard_errors": errors, "fresh_fraction": 0.3}
    result = hc.diagnose(SINGLE_RUN, **told)
    assert result.verdict == "undetermined" and {"truncation", "blur"} <= set(result.accepted)
    assert "truncation explains the curves" in result.text and "blur (p = 0.21) is not: say" in result.text
    assert not result.fits_by_mechanism["blur"].is_rejected
    runs = hc.diagnose(SINGLE_RUN, noise="between_runs", **told)
    assert runs.verdict == "identified" and runs.fits_by_mechanism["blur"].is_rejected
    own = hc.diagnose(SINGLE_RUN, noise="own_samples", **told)
    assert "blur" in own.accepted and own.verdict != "rejected"


def test_plateaus_of_mechanisms_that_disagree_are_none():
    """A true blur, of which truncation leads to 1.1 and blur to 1.26 in the second curve."""
    rng = np.random.default_rng(2)
    values = [np.array([0.34, 1.13])]
    for _ in range(ROUNDS):
        values.append(0.1 * values[0] + 0.9 * values[-1] + 0.014)
    errors = np.array(values) * [0.03, 0.05]
    result = hc.diagnose(
        values + errors * rng.standard_normal(errors.shape),
        kind="variances",
        standard_errors=errors,
        fresh_fraction=0.1,
        noise="independent",
    )
    assert {"truncation", "blur"} <= set(result.accepted) and result.verdict == "undetermined"
    assert "mechanisms that are not rejected lead to different plateaus" in result.text


def mechanism_fit(value, error, **arrays):
    """Return a fit of truncation with one parameter."""
    estimate = Estimate(value, error, "standard_error", "samples")
    return MechanismFit(
        name="truncation",
        title="truncation",
        parameters={"truncation_time": estimate},
        fitted={"truncation_time": (value, error)},
        **arrays,
        **dict.fromkeys(("chi_square", "p_value", "freedom", "predicted", "start", "free"), 0),
    )


@pytest.mark.parametrize("kind", ["independent", "own_samples"])
def test_errors_hold_for_every_noise_that_is_likely(kind):
    """By fits where each of these is said: no error is smaller than one of theirs, nor than how far they lie away."""
    values, errors, _ = table(kind, 0.25, 9)
    told = {"kind": "variances", "standard_errors": errors, "fresh_fraction": 0.25}
    result = hc.diagnose(values, **told)
    likely_kinds = [one.noise.name for one in likely(likelihoods(observed(values, errors)))]
    assert len(likely_kinds) > 1 and result.noise in likely_kinds
    alone = hc.diagnose(values, noise=result.noise, **told)
    for name in alone.accepted:
        one = result.fits_by_mechanism[name]
        for other in (
            hc.diagnose(values, noise=noise, **told).fits_by_mechanism[name] for noise in likely_kinds
        ):
            deviations = np.hypot(other.plateau_error, other.plateau - one.plateau)
            assert np.all(one.plateau_error >= 0.99 * deviations)
            for parameter, estimate in one.parameters.items():
                if estimate is not None:
                    beside = other.parameters[parameter]
                    assert estimate.error >= 0.99 * np.hypot(beside.error, beside.value - estimate.value)
    if np.any(result.leading.plateau_error > 1.5 * alone.leading.plateau_error):
        assert "errors given here are large enough to hold if" in result.text


def test_what_a_likely_noise_leaves_undetermined_is_so():
    """With a limit, the largest of several: errors of one kind alone tell a small truncation from none."""
    one = dict.fromkeys(("plateau", "plateau_error", "contraction", "contraction_error"), np.zeros(1))
    narrow = mechanism_fit(0.05, 0.01, **one)
    wide = mechanism_fit(0.06, 0.04, **one).replace(
        parameters={"truncation_time": None}, limits={"truncation_time": 0.14}
    )
    assert narrow.with_errors_beside(wide).parameters == {"truncation_time": None}
    assert narrow.with_errors_beside(wide).limits == {"truncation_time": 0.14}
    both = narrow.with_errors_beside(mechanism_fit(0.02, 0.04, **one | {"plateau": np.array([3.0])}))
    assert both.parameters["truncation_time"].value == 0.05
    assert both.parameters["truncation_time"].error == pytest.approx(0.05)
    assert both.fitted["truncation_time"] == (0.05, pytest.approx(0.05)) and both.plateau_error == 3.0
    anywhere = one | {"plateau": np.array([np.inf]), "plateau_error": np.array([np.nan])}
    assert not narrow.with_errors_beside(mechanism_fit(0.05, 0.01, **anywhere)).settles.any()


def test_errors_of_runs_are_passed_on_in_part_where_that_is_possible():
    values, errors, runs = table("between_runs", 0.25, 3)
    told = {"kind": "variances", "standard_errors": errors, "fresh_fraction": 0.25, "runs": runs}
    result = hc.diagnose(values, **told)
    assert result.noise == "between_runs" and "as those of runs do" in result.text
    assert 0.05 < result.observations.noise.ratio <= 1.0


def test_random_and_restless_values_are_not_explained_by_noise():
    rng = np.random.default_rng(0)
    for values in (1.0 + 0.5 * (-1.0) ** np.arange(12.0), rng.uniform(0.2, 3.0, 12)):
        result = hc.diagnose(values, kind="variances", standard_errors=np.full(12, 0.01))
        assert result.verdict in ("rejected", "undetermined") and result.truncation_time is None


def test_noise_says_nothing_of_some_curves():
    curve = hc.mode_factors([1, 2], fresh_fraction=0.3, truncation_time=0.1, rounds=8)
    errors = np.full(curve.shape, 0.002)
    for told, message in (
        ({"noise": "white", "standard_errors": errors}, "noise must be one of"),
        ({"noise": "own_samples"}, "noise must come with standard errors"),
        ({"noise": "own_samples", "covariance": 4e-6 * np.eye(18)}, "noise must come with standard errors"),
        (
            {"noise": "own_samples", "standard_errors": errors, "runs": np.inf},
            "exact, as those of infinitely many runs \\(column 1, column 2\\), got",
        ),
        ({"noise": "between_runs", "standard_errors": errors, "fresh_fraction": 1.0}, "fresh data alone,"),
        ({"noise": "own_samples", "standard_errors": errors, "kind": "distances"}, "for distances, got 'own"),
        (
            {"noise": "own_samples", "standard_errors": errors, "rounds": [*range(8), 301]},
            "must be 'independent' for rounds beyond 300 \\(the last is 301\\), got 'own_samples'",
        ),
    ):
        with pytest.raises(hc.InputError, match=message):
            hc.diagnose(curve, **told)
    short = np.stack([curve[:, 0], np.where(np.arange(9) < 2, curve[:, 1], np.nan)], axis=1)
    with pytest.raises(hc.InputError, match="for curves of too few values to show a rate \\(column 2\\)"):
        hc.diagnose(short, kind="variances", noise="own_samples", standard_errors=errors)
    long = np.tile(curve[:1], (301, 2))
    with pytest.raises(hc.InputError, match="for more than 1000 values \\(these are 1204\\), got 'own"):
        hc.diagnose(long, degrees=[1, 2, 3, 4], noise="own_samples", standard_errors=0.01 * long)
    distances = hc.diagnose(curve, kind="distances", standard_errors=errors, noise="independent")
    assert distances.noise == "independent"
    assert hc.diagnose(curve).noise is None


def test_many_values_tell_the_size_of_training_sets():
    """Beside an evaluation by ten times as many samples: between two sizes that are both contradicted."""
    for seed in (0, 2):
        values = models(
            np.random.default_rng(seed), 1500, starts=[0.6, 1.3, 1.6, 0.8, 0.9], fresh=0.05, rounds=24
        )
        rng = np.random.default_rng(1000 + seed)
        values = values * rng.chisquare(15_000, values.shape) / 15_000
        errors = np.sqrt(2.0 / 15_000) * values
        result = hc.diagnose(values, kind="variances", standard_errors=errors, fresh_fraction=0.05)
        assert result.verdict == "undetermined" and "truncation" in result.accepted
        size = float(result.text.partition("training sets of about ")[2].split()[0])
        assert 1000.0 <= size <= 2300.0


def test_sizes_are_refined_as_often_as_rates_move_with_them():
    """By 900 values, of 500 samples: the size between two that are both contradicted is 575, in two steps."""
    rng = np.random.default_rng(1)
    values = models(rng, 500, starts=np.linspace(0.2, 2.0, 10), fresh=0.2, rounds=90)
    values = values * rng.chisquare(5000, values.shape) / 5000
    tried = likelihoods(observed(values, 0.02 * values), ["training_sets"])
    sizes = np.array([5000.0 / one.noise.ratio for one in tried if one.is_plausible])
    assert len(sizes) and np.abs(sizes - 500.0).max() < 100.0


def test_a_trend_does_not_hide_noise():
    """By independent errors all is rejected but times that shrink; by the noise that was at work, truncation is not."""
    values = own_samples(np.random.default_rng(24), 400, starts=[0.6, 0.05, 1.6], fresh=0.3, rounds=20)
    errors = np.sqrt(2.0 / 400) * values
    errors[0] = 0.0
    result = hc.diagnose(values, kind="variances", standard_errors=errors, fresh_fraction=0.3)
    assert result.verdict == "undetermined" and "truncation" in result.accepted
    assert "With independent errors truncation at one time is rejected, but one that" in result.text
    assert result.text.startswith("Undetermined: how errors of different rounds belong together")


def test_a_plateau_of_a_special_case_holds_for_the_law_that_contains_it():
    """A score error that widens, of which blur describes the rounds that were measured."""
    true = (1.03 * 0.05 * 0.3 + 0.02) / (1.0 - 0.95 * 1.03)
    told = {"kind": "variances", "fresh_fraction": 0.05, "noise": "own_samples"}
    blurs = 0
    for seed in range(6):
        values = own_samples(
            np.random.default_rng(seed), 4000, starts=[0.3], fresh=0.05, rounds=30, slope=1.03, added=0.02
        )
        errors = np.sqrt(2.0 / 4000) * values
        errors[0] = 0.0
        result = hc.diagnose(values, standard_errors=errors, **told)
        blurs += "blur" in result.accepted
        if np.isfinite(result.plateau[0]):
            assert abs(result.plateau[0] - true) < 4.0 * result.plateau_error[0]
    assert blurs >= 3
