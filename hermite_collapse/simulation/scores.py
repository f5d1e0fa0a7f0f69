"""Scores and denoisers of the laws a reverse diffusion is run for.

With signal scale a = exp(-rate t) and noise variance v = -expm1(-2 rate t), the law at Ornstein-Uhlenbeck time t is
that of X_t = a X_0 + sqrt(v) Z, and its score and its denoiser say the same thing:

    score(x, t) = grad log p_t(x) = (a D(x, t) - x) / v,        D(x, t) = E[X_0 | X_t = x].

A sampler takes a denoiser: an object with `rate` and `denoise(x, t)`.  `ScoreDenoiser` makes one of any score
function; `score_of` goes the other way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from ..core.types import IntArray
from .laws import TorchMixture
from .noise import BLOCK
from .products import product

# Above this many components the softmax is taken tile by tile, so that memory does not grow with their number.
_TILE = 2048
# Up to this many components a CPU takes the softmax column by column.
_FEW = 32
# Coefficients of a time are stored while all of them together stay below this many bytes.
_CACHE_BYTES = 1 << 28


@dataclass(frozen=True)
class Level:
    """Signal scale a and noise variance v of particles x = a X_0 + sqrt(v) Z.

    Attributes
    ----------
    time : float
        Ornstein-Uhlenbeck time of x / norm.
    scale, variance : float
    norm : float
        sqrt(a^2 + v), 1 in an Ornstein-Uhlenbeck process.
    """

    time: float
    scale: float
    variance: float
    norm: float = 1.0

    @classmethod
    def at(cls, time: float, rate: float) -> Level:
        """Return the level at a time of a process of that rate."""
        return cls(time, math.exp(-rate * time), -math.expm1(-2.0 * rate * time))

    @classmethod
    def of(cls, signal: float, noise: float, rate: float) -> Level:
        """Return the level of x = signal X_0 + noise Z."""
        time = math.inf if signal == 0.0 else math.log1p((noise / signal) ** 2) / (2.0 * rate)
        return cls(time, signal, noise**2, math.hypot(signal, noise))

    @property
    def sigma(self) -> float:
        """Noise over signal, the level in variance-exploding units."""
        return math.sqrt(self.variance) / self.scale

    @property
    def log_snr(self) -> float:
        """log(scale / noise), half the logarithm of the signal-to-noise ratio."""
        return -math.log(self.sigma)


class Denoiser(Protocol):
    """E[X_0 | X_t = x] for x of shape (n, d) in float64, at Ornstein-Uhlenbeck time t > 0.

    Attributes
    ----------
    rate : float
        Rate of the Ornstein-Uhlenbeck process.

    Examples
    --------
    >>> class Shrink:  # of a standard normal law
    ...     rate = 0.5
    ...
    ...     def denoise(self, x, time):
    ...         return Level.at(time, self.rate).scale * x
    >>> score_of(Shrink(), torch.ones(1, 1, dtype=torch.float64), 0.3).round(decimals=6).tolist()
    [[-1.0]]
    """

    @property
    def rate(self) -> float: ...
    def denoise(self, x: torch.Tensor, time: float) -> torch.Tensor: ...


@dataclass(frozen=True)
class ScoreDenoiser:
    """The denoiser of a score function.

        D(x, t) = (x + v score(x, t)) / a

    Parameters
    ----------
    score : function of tensor, shape (n, d), and float
        Returns the score, shape (n, d).
    rate : float
        Rate of the Ornstein-Uhlenbeck process.

    Examples
    --------
    >>> denoiser = ScoreDenoiser(lambda x, time: -x)
    >>> denoiser.denoise(torch.zeros(1, 1, dtype=torch.float64), 0.3).tolist()
    [[0.0]]
    """

    score: Callable[[torch.Tensor, float], torch.Tensor]
    rate: float = 0.5

    def denoise(self, x: torch.Tensor, time: float) -> torch.Tensor:
        level = Level.at(time, self.rate)
        return (x + level.variance * self.score(x, time)) / level.scale


def score_of(denoiser: Denoiser, x: torch.Tensor, time: float) -> torch.Tensor:
    """Return the score that belongs to a denoiser.

        score(x, t) = (a D(x, t) - x) / v

    Parameters
    ----------
    denoiser : Denoiser
        E[X_0 | X_t], with its rate.
    x : tensor, shape (n, d)
        Points, in float64.
    time : float
        Ornstein-Uhlenbeck time t > 0.

    Returns
    -------
    tensor, shape (n, d)

    Examples
    --------
    >>> x = torch.ones(1, 1, dtype=torch.float64)
    >>> score_of(ScoreDenoiser(lambda x, time: -2.0 * x), x, 0.3).round(decimals=6).tolist()
    [[-2.0]]
    """
    level = Level.at(time, denoiser.rate)
    return (level.scale * denoiser.denoise(x, time) - x) / level.variance


class MixtureDenoiser:
    """The exact denoiser of a law given by Gaussian components.

        D(x, t) = sum_k r_k(x) [m_k + a S_k (a^2 S_k + v I)^{-1} (x - a m_k)],   r = posterior component weights

    Components share few frames: x is turned once into each, where every covariance is diagonal, and the sums over
    components are matrix products.  Coordinates are centred at the law's mean, which keeps the logits of laws far
    from the origin accurate.

    Parameters
    ----------
    components : TorchMixture
        The law at time 0 (`simulation.laws.components_of`).
    rate : float
        Rate of the Ornstein-Uhlenbeck process.
    piece : int
        Rows of one matrix product; the particles of one block.

    Accuracy
    --------
    Logits to about 1e-16 max_k (x - mu)^T (a^2 S_k + v I)^{-1} (x - mu).

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> from hermite_collapse.simulation.laws import components_of
    >>> law = components_of(hc.GaussianMixture([1.0], [0.0], 1.0), torch.device("cpu"))
    >>> hc.simulation.MixtureDenoiser(law).denoise(torch.zeros(1, 1, dtype=torch.float64), 0.3).tolist()
    [[0.0]]
    """

    def __init__(self, components: TorchMixture, *, rate: float = 0.5, piece: int = BLOCK) -> None:
        self.rate = rate
        self.piece = piece
        self._components = components
        self._mean = components.weights @ components.means
        self._groups = _groups(components, self._mean)
        self._dimension = components.dimension
        self._bytes_per_time = 32 * components.count * components.dimension
        self._cache: dict[float, list[Coefficients]] = {}

    def to(self, device: torch.device) -> MixtureDenoiser:
        """Return the denoiser on a device."""
        components = self._components.to(device)
        if components is self._components:
            return self
        return MixtureDenoiser(components, rate=self.rate, piece=self.piece)

    def denoise(self, x: torch.Tensor, time: float) -> torch.Tensor:
        """Return E[X_0 | X_t = x], shape (n, d)."""
        level = Level.at(time, self.rate)
        centred = x - level.scale * self._mean
        turned = [self._multiply(centred, g.frame) if g.frame is not None else centred for g in self._groups]
        coefficients = self._coefficients(level)
        if sum(g.count for g in self._groups) <= _TILE:
            return self._mean + self._all_at_once(turned, coefficients)
        return self._mean + self._in_tiles(turned, coefficients)

    def _multiply(self, rows: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
        return product(rows, matrix, piece=self.piece)

    @property
    def mean(self) -> torch.Tensor:
        """The law's mean, about which coordinates are centred, shape (d,)."""
        return self._mean

    @property
    def group_counts(self) -> list[int]:
        """The number of components in each group, in the order of `coefficients`."""
        return [group.count for group in self._groups]

    @property
    def group_frames(self) -> list[torch.Tensor | None]:
        """The frame of each group, (d, d) with eigenvectors as columns, or None for the coordinate axes."""
        return [group.frame for group in self._groups]

    @property
    def order(self) -> IntArray:
        """The components of all groups, as indices into those of the law, shape (K,)."""
        return np.concatenate([group.members for group in self._groups])

    def coefficients(self, level: Level) -> list[Coefficients]:
        """Return what each group contributes at a level, which need not be of an Ornstein-Uhlenbeck process."""
        return [
            Coefficients.at(group, level.scale, level.variance, self._dimension) for group in self._groups
        ]

    def coefficients_of(self, levels: Sequence[Level]) -> list[Coefficients]:
        """Return the same of several levels, which come first in the shapes."""
        table = [(level.scale, level.variance) for level in levels]
        scale, variance = torch.tensor(table, dtype=torch.float64, device=self.mean.device).T[..., None, None]
        return [Coefficients.at(group, scale, variance, self._dimension) for group in self._groups]

    def _coefficients(self, level: Level) -> list[Coefficients]:
        coefficients = self._cache.get(level.time)
        if coefficients is None:
            coefficients = self.coefficients(level)
            if (len(self._cache) + 1) * self._bytes_per_time <= _CACHE_BYTES:
                self._cache[level.time] = coefficients
        return coefficients

    def _logits(self, y: torch.Tensor, squares: torch.Tensor, c: Coefficients, tile: slice) -> torch.Tensor:
        logits = self._multiply(y, c.linear[:, tile].contiguous())
        logits += self._multiply(squares, c.quadratic[:, tile].contiguous())
        return logits.add_(c.constant[tile])

    def _means(self, shares: torch.Tensor, y: torch.Tensor, c: Coefficients, tile: slice) -> torch.Tensor:
        """Return the sum over components of share * E[X_0 | x, component], in the group's frame and centred."""
        return self._multiply(shares, c.offset[tile]) + self._multiply(shares, c.gain[tile]) * y

    def _all_at_once(self, turned: list[torch.Tensor], coefficients: list[Coefficients]) -> torch.Tensor:
        whole = slice(None)
        logits = [
            self._logits(y, _squares(y, c), c, whole) for y, c in zip(turned, coefficients, strict=True)
        ]
        shares = _softmax(logits[0] if len(logits) == 1 else torch.cat(logits, dim=1))
        total = torch.zeros_like(turned[0])
        parts = torch.split(shares, [g.count for g in self._groups], dim=1)
        for group, share, y, c in zip(self._groups, parts, turned, coefficients, strict=True):
            part = self._means(share.contiguous(), y, c, whole)
            total += part if group.frame is None else self._multiply(part, group.frame.T.contiguous())
        return total

    def _in_tiles(self, turned: list[torch.Tensor], coefficients: list[Coefficients]) -> torch.Tensor:
        """Return the same with a running maximum, one tile of components after another."""
        n = turned[0].shape[0]
        top = turned[0].new_full((n, 1), -torch.inf)
        mass = torch.zeros_like(top)
        total = torch.zeros_like(turned[0])
        for group, y, c in zip(self._groups, turned, coefficients, strict=True):
            squares = _squares(y, c)
            for start in range(0, group.count, _TILE):
                tile = slice(start, start + _TILE)
                logits = self._logits(y, squares, c, tile)
                peak = torch.maximum(top, logits.amax(dim=1, keepdim=True))
                shares = torch.exp_(logits.sub_(peak))
                fade = torch.exp(top - peak)
                part = self._means(shares, y, c, tile)
                if group.frame is not None:
                    part = self._multiply(part, group.frame.T.contiguous())
                total = total * fade + part
                mass = mass * fade + shares.sum(dim=1, keepdim=True)
                top = peak
        return total / mass


@dataclass(frozen=True)
class _Group:
    """The components of one frame: centred means and variances in it."""

    members: IntArray
    frame: torch.Tensor | None
    log_weights: torch.Tensor
    means: torch.Tensor
    variances: torch.Tensor

    @property
    def count(self) -> int:
        return self.means.shape[0]


@dataclass(frozen=True)
class Coefficients:
    """What a group contributes at one time: logits y @ linear + y^2 @ quadratic + constant, means offset + gain y."""

    linear: torch.Tensor  # (d, K)
    quadratic: torch.Tensor  # (d, K), or (1, K) for isotropic components
    constant: torch.Tensor  # (K,)
    offset: torch.Tensor  # (K, d)
    gain: torch.Tensor  # (K, d) or (K, 1)

    @classmethod
    def at(
        cls, group: _Group, a: float | torch.Tensor, v: float | torch.Tensor, dimension: int
    ) -> Coefficients:
        """The contribution at signal scale a and noise variance v, numbers or tensors of shape (..., 1, 1)."""
        spread = a**2 * group.variances + v
        repeated = dimension // spread.shape[-1]
        constant = group.log_weights - 0.5 * (
            repeated * torch.log(spread).sum(-1) + (a**2 * group.means**2 / spread).sum(-1)
        )
        return cls(
            linear=(a * group.means / spread).mT.contiguous(),
            quadratic=(-0.5 / spread).mT.contiguous(),
            constant=constant,
            offset=group.means * (v / spread),  # m (1 - a g), without the cancellation
            gain=a * group.variances / spread,
        )


def _squares(y: torch.Tensor, c: Coefficients) -> torch.Tensor:
    squares = y * y
    return squares.sum(1, keepdim=True) if c.quadratic.shape[0] == 1 else squares


def _softmax(logits: torch.Tensor) -> torch.Tensor:
    """Return the softmax over the columns of (n, K).

    On a CPU torch's kernel spends a whole vector register on every row; few columns are faster one after the other.
    """
    if logits.shape[1] > _FEW or logits.device.type != "cpu":
        return torch.softmax(logits, dim=1)
    columns = logits.T.contiguous()
    columns.sub_(columns.amax(0)).exp_()
    total = columns[0].clone()
    for column in columns[1:]:
        total += column
    return columns.div_(total).T.contiguous()


def _groups(components: TorchMixture, mean: torch.Tensor) -> list[_Group]:
    centred = components.means - mean
    log_weights = torch.log(components.weights)
    if components.frames is None:
        return [_Group(np.arange(components.count), None, log_weights, centred, components.variances)]
    assert components.frame_of is not None
    groups = []
    for f in range(components.frames.shape[0]):
        members = components.frame_of == f
        if bool(members.any()):
            frame = components.frames[f].contiguous()
            groups.append(
                _Group(
                    np.flatnonzero(members.cpu().numpy()),
                    frame,
                    log_weights[members],
                    centred[members] @ frame,
                    components.variances[members],
                )
            )
    return groups
