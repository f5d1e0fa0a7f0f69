"""One round on a mixture: Gaussians against V(w), recorded values, and particles pushed through the same steps."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.pipeline.grid_map import mixture_round, mixture_rounds
from hermite_collapse.pipeline.line_laws import LineLaw
from hermite_collapse.pipeline.sampler_steps import SamplerSteps

WIDE = {"schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}  # Stable Diffusion's
SAMPLERS = [
    SamplerSteps.edm(),
    SamplerSteps.edm(steps=12, method="euler"),
    SamplerSteps.ddpm(steps=50),
    SamplerSteps.ddpm(steps=20, variance="beta"),
    SamplerSteps.ddim(steps=20, offset=1, set_alpha_to_one=False, **WIDE),
    SamplerSteps.ddim(steps=15, eta=0.7),
    SamplerSteps.flow(steps=10, shift=3.0),
]
IDS = [f"{i}: {s.describe()}" for i, s in enumerate(SAMPLERS)]


def modes(centre, variance):
    return hc.GaussianMixture([0.5, 0.5], [-centre, centre], variance)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=IDS)
@pytest.mark.parametrize(("mean", "variance"), [(0.0, 1.0), (0.7, 0.05)])
def test_a_gaussian_has_the_map_of_the_sampler_and_stays_gaussian(sampler, mean, variance):
    after = mixture_round(sampler, hc.GaussianMixture([1.0], [mean], variance)).after
    assert after.masses.sum() == pytest.approx(1.0, abs=1e-12)
    assert after.variance == pytest.approx(sampler.variance(variance), rel=1e-9)
    assert after.mean == pytest.approx(sampler.gain(variance) * mean, abs=1e-9)
    assert after.kurtosis == pytest.approx(3.0, abs=1e-8)
    assert abs(after.variance / sampler.variance(1.05 * variance) - 1.0) > 1e-3  # control


@pytest.mark.parametrize(
    ("law", "sampler", "total", "closure", "within", "kurtosis"),
    [
        (modes(0.9, 0.19), SAMPLERS[4], 0.9085, 0.8777, 0.8874, 1.6419),
        (modes(0.98, 0.0396), SAMPLERS[4], 0.950, 0.878, 0.8169, 1.119),
        (modes(0.45, 0.01), SAMPLERS[4], 0.880, 0.793, 1.52, 1.2207),
        (modes(0.98, 0.0396), SamplerSteps.ddpm(steps=50), 0.9656, 0.8574, 0.6946, 1.1096),
        (modes(0.45, 0.01), SamplerSteps.edm(), 1.064, 1.1165, 1.0992, 1.1877),
    ],
)
def test_recorded_values_of_two_modes(law, sampler, total, closure, within, kurtosis):
    result = mixture_round(sampler, law)
    assert result.variance_ratio == pytest.approx(total, abs=6e-4)
    assert result.closure_ratio == pytest.approx(closure, abs=6e-4)
    assert result.within_ratio == pytest.approx(within, abs=9e-3)
    assert result.after.kurtosis == pytest.approx(kurtosis, abs=6e-4)


def posterior(law, x, signal, noise):
    """D and N by a plain sum over the components."""
    weights, means, variances = law.weights, law.means[:, 0], law.variances[:, 0]
    total = signal**2 * variances + noise**2
    shares = weights * np.exp(-0.5 * (x[:, None] - signal * means) ** 2 / total) / np.sqrt(total)
    shares /= shares.sum(axis=1, keepdims=True)
    data = np.sum(shares * (noise**2 * means + signal * variances * x[:, None]) / total, axis=1)
    return data, (x - signal * data) / noise


def particles(sampler, law, count, scale=1.0):
    """Particles through the steps, with their classes under guidance."""
    rng = np.random.default_rng(11)
    labels = rng.choice(len(law.weights), count, p=law.weights)
    parts = [
        hc.GaussianMixture([1.0], law.means[k : k + 1], law.variances[k : k + 1])
        for k in range(len(law.weights))
    ]

    def means(x, signal, noise):
        data, noises = posterior(law, x, signal, noise)
        if scale > 1.0:
            for k, part in enumerate(parts):
                own = posterior(part, x[labels == k], signal, noise)
                for values, guided in zip((data, noises), own, strict=True):
                    values[labels == k] = scale * guided - (scale - 1.0) * values[labels == k]
        return data, noises

    x = sampler.carry(
        sampler.deviation * rng.standard_normal(count), means, lambda: rng.standard_normal(count)
    )
    return x, labels


@pytest.mark.parametrize("sampler", [SAMPLERS[0], SAMPLERS[3], SAMPLERS[5]], ids=lambda s: s.describe())
def test_particles_on_three_uneven_modes(sampler):
    law = hc.GaussianMixture([0.2, 0.5, 0.3], [-1.0, 0.1, 0.9], [0.02, 0.05, 0.2])
    x, _ = particles(sampler, law, 200_000)
    result = mixture_round(sampler, law)
    powers = result.after.coefficients(8)
    values = hc.EmpiricalLaw(x, scale=1.0).hermite_coefficients(8)
    errors = values.standard_error[1:]
    assert np.all(np.abs(values.values - powers)[1:] < 4.5 * errors)
    assert np.any(
        np.abs(values.values - mixture_round(sampler, law).before.coefficients(8))[1:] > 4.5 * errors
    )


def test_guidance_with_components_as_classes():
    law = hc.GaussianMixture([0.3, 0.7], [-1.2, 0.5], [0.1, 0.3])
    sampler = SamplerSteps.ddim(steps=12)
    x, labels = particles(sampler, law, 200_000, scale=2.5)
    after = mixture_round(sampler, law, guidance_scale=2.5).after
    plain = mixture_round(sampler, law).after
    for k in range(2):
        part = x[labels == k]
        error = part.std() / np.sqrt(len(part))
        assert abs(part.mean() - after.class_means[k]) < 4.5 * error
        assert abs(part.mean() - plain.class_means[k]) > 4.5 * error  # control
        masses = after.masses * (after.labels == k)
        variance = masses @ (after.points - after.class_means[k]) ** 2 / masses.sum()
        fourth = np.mean((part - part.mean()) ** 4)
        assert abs(part.var() - variance) < 4.5 * np.sqrt((fourth - part.var() ** 2) / len(part))
    np.testing.assert_allclose(after.shares, law.weights, rtol=1e-12)


def test_many_classes_with_gaussian_means_have_the_map_of_guidance():
    """Class means as the nodes of a normal law: the guided map of a direction, whose V is that within a class."""
    nodes, shares = np.polynomial.hermite_e.hermegauss(40)
    used = shares > 1e-13
    weights = shares[used] / shares[used].sum()
    between, within = 0.75, 0.25
    law = hc.GaussianMixture(weights, np.sqrt(between) * nodes[used], within)
    sampler = SamplerSteps.ddim(steps=30, **WIDE)
    guided = SamplerSteps.ddim(steps=30, guidance=hc.mechanisms.Guidance(2.0, between), **WIDE)
    after = mixture_round(sampler, law, guidance_scale=2.0).after
    middle = np.abs(nodes[used]) < 3.0  # the whole law is Gaussian there, up to its outermost nodes
    assert after.class_means[middle] == pytest.approx(guided.gain(within) * law.means[middle, 0], abs=2e-5)
    assert after.within_variance == pytest.approx(guided.variance(within), rel=1e-4)


def test_refusals_in_one_sentence():
    law = modes(0.5, 0.1)
    with pytest.raises(hc.InputError, match="law must have dimension 1, got 2"):
        mixture_round(SamplerSteps.edm(), hc.presets.load("grid_2d"))
    with pytest.raises(hc.InputError, match="law must have a density"):
        mixture_round(SamplerSteps.edm(), hc.EmpiricalLaw([0.0, 1.0], scale=1.0))
    with pytest.raises(hc.InputError, match="no guidance of its own"):
        mixture_round(SamplerSteps.edm(guidance=hc.mechanisms.Guidance(2.0, 0.1)), law)
    with pytest.raises(hc.InputError, match="guidance_scale must be >= 1"):
        mixture_round(SamplerSteps.edm(), law, guidance_scale=0.5)
    with pytest.raises(hc.InputError, match="sampler must be a sampler of K steps"):
        mixture_round("ddim", law)


def test_the_text_names_the_closure():
    text = mixture_round(SAMPLERS[4], modes(0.45, 0.01)).text
    assert "0.88 of the training law's (Gaussian closure: 0.7926)" in text


@pytest.mark.parametrize(
    ("name", "options", "steps", "total", "within"),
    [
        ("DPMSolverMultistepScheduler", {"timestep_spacing": "leading"}, 20, 0.8925, 0.975),
        ("EulerAncestralDiscreteScheduler", {}, 20, 0.8209, 1.2147),
        ("HeunDiscreteScheduler", {"use_karras_sigmas": True}, 20, 1.0096, 0.9501),
    ],
)
def test_probed_schedulers_of_one_and_more_steps(name, options, steps, total, within):
    pytest.importorskip("diffusers")
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    if name != "HeunDiscreteScheduler":
        betas["steps_offset"] = 1
    sampler = SamplerSteps.of_scheduler({"_class_name": name, **betas, **options}, steps=steps)
    law = modes(0.45, 0.01)
    result = mixture_round(sampler, law)
    assert result.variance_ratio == pytest.approx(total, abs=6e-4)
    assert result.within_ratio == pytest.approx(within, abs=6e-4)
    x, _ = particles(sampler, law, 100_000)
    error = np.sqrt((np.mean((x - x.mean()) ** 4) - x.var() ** 2) / len(x))
    assert abs(x.var() - result.after.variance) < 4.5 * error
    assert abs(x.var() - float(sampler.variance(0.2125))) > 4.5 * error or name == "HeunDiscreteScheduler"


def test_noise_that_is_almost_none_is_none():
    """Posterior variances of 1e-20, which diffusers keeps from being 0, would need 1e11 points."""
    diffusers = pytest.importorskip("diffusers")
    torch = pytest.importorskip("torch")
    config = {
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
        "prediction_type": "v_prediction",
    }
    scheduler = diffusers.DDPMScheduler(clip_sample=False, **config)
    sampler = SamplerSteps.of_scheduler({"_class_name": "DDPMScheduler", **config}, steps=6)
    assert 0.0 < sampler.noise_by_step.min() < 1e-15 < 1e-3 < np.median(sampler.noise_by_step)
    law = hc.GaussianMixture([0.3, 0.5, 0.2], [-1.2, 0.4, 1.5], [0.02, 0.1, 0.005])
    scheduler.set_timesteps(6)
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(30_000, 1, generator=generator, dtype=torch.float64)
    for t in scheduler.timesteps:
        level = float(scheduler.alphas_cumprod[t])
        signal, noise = level**0.5, (1.0 - level) ** 0.5
        data, noises = posterior(law, x[:, 0].numpy(), signal, noise)
        output = torch.from_numpy(signal * noises - noise * data)[:, None]
        x = scheduler.step(output, t, x, generator=generator).prev_sample.double()
    values = hc.EmpiricalLaw(x.numpy(), scale=1.0).hermite_coefficients(6)
    exact = mixture_round(sampler, law).after.coefficients(6)
    assert np.all(np.abs(values.values - exact)[1:] < 4.5 * values.standard_error[1:])


@pytest.mark.parametrize("eta", [1e-12, 1e-6])
def test_little_noise_does_little(eta):
    law = modes(0.45, 0.01)
    quiet, noisy = (
        mixture_round(SamplerSteps.ddim(steps=6, eta=size), law).after.coefficients(6) for size in (0.0, eta)
    )
    np.testing.assert_allclose(noisy, quiet, atol=1e-7)


def test_noise_too_fine_for_a_grid_is_refused():
    sampler = SamplerSteps.ddim(steps=6, eta=3e-3)
    with pytest.raises(hc.InputError, match="sampler must add noise that is no finer than"):
        mixture_round(sampler, hc.GaussianMixture([0.5, 0.5], [-3e4, 3e4], 1.0))


def test_noise_that_is_shared_between_steps_needs_particles():
    pytest.importorskip("diffusers")
    scheduler = {"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++"}
    sampler = SamplerSteps.of_scheduler(scheduler, steps=10)
    with pytest.raises(hc.InputError, match="use particles"):
        mixture_round(sampler, modes(0.45, 0.01))


@pytest.mark.parametrize("sampler", [SAMPLERS[4], SAMPLERS[3]], ids=["without noise", "with noise"])
def test_rounds_without_fresh_data_keep_a_gaussian_and_follow_the_map(sampler):
    rounds = mixture_rounds(sampler, hc.GaussianMixture([1.0], [0.0], 0.25), fresh_fraction=0.0, rounds=3)
    w = 0.25
    for part in rounds:
        w = float(sampler.variance(w))
        assert part.after.variance == pytest.approx(w, rel=2e-6)
        assert part.after.kurtosis == pytest.approx(3.0, abs=2e-5)


def test_rounds_with_fresh_data_mix_and_leave_the_closure():
    """A mixture of two Gaussians of different width is none: the scalar map is a closure even for a Gaussian."""
    sampler, alpha, v = SAMPLERS[4], 0.3, 0.25
    law = hc.GaussianMixture([1.0], [0.0], v)
    first, second = mixture_rounds(sampler, law, fresh_fraction=alpha, rounds=2)
    assert second.before.variance == pytest.approx(alpha * v + (1.0 - alpha) * first.after.variance, rel=1e-9)
    closure = float(sampler.variance(second.before.variance))
    assert second.after.variance < closure
    # The training law of the second round is known in closed form: two Gaussians.
    two = hc.GaussianMixture([alpha, 1.0 - alpha], [0.0, 0.0], [v, first.after.variance])
    exact = mixture_round(sampler, two).after
    np.testing.assert_allclose(second.after.coefficients(8), exact.coefficients(8), atol=2e-6)


def test_guided_rounds_keep_their_classes():
    law = hc.GaussianMixture([0.3, 0.7], [-0.8, 0.8], 0.2)
    sampler = SamplerSteps.ddim(steps=10)
    first, second = mixture_rounds(sampler, law, fresh_fraction=0.5, rounds=2, guidance_scale=1.5)
    np.testing.assert_allclose(
        first.after.class_means, mixture_round(sampler, law, guidance_scale=1.5).after.class_means
    )
    np.testing.assert_allclose(second.after.shares, law.weights, rtol=1e-9)
    spread = [np.ptp(part.after.class_means) for part in (first, second)]
    assert 1.6 < spread[0] < spread[1]


def test_full_fresh_data_repeats_the_first_round():
    first, second = mixture_rounds(SAMPLERS[4], modes(0.45, 0.01), fresh_fraction=1.0, rounds=2)
    np.testing.assert_allclose(second.after.coefficients(8), first.after.coefficients(8), rtol=1e-9)


@pytest.mark.parametrize("noise", [0.01, 0.3, 20.0])
def test_points_near_by_count_as_all_points_do(noise):
    """Two clouds of points far apart and a gap between them, of masses from 1e-17 to 1e-2, by a sum over all."""
    rng = np.random.default_rng(2)
    points = np.concatenate([rng.normal(-3.0, 0.05, 150), rng.normal(2.0, 0.4, 150)])
    masses = 10.0 ** rng.uniform(-17.0, -2.0, 300)
    law = LineLaw(masses / masses.sum(), points, np.zeros(300), np.zeros(300, dtype=np.int64))
    signal = 0.8
    cells = law._cells(signal, noise)
    x = np.concatenate([np.linspace(-6.0, 6.0, 401), signal * points])
    near, plain = cells._near_sums(x, signal, noise), cells._sums(x, signal, noise)
    shift = np.exp(near[0] - plain[0])
    for row, size in zip((1, 2, 3), (1.0, 3.0, 12.0 / noise**2), strict=True):
        assert np.abs(near[row] * shift - plain[row]).max() <= 1e-11 * size * plain[1].max()
    # Points in one cell together: right where the law has its mass.
    seen = signal * rng.choice(points, 500, p=law.weights) + noise * rng.standard_normal(500)
    logs = np.log(law.weights) - 0.5 * (seen[:, None] - signal * points) ** 2 / noise**2
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    exact = shares @ points / shares.sum(axis=1)
    error = np.abs(law.posterior(seen, signal, noise)[0] - exact).max()
    assert error < 1e-4 * min(noise, 1.0)


def test_rounds_of_a_fine_sampler_take_seconds():
    """EDM ends at noise .002 of laws of width one: rounds by the law known in closed form, without fresh data."""
    law = hc.GaussianMixture([1.0], [0.0], 0.25)
    rounds = mixture_rounds(SamplerSteps.edm(), law, fresh_fraction=0.0, rounds=2)
    w = 0.25
    for part in rounds:
        w = float(SamplerSteps.edm().variance(w))
        assert part.after.variance == pytest.approx(w, rel=1e-6)
