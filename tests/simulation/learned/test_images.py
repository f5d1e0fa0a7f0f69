"""Images: the ideal channel against theory, spectra, a recursion with a U-Net."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import hermite_collapse as hc
from hermite_collapse.simulation import ExponentialMultistep, ReverseDiffusion, simulate
from hermite_collapse.simulation.learned.generation import NeuralGeneration
from hermite_collapse.simulation.learned.image_features import random_convolution_features
from hermite_collapse.simulation.learned.image_spectra import (
    frechet_distance,
    high_frequency_loss,
    high_frequency_power,
    radial_power,
)
from hermite_collapse.simulation.learned.image_statistics import (
    degree_factors,
    principal_directions,
    projection_curves,
    quadratic_curves,
    second_moment,
)
from hermite_collapse.simulation.learned.settings import Checkpoints, ImageUNet, Training, TrainingPaused
from hermite_collapse.storage.images import load_images

FRESH, TIME, ROUNDS, PARTICLES = 0.3, 0.15, 3, 2000
# Chance that the largest of fewer than 100 z-scores exceeds this by luck: below 1 in 1000.
LARGEST_Z = 4.5


@pytest.fixture(scope="module")
def digits():
    return load_images("digits", held_out=0.4)


@pytest.fixture(scope="module")
def ideal(digits):
    """The digits through three ideal rounds: recursion and particles by round."""
    recursion = hc.Recursion(hc.EmpiricalLaw(digits.train), fresh_fraction=FRESH, truncation_time=TIME)
    record = simulate(
        recursion, rounds=ROUNDS, particles=PARTICLES, degree=1, keep="all", device="cpu", seed=2
    )
    return recursion, record.samples[0]


def wrong_recursion(digits):
    return hc.Recursion(hc.EmpiricalLaw(digits.train), fresh_fraction=FRESH, truncation_time=1.2 * TIME)


# ---------------------------------------------------------------- theory in 64 dimensions


def test_degree_factors_of_the_ideal_channel_agree_with_theory(digits, ideal):
    recursion, x = ideal
    options = {"held_out": digits.held_out, "degree": 3}
    curves = degree_factors(x, recursion=recursion, **options)
    assert np.abs(curves.z).max() < LARGEST_Z
    # The test is sharp: relative errors of a percent, and a truncation 20 % longer is rejected in every degree.
    assert curves.factor_errors.max() < 0.02
    wrong = degree_factors(x, recursion=wrong_recursion(digits), **options)
    assert np.all(np.abs(wrong.z[1:]).max(axis=0) > LARGEST_Z)


def test_degree_factors_scatter_as_predicted(digits):
    """Over many small runs: the z-scores of rounds and degrees have variance one."""
    runs, few = 150, digits.held_out[:25]
    recursion = hc.Recursion(hc.EmpiricalLaw(digits.train), fresh_fraction=0.05, truncation_time=0.05)
    record = simulate(
        recursion, rounds=2, particles=100, runs=runs, degree=1, keep="all", device="cpu", seed=9
    )

    def variance(independent):
        options = {"recursion": recursion, "held_out": few, "degree": 2, "independent": independent}
        return np.mean([degree_factors(x, **options).z ** 2 for x in record.samples], axis=0)

    # The mean of the squares of `runs` normals has relative error sqrt(2 / runs).
    margin = LARGEST_Z * np.sqrt(2.0 / runs)
    assert np.all(np.abs(variance(False) - 1.0) < margin)
    # Without what earlier rounds pass on, 1 + kappa^2 + kappa^4 = 2.6 in degree 1.
    assert variance(True)[2, 0] > 1.0 + margin


def test_projections_and_quadratic_forms_agree_with_theory(digits, ideal):
    recursion, x = ideal
    mean = digits.train.mean(axis=0)
    directions = np.vstack([principal_directions(digits.train, 3), mean / np.linalg.norm(mean)])
    forms = {
        "forms": [second_moment, lambda v: high_frequency_power(v, digits.shape)],
        "traces": [1.0, 1.0],
    }
    for measure, options in (
        (projection_curves, {"directions": directions, "degree": 4}),
        (quadratic_curves, forms),
    ):
        assert np.abs(measure(x, recursion=recursion, **options).z).max() < LARGEST_Z
        wrong = measure(x, recursion=wrong_recursion(digits), **options)
        assert np.abs(wrong.z).max() > LARGEST_Z


def test_one_dimension_is_the_hermite_mode_itself():
    """In one dimension h_1(u x) and K_1 summed over held-out points are the same functional up to a factor."""
    rng = np.random.default_rng(4)
    law = hc.EmpiricalLaw(rng.normal(0.7, 0.5, (400, 1)))
    recursion = hc.Recursion(law, fresh_fraction=0.4, truncation_time=0.2)
    x = simulate(recursion, rounds=2, particles=300, degree=2, keep="all", device="cpu", seed=1).samples[0]
    y = rng.normal(0.7, 0.5, (50, 1))
    by_degree = degree_factors(x, recursion=recursion, held_out=y, degree=2)
    along = projection_curves(x, recursion=recursion, directions=[[1.0]], degree=2)
    np.testing.assert_allclose(by_degree.factors, along.factors, rtol=1e-12)
    # The factor between them may be negative.
    np.testing.assert_allclose(np.abs(by_degree.z), np.abs(along.z), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda r, x: projection_curves(x, recursion=r, directions=np.full((1, 64), 1.0), degree=1),
            "length 1",
        ),
        (lambda r, x: principal_directions(x[0], 65), "count must be at most"),
        (
            lambda r, x: degree_factors(
                x,
                recursion=hc.Recursion(
                    hc.presets.load("two_modes_1d"), fresh_fraction=0.1, truncation_time=0.1
                ),
                held_out=x[0],
                degree=1,
            ),
            "empirical law of its training images",
        ),
        (lambda r, x: high_frequency_power(x[0], (1, 8, 8), cutoff=1.5), "cutoff must be below"),
        (lambda r, x: radial_power(x[0], (1, 7, 8)), "samples must have 56 columns"),
        (lambda r, x: random_convolution_features(x[0], (1, 7, 8)), "samples must have 56 columns"),
    ],
)
def test_bad_input_is_one_sentence(ideal, call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(*ideal)


# ---------------------------------------------------------------- spectra


def test_power_of_white_noise_is_one_and_adds_up():
    rng = np.random.default_rng(5)
    noise = rng.standard_normal((800, 3 * 12 * 12))
    spectrum = radial_power(noise, (3, 12, 12))
    assert np.all(np.abs(spectrum.power - 1.0) < LARGEST_Z * spectrum.standard_error)
    # Parseval: with no cut-off the mean power is the mean square of the pixels.
    np.testing.assert_allclose(
        high_frequency_power(noise, (3, 12, 12), cutoff=0.0), np.mean(noise**2, axis=1), rtol=1e-12
    )


def test_a_wave_lands_at_its_frequency():
    rows = np.cos(2.0 * np.pi * 3.0 * np.arange(16) / 16.0)
    image = np.repeat(rows[:, None], 16, axis=1)
    spectrum = radial_power(np.stack([image.ravel()] * 2), (1, 16, 16), bins=8)
    assert spectrum.frequency[np.argmax(spectrum.power)] == pytest.approx((3 + 0.5) / 8)
    loss = [high_frequency_power(image.ravel()[None], (1, 16, 16), cutoff=c)[0] for c in (0.37, 0.38)]
    assert loss[0] > 0.1 and loss[1] < 1e-25


def test_high_frequency_loss_has_the_sign_of_what_was_lost():
    rng = np.random.default_rng(6)
    images = np.cumsum(np.cumsum(rng.standard_normal((300, 16, 16)), axis=1), axis=2).reshape(300, -1) / 50.0
    shape = (1, 16, 16)
    noisy = high_frequency_loss(images + 0.2 * rng.standard_normal(images.shape), images, shape)
    waves = np.fft.fft2(images.reshape(-1, 16, 16))
    low = np.hypot(*np.meshgrid(*2 * [2.0 * np.fft.fftfreq(16)])) < 0.5
    smooth = high_frequency_loss(np.fft.ifft2(waves * low).real.reshape(300, -1), images, shape)
    same = high_frequency_loss(images[:150], images[150:], shape)
    assert noisy.value < -LARGEST_Z * noisy.error
    assert smooth.value == pytest.approx(1.0)
    assert abs(same.value) < LARGEST_Z * same.error


def test_frechet_distance_of_known_gaussians():
    rng = np.random.default_rng(7)
    x = rng.standard_normal((4000, 3))
    x = (x - x.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T, bias=True))).T
    shift, scales = np.array([1.0, 0.0, -2.0]), np.array([1.0, 2.0, 0.5])
    assert frechet_distance(x, x * scales + shift) == pytest.approx(5.0 + 1.0 + 0.25, rel=1e-9)
    assert frechet_distance(x, x) == pytest.approx(0.0, abs=1e-12)


def test_random_features_are_fixed_and_see_noise(digits):
    first, again = (random_convolution_features(digits.train[:200], digits.shape) for _ in range(2))
    assert first.tobytes() == again.tobytes() and first.shape == (200, 80)
    rng = np.random.default_rng(8)
    real, other = (
        random_convolution_features(x, digits.shape) for x in (digits.train[200:700], digits.held_out[:500])
    )
    noisy = random_convolution_features(
        digits.held_out[:500] + 0.3 * rng.standard_normal((500, 64)), digits.shape
    )
    assert frechet_distance(noisy, real) > 3.0 * frechet_distance(other, real)


# ---------------------------------------------------------------- networks on images

TINY = NeuralGeneration(
    network=ImageUNet((1, 8, 8), widths=(8, 8), groups=4, attention=False),
    training=Training(samples=300, steps=3, batch=32, check=2),
    reverse=ReverseDiffusion(ExponentialMultistep(final_step="half"), steps=4),
)
KILLED = """
import sys
from tests.simulation.learned.test_images import three_rounds
three_rounds(sys.argv[1])
"""


def three_rounds(folder, generation=TINY):
    data = load_images("digits").part(300)
    recursion = hc.Recursion(
        hc.EmpiricalLaw(data.train), fresh_fraction=0.5, truncation_time=hc.schedules.Polynomial(0.2, 1.0)
    )
    return simulate(
        recursion,
        rounds=3,
        particles=64,
        generator=generation,
        degree=1,
        keep="last",
        device="cpu",
        seed=3,
        folder=folder,
    )


def test_three_rounds_of_an_image_network_in_pieces(tmp_path, one_thread):
    """Every piece ends after one step of training; the rounds come out as if there had been one piece."""
    pausing = replace(TINY, checkpoints=Checkpoints(tmp_path / "state", deadline=0.0))
    pauses = 0
    while True:
        try:
            pieces = three_rounds(tmp_path / "pieces", pausing)
            break
        except TrainingPaused:
            pauses += 1
    assert pauses == 3 * (TINY.training.steps - 1)
    files = sorted(path.name for path in (tmp_path / "state").iterdir())
    assert files == ["digests-3-0.txt", "training-3-0-00003.npz"]
    whole = three_rounds(tmp_path / "whole")
    assert whole.samples.tobytes() == pieces.samples.tobytes()
    for name in ("record.npz", "record.json", "manifest.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "pieces" / name).read_bytes()


@pytest.mark.slow
def test_three_rounds_of_an_image_network_survive_being_killed(tmp_path, kill_after_one_round):
    broken = tmp_path / "broken"
    kill_after_one_round(KILLED, broken)
    assert not (broken / "record.json").exists()
    whole, again = three_rounds(tmp_path / "whole"), three_rounds(broken)
    assert whole.samples.tobytes() == again.samples.tobytes()
    for name in ("record.npz", "record.json", "manifest.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (broken / name).read_bytes()


def test_a_gpu_where_there_is_none_is_one_sentence():
    if torch.cuda.is_available():
        pytest.skip("there is one")
    data = load_images("digits").part(10)
    recursion = hc.Recursion(hc.EmpiricalLaw(data.train), fresh_fraction=0.5, truncation_time=0.1)
    with pytest.raises(ValueError, match="torch sees no CUDA device"):
        simulate(recursion, rounds=1, particles=4, generator=TINY, degree=1, device="cuda")
