"""The recursion with learned scores: side by side, interrupted, and its errors measured."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.bounds.constant_defects import check_robustness
from hermite_collapse.simulation import ExponentialMultistep, ReverseDiffusion, simulate
from hermite_collapse.simulation.learned.generation import NeuralGeneration
from hermite_collapse.simulation.learned.settings import (
    Checkpoints,
    ImageUNet,
    ResidualPerceptron,
    Training,
    TrainingPaused,
)
from hermite_collapse.simulation.paths.learned import learned_energies
from hermite_collapse.simulation.together import simulate_together

TARGET = hc.GaussianMixture(
    [0.4, 0.6], [[-1.0, 0.5], [0.8, -0.3]], [[0.1, 0.1], [0.15, 0.15]], covariance_type="diagonal"
)
ROUNDS = 3


def generation_of(*, steps=40, samples=1500, width=24, path=12, **options):
    return NeuralGeneration(
        network=ResidualPerceptron(width=width, blocks=1, frequencies=4),
        training=Training(samples=samples, steps=steps, batch=256, check=20, learning_rate=1e-2),
        reverse=ReverseDiffusion(sampler=ExponentialMultistep(**options), steps=path),
    )


def recursion_of(fresh=0.3, truncation_time=0.1, **options):
    return hc.Recursion(TARGET, fresh_fraction=fresh, truncation_time=truncation_time, **options)


def run(recursion, generation, *, runs=2, particles=500, rounds=2, **options):
    return simulate(
        recursion,
        rounds=rounds,
        particles=particles,
        generator=generation,
        degree=3,
        runs=runs,
        device="cpu",
        **options,
    )


@pytest.fixture(scope="module")
def learned():
    """Four runs of three rounds, trained well enough to be near the theory."""
    return run(
        recursion_of(),
        generation_of(steps=400, samples=6000, width=32, path=20),
        runs=4,
        particles=1500,
        rounds=ROUNDS,
        seed=3,
    )


def test_one_recursion_alone_or_in_company_is_the_same_run():
    generation = generation_of()
    alone = run(recursion_of(), generation, seed=5)
    company = simulate_together(
        {"a": recursion_of()},
        rounds=2,
        particles=500,
        generation=generation,
        degree=3,
        runs=2,
        device="cpu",
        seed=5,
    )
    assert alone.coefficients.tobytes() == company["a"].coefficients.tobytes()
    assert alone.covariances.tobytes() == company["a"].covariances.tobytes()


def test_results_do_not_depend_on_the_chunk_size():
    whole = run(recursion_of(), generation_of(), runs=3, chunk=1500, rounds=1)
    parts = run(recursion_of(), generation_of(), runs=3, chunk=1, rounds=1)
    assert whole.coefficients.tobytes() == parts.coefficients.tobytes()


def test_learned_rounds_are_near_the_theory_and_untrained_ones_are_not(learned):
    predicted = recursion_of().coefficients(3, rounds=ROUNDS)
    spread = np.sqrt(TARGET.second_moments(learned.indices))
    low = learned.degrees <= 2

    def distance(record):
        return np.sqrt(np.mean(((record.mean_coefficients - predicted)[1:, low] / spread[low]) ** 2))

    untrained = run(recursion_of(), generation_of(steps=1), rounds=ROUNDS, seed=3)
    # The untrained denoiser is that of a Gaussian of the data's mean and variance: no correlation, no modes.
    assert distance(learned) < 0.35 * distance(untrained), (distance(learned), distance(untrained))


def test_learned_runs_lie_in_the_ellipsoid_of_the_other_half(learned):
    n, target = learned.degrees, TARGET.hermite_coefficients(3).values
    options = {"target": target, "fresh_fraction": 0.3, "truncation_time": 0.1}
    assert check_robustness(learned.coefficients, n, **options).is_inside
    # Runs whose second half has another, larger defect must lie outside.
    spoiled = learned.coefficients.copy()
    spoiled[2:, 1:, 1:] += 0.5
    check = check_robustness(spoiled, n, **options)
    assert not check.is_inside and not check.holds


def test_a_final_step_takes_variance_away():
    """The same networks and paths, finished in three ways, in units of the data: more denoising, less variance."""
    rescaled, half, full = (
        run(recursion_of(), generation_of(steps=100, final_step=step), runs=4, rounds=1, seed=6)
        for step in ("rescaled", "half", "full")
    )
    squares = np.flatnonzero((full.indices == 2).any(axis=1) & (full.degrees == 2))
    for more, less in ((rescaled, half), (half, full)):
        difference = (less.coefficients - more.coefficients)[:, 1, squares]
        error = difference.std(axis=0, ddof=1) / 2.0
        assert np.all(difference.mean(axis=0) < -5.0 * error)


def test_schedules_and_fresh_fractions_run_side_by_side():
    recursions = {
        "constant": recursion_of(0.3),
        "annealed": recursion_of(0.3, hc.schedules.Polynomial(0.2, 1.0)),
        "fresh": recursion_of(0.9),
    }
    records = simulate_together(
        recursions, rounds=2, particles=300, generation=generation_of(), degree=2, device="cpu", seed=1
    )
    np.testing.assert_allclose(records["annealed"].truncation_times, [0.2, 0.1])
    assert len({record.seed for record in records.values()}) == 3
    assert records["fresh"].recursion["fresh_fraction"] == 0.9
    assert not np.array_equal(records["constant"].coefficients[:, 0], records["fresh"].coefficients[:, 0])


def test_energies_fall_with_training_and_weights_have_mean_one():
    options = {
        "rounds": 2,
        "runs": 1,
        "particles": 1000,
        "paths": 1000,
        "steps": 60,
        "device": "cpu",
        "seed": 2,
    }
    trained = learned_energies(recursion_of(), generation=generation_of(steps=300, samples=1000), **options)
    untrained = learned_energies(
        recursion_of(), generation=generation_of(steps=1, samples=1000), **{**options, "rounds": 1}
    )
    assert trained.references == ("exact", "training set")
    assert np.all(np.abs(trained.weight_scores) < 4.5)
    gap = untrained.learned[0] - trained.learned[0]
    assert np.all(gap > 5.0 * np.hypot(untrained.learned_error[0], trained.learned_error[0]))
    assert np.all(trained.ideal > 0.0)


KILLED = """
import sys
from tests.simulation.learned.test_generation import generation_of, recursion_of
from hermite_collapse.simulation.together import simulate_together
names = {"low": recursion_of(0.1), "high": recursion_of(0.7)}
simulate_together(names, rounds=3, particles=400, generation=generation_of(), degree=2, runs=2, device="cpu",
                  seed=8, folder=sys.argv[1])
"""


def test_a_killed_run_continues_to_the_same_bytes(tmp_path, kill_after_one_round):
    """Three rounds, two recursions, two seeds."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    kill_after_one_round(KILLED, broken)
    assert not (broken / "round-00003.npz").exists()
    recursions = {"low": recursion_of(0.1), "high": recursion_of(0.7)}
    options = {
        "rounds": 3,
        "particles": 400,
        "generation": generation_of(),
        "degree": 2,
        "runs": 2,
        "device": "cpu",
        "seed": 8,
    }
    first = simulate_together(recursions, folder=whole, **options)
    again = simulate_together(recursions, folder=broken, **options)
    for index in range(4):
        name = f"round-{index:05d}.npz"
        assert (whole / name).read_bytes() == (broken / name).read_bytes()
    assert first["low"].coefficients.tobytes() == again["low"].coefficients.tobytes()
    with pytest.raises(
        ValueError, match="folder must be empty or hold what this call asks for, .* seed = 8 instead of 9"
    ):
        simulate_together(recursions, folder=broken, **{**options, "seed": 9})


def test_a_piece_whose_time_is_up_says_so_and_continues(tmp_path):
    generation = generation_of(steps=10)
    pausing = NeuralGeneration(
        generation.network,
        generation.training,
        generation.reverse,
        Checkpoints(tmp_path / "state", deadline=0.0),
    )
    folder, pauses = tmp_path / "run", 0
    while True:
        try:
            pieces = run(recursion_of(), pausing, rounds=1, folder=folder)
            break
        except TrainingPaused:
            pauses += 1
    assert pauses == 9
    assert pieces.coefficients.tobytes() == run(recursion_of(), generation, rounds=1).coefficients.tobytes()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: simulate_together({}, rounds=1, particles=10), "recursions must hold at least one"),
        (
            lambda: simulate_together(
                {
                    "a": recursion_of(),
                    "b": hc.Recursion(
                        hc.presets.load("two_modes_1d"), fresh_fraction=0.1, truncation_time=0.1
                    ),
                },
                rounds=1,
                particles=10,
            ),
            "recursions must have one dimension",
        ),
        (
            lambda: simulate_together(
                {"a": recursion_of(), "b": recursion_of(process=hc.OrnsteinUhlenbeck(1.0))},
                rounds=1,
                particles=10,
                generation=generation_of(),
            ),
            "one rate to be trained together",
        ),
        (lambda: learned_energies(recursion_of(regime="accumulate_with_fresh")), "for its energies"),
        (lambda: run(recursion_of(), NeuralGeneration(ImageUNet((1, 1, 2), widths=(8,)))), "runs must be 1"),
        (
            lambda: simulate(recursion_of(), rounds=1, particles=10, generator="neural", pool=2),
            "samples must be",
        ),
        (lambda: run(recursion_of(truncation_time=0.0), generation_of()), "truncation_time must be > 0"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        call()
    assert str(caught.value).endswith(".")
