"""Chi-square of the truth is its degrees of freedom, for samples of several shapes and mechanisms."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

import hermite_collapse as hc
from hermite_collapse.diagnosis.fits.affine_models import AutoencoderModel, TruncationModel
from hermite_collapse.diagnosis.fits.fitting import fit
from hermite_collapse.diagnosis.fits.reweighting import followed
from hermite_collapse.diagnosis.samplers.sampler_model import SamplerModel
from tests.diagnosis.channel_histories import channel_history
from tests.diagnosis.samplers.test_sampler_errors import SAMPLERS, sampler_history
from tests.diagnosis.samplers.test_sampler_errors import WIDTHS as WIDTHS_OF_SAMPLERS

WIDTHS = np.geomspace(1.2, 0.2, 5)


def skewed(count, rng, widths=WIDTHS):
    """Samples of two groups, .4 at one width and .6 at -.6 of it."""
    upper = rng.random((count, 1)) < 0.4
    return widths * (0.7 * rng.standard_normal((count, len(widths))) + np.where(upper, 1.0, -0.6))


def autoencoder_history(data, *, gain, residual, rounds, samples, rng):
    last, generations = data, []
    for i in range(rounds):
        fresh = rng.random((samples, 1)) < (0.2 if i else 1.0)
        drawn = np.where(
            fresh, data[rng.integers(len(data), size=samples)], last[rng.integers(len(last), size=samples)]
        )
        last = gain * drawn + residual * rng.standard_normal(drawn.shape)
        generations.append(last)
    return generations


def test_degrees_above_two_are_left_out_where_lower_ones_pass_errors_to_them():
    rng = np.random.default_rng(0)
    data = skewed(1000, rng)
    through = autoencoder_history(data, gain=0.8, residual=0.1, rounds=6, samples=1000, rng=rng)
    result = hc.diagnose(hc.measure(data, through, directions=2, degrees=4, training_samples=1000))
    assert {"degree 3", "degree 4"}.isdisjoint(result.observations.names)
    assert "degree 2" in result.observations.names or "follow from the other curves" in result.text
    assert "so that all else is said of the other curves: degree 3, degree 4." in result.text
    plain = channel_history(data, fresh_fraction=0.2, time=0.05, rounds=6, samples=1000, rng=rng)
    stopped = hc.diagnose(hc.measure(data, plain, directions=2, degrees=4, training_samples=1000))
    assert {"degree 3", "degree 4"} <= set(stopped.observations.names)
    assert "pass unknown errors" not in stopped.text


def images(rng):
    return load_digits().images / 8.0 - 1.0, 500


def latents(rng):
    return skewed(5000, rng, np.array([1.3, 0.8, 0.5, 0.3])), 5000


def few(rng):
    return 0.3 + rng.standard_normal((2000, 12)) * np.geomspace(1.5, 0.2, 12), 200


def accepted(model, curves):
    one = fit(model, followed(curves, None))
    value, error = one.fitted["fresh_fraction"]
    return one.chi_square, one.freedom, one.is_rejected, (value - 0.2) / error


def require_nominal_chi_square(chi_square, freedom, rejected):
    assert chi_square.sum() / freedom.sum() == pytest.approx(1.0, abs=2.6 * np.sqrt(2.0 / freedom.sum()))
    assert rejected.sum() <= 0.05 * len(rejected) + 3.1 * np.sqrt(0.05 * 0.95 * len(rejected))


def require_nominal(found):
    chi_square, freedom, rejected, z = np.array(found).T
    require_nominal_chi_square(chi_square, freedom, rejected)
    assert np.sqrt(np.mean(z**2)) == pytest.approx(1.0, abs=3.0 / np.sqrt(2.0 * len(z)))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("data_of", [images, latents, few])
def test_truncation_of_samples_of_several_shapes(data_of):
    found = []
    for seed in range(60):
        rng = np.random.default_rng([7, seed])
        data, count = data_of(rng)
        flat = data.reshape(len(data), -1)
        history = channel_history(flat, fresh_fraction=0.2, time=0.05, rounds=8, samples=count, rng=rng)
        shaped = [generation.reshape(-1, *data.shape[1:]) for generation in history]
        found.append(accepted(TruncationModel(), hc.measure(data, shaped)))
    require_nominal(found)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_autoencoders_of_skewed_data_with_four_degrees():
    found = []
    for seed in range(60):
        rng = np.random.default_rng([8, seed])
        data = skewed(1000, rng)
        history = autoencoder_history(data, gain=0.95, residual=0.08, rounds=8, samples=1000, rng=rng)
        found.append(accepted(AutoencoderModel(), hc.measure(data, history, degrees=4)))
    require_nominal(found)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("name", "unseen", "fresh", "real", "trained"),
    [
        ("ddpm", True, 0.1, 2000, 1000),
        ("ddim", True, 0.2, 2000, 1000),
        ("heun", True, 0.2, 4000, 2000),
        ("ddim", False, 0.2, 4000, 2000),
        ("ddpm", False, 0.2, 2000, 1000),
    ],
)
def test_given_samplers_of_latents(name, unseen, fresh, real, trained):
    """With the fresh fraction fitted, and held."""
    model, found, held = SamplerModel.of(SAMPLERS[name][1]), [], []
    for seed in range(80):
        curves = sampler_history(
            name, WIDTHS_OF_SAMPLERS["four"], fresh, real, trained, 8, 2000 + seed, unseen=unseen
        )
        one = fit(model, followed(curves, None))
        value, error = one.fitted["fresh_fraction"]
        found.append((one.chi_square, one.freedom, one.is_rejected, (value - fresh) / error))
        one = fit(model, followed(curves, fresh), fresh_fraction=fresh)
        held.append((one.chi_square, one.freedom, one.is_rejected))
    require_nominal(found)
    require_nominal_chi_square(*np.array(held).T)
