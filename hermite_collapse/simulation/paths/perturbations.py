"""Score errors on purpose: an exact score plus a known field, so that its effect can be compared with theory.

A score error is a field xi(x, t) added to the score at OU time t.  On the reverse diffusion it changes the drift by
2 theta xi, which over the diffusion coefficient sqrt(2 theta) is

    e(x, t) = sqrt(2 theta) xi(x, t),

the quantity whose energy, observability and weight the other modules measure.  Every error knows its divergence (for
the Stein form of the observability) and the supremum of its squared norm (for the proved bounds).

| class | xi(x, t) | sup norm^2 |
|---|---|---|
| `TimeOnlyError` | profile(t) u | profile(t)^2 norm(u)^2 |
| `AlignedError` | strength * score(x, t) | infinite |
| `LinearError` | x B^T + b | infinite unless B = 0 |
| `HyperbolicTangentError` | strength * tanh(x), coordinate by coordinate | strength^2 d |
| `RandomFeatureError` | strength * sqrt(2/m) sum_j u_j cos(omega_j . x / length + phase_j) | finite |
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike

from ...core import checks
from ...core.errors import InputError
from .processes import Field


class ScoreError(Protocol):
    """A field xi(x, t): (n, d) -> (n, d) with its divergence and the supremum of its squared norm."""

    def __call__(self, x: torch.Tensor, t: float) -> torch.Tensor: ...

    def divergence(self, x: torch.Tensor, t: float) -> torch.Tensor: ...

    def supremum(self, t: float) -> float: ...


class TimeOnlyError:
    """A score error that is the same everywhere.

        xi(x, t) = profile(t) direction

    Parameters
    ----------
    direction : array, shape (d,)
    profile : function, optional
        Of the OU time; 1 unless given.

    Examples
    --------
    >>> TimeOnlyError([0.3, 0.4]).supremum(0.1)
    0.25
    """

    def __init__(self, direction: ArrayLike, profile: Callable[[float], float] | None = None) -> None:
        self.direction = torch.from_numpy(checks.vector(direction, "direction"))
        self.profile = profile

    def _height(self, t: float) -> float:
        return 1.0 if self.profile is None else float(self.profile(t))

    def __call__(self, x: torch.Tensor, t: float) -> torch.Tensor:
        return (self._height(t) * self.direction.to(x)).expand_as(x)

    def divergence(self, x: torch.Tensor, t: float) -> torch.Tensor:
        """Return 0 at every point, shape (n,)."""
        return torch.zeros_like(x[:, 0])

    def supremum(self, t: float) -> float:
        """Return profile(t)^2 norm(direction)^2."""
        return self._height(t) ** 2 * float(self.direction @ self.direction)


class AlignedError:
    """A score error along the score: a score of the right direction and the wrong length.

        xi(x, t) = strength * score(x, t)

    Parameters
    ----------
    score : function
        (x, t) -> (n, d).
    strength : float

    Examples
    --------
    >>> error = AlignedError(lambda x, t: -x, 0.1)
    >>> error.divergence(torch.zeros(1, 3, dtype=torch.float64), 0.0).numpy().round(6).tolist()
    [-0.3]
    """

    def __init__(self, score: Field, strength: float) -> None:
        self.score = score
        self.strength = checks.real(strength, "strength")

    def __call__(self, x: torch.Tensor, t: float) -> torch.Tensor:
        return self.strength * self.score(x, t)

    def divergence(self, x: torch.Tensor, t: float) -> torch.Tensor:
        """Return strength * Laplacian of the log density by `divergence`, shape (n,)."""
        return self.strength * divergence(self.score, x, t)

    def supremum(self, t: float) -> float:
        """Return infinity, or 0 for strength 0."""
        return math.inf if self.strength else 0.0


class LinearError:
    """A score error that is linear in x.

        xi(x, t) = B x + b

    Parameters
    ----------
    matrix : float or array, shape (d, d)
        B, a number (times the identity) or a matrix.
    offset : float or array, shape (d,)
        b.

    Raises
    ------
    InputError
        If B is not square or an entry is not finite.

    Examples
    --------
    >>> LinearError(0.1, [1.0, 0.0])(torch.ones(1, 2, dtype=torch.float64), 0.0).tolist()
    [[1.1, 0.1]]
    """

    def __init__(self, matrix: ArrayLike, offset: ArrayLike = 0.0) -> None:
        self.matrix = torch.from_numpy(np.array(matrix, dtype=np.float64))
        self.offset = torch.from_numpy(np.array(offset, dtype=np.float64))
        if self.matrix.ndim not in (0, 2) or (self.matrix.ndim == 2 and len(set(self.matrix.shape)) != 1):
            raise InputError(
                f"matrix must be a number or a square matrix, got shape {tuple(self.matrix.shape)}."
            )
        if not (torch.isfinite(self.matrix).all() and torch.isfinite(self.offset).all()):
            raise InputError("matrix and offset must be finite, got NaN or infinite entries.")

    def __call__(self, x: torch.Tensor, t: float) -> torch.Tensor:
        matrix = self.matrix.to(x)
        return (x * matrix if matrix.ndim == 0 else x @ matrix.T) + self.offset.to(x)

    def divergence(self, x: torch.Tensor, t: float) -> torch.Tensor:
        """Return tr B at every point, shape (n,)."""
        trace = x.shape[1] * float(self.matrix) if self.matrix.ndim == 0 else float(torch.trace(self.matrix))
        return torch.full_like(x[:, 0], trace)

    def supremum(self, t: float) -> float:
        """Return infinity, or norm(b)^2 for B = 0."""
        if bool(torch.any(self.matrix != 0.0)):
            return math.inf
        return float((self.offset**2).sum())


class HyperbolicTangentError:
    """A bounded, smooth score error that pushes every mode outward.

        xi(x, t) = strength * tanh(x),   coordinate by coordinate

    Parameters
    ----------
    strength : float
        Negative pushes inward.
    dimension : int
        d, for the supremum strength^2 d.

    Examples
    --------
    >>> round(HyperbolicTangentError(0.1, 3).supremum(0.0), 6)
    0.03
    """

    def __init__(self, strength: float, dimension: int) -> None:
        self.strength = checks.real(strength, "strength")
        self.dimension = checks.integer(dimension, "dimension", 1)

    def __call__(self, x: torch.Tensor, t: float) -> torch.Tensor:
        return self.strength * torch.tanh(x)

    def divergence(self, x: torch.Tensor, t: float) -> torch.Tensor:
        """Return strength * sum_j (1 - tanh(x_j)^2), shape (n,)."""
        return self.strength * (1.0 - torch.tanh(x) ** 2).sum(dim=1)

    def supremum(self, t: float) -> float:
        """Return strength^2 d."""
        return self.strength**2 * self.dimension


class RandomFeatureError:
    """A score error that is approximately a Gaussian random field with squared-exponential correlation.

        xi(x, t) = strength * sqrt(2/m) sum_j u_j cos(omega_j . x / length_scale + phase_j)

    omega_j and u_j are standard normal, u_j divided by sqrt(d), phases uniform: E norm(xi)^2 = strength^2 at every
    point.

    Parameters
    ----------
    dimension, features : int
        d and m.
    strength : float
    length_scale : float
        > 0.
    seed : int
        Fixes the field.

    Examples
    --------
    >>> RandomFeatureError(2, seed=1)(torch.zeros(5, 2, dtype=torch.float64), 0.0).shape
    torch.Size([5, 2])
    """

    def __init__(
        self,
        dimension: int,
        *,
        features: int = 64,
        strength: float = 0.1,
        length_scale: float = 1.0,
        seed: int = 0,
    ) -> None:
        d = checks.integer(dimension, "dimension", 1)
        m = checks.integer(features, "features", 1)
        self.strength = checks.real(strength, "strength")
        self.length_scale = checks.positive(length_scale, "length_scale")
        rng = np.random.default_rng(checks.integer(seed, "seed"))
        self._omega = torch.from_numpy(rng.standard_normal((m, d)) / self.length_scale)
        self._u = torch.from_numpy(rng.standard_normal((m, d)) * math.sqrt(2.0 / (m * d)))
        self._phase = torch.from_numpy(rng.uniform(0.0, 2.0 * np.pi, m))

    def __call__(self, x: torch.Tensor, t: float) -> torch.Tensor:
        wave = torch.cos(x @ self._omega.to(x).T + self._phase.to(x))
        return self.strength * (wave @ self._u.to(x))

    def divergence(self, x: torch.Tensor, t: float) -> torch.Tensor:
        """Return div xi at every point, shape (n,)."""
        wave = torch.sin(x @ self._omega.to(x).T + self._phase.to(x))
        return -self.strength * (wave @ (self._omega * self._u).sum(dim=1).to(x))

    def supremum(self, t: float) -> float:
        """Return an upper bound: the smaller of (sum_j norm(u_j))^2 and m norm(u)^2, by the operator norm."""
        triangle = float(self._u.norm(dim=1).sum()) ** 2
        operator = self._u.shape[0] * float(torch.linalg.matrix_norm(self._u, 2)) ** 2
        return self.strength**2 * min(triangle, operator)


def divergence(field: Field, x: torch.Tensor, t: float) -> torch.Tensor:
    """Return div field(., t) at every point, shape (n,).

    Accuracy
    --------
    Automatic differentiation, one backward pass a coordinate; for a field that is not differentiable by torch, central
    differences of fourth order with step 1e-3 (error about 1e-11 of the field's fifth derivative).
    """
    with torch.inference_mode(False), torch.enable_grad():
        probe = x.detach().clone().requires_grad_(True)
        value = field(probe, t)
        if value.requires_grad:
            total = torch.zeros_like(x[:, 0])
            for j in range(x.shape[1]):
                (gradient,) = torch.autograd.grad(value[:, j].sum(), probe, retain_graph=True)
                total = total + gradient[:, j]
            return total
    step = 1e-3
    total = torch.zeros_like(x[:, 0])
    for j in range(x.shape[1]):
        shift = torch.zeros_like(x)
        shift[:, j] = step
        near = field(x + shift, t)[:, j] - field(x - shift, t)[:, j]
        far = field(x + 2 * shift, t)[:, j] - field(x - 2 * shift, t)[:, j]
        total = total + (8.0 * near - far) / (12.0 * step)
    return total


def supremum_energy(error: ScoreError, times: ArrayLike, *, rate: float = 0.5) -> float:
    """Return an upper Riemann sum of the largest energy a score error can have.

        B = int 2 theta sup_x norm(xi(x, t))^2 dt

    Parameters
    ----------
    error : ScoreError
    times : array, shape (K + 1,)
        Grid of OU times.
    rate : float
        theta > 0.

    Returns
    -------
    float

    Accuracy
    --------
    Each interval counts with the larger of its two ends: exact for suprema that do not depend on time, an upper bound
    for monotone ones.

    Examples
    --------
    >>> round(supremum_energy(TimeOnlyError([0.1]), [0.0, 2.0]), 6)
    0.02
    """
    grid = np.sort(checks.vector(times, "times"))
    heights = np.array([error.supremum(float(t)) for t in grid])
    theta = checks.positive(rate, "rate")
    return float(2.0 * theta * np.sum(np.diff(grid) * np.maximum(heights[1:], heights[:-1])))
