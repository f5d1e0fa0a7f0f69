"""Training: known minima of the loss, stopping, and checkpoints that give the same bytes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from hermite_collapse.core.errors import ConvergenceError, InputError
from hermite_collapse.simulation import MixtureDenoiser
from hermite_collapse.simulation.laws import TorchMixture
from hermite_collapse.simulation.learned.optimisation import Levels
from hermite_collapse.simulation.learned.settings import (
    Address,
    Checkpoints,
    ImageUNet,
    ResidualPerceptron,
    Training,
    TrainingPaused,
)
from hermite_collapse.simulation.learned.training import train_scores

SMALL = ResidualPerceptron(width=24, blocks=1, frequencies=4)
SHORT = Training(samples=2000, steps=120, batch=256, check=40, learning_rate=1e-2)


def points_of(members=2, n=2000, separation=2.0, seed=0):
    """Two narrow modes at +-separation/2 on the first axis of the plane."""
    generator = torch.Generator().manual_seed(seed)
    side = torch.where(torch.rand(members, n, generator=generator) < 0.5, -0.5, 0.5) * separation
    x = 0.3 * torch.randn(members, n, 2, generator=generator)
    x[:, :, 0] += side
    return x.double()


def train(points, training=SHORT, architecture=SMALL, checkpoints=None, seed=4):
    addresses = [Address(seed, run, 1) for run in range(len(points))]
    return train_scores(
        points,
        architecture=architecture,
        training=training,
        addresses=addresses,
        shortest=[0.05] * len(points),
        horizon=8.0,
        checkpoints=checkpoints,
    )


def weights(trained):
    return [p.detach().numpy().copy() for p in trained.network.parameters()]


def test_loss_of_a_gaussian_is_one_and_of_modes_is_less():
    """F* has variance 1 at every level; for Gaussian data nothing of it can be predicted from the input."""
    gaussian = torch.randn(1, 2000, 2, generator=torch.Generator().manual_seed(1)).double()
    loss = train(gaussian).losses
    # 200 held-out points of 2 coordinates: the mean of 400 squares of about unit normals.
    assert abs(loss[-1, 0] - 1.0) < 4.5 * math.sqrt(2.0 / 400.0)
    modes = train(points_of(1)).losses
    assert modes.min() < 0.85


def test_learned_denoiser_approaches_the_exact_one():
    points = points_of(1, 4000)
    trained = train(points, Training(samples=4000, steps=800, batch=512, check=100, learning_rate=1e-2))
    means = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]).double()
    law = TorchMixture(torch.full((2,), 0.5).double(), means, torch.full((2, 1), 0.09).double())
    for time in (0.2, 1.0):
        a, s = math.exp(-0.5 * time), math.sqrt(-math.expm1(-time))
        x = a * points[0, :500] + s * torch.randn(500, 2, generator=torch.Generator().manual_seed(9)).double()
        exact = MixtureDenoiser(law).denoise(x, time)
        gaussian = MixtureDenoiser(
            TorchMixture(torch.ones(1).double(), points[0].mean(0)[None], points[0].var(0).mean().view(1, 1))
        ).denoise(x, time)
        wrong = (gaussian - exact).square().mean()
        assert (trained.denoiser([0]).denoise(x, time) - exact).square().mean() < 0.1 * wrong


def test_training_resumed_after_every_step_gives_the_same_bytes(tmp_path):
    points = points_of()
    training = Training(samples=2000, steps=12, batch=64, check=5)
    whole = train(points, training)
    pauses = 0
    while True:
        try:
            pieces = train(points, training, checkpoints=Checkpoints(tmp_path, deadline=0.0))
            break
        except TrainingPaused as pause:
            pauses += 1
            assert f"after step {pauses} of 12" in str(pause)
    assert pauses == 11
    for a, b in zip(weights(whole), weights(pieces), strict=True):
        assert a.tobytes() == b.tobytes()
    np.testing.assert_array_equal(whole.losses, pieces.losses)
    with pytest.raises(ValueError, match="must hold the state of this training"):
        train(points + 1e-3, training, checkpoints=Checkpoints(tmp_path))


def test_a_state_that_was_edited_is_not_continued(tmp_path):
    points = points_of()
    training = Training(samples=2000, steps=3, batch=64, check=3)
    with pytest.raises(TrainingPaused):
        train(points, training, checkpoints=Checkpoints(tmp_path, deadline=0.0))
    (file,) = tmp_path.glob("*.npz")
    content = file.read_bytes()
    state = dict(np.load(file))
    state["best-0000"] = state["best-0000"] + 1e-3
    np.savez(file, **state)
    with pytest.raises(InputError, match=rf"with {file.name} edited since: restore or remove it"):
        train(points, training, checkpoints=Checkpoints(tmp_path))
    file.write_bytes(content)
    (tmp_path / "training-9-0-00000.npz").write_bytes(b"of another series")
    whole, resumed = train(points, training), train(points, training, checkpoints=Checkpoints(tmp_path))
    for a, b in zip(weights(whole), weights(resumed), strict=True):
        assert a.tobytes() == b.tobytes()


def test_states_of_several_series_in_one_folder_have_their_own_digests(tmp_path):
    points = points_of()
    training = Training(samples=2000, steps=3, batch=64, check=3)
    for seed in (0, 1, 0, 1):
        with pytest.raises(TrainingPaused):
            train(points, training, seed=seed, checkpoints=Checkpoints(tmp_path, deadline=0.0))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        *("digests-0-0.txt", "digests-1-0.txt", "training-0-0-00001.npz", "training-1-0-00001.npz"),
    ]
    for seed in (0, 1):
        assert np.isfinite(train(points, training, seed=seed, checkpoints=Checkpoints(tmp_path)).losses).all()


def test_seeds_and_rounds_train_apart():
    points = points_of(1).repeat(2, 1, 1)
    training = Training(samples=2000, steps=3, batch=64, check=3)
    enter = train(points, training).network.enter
    assert not torch.equal(enter[0], enter[1])
    assert not torch.equal(enter, train(points, training, seed=5).network.enter)


def test_training_stops_when_held_out_points_gain_nothing():
    """Few points, a long training: the held-out loss turns, and its best average is what is used."""
    training = Training(
        samples=20, held_out=0.5, steps=4000, batch=64, check=20, patience=3, learning_rate=2e-2
    )
    trained = train(points_of(1, 20), training)
    best = int(np.argmin(trained.losses[:, 0]))
    assert trained.steps[-1] < 4000
    assert len(trained.losses) - 1 - best == 3


def test_levels_lie_in_their_strata_between_the_ends():
    bottom, top = torch.tensor([-2.0, -1.0]).double(), torch.tensor([3.0, 3.0]).double()
    levels = Levels(torch.tensor([-0.6, 0.1]).double(), 1.5, bottom, top)
    values = levels.at(torch.tensor([0.0, 0.999]).double(), 64)
    assert torch.all(values.diff(dim=1) > 0.0)
    torch.testing.assert_close(values[0, 0], bottom[0])
    assert bool((values >= bottom[:, None] - 1e-12).all()) and bool((values <= top[:, None] + 1e-12).all())
    # The middle stratum's edge is the median of the cut normal.
    low, high = (0.5 * math.erfc(-((e + 0.6) / 1.5) / math.sqrt(2.0)) for e in (-2.0, 3.0))
    median = torch.special.ndtri(torch.tensor((low + high) / 2.0).double())
    torch.testing.assert_close(values[0, 32], -0.6 + 1.5 * median)


def test_dropout_borrows_the_global_generator():
    architecture = ImageUNet((1, 4, 4), widths=(4, 4), groups=2, attention=False, dropout=0.3)
    points = torch.rand(1, 40, 16, generator=torch.Generator().manual_seed(0)).double()
    training = Training(samples=40, steps=4, batch=8, check=4)
    state = torch.random.get_rng_state()
    first = weights(train(points, training, architecture))
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(3)
    for a, b in zip(first, weights(train(points, training, architecture)), strict=True):
        assert a.tobytes() == b.tobytes()


def test_a_training_that_diverges_says_so():
    with pytest.raises(ConvergenceError, match="must keep a finite loss"):
        train(points_of(1), Training(samples=2000, steps=20, batch=64, check=5, learning_rate=1e30))
