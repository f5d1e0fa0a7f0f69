"""Score errors: values, divergences against automatic differentiation and differences, suprema."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hermite_collapse.core.errors import InputError
from hermite_collapse.simulation.paths.perturbations import (
    AlignedError,
    HyperbolicTangentError,
    LinearError,
    RandomFeatureError,
    TimeOnlyError,
    divergence,
    supremum_energy,
)

D = 3
X = torch.from_numpy(np.random.default_rng(0).standard_normal((50, D)) * 1.5)


def double_well(x, t):
    """Score of prod_j (N(1, v) + N(-1, v))/2 at v = 1 + t."""
    v = 1.0 + t
    return (torch.tanh(x / v) - x) / v


ERRORS = {
    "time": TimeOnlyError([0.1, -0.2, 0.3], math.cos),
    "aligned": AlignedError(double_well, 0.2),
    "linear": LinearError(np.arange(9.0).reshape(3, 3) / 10, [1.0, 0.0, -1.0]),
    "number": LinearError(0.3),
    "tanh": HyperbolicTangentError(0.2, D),
    "features": RandomFeatureError(D, features=20, strength=0.3, length_scale=1.3, seed=4),
}


@pytest.mark.parametrize("name", ERRORS)
def test_divergence_by_two_routes(name):
    error, t = ERRORS[name], 0.4
    stated = error.divergence(X, t)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x: error(x[None], t)[0]))(X)
    exact = torch.einsum("njj->n", jacobian)
    torch.testing.assert_close(stated, exact, rtol=1e-11, atol=1e-13)
    # A field torch cannot differentiate goes through differences.
    blind = divergence(lambda x, s: error(x, s).detach(), X, t)
    torch.testing.assert_close(blind, exact, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", ERRORS)
def test_supremum_is_one(name):
    error = ERRORS[name]
    largest = float((error(50 * X, 0.4) ** 2).sum(dim=1).max())
    bound = error.supremum(0.4)
    assert largest <= bound * (1 + 1e-12)
    if name in ("time", "tanh"):
        assert largest == pytest.approx(bound, rel=0.02)
    if name in ("linear", "number", "aligned"):
        assert math.isinf(bound)


def test_random_features_have_the_stated_size():
    """E norm(xi)^2 = strength^2 over fields; each field is fixed by its seed."""
    squares = []
    for seed in range(200):
        error = RandomFeatureError(D, features=64, strength=0.3, seed=seed)
        squares.append(float((error(X[:1], 0.0) ** 2).sum()))
    error = np.std(squares) / math.sqrt(len(squares))
    assert abs(np.mean(squares) - 0.09) < 4 * error
    again = RandomFeatureError(D, features=20, strength=0.3, length_scale=1.3, seed=4)
    assert torch.equal(again(X, 0.0), ERRORS["features"](X, 0.0))


def test_supremum_energy():
    times = np.linspace(0.0, 2.0, 9)
    assert supremum_energy(ERRORS["tanh"], times, rate=0.7) == pytest.approx(2 * 0.7 * 0.04 * D * 2.0)
    assert math.isinf(supremum_energy(ERRORS["number"], times))
    falling = TimeOnlyError([1.0], lambda t: math.exp(-t))
    exact = (1 - math.exp(-4.0)) / 2
    rough, fine = (supremum_energy(falling, np.linspace(0, 2, n)) for n in (9, 65))
    assert exact < fine < rough < 1.3 * exact


def test_input_errors():
    with pytest.raises(InputError, match="square matrix"):
        LinearError(np.ones((2, 3)))
    with pytest.raises(InputError, match="length_scale"):
        RandomFeatureError(2, length_scale=0.0)
