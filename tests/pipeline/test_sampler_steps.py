"""Samplers of K steps: recorded values, mpmath at 40 digits, and particles pushed through the steps as written."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from hermite_collapse.pipeline.mechanisms import Guidance, SamplerSteps


def ratio(sampler, w):
    return sampler.variance(w) / np.asarray(w)


@pytest.mark.parametrize(
    ("sampler", "w", "value"),
    [
        (SamplerSteps.edm(), 0.25, 1.11355103),
        (SamplerSteps.edm(), 0.0025, 1.23411888),
        (SamplerSteps.edm(steps=25), 0.25, 1.05413102),
        (SamplerSteps.edm(steps=50), 0.0025, 1.02257612),
        (SamplerSteps.edm(steps=150), 0.25, 1.00123218),
        (SamplerSteps.edm(), 1e-6, 0.25769487),
        (SamplerSteps.edm(), 1e-4, 1.35257459),
        (SamplerSteps.edm(), 100.0, 1.02856888),
        (SamplerSteps.edm(method="euler"), 0.25, 0.71582238),
        (SamplerSteps.ddpm(), 1.0, 0.99106738),
        (SamplerSteps.ddpm(), 0.01, 0.92758564),
        (SamplerSteps.ddpm(variance="beta"), 0.1, 1.00579008),
        (SamplerSteps.ddim(), 1.0, 0.92944884),
        (SamplerSteps.ddim(), 0.01, 0.61393349),
        (SamplerSteps.ddim(eta=1.0), 0.1, 0.72012323),
        (SamplerSteps.ddim(steps=10), 1.0, 1 - 0.30828197),
        (SamplerSteps.ddim(steps=500), 1.0, 1 - 0.00738198),
        (SamplerSteps.flow(steps=2), 0.25, 0.16),
        (SamplerSteps.flow(steps=50), 0.25, 0.94243997),
        (SamplerSteps.flow(), 0.05, 0.91043806),
    ],
)
def test_recorded_values(sampler, w, value):
    assert ratio(sampler, w) == pytest.approx(value, abs=6e-9)


def test_one_step_of_flow_matching_maps_to_the_mean():
    assert SamplerSteps.flow(steps=1).variance([0.0, 0.25, 3.0]).tolist() == [0.0, 0.0, 0.0]
    assert SamplerSteps.flow(steps=1).gain(0.25) == 1.0


def exact_euler(w, sigmas):
    factor = mpmath.mpf(1)
    for now, then in zip(sigmas, [*sigmas[1:], mpmath.mpf(0)], strict=True):
        factor *= 1 + (then - now) * now / (w + now**2)
    return factor**2 * sigmas[0] ** 2


def exact_heun(w, sigmas):
    factor = mpmath.mpf(1)
    for now, then in zip(sigmas, [*sigmas[1:], mpmath.mpf(0)], strict=True):
        slope = now / (w + now**2)
        euler = 1 + (then - now) * slope
        factor *= euler if then == 0 else 1 + (then - now) * (slope + then / (w + then**2) * euler) / 2
    return factor**2 * sigmas[0] ** 2


def exact_ddim(w, table, eta):
    variance, later = mpmath.mpf(1), [*table[1:], mpmath.mpf(1)]
    for now, then in zip(table, later, strict=True):
        total = now * w + 1 - now
        added = eta**2 * (1 - then) / (1 - now) * (1 - now / then)
        slope = mpmath.sqrt(then * now) * w / total + mpmath.sqrt((1 - then - added) * (1 - now)) / total
        variance = slope**2 * variance + added
    return variance


@pytest.mark.parametrize("w", [1e-9, 1e-4, 0.03, 1.0, 500.0])
def test_against_forty_digits(w):
    with mpmath.workdps(40):
        exact_w = mpmath.mpf(w)
        power = mpmath.mpf(1) / 7
        high, low = mpmath.mpf(80) ** power, mpmath.mpf("0.002") ** power
        sigmas = [(high + mpmath.mpf(i) / 17 * (low - high)) ** 7 for i in range(18)]
        assert SamplerSteps.edm().variance(w) == pytest.approx(float(exact_heun(exact_w, sigmas)), rel=2e-12)
        euler = SamplerSteps.edm(method="euler").variance(w)
        assert euler == pytest.approx(float(exact_euler(exact_w, sigmas)), rel=2e-12)
        bar, table = mpmath.mpf(1), []
        for i in range(1000):
            bar *= 1 - (mpmath.mpf("1e-4") + (mpmath.mpf("0.02") - mpmath.mpf("1e-4")) * i / 999)
            table.append(bar)
        picked = [table[i] for i in range(980, -1, -20)]
        for eta in (0.0, 0.7):
            ddim = SamplerSteps.ddim(steps=50, eta=eta).variance(w)
            assert ddim == pytest.approx(float(exact_ddim(exact_w, picked, mpmath.mpf(eta))), rel=2e-12)


def particles(sampler, w, mean, between, count=400_000):
    """The steps as written, on particles: D and N from the posterior of the class and of the whole law."""
    rng = np.random.default_rng(3)
    x = np.sqrt(sampler.start) * rng.standard_normal(count)
    guidance = sampler.guidance

    def posterior(x, j):
        a, s = sampler.signal[j], sampler.noise[j]
        data = (a * w * x + s**2 * mean) / (a**2 * w + s**2)
        if guidance is not None:
            whole = a * (w + between) * x / (a**2 * (w + between) + s**2)
            data = whole + guidance.scale * (data - whole)
        return data, (x - a * data) / s

    for j in range(sampler.steps):
        data, noise = posterior(x, j)
        following = sampler.on_sample[j] * x + sampler.on_data[j] * data + sampler.on_noise[j] * noise
        if sampler.corrector is not None and sampler.corrector[j] != 0.0:
            _, second = posterior(data + sampler.noise[j + 1] * noise, j + 1)
            following = following + sampler.corrector[j] * second
        x = following + np.sqrt(sampler.added[j]) * rng.standard_normal(count)
    return x


@pytest.mark.parametrize(
    "sampler",
    [
        SamplerSteps.edm(steps=8),
        SamplerSteps.ddpm(steps=12),
        SamplerSteps.ddpm(steps=12, variance="beta"),
        SamplerSteps.ddim(steps=9, eta=0.5, spacing="trailing"),
        SamplerSteps.flow(steps=6, shift=3.0),
        SamplerSteps.edm(steps=8, guidance=Guidance(2.0, 0.5)),
        SamplerSteps.ddim(steps=9, guidance=Guidance(3.0, 0.5)),
        SamplerSteps.flow(steps=6, guidance=Guidance(1.5, 0.5)),
    ],
    ids=lambda s: s.describe(),
)
def test_particles_have_the_variance_and_mean_of_the_map(sampler):
    w, mean = 0.3, 1.3
    x = particles(sampler, w, mean, 0.5)
    variance = sampler.variance(w)
    assert abs(x.var() / variance - 1.0) < 4.5 * np.sqrt(2.0 / len(x))
    assert abs(x.mean() - sampler.gain(w) * mean) < 4.5 * np.sqrt(variance / len(x))
    wrong = particles(sampler, 1.05 * w, mean, 0.5)  # control: another variance is noticed
    assert abs(wrong.var() / variance - 1.0) > 4.5 * np.sqrt(2.0 / len(x))


def test_tables_in_place_of_formulas():
    first = SamplerSteps.edm(steps=9)
    again = SamplerSteps.edm(sigmas=np.append(first.noise, 0.0))
    np.testing.assert_array_equal(first.variance([0.1, 1.0]), again.variance([0.1, 1.0]))
    table = np.cumprod(1.0 - np.linspace(1e-4, 0.02, 1000))
    np.testing.assert_array_equal(
        SamplerSteps.ddim(alphas_cumprod=table).variance([0.1]), SamplerSteps.ddim().variance([0.1])
    )
    shifted = SamplerSteps.flow(steps=4, shift=3.0)
    np.testing.assert_allclose(shifted.noise, [1.0, 0.9, 0.75, 0.5], rtol=1e-15)
    assert SamplerSteps.flow(sigmas=shifted.noise) == shifted


def test_gains_of_off_centre_data():
    np.testing.assert_allclose(
        SamplerSteps.ddim(steps=20).gain([1.0, 0.25, 0.01]), [0.99060, 0.99553, 0.99943], atol=6e-6
    )


def test_guided_steps_of_a_known_sampler():
    guided = SamplerSteps.ddim(
        schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        offset=1,
        set_alpha_to_one=False,
        guidance=Guidance(3.0, 0.75),
    )
    assert guided.variance(0.25) == pytest.approx(0.0120794, abs=5e-8)
    assert guided.gain(0.25) == pytest.approx(1.45653, abs=5e-6)
