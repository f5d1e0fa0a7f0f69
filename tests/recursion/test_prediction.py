"""The record of the theory: its numbers are those of the modules, and what does not exist is None with a reason."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.recursion.law_distances import LARGEST_PAIRED, law_distances
from hermite_collapse.recursion.prediction import predict

THREE = hc.presets.load("three_modes_1d")


def recursion(target=THREE, *, fresh_fraction=0.3, truncation_time=0.1, **settings):
    return hc.Recursion(target, fresh_fraction=fresh_fraction, truncation_time=truncation_time, **settings)


def test_closed_forms_and_laws_agree():
    found = predict(recursion(), rounds=3, degree=5)
    data = THREE.hermite_coefficients(5).values
    np.testing.assert_allclose(found.coefficients, found.factors * data, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.limit_coefficients, found.attenuation * data, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.half_degree, np.log1p(0.3) / 0.05)
    assert found.notes == () and found.limit.age_count == 32


def test_rates_are_kept_by_the_exact_laws():
    """The proved rate bounds every step, and the final one is approached from below in Wasserstein-2."""
    found = predict(recursion(hc.presets.load("off_centre_1d")), rounds=8, degree=4)
    approach = found.approach(("total_variation", "wasserstein1", "wasserstein2"))
    assert found.lowest_mode == 1
    for metric, row in approach.items():
        values = np.array([e.value for e in row])
        assert (values[1:] <= found.rates[metric] * values[:-1] * (1 + 1e-9)).all()
        np.testing.assert_allclose(values[-1] / values[-2], found.final_rates[metric], rtol=0.05)
    # Control: a rate two per cent smaller than the final one is not kept.
    values = np.array([e.value for e in approach["wasserstein1"]])
    assert (values[1:] > 0.98 * found.final_rates["wasserstein1"] * values[:-1]).any()


def test_symmetric_data_end_at_the_rate_of_their_lowest_mode():
    found = predict(recursion(hc.presets.load("two_modes_1d")), rounds=2)
    assert found.lowest_mode == 4  # centred, of variance 1, symmetric
    np.testing.assert_allclose(found.final_rates["total_variation"], 0.7 * np.exp(-0.2))
    np.testing.assert_allclose(found.final_rates["kl"], (0.7 * np.exp(-0.2)) ** 2)


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"blur": 0.2}, ("factors", "attenuation", "contraction", "half_degree")),
        ({"process": hc.VarianceExploding()}, ("factors", "attenuation", "half_degree")),
        ({"fresh_fraction": 0.0, "regime": "accumulate"}, ("attenuation", "half_degree")),
        ({"regime": "accumulate_with_fresh"}, ("contraction",)),
        ({"fresh_fraction": 0.0, "process": hc.VarianceExploding()}, ("limit", "attenuation")),
        ({"initial": hc.GaussianMixture([1.0], [0.0], 0.5)}, ("factors",)),
    ],
)
def test_what_does_not_exist_is_none(settings, missing):
    found = predict(recursion(**settings), rounds=2, degree=3)
    for name in missing:
        assert getattr(found, name) is None, name
    assert ("limit" in missing) == any("no limit law" in note for note in found.notes)
    assert found.coefficients.shape == (3, 4) and np.isfinite(found.coefficients).all()


def test_samples_and_many_dimensions():
    rng = np.random.default_rng(0)
    law = hc.EmpiricalLaw(rng.normal(size=(LARGEST_PAIRED // 16, 30)))
    found = predict(recursion(law), rounds=2, degree=8)
    assert found.coefficients is None and "too many Hermite modes" in found.notes[0]
    np.testing.assert_allclose(found.attenuation[1], 0.3 / (0.3 + np.expm1(0.05)))
    assert set(found.distances_to_data()) == {"bures"}


def test_distances_of_a_law_to_itself_and_infinite_ones():
    same = law_distances(THREE, THREE)
    for name in ("total_variation", "kl", "wasserstein1", "wasserstein2", "mehler", "bures"):
        assert abs(same[name].value) < 1e-7
    assert law_distances(predict(recursion(), rounds=1).limit, THREE)["chi_square"].value == np.inf
    assert set(law_distances(THREE, THREE, metrics=("kl",))) == {"kl"}


def test_dataset_is_labelled():
    data = predict(recursion(), rounds=2, degree=3).to_dataset()
    assert all({"long_name", "units"} <= set(v.attrs) for v in data.data_vars.values())
    np.testing.assert_array_equal(data["degree"], range(4))
    assert float(data["proved_rate"].sel(metric="total_variation")) == 0.7


@pytest.mark.parametrize(
    ("rounds", "degree", "name"), [(0, 3, "rounds"), (2, 0, "degree"), (2.5, 3, "rounds")]
)
def test_bad_arguments(rounds, degree, name):
    with pytest.raises(hc.InputError, match=f"{name} must be an integer"):
        predict(recursion(), rounds=rounds, degree=degree)
