"""Simulated recursions against the exact theory, with predicted error bars; and controls that must be rejected."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

import hermite_collapse as hc
from hermite_collapse.recursion.sampling_error import predict_sampling_error
from hermite_collapse.simulation import (
    EulerMaruyama,
    ExactGeneration,
    ExponentialMultistep,
    ReverseDiffusion,
    ScoreDenoiser,
    score_of,
    simulate,
    simulate_many,
    statistics,
)

FRESH, TIME = 0.3, 0.1
# Chance that the largest of a test's z-scores (fewer than 200) exceeds this by luck: below 2 in 1000.
LARGEST_Z = 4.5


def recursion_of(name, **options):
    return hc.Recursion(
        hc.presets.load(name), **{"fresh_fraction": FRESH, "truncation_time": TIME, **options}
    )


def largest_z(recursion, simulated, degree, rounds=None):
    """Largest z-score of the run average over modes and rounds that are near enough to normal."""
    error = predict_sampling_error(
        recursion,
        degree,
        rounds=simulated.rounds,
        particles=simulated.particles,
        generator=simulated.generator,
    )
    z = (simulated.mean_coefficients - error.expected) / (
        error.standard_error / np.sqrt(simulated.runs) + 1e-300
    )
    tested = error.is_testable(simulated.runs)
    tested[:, 0] = False
    assert tested.sum() >= 3 * (simulated.rounds + 1) or simulated.dimension == 1
    return float(np.abs(z[tested]).max())


@pytest.mark.parametrize("name", hc.presets.names())
@pytest.mark.parametrize("generator", ["channel", "exact"])
def test_simulation_agrees_with_theory_on_every_preset(name, generator):
    degree = 2 if name == "five_modes_10d" else 4
    recursion = recursion_of(name)
    # Fifty second-order steps are biased by less than one standard error of 10^5 particles.
    steps = {} if generator == "channel" else {"steps": 50}
    simulated = simulate(
        recursion,
        rounds=3,
        particles=100_000,
        generator=generator,
        degree=degree,
        seed=11,
        device="cpu",
        **steps,
    )
    assert largest_z(recursion, simulated, degree) < LARGEST_Z


@pytest.mark.parametrize(
    "options",
    [
        {"regime": "accumulate", "fresh_fraction": 0.0},
        {"regime": "accumulate_with_fresh"},
        {"regime": [[0.5, 0.5, 0.0, 0.0], [0.2, 0.5, 0.3, 0.0], [0.1, 0.3, 0.3, 0.3]]},
        {"blur": 0.4},
        {"process": hc.VarianceExploding()},
        {"process": hc.OrnsteinUhlenbeck(1.7), "truncation_time": [0.2, 0.05, 0.1]},
        {"initial": hc.GaussianMixture([1.0], [0.5], 0.5)},
        {"fresh_fraction": 0.0},
        {"fresh_fraction": 1.0},
    ],
    ids=lambda options: "-".join(options),
)
@pytest.mark.parametrize("generator", ["channel", "exact"])
def test_every_kind_of_recursion(options, generator):
    recursion = recursion_of("three_modes_1d", **options)
    steps = {} if generator == "channel" else {"steps": 25}
    simulated = simulate(
        recursion,
        rounds=3,
        particles=5000,
        generator=generator,
        degree=5,
        runs=3,
        seed=5,
        device="cpu",
        **steps,
    )
    assert largest_z(recursion, simulated, 5) < LARGEST_Z


@pytest.mark.parametrize("generator", ["channel", "exact"])
def test_empirical_target_is_the_empirical_law_exactly(generator):
    points = hc.presets.load("grid_2d").sample(150, np.random.default_rng(0))
    recursion = hc.Recursion(hc.EmpiricalLaw(points), fresh_fraction=0.4, truncation_time=0.3)
    steps = {} if generator == "channel" else {"steps": 25}
    simulated = simulate(
        recursion, rounds=2, particles=3000, generator=generator, degree=3, seed=2, device="cpu", **steps
    )
    assert largest_z(recursion, simulated, 3) < LARGEST_Z


@dataclass(frozen=True)
class WrongSign(EulerMaruyama):
    """The linear drift of the forward process instead of the reverse one."""

    def _steps(self, levels, rate):
        times = [level.time for level in levels]
        stages = zip(super()._steps(levels, rate), -np.diff(times), strict=True)
        return [replace(stage, x=stage.x - 2.0 * rate * float(step)) for stage, step in stages]


def shrunk_score(denoiser):
    """A score 5 % too small."""
    return ScoreDenoiser(lambda x, t: 0.95 * score_of(denoiser, x, t), rate=denoiser.rate)


@pytest.mark.parametrize(
    "options",
    [
        {"sampler": WrongSign(), "steps": 100},
        {"generator": ExactGeneration(ReverseDiffusion(steps=25), wrap=shrunk_score)},
        {"steps": 2},
    ],
    ids=["wrong drift sign", "score 5 % off", "two steps"],
)
def test_a_wrong_reverse_diffusion_is_rejected(options):
    recursion = recursion_of("three_modes_1d")
    simulated = simulate(
        recursion,
        **{"generator": "exact", "rounds": 2, "particles": 10_000, "degree": 4, "device": "cpu", **options},
    )
    assert largest_z(recursion, simulated, 4) > LARGEST_Z


def test_a_standard_normal_start_loses_second_moment_at_a_short_horizon():
    # The end law is affine in the start for each path: start from N(0, I) at T = 4 instead of the marginal.
    recursion = recursion_of("five_modes_10d", truncation_time=0.02)
    options = {
        "generator": "exact",
        "rounds": 1,
        "particles": 8_000,
        "degree": 2,
        "horizon": 4.0,
        "device": "cpu",
    }
    index = 10  # the row of `indices` for h_1 of the first coordinate
    marginal, normal = (simulate(recursion, start=s, **options) for s in ("marginal", "normal"))
    assert marginal.indices[index].tolist() == [1] + [0] * 9
    second = [s.covariances[0, 1, 0, 0] + s.means[0, 1, 0] ** 2 for s in (marginal, normal)]
    exact = recursion.law(1).covariance[0, 0]
    bar = marginal.standard_errors[0, 1][marginal.degrees == 2].max() * np.sqrt(2.0)
    assert abs(second[0] - exact) < 4.0 * bar
    assert second[1] < exact - 0.1
    far = simulate(recursion, start="normal", **{**options, "horizon": 16.0})
    assert abs(far.covariances[0, 1, 0, 0] + far.means[0, 1, 0] ** 2 - exact) < 4.0 * bar


@pytest.mark.parametrize(
    ("generator", "particles", "runs"),
    [("channel", 20_000, 2), ("channel", 333, 7), ("exact", 9_001, 2), ("exact", 333, 7)],
)
def test_bytes_do_not_depend_on_the_chunk_size(generator, particles, runs):
    recursion = recursion_of("tilted_2d", regime="accumulate_with_fresh")
    steps = {} if generator == "channel" else {"steps": 5}
    one, other = (
        simulate(
            recursion,
            rounds=2,
            particles=particles,
            generator=generator,
            degree=3,
            runs=runs,
            keep="all",
            device="cpu",
            chunk=chunk,
            **steps,
        )
        for chunk in (1, 50_000)
    )
    for field in ("coefficients", "second_moments", "means", "covariances", "samples"):
        assert getattr(one, field).tobytes() == getattr(other, field).tobytes(), field
    assert not np.array_equal(one.samples[0], one.samples[1])


def test_seeds_repeat_and_differ():
    recursion = recursion_of("two_modes_1d")
    options = {"rounds": 1, "particles": 100, "degree": 2, "device": "cpu"}
    a, b, c = (simulate(recursion, seed=s, **options) for s in (1, 1, 2))
    assert a.coefficients.tobytes() == b.coefficients.tobytes()
    assert a.coefficients.tobytes() != c.coefficients.tobytes()


def test_kept_samples_are_those_of_the_statistics():
    recursion = recursion_of("grid_2d")
    options = {"rounds": 2, "particles": 50, "degree": 2, "runs": 2, "device": "cpu", "products": True}
    everything = simulate(recursion, keep="all", **options)
    last = simulate(recursion, keep="last", **options)
    none = simulate(recursion, **options)
    assert everything.samples.shape == (2, 3, 50, 2)
    assert np.array_equal(everything.samples[:, -1:], last.samples)
    assert none.samples is None
    np.testing.assert_allclose(everything.samples.mean(2), everything.means, rtol=1e-12)
    assert everything.products.shape == (2, 3, 6, 6)
    np.testing.assert_allclose(everything.products[:, :, 0], everything.coefficients, rtol=1e-12, atol=1e-14)


def test_running_out_of_memory_falls_back_to_smaller_chunks_and_says_so(monkeypatch, capsys):
    recursion = recursion_of("two_modes_1d")
    options = {"rounds": 2, "particles": 30_000, "degree": 2, "device": "cpu", "chunk": 40_000}
    plain = simulate(recursion, **options)
    real = statistics.HermiteStatistics.sums

    def scarce(self, x, chunk):
        if x.shape[0] > 10_000:
            raise torch.OutOfMemoryError("no memory left")
        return real(self, x, chunk)

    monkeypatch.setattr(statistics.HermiteStatistics, "sums", scarce)
    small = simulate(recursion, **options)
    assert small.coefficients.tobytes() == plain.coefficients.tobytes()
    assert "Memory ran out in round 0" in small.notes[0]
    assert small.notes[0] in capsys.readouterr().err

    monkeypatch.setattr(statistics.HermiteStatistics, "sums", _always_out_of_memory)
    with pytest.raises(torch.OutOfMemoryError):
        simulate(recursion, **options)


def _always_out_of_memory(self, x, chunk):
    raise torch.OutOfMemoryError("no memory left")


def test_the_progress_bar_is_on_standard_error_and_only_where_wanted(capsys):
    recursion = recursion_of("two_modes_1d")
    simulate(recursion, rounds=1, particles=10, degree=1, device="cpu")
    assert capsys.readouterr() == ("", "")
    simulate(recursion, rounds=1, particles=10, degree=1, device="cpu", progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "simulate (channel)" in err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"particles": 0}, "particles must be an integer >= 1, got 0"),
        ({"rounds": -1}, "rounds must be an integer >= 0, got -1"),
        ({"runs": 0}, "runs must be an integer >= 1, got 0"),
        ({"degree": 1.5}, "degree must be an integer, got 1.5"),
        ({"seed": -1}, "seed must be an integer >= 0, got -1"),
        ({"generator": "chanel"}, "did you mean 'channel'"),
        ({"generator": 3}, "generator must be one of"),
        ({"keep": "some"}, "keep must be one of 'statistics', 'last', 'all', got 'some'"),
        ({"device": "tpu"}, "device must be"),
        ({"steps": 5}, "steps must be left out with generator='channel'"),
        ({"start": "normal"}, "start must be left out with generator='channel'"),
        ({"generator": ExactGeneration(), "pool": 5}, "pool must be set in the generator object"),
        ({"generator": "exact", "start": "zero"}, "start must be one of"),
        ({"generator": "exact", "horizon": 0.05}, "horizon must exceed the truncation time 0.1"),
        ({"generator": "exact", "sampler": "euler"}, "sampler must be a sampler"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(options, sentence):
    defaults = {"rounds": 1, "particles": 10, "degree": 1, "device": "cpu"}
    with pytest.raises(hc.InputError) as caught:
        simulate(recursion_of("two_modes_1d"), **{**defaults, **options})
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_reverse_diffusion_cannot_stop_at_time_zero():
    with pytest.raises(hc.InputError, match="truncation_time must be > 0 in every round"):
        simulate(
            recursion_of("two_modes_1d", truncation_time=0.0),
            rounds=1,
            particles=10,
            generator="exact",
            device="cpu",
        )
    frozen = simulate(recursion_of("two_modes_1d", truncation_time=0.0), rounds=1, particles=10, device="cpu")
    assert frozen.rounds == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_asking_for_cuda_where_there_is_none_is_one_sentence():
    with pytest.raises(hc.InputError, match="device must be one that is there, got 'cuda'"):
        simulate(recursion_of("two_modes_1d"), rounds=1, particles=10, device="cuda")


def test_without_torch_the_simulation_names_the_extra():
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "import hermite_collapse as hc\n"
        "hc.simulation.SimulatedRecursion, hc.simulation.time_grid('uniform', 2, start=1.0, stop=0.5)\n"
        "try:\n    hc.simulation.simulate\nexcept ImportError as problem:\n    print(problem)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert 'pip install "hermite_collapse[torch]"' in done.stdout
    assert done.stdout.count("\n") == 1


@pytest.mark.gpu
@pytest.mark.parametrize("generator", ["channel", "exact"])
def test_gpu_agrees_with_theory_and_does_not_depend_on_the_chunk_size(generator):
    recursion = recursion_of("tilted_2d")
    options = {"rounds": 3, "particles": 100_000, "generator": generator, "degree": 4, "device": "cuda"}
    one, other = (simulate(recursion, chunk=chunk, **options) for chunk in (8192, 10**6))
    assert one.coefficients.tobytes() == other.coefficients.tobytes()
    assert largest_z(recursion, one, 4) < LARGEST_Z


def test_the_record_says_how_it_was_made():
    sampler = ExponentialMultistep(order=1, grid="geometric")
    simulated = simulate(
        recursion_of("two_modes_1d"), rounds=2, particles=20, generator="exact", sampler=sampler, steps=7, degree=3,
        device="cpu", seed=9,
    )  # fmt: skip
    assert simulated.sampler["name"] == "exponential_multistep"
    assert simulated.sampler["order"] == 1
    assert simulated.sampler["grid"] == "geometric"
    assert (simulated.steps, simulated.seed, simulated.generator) == (7, 9, "exact")
    assert simulated.device.startswith("cpu")
    assert simulated.versions["torch"] == torch.__version__
    assert simulated.truncation_times.tolist() == [TIME, TIME]
    assert simulated.wall_seconds.shape == (3,)
    assert simulated.recursion["fresh_fraction"] == FRESH


def test_several_recursions_share_options_and_noise(tmp_path):
    recursions = {
        "slow": recursion_of("two_modes_1d", truncation_time=0.01),
        "fast": recursion_of("two_modes_1d"),
    }
    options = {"rounds": 2, "particles": 50, "degree": 2, "device": "cpu"}
    records = simulate_many(recursions, folder=tmp_path / "both", **options)
    assert list(records) == ["slow", "fast"]
    alone = simulate(recursions["fast"], **options)
    assert records["fast"].coefficients.tobytes() == alone.coefficients.tobytes()
    assert np.array_equal(records["fast"].coefficients[:, 0], records["slow"].coefficients[:, 0])
    assert (tmp_path / "both" / "slow" / "record.json").exists()
    with pytest.raises(hc.InputError, match="names that can name a folder, got '../up'"):
        simulate_many({"../up": recursions["fast"]}, **options)


def test_a_folder_begun_with_another_generator_of_random_numbers_is_refused(tmp_path):
    options = {"rounds": 1, "particles": 20, "degree": 2, "device": "cpu", "folder": tmp_path}
    assert simulate(recursion_of("two_modes_1d"), **options).random_numbers == "philox4x32-10"
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    del manifest["random_numbers"]  # as folders were before
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(hc.InputError, match="with random_numbers = nothing instead of 'philox4x32-10'"):
        simulate(recursion_of("two_modes_1d"), **options)


@pytest.mark.parametrize(
    ("generator", "variance", "degree"),
    [("kernel", 1e40, 1), ("channel", 1e300, 2)],  # beyond float32 in the attention, beyond a double in h_2^2
)
def test_rounds_that_are_not_finite_are_refused(tmp_path, generator, variance, degree):
    recursion = hc.Recursion(
        hc.GaussianMixture([1.0], [[0.0]], variance), fresh_fraction=0.3, truncation_time=0.1
    )
    options = {"pool": 40, "steps": 3} if generator == "kernel" else {}
    with pytest.raises(
        hc.InputError, match="recursion must leave particles and their statistics finite, got NaN"
    ):
        simulate(
            recursion, rounds=1, particles=40, generator=generator, degree=degree, device="cpu", folder=tmp_path,
            **options,
        )  # fmt: skip
    assert not (tmp_path / "record.json").exists()


@pytest.mark.parametrize("centre", [0.0, 1e5, 1e7, 1e9])
def test_standard_errors_are_not_lost_far_from_the_origin(centre):
    """Where the difference of moments has no digits, what rounding leaves of it stands in the place of 0."""
    recursion = hc.Recursion(
        hc.GaussianMixture([1.0], [[centre]], 0.1), fresh_fraction=0.3, truncation_time=TIME
    )
    simulated = simulate(recursion, rounds=1, particles=2000, degree=2, runs=4, device="cpu")
    exact = np.array([recursion.law(i).hermite_coefficients(2).values for i in range(2)])
    z = (simulated.coefficients - exact)[..., 1:] / simulated.standard_errors[..., 1:]
    assert np.abs(z).max() < LARGEST_Z * np.sqrt(2.0)  # parents and channel
    assert (simulated.standard_errors[..., 0] == 0.0).all()


def test_a_sampler_that_uses_what_is_not_there_is_refused():
    @dataclass(frozen=True)
    class Impossible(ExponentialMultistep):
        name = "impossible"

        def _steps(self, levels, rate):
            return [replace(stage, x_before=1.0) for stage in super()._steps(levels, rate)]

    with pytest.raises(hc.InputError, match="sampler must use nothing from before its first stage"):
        simulate(
            recursion_of("two_modes_1d"),
            rounds=1,
            particles=20,
            generator="exact",
            sampler=Impossible(),
            device="cpu",
        )


@pytest.mark.parametrize("generator", ["exact", "kernel"])
@pytest.mark.parametrize(
    "process", [hc.OrnsteinUhlenbeck(), hc.OrnsteinUhlenbeck(2.0), hc.VarianceExploding()]
)
def test_a_late_truncation_moves_the_horizon(generator, process):
    """Every later time has an exact law to start from; at signal scales below exp(-150) nothing is left."""
    law, is_exploding = hc.presets.load("two_modes_1d"), isinstance(process, hc.VarianceExploding)
    late, last = (1e4, np.expm1(300.0)) if is_exploding else (5.0 / process.rate, 150.0 / process.rate)
    for time in (late, 0.999 * last):
        recursion = hc.Recursion(law, fresh_fraction=0.3, truncation_time=time, process=process)
        run = simulate(recursion, rounds=1, particles=2000, degree=2, generator=generator, device="cpu")
        level = process.channel(time)
        variance = level.scale**2 * float(law.covariance[0, 0]) + level.variance
        assert run.covariances[0, 1, 0, 0] == pytest.approx(variance, rel=5.0 * np.sqrt(2.0 / 2000))
    beyond = hc.Recursion(law, fresh_fraction=0.3, truncation_time=1.01 * last, process=process)
    with pytest.raises(hc.InputError, match=r"truncation_time must be at most .* use generator='channel'"):
        simulate(beyond, rounds=1, particles=10, degree=2, generator=generator, device="cpu")
