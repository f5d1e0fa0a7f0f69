"""The four final steps: predictions against recursions written out, and against what the samplers do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hermite_collapse as hc
from hermite_collapse.recursion import final_steps
from hermite_collapse.recursion.final_steps import (
    limit_distance,
    limit_variance,
    variance_after_round,
)

torch = pytest.importorskip("torch")

from hermite_collapse.simulation import (
    ExponentialMultistep,
    MixtureDenoiser,
    ScoreDenoiser,
    score_of,
    simulate,
)
from hermite_collapse.simulation.laws import components_of
from hermite_collapse.simulation.samplers import ending
from hermite_collapse.simulation.scores import Level
from hermite_collapse.simulation.stages import carry

CPU = torch.device("cpu")
LAW = hc.GaussianMixture([0.4, 0.6], [-1.0, 0.9], [0.3, 0.2])
SIGMAS = np.array([0.05, 0.1, 0.2])
# Power of sigma by which a round moves the law.
SLOPES = {"noisy": 2, "rescaled": 2, "full": 2, "half": 4}


def _time(sigma):
    return float(hc.time_from_sigma(sigma))


def _quantiles(law, u):
    """Quantiles of a one-dimensional mixture by bisection of its distribution function."""
    from scipy.special import ndtr

    means, spreads = law.means[:, 0], np.sqrt(law.variances[:, 0])
    low, high = np.full_like(u, -20.0), np.full_like(u, 20.0)
    for _ in range(80):
        middle = 0.5 * (low + high)
        below = ndtr((middle[:, None] - means) / spreads) @ law.weights < u
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)


def _after_round(sigma, final_step, u, *, wrap=None):
    """Quantiles of the law after one round: the final step is increasing, so it maps quantiles to quantiles."""
    level = Level.at(_time(sigma), 0.5)
    noisy = LAW.through(hc.GaussianChannel(level.scale, level.variance))
    denoiser = MixtureDenoiser(components_of(LAW, CPU))
    if wrap is not None:
        denoiser = wrap(denoiser)
    x = torch.from_numpy(_quantiles(noisy, u)[:, None])
    out = carry(x, denoiser, ending(level, final_step)).numpy().ravel()
    assert np.all(np.diff(out) > 0.0)
    return out


def _fisher_information(law):
    x, width = np.linspace(-8.0, 8.0, 40_001, retstep=True)
    return float(np.sum(np.asarray(law.score(x)).ravel() ** 2 * np.asarray(law.density(x)).ravel()) * width)


U = (np.arange(10_000) + 0.5) / 10_000
DATA = _quantiles(LAW, U)


@pytest.mark.parametrize("final_step", SLOPES)
def test_one_round_moves_the_law_by_the_predicted_power_of_sigma(final_step):
    distances = np.array([np.sqrt(np.mean((_after_round(s, final_step, U) - DATA) ** 2)) for s in SIGMAS])
    slopes = np.diff(np.log(distances)) / np.diff(np.log(SIGMAS))
    # The first slope is within the next order of sigma of its limit.
    assert slopes[0] == pytest.approx(SLOPES[final_step], abs=0.1)
    if final_step in ("rescaled", "full"):
        predicted = [
            limit_distance(_fisher_information(LAW), sigma=s, fresh_fraction=1.0, final_step=final_step)
            for s in SIGMAS
        ]
        np.testing.assert_allclose(distances / predicted, 1.0, atol=8.0 * SIGMAS[-1] ** 2)
        assert distances[0] == pytest.approx(predicted[0], rel=0.03)


@pytest.mark.parametrize("final_step", ["rescaled", "half", "full"])
def test_variance_drift_has_the_predicted_sign_size_and_power(final_step):
    drift = []
    for sigma in SIGMAS:
        out = _after_round(sigma, final_step, U)
        drift.append(out.var() - DATA.var())
    drift = np.array(drift)
    c = final_steps.denoised_fraction(final_step)
    if c != 0.5:
        np.testing.assert_allclose(drift[:2] / ((1.0 - 2.0 * c) * SIGMAS[:2] ** 2), 1.0, atol=0.05)
    slope = np.log(abs(drift[1] / drift[0])) / np.log(SIGMAS[1] / SIGMAS[0])
    assert slope == pytest.approx(SLOPES[final_step], abs=0.15)


def test_a_score_ten_per_cent_off_spoils_the_cancellation_of_half_a_step():
    def wrap(denoiser):
        return ScoreDenoiser(lambda x, t: 1.1 * score_of(denoiser, x, t))

    distances = np.array(
        [np.sqrt(np.mean((_after_round(s, "half", U, wrap=wrap) - DATA) ** 2)) for s in SIGMAS]
    )
    slopes = np.diff(np.log(distances)) / np.diff(np.log(SIGMAS))
    assert slopes[0] < 2.5


@pytest.mark.parametrize("final_step", SLOPES)
def test_simulated_variance_after_one_round(final_step):
    sigma, n = 0.3, 40_000
    recursion = hc.Recursion(LAW, fresh_fraction=0.5, truncation_time=_time(sigma))
    sampler = ExponentialMultistep(final_step=final_step)
    simulated = simulate(
        recursion,
        rounds=1,
        particles=n,
        generator="exact",
        sampler=sampler,
        degree=2,
        device="cpu",
        keep="last",
    )
    x = simulated.samples.ravel()
    expected = _after_round(sigma, final_step, U).var()
    bar = np.std((x - x.mean()) ** 2) / np.sqrt(n)
    assert abs(x.var() - expected) < 4.0 * bar
    others = [_after_round(sigma, other, U).var() for other in SLOPES if other != final_step]
    assert min(abs(np.array(others) - expected)) > 0.5 * bar


@given(
    v=st.floats(0.01, 5.0),
    sigma=st.floats(0.01, 2.0),
    alpha=st.floats(0.02, 1.0),
    c=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_limit_variance_is_the_fixed_point_that_iteration_reaches(v, sigma, alpha, c):
    final_step = {0.0: "rescaled", 0.5: "half", 1.0: "full"}[c]
    training, model = limit_variance(v, sigma=sigma, fresh_fraction=alpha, final_step=final_step)
    current = v
    for _ in range(4000):
        current = variance_after_round(
            alpha * v + (1.0 - alpha) * current, sigma=sigma, final_step=final_step
        )
    assert model == pytest.approx(current, rel=1e-9)
    assert training == pytest.approx(alpha * v + (1.0 - alpha) * current, rel=1e-9)


def test_limit_variance_of_full_denoising_in_the_form_of_the_quadratic():
    v, s, alpha = 0.7, 0.09, 0.2
    q = (alpha * v - s + np.sqrt((alpha * v - s) ** 2 + 4 * alpha**2 * v * s)) / (2 * alpha)
    training, model = limit_variance(v, sigma=0.3, fresh_fraction=alpha, final_step="full")
    assert training == pytest.approx(q, rel=1e-14)
    assert model == pytest.approx(q**2 / (q + s), rel=1e-14)
    assert limit_variance(0.05, sigma=0.5, fresh_fraction=0.1, final_step="full")[1] < 0.05 / 20


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: variance_after_round(-1.0, sigma=0.1, final_step="full"), "variance must be >= 0"),
        (lambda: variance_after_round(1.0, sigma=-0.1, final_step="full"), "sigma must be >= 0"),
        (lambda: variance_after_round(1.0, sigma=0.1, final_step="fully"), "did you mean 'full'"),
        (lambda: variance_after_round(1.0, sigma=0.1, final_step="noisy"), "final_step must be one of"),
        (
            lambda: limit_variance(1.0, sigma=0.1, fresh_fraction=0.0, final_step="full"),
            "fresh_fraction must be > 0",
        ),
        (
            lambda: limit_distance(1.0, sigma=0.1, fresh_fraction=1.5, final_step="full"),
            "fresh_fraction must lie",
        ),
    ],
)
def test_bad_arguments_are_refused(call, sentence):
    with pytest.raises(hc.InputError) as caught:
        call()
    assert sentence in str(caught.value)
