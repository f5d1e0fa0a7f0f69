"""The degree spectrum in torch equals the one in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hermite_collapse.core.errors import InputError
from hermite_collapse.hermite.degree import degree_spectrum as reference
from hermite_collapse.simulation import spectrum
from hermite_collapse.simulation.spectrum import degree_spectrum

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("degree", [1, 7])
def test_equal_to_numpy(monkeypatch, device, degree):
    monkeypatch.setitem(spectrum._BLOCK, "cpu", 100)
    rng = np.random.default_rng(degree)
    x, y = 0.1 + rng.standard_normal((257, 20)), 0.1 + rng.standard_normal((180, 20))
    for arguments in ((x,), (x, y)):
        left = degree_spectrum(*(torch.from_numpy(a) for a in arguments), degree=degree, device=device)
        right = reference(*arguments, degree=degree)
        scale = np.maximum(right.noise_floor, np.abs(right.energy))
        assert np.all(np.abs(left.energy - right.energy) <= 1e-11 * scale)
        assert np.allclose(left.standard_error, right.standard_error, rtol=1e-9, atol=0)
        assert np.array_equal(left.noise_floor, right.noise_floor)
        assert left.resolvable_degree == right.resolvable_degree
        other = degree_spectrum(*(a * (1 + 1e-7) for a in arguments), degree=degree, device=device)
        assert np.any(np.abs(other.energy - right.energy) > 1e-11 * scale)


def test_float32_tensors_are_computed_in_float64():
    x = torch.randn(50, 784, generator=torch.Generator().manual_seed(0))
    left, right = degree_spectrum(x, degree=32), reference(x.double().numpy(), degree=32)
    assert np.all(np.isfinite(left.energy))
    assert np.allclose(left.standard_error, right.standard_error, rtol=1e-9, atol=0)


def test_bad_input():
    with pytest.raises(InputError, match="x must hold at least 4 samples, got 3"):
        degree_spectrum(torch.zeros(3, 2), degree=2)
    with pytest.raises(InputError, match="x must be finite, got 1"):
        degree_spectrum(torch.tensor([[0.0], [float("nan")], [0.0], [0.0]]), degree=2)
    with pytest.raises(InputError, match="same dimension, got 2 and 3"):
        degree_spectrum(torch.zeros(5, 2), torch.zeros(5, 3), degree=2)
    with pytest.raises(InputError, match="degree must be low enough"):
        degree_spectrum(torch.full((9, 3), 1e4), degree=80)
