"""Round maps against their definitions: channels, posterior means, quadrature, an ordinary differential equation."""

from __future__ import annotations

import pickle

import mpmath
import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.pipeline.mechanism import EXACTNESS_WORDS, composed
from hermite_collapse.pipeline.mechanisms import (
    Autoencoder,
    Blur,
    CappedSlope,
    FinalStep,
    FlowStop,
    Guidance,
    Refit,
    Rounding,
    SamplerSteps,
    ScoreError,
    Truncation,
)

W = np.array([0.0, 1e-8, 1e-3, 0.04, 0.25, 1.0, 30.0])
EVERY = [
    Truncation(0.1),
    FinalStep(0.2, "noisy"),
    FinalStep(0.2, "half"),
    FinalStep(0.2, "full"),
    Blur(0.1),
    Refit(50),
    ScoreError(0.02, 0.001),
    Autoencoder(0.98, 0.002),
    Rounding(),
    FlowStop(0.01),
    Guidance(1.5, 0.75),
    CappedSlope(2.0),
    SamplerSteps.edm(steps=6),
    SamplerSteps.ddpm(steps=20),
    SamplerSteps.ddim(steps=7, eta=0.5),
    SamplerSteps.flow(steps=5, shift=3.0, guidance=Guidance(2.0, 0.5)),
]


@pytest.mark.parametrize("mechanism", EVERY, ids=lambda m: m.describe())
def test_every_mechanism_is_a_value_that_says_what_it_is(mechanism):
    variance, gain = mechanism.variance(W), mechanism.gain(W)
    assert variance.shape == gain.shape == W.shape and np.all(variance >= 0.0)
    assert isinstance(mechanism.variance(0.3), float) and mechanism.variance([[0.3]]).shape == (1, 1)
    assert mechanism.exactness in EXACTNESS_WORDS and mechanism.describe()
    back = pickle.loads(pickle.dumps(mechanism))
    assert back == mechanism
    np.testing.assert_array_equal(back.variance(W), variance)
    with pytest.raises(AttributeError):
        mechanism.start = 3.0
    with pytest.raises(hc.InputError, match=r"w must hold variances >= 0, got -0\.1"):
        mechanism.variance([-0.1])


@pytest.mark.parametrize("mechanism", [Truncation(0.3), Blur(0.4), FlowStop(0.2)])
def test_channels_move_a_gaussian_as_they_say(mechanism):
    channel = {
        "Truncation": hc.OrnsteinUhlenbeck().channel(0.3),
        "Blur": hc.GaussianChannel(1.0, 0.16),
        "FlowStop": hc.GaussianChannel(0.8, 0.04),
    }[type(mechanism).__name__]
    law = hc.GaussianMixture([1.0], [0.7], 0.25).through(channel)
    assert mechanism.variance(0.25) == pytest.approx(law.variances[0, 0], rel=1e-14)
    assert mechanism.gain(0.25) * 0.7 == pytest.approx(law.means[0, 0], rel=1e-14)
    assert mechanism.exactness == "channel"


def test_truncation_at_a_tiny_time_keeps_its_digits():
    change = Truncation(1e-12).variance(0.5) - 0.5
    assert change == pytest.approx(0.5e-12, rel=1e-3)  # what a double near 0.5 can show
    assert Truncation(1e-12).variance(0.0) == pytest.approx(1e-12, rel=1e-12)


@pytest.mark.parametrize(("kind", "share"), [("noisy", 0.0), ("half", 0.5), ("full", 1.0)])
def test_the_final_step_by_its_posterior_mean(kind, share):
    """y = x + sigma z, then (1 - c) y + c E[x | y]: variance by the linear coefficients."""
    w, s = 0.3, 0.04
    slope = (1 - share) + share * w / (w + s)
    assert FinalStep(0.2, kind).variance(w) == pytest.approx(slope**2 * (w + s), rel=1e-14)
    assert FinalStep(0.0, kind).variance([0.0, 0.3]).tolist() == [0.0, 0.3]


def test_guidance_by_the_flow_of_the_exact_ode():
    """dx/dsigma = -sigma (1+omega) score_class + sigma omega score_whole, for variance and mean, to 12 digits."""
    w, b, omega, mean = 0.25, 0.75, 2.0, 1.0

    def slope(sigma):
        return sigma * ((1 + omega) / (w + sigma**2) - omega / (w + b + sigma**2))

    def pull(sigma):
        return sigma * (1 + omega) * mean / (w + sigma**2)

    def grown(sigma):
        """The integral of the slope from 0, which quadrature confirms."""
        whole, own = 1 + sigma**2 / (w + b), 1 + sigma**2 / w
        return ((1 + omega) * mpmath.log(own) - omega * mpmath.log(whole)) / 2

    start = mpmath.mpf(10) ** 4
    with mpmath.workdps(30):
        growth = mpmath.quad(slope, [0, 1, 10, 100, start])
        for sigma in (mpmath.mpf("0.3"), mpmath.mpf(3)):
            assert grown(sigma) == pytest.approx(mpmath.quad(slope, [0, sigma]), rel=1e-20)
        assert grown(start) == pytest.approx(growth, rel=1e-12)
        shrink = mpmath.exp(-growth)
        assert float(shrink**2 * start**2) == pytest.approx(Guidance(3.0, b).variance(w), rel=1e-6)

        def damped(sigma):
            return pull(sigma) * mpmath.exp(-grown(sigma))

        end = mpmath.quad(damped, [0, 0.3, 1, 3, 10, 100, start])
    assert float(end) == pytest.approx(Guidance(3.0, b).gain(w), rel=1e-4)
    assert Guidance(1.5, 0.75).gain(0.25) == pytest.approx(1.2384508216, abs=1e-10)
    assert Guidance(3.0, 0.75).gain(0.25) == pytest.approx(1.5, abs=1e-12)


def test_guidance_of_scale_one_changes_nothing():
    one = Guidance(1.0, 0.75)
    np.testing.assert_array_equal(one.variance(W), W)
    np.testing.assert_array_equal(one.gain(W), np.ones_like(W))


def test_a_capped_slope_by_its_differential_equation():
    """Variance-exploding reverse SDE with the noise slope s/(w + s^2) cut at k: dV/ds by Runge-Kutta in mpmath."""
    from scipy.integrate import solve_ivp

    w, k = 0.01, 2.2

    def backward(_, state):
        s = state[1]
        slope = min(s / (w + s * s), k)
        return [4 * slope * state[0] - 2 * s, -1.0]

    top = 40.0
    done = solve_ivp(
        lambda tau, state: [-backward(tau, state)[0], -1.0],
        (0.0, top),
        [w + top**2, top],
        rtol=1e-11,
        atol=1e-13,
    )
    assert done.y[0, -1] / w == pytest.approx(3.0305501309, abs=2e-6)
    assert CappedSlope(k).variance(w) / w == pytest.approx(3.0305501309, abs=5e-11)
    wide = np.array([1 / (4 * k**2), 0.2, 1.0])
    np.testing.assert_allclose(CappedSlope(k).variance(wide), wide, rtol=1e-12)
    floor = CappedSlope(k).variance(0.0)
    assert 0.0 < floor < 1.0 / k**2
    assert np.all(np.diff(CappedSlope(k).variance(np.linspace(0, 0.2, 400))) >= 0.0)


def test_rounding_against_rounded_numbers():
    x = 0.5 * np.random.default_rng(0).standard_normal(400_000)
    step = 0.3
    rounded = step * np.round(x / step)
    measured = rounded.var() - x.var()
    assert measured == pytest.approx(Rounding(step).variance(0.25) - 0.25, rel=0.02)


def test_composition_runs_in_the_order_of_a_round():
    first, second = Autoencoder(0.9, 0.01), Blur(0.2)
    both = composed([first, second])
    np.testing.assert_array_equal(both.variance(W), second.variance(first.variance(W)))
    np.testing.assert_array_equal(both.gain(W), first.gain(W) * second.gain(first.variance(W)))
    assert both.variance(1.0) != composed([second, first]).variance(1.0)
    np.testing.assert_array_equal(composed([]).variance(W), W)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Guidance(0.5, 0.1), "scale must be >= 1"),
        (lambda: Guidance(2.0, -0.1), "between must be >= 0, got -0.1"),
        (lambda: FinalStep(0.1, "rescaled"), "kind must be one of 'noisy', 'half', 'full'"),
        (lambda: FlowStop(1.2), "stop must lie in"),
        (lambda: Refit(1), "samples must be an integer >= 2"),
        (lambda: ScoreError(-1.0), "slope must be > -1"),
        (lambda: CappedSlope(0.0), "slope must be > 0"),
        (lambda: SamplerSteps.edm(steps=0), "steps must be an integer >= 1"),
        (lambda: SamplerSteps.edm(method="rk4"), "method must be one of"),
        (lambda: SamplerSteps.edm(sigma_min=2.0, sigma_max=1.0), "sigma_min must be <= sigma_max"),
        (lambda: SamplerSteps.edm(sigmas=[1.0, 2.0]), "sigmas must decrease"),
        (lambda: SamplerSteps.edm(rho=1e-3), "rho must be >= 0.25"),
        (lambda: SamplerSteps.edm(sigma_max=1e200), "sigma_max must lie in .* for its powers to be numbers"),
        (lambda: SamplerSteps.edm(step=3), "edm must be given arguments it knows, got step"),
        (lambda: Blur(1e200), "bandwidth must be <= 1e.30 for its powers"),
        (lambda: Rounding(1e200), "step must be <= "),
        (lambda: FinalStep(1e200), "sigma must be <= "),
        (lambda: Autoencoder(-1e200), "gain must be <= "),
        (lambda: CappedSlope(1e-200), "slope must lie in"),
        (lambda: Blur(), "Blur must be given bandwidth"),
        (lambda: SamplerSteps.ddpm(steps=1001), "steps must be at most train_steps"),
        (lambda: SamplerSteps.ddpm(variance="large"), "variance must be one of"),
        (lambda: SamplerSteps.ddim(eta=5.0), "eta must leave"),
        (lambda: SamplerSteps.ddim(offset=30), "offset must keep every step"),
        (lambda: SamplerSteps.ddim(beta_start=0.5, beta_end=0.1), "beta_start must lie"),
        (lambda: SamplerSteps.ddim(alphas_cumprod=[0.5, 0.9]), "alphas_cumprod must fall"),
        (lambda: SamplerSteps.flow(sigmas=[1.5, 0.5]), "sigmas must be at most 1"),
    ],
)
def test_bad_input_is_named(make, words):
    with pytest.raises(hc.InputError, match=words) as refused:
        make()
    assert str(refused.value).endswith(".") and "\n" not in str(refused.value)


def test_the_module_lists_its_public_names_only():
    from hermite_collapse import mechanisms

    assert dir(mechanisms) == sorted(mechanisms.__all__) and "SamplerSteps" in dir(mechanisms)
    assert all(hasattr(mechanisms, name) for name in dir(mechanisms))
