"""The degree spectrum of tensors on a device equals the one of arrays."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hermite_collapse.core.errors import InputError
from hermite_collapse.hermite import tensor_sums
from hermite_collapse.hermite.degree import degree_spectrum
from hermite_collapse.simulation.spectrum import two_sample_sums_on

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch):
    """Tensors of the CPU are taken for those of another device, in small blocks."""
    monkeypatch.setattr(tensor_sums, "is_elsewhere", lambda value: isinstance(value, torch.Tensor))
    monkeypatch.setattr(tensor_sums, "_BLOCK", 100)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("degree", [1, 7])
def test_equal_to_numpy(device, degree):
    rng = np.random.default_rng(degree)
    x, y = 0.1 + rng.standard_normal((257, 20)), 0.1 + rng.standard_normal((180, 20))
    for arguments in ((x,), (x, y)):
        left = degree_spectrum(*(torch.from_numpy(a).to(device) for a in arguments), degree=degree)
        right = degree_spectrum(*arguments, degree=degree)
        scale = np.maximum(right.noise_floor, np.abs(right.energy))
        assert np.all(np.abs(left.energy - right.energy) <= 1e-11 * scale)
        assert np.allclose(left.standard_error, right.standard_error, rtol=1e-9, atol=0)
        assert np.array_equal(left.noise_floor, right.noise_floor)
        assert left.resolvable_degree == right.resolvable_degree
        other = degree_spectrum(*(a * (1 + 1e-7) for a in arguments), degree=degree)
        assert np.any(np.abs(other.energy - right.energy) > 1e-11 * scale)


def test_an_array_beside_a_tensor_goes_to_its_device():
    x, y = np.random.default_rng(0).standard_normal((2, 150, 3))
    expected = degree_spectrum(x, y, degree=3).energy
    for arguments in ((torch.from_numpy(x), y), (x, torch.from_numpy(y).float())):
        np.testing.assert_allclose(
            degree_spectrum(*arguments, degree=3).energy, expected, rtol=1e-6, atol=1e-6
        )


def test_float32_tensors_are_computed_in_float64():
    x = torch.randn(50, 784, generator=torch.Generator().manual_seed(0))
    left, right = degree_spectrum(x, degree=32), degree_spectrum(x.double().numpy(), degree=32)
    assert np.all(np.isfinite(left.energy))
    assert np.allclose(left.standard_error, right.standard_error, rtol=1e-9, atol=0)


@pytest.mark.parametrize("device", DEVICES)
def test_sums_on_a_device_are_those_of_arrays(device):
    x, y = np.random.default_rng(1).standard_normal((2, 120, 4))
    here = two_sample_sums_on("cpu")(x, y, 5)
    there = tensor_sums.two_sample_sums(*(torch.from_numpy(a).to(device) for a in (x, y)), 5)
    for name in ("rows", "columns", "squares"):
        np.testing.assert_allclose(getattr(there, name), getattr(here, name), rtol=1e-11, atol=1e-9)


def test_bad_input():
    with pytest.raises(InputError, match="x must hold at least 4 samples, got 3"):
        degree_spectrum(torch.zeros(3, 2), degree=2)
    with pytest.raises(InputError, match="x must be finite, got 1"):
        degree_spectrum(torch.tensor([[0.0], [float("nan")], [0.0], [0.0]]), degree=2)
    with pytest.raises(InputError, match="same dimension, got 2 and 3"):
        degree_spectrum(torch.zeros(5, 2), torch.zeros(5, 3), degree=2)
    with pytest.raises(InputError, match="degree must be low enough"):
        degree_spectrum(torch.full((9, 3), 1e4), degree=80)
