"""Learned scores and paths do not depend on torch's global settings: gradients, default dtype, default device."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import hermite_collapse as hc
from hermite_collapse.simulation import (
    AlignedError,
    ChannelGeneration,
    ExactGeneration,
    HyperbolicTangentError,
    ImageUNet,
    KernelGeneration,
    LinearError,
    NeuralGeneration,
    RandomFeatureError,
    ResidualPerceptron,
    ReverseDiffusion,
    ReverseProcess,
    StepsGeneration,
    TimeOnlyError,
    Training,
    draw_ideal_paths,
    follow_paths,
    learned_energies,
    observability_of,
    paired_observability,
    path_energy,
    simulate,
    simulate_together,
    time_nodes,
    weight_check,
)
from hermite_collapse.simulation.learned.image_features import random_convolution_features
from hermite_collapse.simulation.learned.settings import Checkpoints, TrainingPaused

PLANE = hc.GaussianMixture([0.5, 0.5], [[-1.0, 0.0], [1.0, 0.5]], 0.3)


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


SETTINGS = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "float64": lambda: default_dtype(torch.float64),
    "float16": lambda: default_dtype(torch.float16),
    # Tensors on the device "meta" hold no numbers: whatever is made without naming its device fails.
    "meta": lambda: torch.device("meta"),
}


def recursion_of(target=PLANE):
    return hc.Recursion(target, fresh_fraction=0.3, truncation_time=0.1)


def neural_run(folder=None):
    generation = NeuralGeneration(
        ResidualPerceptron(width=8, blocks=1, frequencies=2),
        Training(samples=200, steps=6, batch=32, check=3),
        ReverseDiffusion(steps=4),
        None if folder is None else Checkpoints(folder / "state", deadline=0.0),
    )
    record = simulate(
        recursion_of(),
        rounds=2,
        particles=60,
        generator=generation,
        degree=2,
        runs=2,
        device="cpu",
        seed=1,
        folder=None if folder is None else folder / "run",
    )
    return record.coefficients


def image_run():
    samples = np.random.default_rng(0).uniform(-1.0, 1.0, (40, 16))
    generation = NeuralGeneration(
        ImageUNet((1, 4, 4), widths=(4, 4), groups=2, attention=False, dropout=0.2),
        Training(samples=40, steps=3, batch=8, check=2),
        ReverseDiffusion(steps=3),
    )
    record = simulate(
        recursion_of(hc.EmpiricalLaw(samples)),
        rounds=1,
        particles=10,
        generator=generation,
        degree=1,
        device="cpu",
        seed=1,
    )
    return record.coefficients


def energies_run():
    generation = NeuralGeneration(
        ResidualPerceptron(width=8, blocks=1, frequencies=2),
        Training(samples=100, steps=3, batch=32, check=3),
    )
    result = learned_energies(
        recursion_of(), generation=generation, rounds=2, particles=50, paths=40, steps=8, device="cpu"
    )
    return np.stack([result.ideal, result.learned, *np.moveaxis(result.weight_scores, 2, 0)])


def paths_run():
    process = ReverseProcess(lambda x, t: -x)
    points = torch.from_numpy(np.random.default_rng(2).standard_normal((400, 2)))
    values = []
    for error in (
        TimeOnlyError([0.1, 0.2]),
        AlignedError(process.score, 0.1),
        LinearError(0.1, [0.0, 0.1]),
        HyperbolicTangentError(0.1, 2),
        RandomFeatureError(2, features=5),
    ):
        e, divergence = process.relative(error), process.relative(error.divergence)
        followed = follow_paths(
            process, e, points, time_nodes(2.0, 0.1, 4), drift=process.learned(error).drift
        )
        drawn = draw_ideal_paths(
            process, e, points, time_nodes(0.1, 2.0, 4), divergence=divergence, time_bins=1
        )
        paired, bounds = paired_observability(drawn), observability_of(drawn, degree=1)
        values += [path_energy(followed).energy.value, weight_check(followed, learned=True).score]
        values += [paired.visible.value, paired.innovation.value, bounds.visible_lower.value]
        values.append(error.supremum(0.1))
    return np.array(values)


def features_run():
    samples = np.random.default_rng(3).standard_normal((5, 64))
    return random_convolution_features(samples, (1, 8, 8), channels=3)


def particles_run():
    """Several recursions side by side by every generator without networks."""
    reverse = ReverseDiffusion(steps=3)
    steps = StepsGeneration(hc.mechanisms.SamplerSteps.ddpm(steps=3), guidance_scale=2.0)
    values = []
    for generation, time in (
        (ChannelGeneration(), 0.1),
        (ExactGeneration(reverse), 0.1),
        (ExactGeneration(reverse, wrap=lambda denoiser: denoiser), 0.1),
        (KernelGeneration(reverse, pool=30), 0.1),
        (steps, 0.0),
    ):
        given = {str(f): hc.Recursion(PLANE, fresh_fraction=f, truncation_time=time) for f in (0.3, 0.6)}
        options = {"rounds": 2, "particles": 50, "degree": 2, "runs": 2, "device": "cpu"}
        records = simulate_together(given, generation=generation, **options)
        values += [np.concatenate([r.coefficients.ravel(), r.covariances.ravel()]) for r in records.values()]
    return np.concatenate(values)


RUNS = {
    "particles": particles_run,
    "perceptrons": neural_run,
    "images": image_run,
    "energies": energies_run,
    "paths": paths_run,
    "features": features_run,
}


@pytest.fixture(scope="module")
def plain():
    """What each run gives with torch's own settings."""
    return {name: run() for name, run in RUNS.items()}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", RUNS)
def test_results_do_not_depend_on_global_settings(plain, name, setting):
    with SETTINGS[setting]():
        result = RUNS[name]()
    assert result.tobytes() == plain[name].tobytes()


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_resumed_training_does_not_depend_on_global_settings(plain, tmp_path, setting):
    pauses, result = 0, None
    with SETTINGS[setting]():
        while result is None:
            try:
                result = neural_run(tmp_path)
            except TrainingPaused:
                pauses += 1
    assert pauses == 10
    assert result.tobytes() == plain["perceptrons"].tobytes()


def test_the_device_without_numbers_catches_a_tensor_made_without_a_device():
    with torch.device("meta"), pytest.raises((NotImplementedError, RuntimeError)):
        float(torch.zeros(1).sum())
