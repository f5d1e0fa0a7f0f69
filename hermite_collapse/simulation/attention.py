"""The score of a smoothed pool of points, as fused softmax attention.

A pool y_1, ..., y_M blurred with bandwidth h is, at signal scale a and noise variance v, a mixture of M Gaussians of
variance u = a^2 h^2 + v, and its denoiser needs one weighted mean of the points,

    m(x) = sum_j w_j y_j,     w = softmax_j( (a/u) x.y_j - a^2 norm(y_j)^2 / (2u) ),
    D(x) = (v/u) m(x) + (a h^2 / u) x.

This is softmax attention: queries (a/u) x, keys y_j with the bias as one more coordinate against a query coordinate 1,
values y_j, scale 1.  The fused kernels never hold the (queries x points) weights.  Points are centred, y - mu and
x - a mu, which leaves the weights unchanged and keeps the logits, up to thousands, as small as they can be; float32 is
the least precision that carries them, so neither TF32 nor half precision is used by itself; on a CUDA device two halves
of float16 carry a number (`fused.triton_attention`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
import torch.nn.functional as functional

from ..core import checks
from ..core.threads import all_threads, one_thread
from .fused.triton_use import WIDEST, usable
from .generations import Generation, RoundContext, RoundGenerator, draw_pools
from .noise import Chunk, member_of
from .reverse import ReverseDiffusion, Truncation
from .scores import Level
from .words import PRECISIONS

_DTYPES = dict(zip(PRECISIONS, (torch.float32, torch.float64), strict=True))
# The memory-efficient kernels want rows of whole 16-byte words: four float32 numbers.
_ALIGNMENT = 4
# Largest number of weights the plain float64 route holds at once.
_PLAIN_WEIGHTS = 1 << 22
# Largest number of float64 weights held at once where there is no fused kernel: 2 GB.
_TILE_WEIGHTS = 1 << 28
# Pool from which fused attention takes nearly all of the time.
_LARGE_POOL = 2048
# Most groups of one launch of CUDA.
_MOST_GROUPS = 1 << 15


def attention_means(
    queries: torch.Tensor, points: torch.Tensor, scale: float, variance: float, *, precision: str = "float32"
) -> torch.Tensor:
    """Return the weighted means m(x) of pools of points, by fused attention.

        m(x) = sum_j w_j y_j,     w = softmax_j( -norm(x - scale y_j)^2 / (2 variance) )

    Parameters
    ----------
    queries : tensor, shape (b, n, d)
        Points x, in float64.
    points : tensor, shape (b, M, d)
        One pool for each of the b groups of queries, in float64.
    scale, variance : float
        Signal scale, and variance > 0 of each component.
    precision : str
        "float32", or "float64", which has no fused kernel on GPUs and is slow there.

    Returns
    -------
    tensor, shape (b, n, d)
        In float64.

    Raises
    ------
    InputError
        If the precision is unknown.

    Accuracy
    --------
    In float32 about 1e-7 max abs(logit) times the spread of the points that share the weight, 3e-7 on a CUDA device.

    Examples
    --------
    >>> points = torch.tensor([[[0.0], [2.0]]], dtype=torch.float64)
    >>> attention_means(points.new_ones(1, 1, 1), points, 1.0, 0.5).tolist()
    [[[1.0]]]
    """
    dtype = _DTYPES[checks.one_of(precision, _DTYPES, "precision")]
    if dtype == torch.float32 and queries.shape[-1] <= WIDEST and usable("triton_attention", queries.device):
        from .fused import triton_attention

        return triton_attention.means(queries, points, scale, variance)
    with one_thread():  # but for the fused call
        keys, values, centre = _prepared(points, scale, variance, dtype)
        rows = queries - scale * centre
        asked = queries.new_zeros((*queries.shape[:-1], keys.shape[-1]), dtype=dtype)
        asked[..., : points.shape[-1]] = (scale / variance) * rows
        asked[..., points.shape[-1]] = 1.0
        means = _fused(asked.unsqueeze(1), keys.unsqueeze(1), values.unsqueeze(1)).squeeze(1)
        return centre + means[..., : points.shape[-1]].to(torch.float64)


def plain_means(queries: torch.Tensor, points: torch.Tensor, scale: float, variance: float) -> torch.Tensor:
    """Return the means of one pool in float64 from differences written out, a few queries at a time: the reference.

    Parameters
    ----------
    queries : tensor, shape (n, d)
        Points x, in float64.
    points : tensor, shape (M, d)
        The pool, in float64.
    scale, variance : float
        As for `attention_means`.

    Returns
    -------
    tensor, shape (n, d)

    Examples
    --------
    >>> points = torch.tensor([[0.0], [2.0]], dtype=torch.float64)
    >>> plain_means(points.new_ones(1, 1), points, 1.0, 0.5).tolist()
    [[1.0]]
    """
    parts = []
    for rows in queries.split(max(1, _PLAIN_WEIGHTS // len(points))):
        logits = (rows[:, None, :] - scale * points).square().sum(-1) / (-2.0 * variance)
        parts.append(torch.softmax(logits, dim=1) @ points)
    return torch.cat(parts)


def _prepared(
    points: torch.Tensor, scale: float, variance: float, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return keys and values with the bias coordinate and padding, and the centre (b, 1, d)."""
    d = points.shape[-1]
    centre = points.mean(dim=1, keepdim=True)
    centred = points - centre
    width = -(-(d + 1) // _ALIGNMENT) * _ALIGNMENT
    keys = points.new_zeros((*points.shape[:-1], width), dtype=dtype)
    keys[..., :d] = centred
    values = keys.clone()
    keys[..., d] = (-0.5 * scale**2 / variance) * centred.square().sum(-1)
    return keys, values, centre


def _fused(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Return softmax(queries keys^T) values, each of shape (b, 1, ., width), without holding the weights."""
    if queries.device.type == "cpu":
        with all_threads():
            return functional.scaled_dot_product_attention(queries, keys, values, scale=1.0)
    if queries.dtype == torch.float64:
        return _in_tiles(queries, keys, values)
    from torch.nn.attention import SDPBackend, sdpa_kernel

    # Full float32 products inside the kernel, whatever the session's setting for other work.
    allowed = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        # Named, since the fallback of torch holds all weights: 40 GB for 10^5 queries and points.
        with sdpa_kernel(SDPBackend.EFFICIENT_ATTENTION):
            groups = zip(*(operand.split(_MOST_GROUPS) for operand in (queries, keys, values)), strict=True)
            parts = [
                functional.scaled_dot_product_attention(asked, key, value, scale=1.0)
                for asked, key, value in groups
            ]
            return torch.cat(parts)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = allowed


def _in_tiles(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Return the same by products, as many queries at a time as keep the weights within bounds."""
    rows = max(1, _TILE_WEIGHTS // (queries.shape[0] * keys.shape[2]))
    parts = [torch.softmax(part @ keys.mT, dim=-1) @ values for part in queries.split(rows, dim=2)]
    return torch.cat(parts, dim=2)


@dataclass
class PoolDenoiser:
    """The denoiser of pools of points, one pool for each of b equal groups of rows.

        D(x) = (v/u) m(x) + (a h^2 / u) x,     u = a^2 h^2 + v

    Parameters
    ----------
    points : tensor, shape (b, M, d)
        The pools, in float64; rows given to `denoise` are b consecutive groups of equal size.
    blur : float
        Bandwidth h >= 0.
    rate : float
        Rate of the Ornstein-Uhlenbeck process.
    precision : str
        "float32" or "float64".

    Examples
    --------
    >>> points = torch.tensor([[[0.0], [2.0]]], dtype=torch.float64)
    >>> PoolDenoiser(points).denoise(points.new_full((1, 1), 0.9), 0.2).round(decimals=1).tolist()
    [[1.0]]
    """

    points: torch.Tensor
    blur: float = 0.0
    rate: float = 0.5
    precision: str = "float32"

    def denoise(self, x: torch.Tensor, time: float) -> torch.Tensor:
        """Return E[X_0 | X_t = x], shape (n, d)."""
        level = Level.at(time, self.rate)
        a, v, h2 = level.scale, level.variance, self.blur**2
        total = a * a * h2 + v
        groups = x.view(self.points.shape[0], -1, x.shape[1])
        means = attention_means(groups, self.points, a, total, precision=self.precision).reshape(x.shape)
        return (v / total) * means + (a * h2 / total) * x


@dataclass(frozen=True)
class KernelGeneration(Generation):
    """Particles from the smoothed empirical law of a pool, by reverse diffusion with the pool's own score.

    Each round a pool of M points is drawn from the training set (fresh data with probability alpha, else earlier
    particles with replacement); the N particles are then independent given the pool.

    Parameters
    ----------
    reverse : ReverseDiffusion
        How the reverse diffusion is run.
    pool : int, optional
        M; the number of particles if None.
    precision : str
        Of the attention, "float32" or "float64".

    Raises
    ------
    InputError
        If pool < 1, or the precision is unknown.

    Examples
    --------
    >>> KernelGeneration(pool=500).describe()["pool"]
    500
    """

    reverse: ReverseDiffusion = field(default_factory=ReverseDiffusion)
    pool: int | None = None
    precision: str = "float32"

    name: ClassVar[str] = "kernel"

    def __post_init__(self) -> None:
        checks.one_of(self.precision, PRECISIONS, "precision")
        if self.pool is not None:
            checks.keep(self, checks.integer, "pool", minimum=1)

    def describe(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "pool": self.pool,
            "precision": self.precision,
            "sampler": self.reverse.describe(),
            "steps": self.reverse.step_count,
        }

    def prepare(self, context: RoundContext) -> RoundGenerator:
        return _KernelRound(self, context)


class _KernelRound(RoundGenerator):
    """A round whose pools are drawn."""

    def __init__(self, generation: KernelGeneration, context: RoundContext) -> None:
        self._generation, self._context = generation, context
        self._size = context.particles if generation.pool is None else generation.pool
        self._stop = Truncation.of(context.recursion, context.round_index)
        self._pools = draw_pools(context, self._size)
        # Fused attention uses all threads, query block by query block, where it is nearly all of the work.
        self.splits_work = self._size >= _LARGE_POOL

    @property
    def bytes_per_row(self) -> int:
        return 8 * 16 * (self._pools.shape[2] + _ALIGNMENT)

    def particles(self, chunk: Chunk) -> torch.Tensor:
        context, blur = self._context, self._context.recursion.blur
        # A chunk holds pieces of one run, or one piece of each of several consecutive runs.
        pools = self._pools[chunk.pieces[0].run : chunk.pieces[-1].run + 1]
        start = context.noise(chunk, "start")
        member = member_of(start.uniform(1)[:, 0], self._size)
        origin = self._pools[start.runs, member] + blur * start.normal(self._pools.shape[2])
        denoiser = PoolDenoiser(pools, blur, self._stop.rate, self._generation.precision)
        path = context.noise(chunk, "path")
        x = self._generation.reverse.run(origin, denoiser, self._stop.time, start, path)
        return self._stop.unscale * x
