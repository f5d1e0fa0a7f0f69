"""The compiled reverse diffusion against the torch loop, particle by particle, and against the law of its output.

Both draw the same random numbers, so that they differ by rounding, which the dynamics amplify.  How much they amplify
is measured: the loop is run again with relative errors of 1e-9 in every denoiser, and the kernel may differ from the
loop by what errors of 40 units of rounding would make of that.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

import hermite_collapse as hc
from hermite_collapse.pipeline.sampler_steps import SamplerSteps
from hermite_collapse.simulation import ExactGeneration, ReverseDiffusion, StepsGeneration, simulate
from hermite_collapse.simulation.fused import diffusion, plan
from hermite_collapse.simulation.fused.cpu import CompiledKernel
from hermite_collapse.simulation.fused.diffusion import COMPILED, LOOP, Diffusion
from hermite_collapse.simulation.guided import ClassGuidance
from hermite_collapse.simulation.laws import components_of, normal_law
from hermite_collapse.simulation.noise import NoiseStream, Piece
from hermite_collapse.simulation.records import rounds_in_words
from hermite_collapse.simulation.samplers import EulerMaruyama, ExponentialMultistep, ProbabilityFlowHeun
from hermite_collapse.simulation.scores import Level, MixtureDenoiser
from hermite_collapse.simulation.stages import Stage, carry
from hermite_collapse.simulation.step_stages import RATE, stages_of

CPU = torch.device("cpu")
STOP = 0.08
ROUNDING = np.finfo(float).eps
PIECES = (Piece(0, 0, 77), Piece(3, 2, 64), Piece(4, 0, 1))


def mixture(kind, components, dimension, *, seed=0, centre=0.0):
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.2, 1.0, components)
    means = centre + 2.0 * rng.standard_normal((components, dimension))
    variances = rng.uniform(0.1, 0.6, (components, dimension))
    if kind == "isotropic":
        variances = 0.3
    elif kind == "full":
        turns = np.linalg.qr(rng.standard_normal((components, dimension, dimension)))[0]
        variances = np.einsum("kij,kj,klj->kil", turns, variances, turns)
    elif kind == "shared frame":
        turn = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0]
        frames, frame_of = turn[None], np.zeros(components, dtype=np.int64)
        return hc.GaussianMixture.from_spectra(weights / weights.sum(), means, variances, frames, frame_of)
    kinds = {"full": "full", "diagonal": "diagonal"}
    return hc.GaussianMixture(
        weights / weights.sum(),
        means,
        variances,
        **({"covariance_type": kinds[kind]} if kind in kinds else {}),
    )


def stream(purpose, pieces=PIECES, seed=11):
    return NoiseStream(pieces, seed=seed, round_index=2, purpose=purpose, device=CPU)


class Disturbed:
    """A denoiser with relative errors of a given size."""

    def __init__(self, denoiser, size):
        self._denoiser, self._size = denoiser, size
        self._rng = np.random.default_rng(8)
        self.rate = denoiser.rate

    def denoise(self, x, time):
        clean = self._denoiser.denoise(x, time)
        return clean + self._size * torch.from_numpy(self._rng.uniform(-1.0, 1.0, x.shape)) * (
            clean.abs() + x.abs()
        )


def amplified_rounding(built, labels, size=1e-9):
    """What relative errors of one unit of rounding make of the loop's particles, for the worst of them."""
    results = []
    for error in (0.0, size):
        x = built.start.sample(stream("start"))
        denoiser = Disturbed(built.denoiser_for(labels), error)
        results.append(carry(x * (1.0 + error), denoiser, built.stages, stream("path")))
    return float((results[1] - results[0]).abs().max()) / size * ROUNDING


def assert_kernel_follows_loop(built, labels=None):
    assert built.engine == COMPILED
    result = built.particles(stream("start"), stream("path"), labels)
    x = built.start.sample(stream("start"))
    expected = carry(x, built.denoiser_for(labels), built.stages, stream("path"))
    assert torch.isfinite(expected).all()
    bound = 40.0 * amplified_rounding(built, labels)
    assert float((result - expected).abs().max()) <= bound
    assert bound < 1e-6 * float(expected.abs().max())  # the test says something
    return result


SAMPLERS = {
    "multistep": ExponentialMultistep(),
    "multistep, order 1": ExponentialMultistep(order=1, grid="geometric"),
    "Euler-Maruyama": EulerMaruyama(),
    "Heun": ProbabilityFlowHeun(),
}
LAWS = {
    "one component, one dimension": ("isotropic", 1, 1),
    "three modes": ("diagonal", 3, 1),
    "isotropic": ("isotropic", 7, 4),
    "diagonal": ("diagonal", 25, 10),
    "rotated": ("full", 5, 3),
    "one frame": ("shared frame", 6, 4),
    "one component": ("full", 1, 6),
    "largest": ("diagonal", 64, 64),
    "largest, rotated": ("full", 64, 8),
    "wide": ("full", 3, 64),
    "more components": ("diagonal", 150, 2),
}


def built_for(law, sampler, *, start="marginal", steps=24, rate=0.5):
    components = components_of(law, CPU)
    reverse = ReverseDiffusion(sampler, start=start, steps=steps)
    return Diffusion(
        MixtureDenoiser(components, rate=rate),
        reverse.stages(STOP, rate),
        reverse.start_law(components, STOP, rate),
        CPU,
    )


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("sampler", ["multistep", "Heun"])
def test_every_kind_of_law(law, sampler):
    assert_kernel_follows_loop(built_for(mixture(*LAWS[law]), SAMPLERS[sampler]))


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("start", ["marginal", "normal"])
@pytest.mark.parametrize("rate", [0.5, 1.4])
def test_every_sampler_and_start(sampler, start, rate):
    law = mixture("full", 4, 3)
    assert_kernel_follows_loop(built_for(law, SAMPLERS[sampler], start=start, rate=rate))


@pytest.mark.parametrize("final_step", ["noisy", "rescaled", "half", "full"])
def test_every_final_step(final_step):
    law = mixture("diagonal", 6, 3)
    built = built_for(law, ExponentialMultistep(final_step=final_step))
    noisy = built_for(law, ExponentialMultistep()).particles(stream("start"), stream("path"))
    result = assert_kernel_follows_loop(built)
    assert torch.equal(result, noisy) == (final_step == "noisy")


def test_means_far_from_the_origin():
    assert_kernel_follows_loop(built_for(mixture("full", 5, 3, centre=1e5), ExponentialMultistep()))


@pytest.mark.parametrize("kind", ["isotropic", "diagonal", "full"])
def test_any_table_of_stages(kind):
    """Coefficients are 0 in every combination, as in samplers of one's own."""
    components = components_of(mixture(kind, 4, 3), CPU)
    rng = np.random.default_rng(3)
    for _ in range(12):
        stages = []
        for number in range(6):
            factors = rng.uniform(-1.0, 1.0, 5) * (rng.random(5) < 0.5)
            if number == 0:
                factors[[1, 3]] = 0.0
            level = Level.at(rng.uniform(0.1, 3.0), 0.5)
            stages.append(Stage(level, *factors.tolist()))
        stages.append(Stage(Level.at(0.1, 0.5), x=0.5, data_before=rng.uniform(-1.0, 1.0)))
        assert_kernel_follows_loop(Diffusion(MixtureDenoiser(components), stages, components, CPU))


STEPS = {
    "EDM": SamplerSteps.edm(steps=9),
    "DDIM": SamplerSteps.ddim(steps=12),
    "DDIM, eta 0.6": SamplerSteps.ddim(steps=12, eta=0.6),
    "DDPM": SamplerSteps.ddpm(steps=15),
    "flow": SamplerSteps.flow(steps=11),
}


def built_for_steps(law, sampler, scale=1.0):
    parts = []
    for k in range(len(law.weights)):
        frame = None if law.frames is None else law.frames[law.frame_of[k]][None]
        spectrum = (law.means[k : k + 1], law.variances[k : k + 1], frame)
        own = hc.GaussianMixture.from_spectra(
            np.ones(1), *spectrum, None if frame is None else np.zeros(1, int)
        )
        parts.append(components_of(own, CPU))
    guidance = ClassGuidance(
        [MixtureDenoiser(part, rate=RATE) for part in parts], np.arange(len(parts)), scale
    )
    return Diffusion(
        MixtureDenoiser(components_of(law, CPU), rate=RATE),
        stages_of(sampler),
        normal_law(law.dimension, sampler.deviation, CPU),
        CPU,
        guidance=None if scale == 1.0 else guidance,
    )


def test_records_of_samplers_of_k_steps_say_it_too():
    recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.5, truncation_time=0.0)
    options = {"rounds": 2, "particles": 100, "degree": 2, "device": "cpu"}
    record = simulate(recursion, generator=StepsGeneration(STEPS["DDIM"], 1.5), **options)
    assert record.sampler["engine"] == COMPILED


@pytest.mark.parametrize("sampler", STEPS)
def test_samplers_of_k_steps(sampler):
    assert_kernel_follows_loop(built_for_steps(mixture("full", 4, 3), STEPS[sampler]))


@pytest.mark.parametrize("kind", ["isotropic", "diagonal", "full"])
def test_guided_samplers(kind):
    law = mixture(kind, 4, 3)
    labels = torch.from_numpy(np.random.default_rng(2).integers(0, 4, 142))
    guided = built_for_steps(law, STEPS["DDIM"], 2.5)
    result = assert_kernel_follows_loop(guided, labels)
    assert not torch.allclose(
        result, guided.particles(stream("start"), stream("path"), (labels + 1) % 4)
    )  # control


def test_a_class_far_from_the_particle_keeps_its_own_weights():
    """Shares of a class are taken within it, so that they do not underflow far from it."""
    law = hc.GaussianMixture([0.5, 0.25, 0.25], [[0.0], [90.0], [91.0]], 0.01)
    built = Diffusion(
        MixtureDenoiser(components_of(law, CPU), rate=RATE),
        [Stage(Level.of(1.0, 0.1, RATE), x=0.0, data=1.0)],
        normal_law(1, 1.0, CPU),
        CPU,
        guidance=ClassGuidance(
            [
                MixtureDenoiser(components_of(part, CPU), rate=RATE)
                for part in (
                    hc.GaussianMixture([1.0], [[0.0]], 0.01),
                    hc.GaussianMixture([0.5, 0.5], [[90.0], [91.0]], 0.01),
                )
            ],
            np.array([0, 1, 1]),
            1.5,
        ),
    )
    assert_kernel_follows_loop(built, torch.arange(142) % 2)


def test_no_byte_depends_on_threads_pieces_or_lanes(monkeypatch):
    built = built_for(mixture("diagonal", 5, 3), ExponentialMultistep())
    pieces = (Piece(0, 0, 8192), Piece(0, 1, 300))
    together = built.particles(stream("start", pieces), stream("path", pieces))
    apart = [built.particles(stream("start", (piece,)), stream("path", (piece,))) for piece in pieces]
    assert torch.equal(together, torch.cat(apart))
    kernel = CompiledKernel.of(built.plan)
    monkeypatch.setattr("hermite_collapse.simulation.fused.cpu.SHARES", 3)
    assert torch.equal(together, kernel.particles(stream("start", pieces), stream("path", pieces)))
    before = torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        try:
            again = kernel.particles(stream("start", pieces), stream("path", pieces))
        finally:
            torch.set_num_threads(before)
        assert torch.equal(together, again)


def test_every_particle_has_numbers_of_its_own():
    built = built_for(mixture("diagonal", 5, 3), ExponentialMultistep())
    result = built.particles(stream("start"), stream("path"))
    assert len(torch.unique(result, dim=0)) == len(result)
    other = built.particles(stream("start", seed=12), stream("path", seed=12))
    assert not torch.isin(result, other).any()


@pytest.mark.parametrize("kind", ["isotropic", "diagonal", "full"])
def test_the_law_of_the_particles(kind):
    """Hermite modes of 10^5 particles against the exact law, at 60 steps; a law with a changed weight is rejected."""
    law = mixture(kind, 4, 2)
    pieces = tuple(Piece(0, block, 8192) for block in range(12))
    built = built_for(law, ExponentialMultistep(), steps=60)
    x = built.particles(stream("start", pieces), stream("path", pieces)).numpy()
    exact = law.through(hc.OrnsteinUhlenbeck(0.5).channel(STOP))
    measured = hc.EmpiricalLaw(x, scale=1.0).hermite_coefficients(4)
    errors = np.maximum(measured.standard_error[1:], 1e-12)

    def largest(reference):
        return np.max(np.abs(measured.values - reference.hermite_coefficients(4).values)[1:] / errors)

    assert largest(exact) < 4.5
    changed = hc.GaussianMixture.from_spectra(
        law.weights + np.array([0.02, -0.02, 0.0, 0.0]),
        exact.means,
        exact.variances,
        exact.frames,
        exact.frame_of,
    )
    assert largest(changed) > 4.5


def test_what_is_run_by_the_loop(monkeypatch):
    law = mixture("diagonal", 3, 2)
    built = built_for(law, ExponentialMultistep())
    options = {"start": built.start, "stages": built.stages, "device": CPU}
    assert Diffusion(Disturbed(built.denoiser, 0.0), **options).engine == LOOP
    assert Diffusion(built.denoiser, readable=True, **options).engine == LOOP
    with monkeypatch.context() as patch:
        patch.setattr(diffusion, "LARGEST_BYTES", 1000)
        assert Diffusion(built.denoiser, **options).engine == LOOP
    assert plan.bytes_of_plan(100, 64, 64) < plan.LARGEST_BYTES < plan.bytes_of_plan(100, 100_000, 10)
    assert plan.bytes_of_plan(10, 64, 512) < plan.LARGEST_BYTES < plan.bytes_of_plan(10, 64, 512, framed=True)


def test_records_say_which_code_made_the_particles():
    recursion = hc.Recursion(hc.presets.load("three_modes_1d"), fresh_fraction=0.5, truncation_time=0.1)
    options = {"rounds": 2, "particles": 200, "degree": 2, "device": "cpu"}
    reverse = ReverseDiffusion(steps=5)
    record = simulate(recursion, generator=ExactGeneration(reverse), **options)
    assert record.sampler["engine"] == COMPILED
    wrapped = simulate(
        recursion, generator=ExactGeneration(reverse, wrap=lambda denoiser: denoiser), **options
    )
    assert wrapped.sampler["engine"] == LOOP
    assert rounds_in_words([COMPILED, COMPILED, LOOP]) == f"{COMPILED} in rounds 1 to 2, {LOOP} in round 3"
    np.testing.assert_allclose(wrapped.mean_coefficients, record.mean_coefficients, rtol=1e-12, atol=1e-12)
