"""Curves of mechanisms against the package's other routes: pipelines played out round by round, factors of modes."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.diagnosis.fits.affine_models import (
    AutoencoderModel,
    BlurModel,
    RefitModel,
    ScoreErrorModel,
    TruncationModel,
)
from hermite_collapse.diagnosis.fits.changing_truncation import ScheduledTruncation
from hermite_collapse.diagnosis.fits.round_models import AffineModel, geometric
from hermite_collapse.diagnosis.observed.gathering import from_arrays
from hermite_collapse.diagnosis.samplers.sampler_model import SamplerModel

MECHANISMS = hc.mechanisms
VARIANCES = np.array([1.7, 0.4, 0.03])
SAMPLER = MECHANISMS.SamplerSteps.edm(steps=12)
CASES = [
    (TruncationModel(0.8), MECHANISMS.Truncation(0.1, 0.8), [0.1]),
    (BlurModel(), MECHANISMS.Blur(0.3), [0.09]),
    (RefitModel(), MECHANISMS.Refit(20), [0.05]),
    (ScoreErrorModel(), MECHANISMS.ScoreError(0.1, 0.02), [0.1, 0.02]),
    (AutoencoderModel(), MECHANISMS.Autoencoder(0.9, 0.05), [0.9, 0.05]),
    (SamplerModel.of(SAMPLER), SAMPLER, []),
]


def observed(curve, kind="variances", **keywords):
    given = {"degrees": None, "rounds": None, "standard_errors": None, "covariance": None, "names": None}
    return from_arrays(curve, kind=kind, data=None, data_errors=None, **(given | keywords))


@pytest.mark.parametrize(("model", "mechanism", "own"), CASES, ids=lambda value: getattr(value, "name", ""))
@pytest.mark.parametrize("alpha", [0.0, 0.15, 0.9])
def test_curves_of_variances_are_those_of_the_pipeline(model, mechanism, own, alpha):
    pipeline = hc.Pipeline([mechanism], fresh_fraction=alpha)
    exact = pipeline.trajectory(VARIANCES, 9)
    observations = observed(exact)
    arguments = (np.array([[alpha]]), np.array([own]), VARIANCES[None, :], observations)
    np.testing.assert_allclose(model.predict(*arguments)[0], exact, rtol=1e-9)
    if alpha > 0.0:
        plateau, contraction = model.long_run(*arguments)
        np.testing.assert_allclose(plateau[0], pipeline.limit(VARIANCES), rtol=1e-7)
        np.testing.assert_allclose(contraction[0], pipeline.rate(VARIANCES), rtol=1e-6)


def test_curves_of_factors_are_those_of_modes():
    degrees = [1, 2, 5]
    exact = hc.mode_factors(degrees, fresh_fraction=0.2, truncation_time=0.3, rounds=8)
    observations = observed(exact, "factors", degrees=degrees)
    predicted = TruncationModel().predict(np.array([[0.2]]), np.array([[0.3]]), np.ones((1, 3)), observations)
    np.testing.assert_allclose(predicted[0], exact, rtol=1e-12)


def test_a_schedule_of_truncation_times_is_followed_and_its_last_time_kept():
    times = (0.4, 0.1, 0.02)
    exact = hc.mode_factors([1, 3], fresh_fraction=0.2, truncation_time=[*times, 0.02, 0.02], rounds=5)
    observations = observed(exact, "factors", degrees=[1, 3])
    model = ScheduledTruncation(0.5, hc.schedules.Explicit(times))
    arguments = (np.array([[0.2]]), np.empty((1, 0)), np.ones((1, 2)), observations)
    np.testing.assert_allclose(model.predict(*arguments)[0], exact, rtol=1e-12)
    limit = hc.attenuation([1, 3], fresh_fraction=0.2, truncation_time=0.02)
    np.testing.assert_allclose(model.long_run(*arguments).plateau[0], limit, rtol=1e-12)


@pytest.mark.parametrize("kappa", [0.0, 0.3, 0.97, 1.0 - 1e-9, 1.0, 1.0 + 1e-12, 1.4, -0.5])
def test_geometric_sums(kappa):
    rounds = np.array([0.0, 1.0, 4.0, 30.0])
    power, sums = geometric(np.array([[kappa]]), rounds)
    exact = [sum(kappa**k for k in range(int(i))) for i in rounds]
    np.testing.assert_allclose(sums[0, :, 0], exact, rtol=2e-9)
    np.testing.assert_allclose(power[0, :, 0], [kappa**i for i in (0, 1, 4, 30)], rtol=1e-12)


def test_the_law_of_rates_and_plateaus_contains_every_affine_mechanism():
    for model, mechanism, own in CASES[:5]:
        pipeline = hc.Pipeline([mechanism], fresh_fraction=0.3)
        exact = pipeline.trajectory(VARIANCES, 6)
        observations = observed(exact)
        run = model.long_run(np.array([[0.3]]), np.array([own]), VARIANCES[None], observations)
        steps = (1.0 - run.contraction) * (run.plateau - VARIANCES)
        general = AffineModel().predict(
            np.array([[0.3]]), np.concatenate([run.contraction, steps], axis=1), VARIANCES[None], observations
        )
        np.testing.assert_allclose(general[0], exact, rtol=1e-10)
