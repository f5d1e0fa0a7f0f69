"""Networks: the preconditioning against closed forms, members apart from each other, weights by address."""

from __future__ import annotations

import math

import pytest
import torch

from hermite_collapse.simulation import MixtureDenoiser, devices
from hermite_collapse.simulation.laws import TorchMixture
from hermite_collapse.simulation.learned.denoiser import NetworkDenoiser, Preconditioning
from hermite_collapse.simulation.learned.networks import parameter_count
from hermite_collapse.simulation.learned.optimisation import build_network
from hermite_collapse.simulation.learned.settings import ImageUNet, ResidualPerceptron

CPU = torch.device("cpu")
SMALL = ResidualPerceptron(width=12, blocks=2, frequencies=3)


def draw_of(members, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return lambda count: torch.randn(members, count, generator=generator, dtype=torch.float64)


def rough_network(members=3, dimension=2):
    """A network whose last layer is not 0."""
    network = build_network(SMALL, members, dimension, draw_of(members), CPU)
    with torch.no_grad():
        network.leave.copy_(
            0.3 * torch.randn(network.leave.shape, generator=torch.Generator().manual_seed(1))
        )
    return network


@pytest.mark.parametrize("time", [1e-3, 0.1, 1.0, 8.0])
def test_output_zero_is_the_denoiser_of_an_isotropic_gaussian(time):
    mean, variance = torch.tensor([0.4, -1.2], dtype=torch.float64), 0.3
    network = build_network(SMALL, 1, 2, draw_of(1), CPU)
    x = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    law = TorchMixture(
        torch.ones(1, dtype=torch.float64), mean[None], torch.full((1, 1), variance, dtype=torch.float64)
    )
    exact = MixtureDenoiser(law).denoise(x, time)
    spread = torch.tensor([math.sqrt(variance)], dtype=torch.float64)
    learned = NetworkDenoiser(network, Preconditioning(mean[None], spread), [0]).denoise(x, time)
    torch.testing.assert_close(learned, exact, rtol=1e-12, atol=1e-12)
    wrong = NetworkDenoiser(network, Preconditioning(mean[None], 1.05 * spread), [0]).denoise(x, time)
    assert (wrong - exact).abs().max() > 1e-6


def test_the_output_that_training_asks_for_gives_back_the_clean_point():
    """With F = F* of `training`, the denoiser returns X_0 itself."""
    time, mean, spread = 0.7, torch.tensor([[0.2, 0.5]]).double(), torch.tensor([0.8]).double()
    generator = torch.Generator().manual_seed(3)
    clean = torch.randn(20, 2, dtype=torch.float64, generator=generator)
    z = torch.randn(20, 2, dtype=torch.float64, generator=generator)
    a, s = math.exp(-0.5 * time), math.sqrt(-math.expm1(-time))
    d = float(spread)
    wanted = ((s / d) * (clean - mean) - a * d * z) / math.sqrt(s**2 + (a * d) ** 2)

    class Oracle:
        def several(self, members, x, level):
            return wanted[None]

    x = a * clean + s * z
    torch.testing.assert_close(
        NetworkDenoiser(Oracle(), Preconditioning(mean, spread), [0]).denoise(x, time),
        clean,
        rtol=1e-12,
        atol=1e-12,
    )


def test_members_do_not_see_each_other():
    network = rough_network()
    x, level = torch.randn(3, 7, 2), torch.randn(3, 7)
    together = network(x, level)
    for member in range(3):
        torch.testing.assert_close(network.one(member, x[member], level[member]), together[member])
    together[1].square().sum().backward()
    for parameter in network.parameters():
        others = parameter.grad[[0, 2]]
        assert torch.all(others == 0.0)
    assert any(bool((p.grad[1] != 0.0).any()) for p in network.parameters())


def test_rows_belong_to_the_member_of_their_group():
    network = rough_network()
    points = torch.randn(3, 40, 2, generator=torch.Generator().manual_seed(5)) * torch.tensor(
        [[[0.5]], [[1.0]], [[2.0]]]
    )
    preconditioning = Preconditioning.of(points)
    x = torch.randn(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    both = NetworkDenoiser(network, preconditioning, [2, 0]).denoise(x, 0.5)
    alone = [
        NetworkDenoiser(network, preconditioning, [m]).denoise(x[rows], 0.5)
        for m, rows in ((2, slice(10)), (0, slice(10, 20)))
    ]
    assert torch.equal(both, torch.cat(alone))
    swapped = NetworkDenoiser(network, preconditioning, [0, 2]).denoise(x, 0.5)
    assert not torch.allclose(both, swapped)


@pytest.mark.parametrize(("members", "calls"), [([1, 2], 1), ([0, 1, 2], 1), ([2, 2, 2], 1), ([2, 0], 2)])
def test_a_device_takes_all_groups_in_one_call(monkeypatch, members, calls):
    network = rough_network()
    preconditioning = Preconditioning(torch.zeros(3, 2, dtype=torch.float64), torch.tensor([0.5, 1.0, 2.0]))
    x = torch.randn(12, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    denoiser = NetworkDenoiser(network, preconditioning, members)
    expected = denoiser.denoise(x, 0.5)
    counted, several = [], network.several
    monkeypatch.setattr(devices, "works_in_blocks", lambda device: False)
    monkeypatch.setattr(network, "several", lambda *given: counted.append(given) or several(*given))
    torch.testing.assert_close(denoiser.denoise(x, 0.5), expected, rtol=1e-6, atol=1e-7)
    assert len(counted) == calls


def test_weights_come_from_the_address_alone():
    state = torch.random.get_rng_state()
    shape = ImageUNet((1, 8, 8), widths=(8, 16), groups=4)
    first, second = (build_network(shape, 1, 64, draw_of(1, seed), CPU) for seed in (0, 0))
    assert torch.equal(torch.random.get_rng_state(), state)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    other = build_network(shape, 1, 64, draw_of(1, 1), CPU)
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))
    assert all(bool(torch.isfinite(p).all()) for p in first.parameters())


def test_image_network_begins_at_zero_and_is_as_large_as_said():
    shape = ImageUNet((1, 8, 8), widths=(8, 16), groups=4)
    network = build_network(shape, 1, 64, draw_of(1), CPU).eval()
    x, level = torch.randn(1, 5, 64), torch.zeros(1, 5)
    assert torch.all(network(x, level) == 0.0)
    with torch.no_grad():
        network.unet.conv_out.weight.fill_(0.1)
    out = network(x, level)
    # Rows are images of their own, and the level matters.
    torch.testing.assert_close(network.one(0, x[0, :2], level[0, :2]), out[0, :2], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(network(x, level + 2.0), out)
    full = build_network(ImageUNet((1, 28, 28), widths=(24, 48, 64)), 1, 784, draw_of(1), CPU)
    assert round(parameter_count(full) / 1e6, 2) == 0.87


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: build_network(ImageUNet((1, 8, 8)), 2, 64, draw_of(2), CPU), "runs must be 1"),
        (
            lambda: build_network(ImageUNet((1, 8, 8)), 1, 65, draw_of(1), CPU),
            "shape must have as many entries",
        ),
        (lambda: Preconditioning.of(torch.ones(1, 5, 2)), "must not all be equal"),
    ],
)
def test_bad_input_is_one_sentence(make, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        make()
    assert str(caught.value).endswith(".")


def awake(device=CPU, **options):
    """A small image network whose last layer is not 0."""
    shape = ImageUNet((1, 8, 8), widths=(8, 16), groups=4, **options)
    network = build_network(shape, 1, 64, draw_of(1), device).eval()
    with torch.no_grad():
        network.unet.conv_out.weight.fill_(0.1)
    return network


def test_half_precision_is_near_and_only_where_it_is_wanted():
    x, level = torch.randn(6, 64, generator=torch.Generator().manual_seed(4)), torch.linspace(-2.0, 2.0, 6)
    with torch.no_grad():
        full, plain = (awake(**o).one(0, x, level) for o in ({}, {"precision": "float32"}))
        half = awake(precision="bfloat16").one(0, x, level)
    assert torch.equal(full, plain)
    assert full.dtype == half.dtype == torch.float32
    error = (half - full).norm() / full.norm()
    # bfloat16 has eight bits: an error of a few parts in a thousand, and not none.
    assert 1e-5 < error < 0.05


@pytest.mark.gpu
def test_a_gpu_computes_what_the_cpu_does():
    x, level = torch.randn(6, 64, generator=torch.Generator().manual_seed(4)), torch.linspace(-2.0, 2.0, 6)
    cuda = torch.device("cuda")
    with torch.no_grad():
        expected = awake().one(0, x, level)
        exact = awake(cuda, precision="float32", compiled="no").one(0, x.to(cuda), level.to(cuda)).cpu()
        quick = awake(cuda).one(0, x.to(cuda), level.to(cuda)).cpu()
    torch.testing.assert_close(exact, expected, rtol=1e-2, atol=1e-2)
    assert (quick - expected).norm() < 0.05 * expected.norm()
