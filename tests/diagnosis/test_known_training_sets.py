"""Tables of one run whose models saw a known number of samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import hermite_collapse as hc
from hermite_collapse.diagnosis.fits.fitting import fit
from hermite_collapse.diagnosis.fits.round_models import AffineModel
from hermite_collapse.diagnosis.noise.noise_likelihood import of_noise
from hermite_collapse.diagnosis.noise.passed_noise import with_noise
from hermite_collapse.diagnosis.noise.rate_limits import with_errors_of_rates
from tests.diagnosis.observed_arrays import observed
from tests.diagnosis.own_samples import models, own_samples

STARTS, TIME, ROUNDS = np.array([0.6, 0.05]), 0.05, 10


def run(samples, fresh, seed, *, evaluated=None):
    """Return variances (ROUNDS + 1, 2) of one recursion, on its training samples or on others."""
    rng = np.random.default_rng(seed)
    told = {"starts": STARTS, "fresh": fresh, "rounds": ROUNDS}
    if evaluated is None:
        return own_samples(rng, samples, **told)
    values = models(rng, samples, **told)
    return values * rng.chisquare(evaluated, values.shape) / evaluated


def deviation(result):
    value, error = result.fits_by_mechanism["truncation"].fitted["truncation_time"]
    return (value - TIME) / error


@pytest.mark.parametrize("fresh", [0.0, 0.25])
def test_a_known_size_gives_errors_that_are_right(fresh):
    """Beside those of an evaluation, and where the table has none: z of the truncation time, and its p-value."""
    beside, alone, rejected = [], [], 0
    for seed in range(20):
        values = run(2000, fresh, seed, evaluated=20_000)
        told = {
            "kind": "variances",
            "fresh_fraction": fresh,
            "training_samples": 2000,
            "mechanism": "truncation",
        }
        one = hc.diagnose(values, standard_errors=0.01 * values, **told)
        other = hc.diagnose(run(2000, fresh, seed), **told)
        assert one.noise == "training_sets" and other.noise == "own_samples"
        beside.append(deviation(one))
        alone.append(deviation(other))
        rejected += one.verdict == "rejected"
    for deviations in (beside, alone):
        assert np.sqrt(np.mean(np.square(deviations))) == pytest.approx(1.0, abs=3.3 / np.sqrt(40))
    assert rejected <= 20 * (0.05 + 3.1 * np.sqrt(0.05 * 0.95 / 20))


def test_errors_of_a_table_without_any_are_those_of_its_samples():
    values = run(2000, 0.25, 1)
    told = {"kind": "variances", "fresh_fraction": 0.25}
    by_size = hc.diagnose(values, training_samples=2000, **told)
    errors = np.sqrt(2.0 / 2000) * values
    errors[0] = 0.0
    by_errors = hc.diagnose(values, standard_errors=errors, noise="own_samples", **told)
    assert by_size.chi_square == by_errors.chi_square and by_size.truncation_time == by_errors.truncation_time
    assert "Errors are those of 2000 Gaussian samples" in by_size.text
    deviations = hc.diagnose(np.sqrt(values), kind="deviations", fresh_fraction=0.25, training_samples=2000)
    assert deviations.chi_square == pytest.approx(by_size.chi_square, rel=1e-9)


def test_a_table_says_its_kind_and_the_option_its_samples(tmp_path):
    values = run(2000, 0.25, 1)
    rows = ["round,variance 1,variance 2"] + [f"{i},{a},{b}" for i, (a, b) in enumerate(values.tolist())]
    path = tmp_path / "curve.csv"
    path.write_text("\n".join(rows))
    of_table = hc.diagnose(hc.read_curve(path), fresh_fraction=0.25, training_samples=2000)
    of_arrays = hc.diagnose(values, kind="variances", fresh_fraction=0.25, training_samples=2000)
    assert of_table.chi_square == of_arrays.chi_square and of_table.verdict == of_arrays.verdict


def test_noise_of_a_known_size_is_not_fitted():
    """The joint covariance holds 2 v^2 / T of every round, whatever the evaluation says."""
    curves = observed(np.ones((ROUNDS + 1, 1)), np.full((ROUNDS + 1, 1), 1e-7))
    known = of_noise("training_sets", curves, 0.25, 500)
    assert known.noise.samples == 500
    kappa = np.array([0.7])
    passed = with_noise(known.noise, kappa, np.ones((ROUNDS + 1, 1)), curves).covariance
    diagonal = np.diagonal(passed)[1:] - curves.covariance[1:]
    np.testing.assert_allclose(diagonal, 2.0 / 500 * np.cumsum(0.49 ** np.arange(ROUNDS)), rtol=1e-12)


def test_what_is_known_of_samples_must_fit_the_curves():
    values = run(2000, 0.25, 1)
    errors = 0.01 * values
    for told, message in (
        ({"kind": "factors"}, "must come with variances or standard deviations, .* got 2000 with factors"),
        ({"kind": "squared_distances"}, "got 2000 with squared distances"),
        (
            {"noise": "training_sets"},
            "noise must be 'own_samples' for training_samples without standard errors",
        ),
        (
            {"noise": "independent", "standard_errors": errors},
            "noise must be 'training_sets' for training_samples",
        ),
        ({"runs": 3, "standard_errors": errors}, "must be left out for means of runs"),
        ({"runs": np.inf, "standard_errors": errors}, "must be left out for means of runs"),
        ({"covariance": np.eye(22)}, "training_samples must come with standard errors, since .* got 2000"),
        ({"fresh_fraction": 1.0}, "training_samples must be left out for fresh data alone, .* got 2000"),
        ({"kind": "bogus"}, "kind must be one of"),
        ({"rounds": range(5)}, "rounds must be whole numbers"),
        ({"training_samples": 1}, "training_samples must be an integer >= 2"),
        ({"training_samples": 2.5}, "training_samples must be an integer"),
    ):
        with pytest.raises(hc.InputError, match=message):
            hc.diagnose(values, **({"kind": "variances", "training_samples": 2000} | told))


def test_a_curve_must_be_one_with_a_scatter():
    told = {"kind": "variances", "training_samples": 2000}
    values = run(2000, 0.25, 1)
    values[5, 1] = 0.0
    with pytest.raises(hc.InputError, match="variances above 0 for training_samples, .* got 0 in round 5"):
        hc.diagnose(values, **told)
    with pytest.raises(hc.InputError, match="curve must"):
        hc.diagnose(3.0, **told)
    with pytest.raises(hc.InputError, match="curve must"):
        hc.diagnose(values + 1j, **told)


def test_sets_that_are_said_to_be_far_too_small_are_noticed():
    result = hc.diagnose(run(2000, 0.25, 1), kind="variances", fresh_fraction=0.25, training_samples=20)
    assert "far less than by training sets of 20 samples" in result.text and "deviations" not in result.text


def test_data_that_are_not_there_are_not_called_exact():
    told = {"kind": "variances", "fresh_fraction": 0.25, "training_samples": 2000}
    values = run(2000, 0.25, 1)
    assert "known exactly" in hc.diagnose(values, **told).text
    assert "known exactly" not in hc.diagnose(values[1:], rounds=np.arange(1, 11), **told).text


@pytest.mark.parametrize("evaluated", [None, 20_000])
def test_errors_are_right_for_as_few_as_sixteen_samples(evaluated):
    """A round then adds noise of a third of the values: z of the truncation time."""
    deviations = []
    for seed in range(30):
        values = run(16, 0.25, seed, evaluated=evaluated)
        errors = {} if evaluated is None else {"standard_errors": 0.01 * values}
        told = {
            "kind": "variances",
            "fresh_fraction": 0.25,
            "training_samples": 16,
            "mechanism": "truncation",
        }
        deviations.append(deviation(hc.diagnose(values, **told, **errors)))
    z = np.sqrt(np.mean(np.square(deviations)))
    assert 0.5 < z < 1.0 + 3.3 / np.sqrt(60)


def test_intervals_of_rates_are_those_of_the_density_of_contrasts():
    """Where the misfit, recomputed from the law of what start and step do not change, has risen by 3.84."""
    values = run(400, 0.25, 5)[:, :1]
    curves = of_noise(
        "own_samples", observed(values, np.sqrt(2.0 / 400) * values * (np.arange(11) > 0)[:, None]), 0.25
    )
    one = fit(AffineModel(), curves)
    limited = with_errors_of_rates(one, curves)
    stated = curves.replace(covariance=curves.noise.stated, noise=None)

    def misfit(kappa):
        design = ((1.0 - kappa ** np.arange(11.0)) / (1.0 - kappa))[1:, None]
        contrasts = np.linalg.svd(design)[0][:, 1:]
        covariance = with_noise(curves.noise, np.array([kappa]), one.predicted, stated).covariance[-10:, -10:]
        law = multivariate_normal(cov=contrasts.T @ covariance @ contrasts)
        return -2.0 * law.logpdf(contrasts.T @ (values[1:, 0] - values[0, 0]))

    rates = np.linspace(0.0, 0.99, 100)
    misfits = np.array([misfit(kappa) for kappa in rates])
    inside = rates[misfits <= misfits.min() + 3.841459]
    reach = np.abs(np.array([inside[0], inside[-1]]) - one.contraction[0]).max()
    assert limited.contraction_error[0] == pytest.approx(
        max(reach / 1.96, one.contraction_error[0]), abs=0.011 / 1.96
    )
    assert limited.plateau_error[0] >= one.plateau_error[0]


def test_a_plateau_far_below_the_true_one_is_not_certain():
    """Curves on their way to 1 that seem to level off early, since noise of 400 samples was passed on."""
    wrong = {"limited": 0, "curvature": 0}
    for seed in range(24):
        values = run(400, 0.0, seed)
        errors = np.sqrt(2.0 / 400) * values * (np.arange(11.0) > 0.0)[:, None]
        curves = of_noise("own_samples", observed(values, errors), 0.0)
        one = fit(AffineModel(), curves)
        for name, result in (("limited", with_errors_of_rates(one, curves)), ("curvature", one)):
            is_certain = result.settles & (np.abs(result.plateau - 1.0) > 3.0 * result.plateau_error)
            wrong[name] += np.count_nonzero(is_certain & (result.contraction < 1.0))
    assert wrong["limited"] <= 0.05 * 48 and 2 * wrong["limited"] <= wrong["curvature"], wrong
