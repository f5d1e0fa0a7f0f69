"""Several recursions as one batch: the bytes of each alone, bounded chunks, the sentences of `simulate`."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import hermite_collapse as hc
from hermite_collapse.simulation import (
    ChannelGeneration,
    ExactGeneration,
    KernelGeneration,
    ReverseDiffusion,
    StepsGeneration,
    side_by_side,
    simulate,
    simulate_many,
)
from hermite_collapse.simulation.noise import BLOCK, plan_chunks
from hermite_collapse.simulation.rounds import run_rounds
from hermite_collapse.simulation.settings import RunSettings

ARRAYS = ("coefficients", "second_moments", "means", "covariances", "products", "samples")
REVERSE = ReverseDiffusion(steps=3)


def _same(denoiser):
    """The denoiser itself, by the readable loop."""
    return denoiser


def framed(dimension: int, components: int, seed: int = 0) -> hc.GaussianMixture:
    """A mixture whose components have three sets of axes."""
    generator = np.random.default_rng(seed)
    frames = np.linalg.qr(generator.standard_normal((3, dimension, dimension)))[0][np.arange(components) % 3]
    spread = generator.uniform(0.1, 0.5, (components, dimension))
    covariances = np.einsum("kij,kj,klj->kil", frames, spread, frames)
    means = generator.standard_normal((components, dimension))
    return hc.GaussianMixture(generator.dirichlet(np.ones(components)), means, covariances)


def recursions(dimension: int) -> dict[str, hc.Recursion]:
    """Different shares, truncations, regimes, starts, blurs, targets and numbers of components."""
    target, other = framed(dimension, 5), hc.GaussianMixture([0.5, 0.5], np.ones((2, dimension)), 0.3)
    return {
        "one": hc.Recursion(target, fresh_fraction=0.3, truncation_time=0.1),
        "two": hc.Recursion(
            target, fresh_fraction=0.6, truncation_time=0.2, regime="accumulate_with_fresh", blur=0.1
        ),
        "three": hc.Recursion(other, fresh_fraction=0.9, truncation_time=(0.3, 0.05), initial=target),
    }


def without_truncation(dimension: int) -> dict[str, hc.Recursion]:
    target = framed(dimension, 5)
    return {str(f): hc.Recursion(target, fresh_fraction=f, truncation_time=0.0) for f in (0.2, 0.8)}


GENERATIONS = {
    "channel": (ChannelGeneration(), recursions),
    "exact": (ExactGeneration(REVERSE), recursions),
    "loop": (ExactGeneration(REVERSE, wrap=_same), recursions),
    "kernel": (KernelGeneration(REVERSE, pool=40), recursions),
    "guided": (
        StepsGeneration(hc.mechanisms.SamplerSteps.ddim(steps=3), guidance_scale=2.0),
        without_truncation,
    ),
}


def assert_equal(record, other):
    for name in ARRAYS:
        first, second = getattr(record, name), getattr(other, name)
        assert (first is None) == (second is None)
        assert first is None or first.tobytes() == second.tobytes(), name


@pytest.mark.parametrize(
    ("dimension", "particles", "runs", "chunk"),
    [(1, 70, 3, None), (3, BLOCK + 11, 2, 3 * (BLOCK + 11)), (2, BLOCK + 11, 1, 1), (3, 70, 2, 150)],
)
@pytest.mark.parametrize("name", GENERATIONS)
def test_bytes_are_those_of_each_recursion_alone(name, dimension, particles, runs, chunk):
    generation, make = GENERATIONS[name]
    options = {"rounds": 2, "particles": particles, "runs": runs, "degree": 2, "device": "cpu", "keep": "all"}
    options["products"] = dimension == 3
    given = make(dimension)
    records = run_rounds(RunSettings.of(given, generation, seed=5, chunk=chunk, **options))
    assert len({record.seed for record in records.values()}) == len(given)
    for number, (key, recursion) in enumerate(given.items()):
        alone = simulate(recursion, generator=generation, seed=records[key].seed, **options)
        assert_equal(records[key], alone)
        assert number == 0 or alone.samples.tobytes() != records[next(iter(given))].samples.tobytes()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_chunks_are_bounded_and_threads_change_nothing(threads, monkeypatch):
    rows = []
    original = side_by_side.SideBySide.particles

    def counted(self, chunk):
        rows.append(chunk.rows)
        return original(self, chunk)

    monkeypatch.setattr(side_by_side.SideBySide, "particles", counted)
    options = {"rounds": 1, "particles": 300, "runs": 2, "degree": 2, "device": "cpu", "chunk": 1000}
    settings = RunSettings.of(recursions(2), ExactGeneration(REVERSE), **options)
    expected = run_rounds(settings)
    assert sum(rows) == 2 * settings.rows and max(rows) == 900
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        made = run_rounds(settings)
    finally:
        torch.set_num_threads(before)
    for name, record in made.items():
        assert_equal(record, expected[name])


STEPS = hc.mechanisms.SamplerSteps
ALONE = {
    "rotated, 10 dimensions": lambda: (framed(10, 64), ExactGeneration(REVERSE), BLOCK + 1, 3, 0.1),
    "rotated, 64 dimensions": lambda: (framed(64, 5), ChannelGeneration(), BLOCK + 800, 2, 0.1),
    "pools, 64 dimensions": lambda: (framed(64, 5), KernelGeneration(REVERSE, pool=300), 700, 2, 0.1),
    "large pools": lambda: (framed(10, 3), KernelGeneration(REVERSE, pool=5000), 300, 2, 0.1),
    "guided": lambda: (framed(10, 7), StepsGeneration(STEPS.ddim(steps=3), 2.5), BLOCK + 8, 2, 0.0),
    "guided on a line": lambda: (framed(1, 3), StepsGeneration(STEPS.ddpm(steps=5), 3.0), 2 * BLOCK, 2, 0.0),
    "loop": lambda: (framed(10, 64), ExactGeneration(REVERSE, wrap=_same), BLOCK + 3, 1, 0.1),
    "loop on a line": lambda: (framed(1, 64), ExactGeneration(REVERSE, wrap=_same), BLOCK + 3, 2, 0.1),
    "points": lambda: (
        hc.EmpiricalLaw(np.random.default_rng(1).normal(size=(200, 3))),
        ChannelGeneration(),
        BLOCK,
        3,
        0.1,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ALONE)
def test_bytes_at_any_chunk_size_and_number_of_threads(name):
    """Chunks of one particle, odd, larger than all; 1, 2, 3 and 7 threads."""
    target, generation, particles, runs, time = ALONE[name]()
    recursion = hc.Recursion(target, fresh_fraction=0.4, truncation_time=time)
    before, records = torch.get_num_threads(), []
    try:
        for threads, chunk in ((1, None), (2, 1), (3, BLOCK + 17), (7, 10**7), (2, 1001)):
            torch.set_num_threads(threads)
            records.append(
                simulate(
                    recursion,
                    generator=generation,
                    rounds=2,
                    particles=particles,
                    runs=runs,
                    degree=2,
                    keep="all",
                    products=target.dimension < 11,
                    device="cpu",
                    chunk=chunk,
                )
            )
    finally:
        torch.set_num_threads(before)
    for record in records[1:]:
        assert_equal(record, records[0])


def test_several_runs_in_their_blocks_are_one_chunk():
    particles = 2 * BLOCK + 5
    chunks = plan_chunks(7, particles, 3 * particles + 100, mixed=True)
    assert [chunk.rows for chunk in chunks] == [3 * particles, 3 * particles, particles]
    alone = [piece for chunk in plan_chunks(7, particles, 1) for piece in chunk.pieces]
    assert [piece for chunk in chunks for piece in chunk.pieces] == alone
    assert [chunk.start for chunk in chunks] == [0, 3 * particles, 6 * particles]
    for size in (particles, 2 * particles - 1):
        assert plan_chunks(7, particles, size, mixed=True) == plan_chunks(7, particles, size)


@pytest.mark.parametrize("batch", [1, 400, 1 << 22])
@pytest.mark.parametrize("generator", ["channel", "exact", "kernel"])
def test_recursions_with_shared_noise_are_those_alone(generator, batch, monkeypatch):
    monkeypatch.setattr("hermite_collapse.simulation.together._BATCH", batch)
    given = {**recursions(2), **{f"line {key}": value for key, value in recursions(1).items()}}
    options = {"rounds": 2, "particles": 60, "degree": 2, "device": "cpu", "seed": 3, "keep": "last"}
    if generator != "channel":
        options["steps"] = 3
    records = simulate_many(given, generator=generator, progress=False, **options)
    assert list(records) == list(given)
    for key, recursion in given.items():
        alone = simulate(recursion, generator=generator, **options)
        assert records[key].seed == 3
        assert records[key].recursion == alone.recursion and records[key].sampler == alone.sampler
        assert_equal(records[key], alone)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"particles": 0}, "particles must be an integer >= 1, got 0"),
        ({"particles": "many"}, "particles must be an integer, got 'many'"),
        (
            {"particle": 10},
            "simulate must be given arguments it knows, got particle \\(did you mean particles",
        ),
        ({"particles": 10, "steps": 3}, "steps must be left out with generator='channel'"),
        ({"particles": 10, "generator": "chanel"}, "generator must be one of"),
    ],
)
def test_options_are_refused_as_by_simulate(options, sentence):
    with pytest.raises(hc.InputError, match=sentence):
        simulate_many(recursions(2), rounds=1, **options)


def test_what_is_no_recursion_is_refused():
    with pytest.raises(hc.InputError, match="recursion must be a Recursion, got"):
        simulate_many({"a": framed(2, 2)}, rounds=1, particles=10)
    assert simulate_many({}, rounds=1, particles=10) == {}
