"""Weighted means over a pool of points on the tensor units, to float32: softmax attention in one pass.

    m(x) = sum_j w_j y_j,     w = softmax_j( q.y_j + b_j ),     q = (a/u) x,  b_j = -a^2 norm(y_j)^2 / (2u)

Both products run on float16 tensor units, which are twice as fast as those of TF32, on numbers split into two halves of
11 bits, x = high + low: three products of halves leave out low times low, 2^-22 of the whole.  Powers of two keep the
halves in the middle of float16's range.  Logits are in units of log 2, and one more coordinate of the points, a
constant, gives the sum of the weights along with the means.

The units cut what they add, to one side: the sum over a tile of points starts at zero and is added to the total in
float32, rounded to nearest; so is the bias to the logits.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from .triton_random import on_the_device_of

# What the halves may make of a mean of the check's points, whose largest logit is about 40.
LARGEST_DIFFERENCE = 2e-5

_LOG2_E = 1.4426950408889634
_TOP = 13  # the largest number is at most 2^13 after scaling, the constant coordinate 2^13
_NEVER = -1e37  # the bias of a padded point
_ROOM = tl.constexpr(14.0)  # the largest weight of a tile is 2^14: small ones stay normal numbers
_LOWEST = tl.constexpr(-3e38)
_UPPER = tl.constexpr(-(1 << 13))  # all bits but the last 13
_QUERIES, _POINTS, _WARPS, _DEPTH = 64, 128, 4, 3


@triton.jit
def _halves(x):
    """The upper 11 bits of float32 numbers and the rest, in float16."""
    high = (x.to(tl.int32, bitcast=True) & _UPPER).to(tl.float32, bitcast=True)
    return high.to(tl.float16), (x - high).to(tl.float16)


@triton.jit(do_not_specialize=["count", "tiles"])
def _means(
    queries_high, queries_low, points_high, points_low, bias, unit, result, count, tiles,
    D: tl.constexpr, WIDTH: tl.constexpr, QUERIES: tl.constexpr, POINTS: tl.constexpr,
):  # fmt: skip
    """Means for QUERIES of the `count` queries of a group of `tiles` x POINTS points, arrays of (groups, ., WIDTH)."""
    row = tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)
    group = tl.program_id(1).to(tl.int64)
    column = tl.arange(0, WIDTH)
    member = tl.arange(0, POINTS)
    inside = (row < count)[:, None]
    asked = group * count * WIDTH + row[:, None] * WIDTH + column[None, :]
    high = tl.load(queries_high + asked, mask=inside, other=0.0)
    low = tl.load(queries_low + asked, mask=inside, other=0.0)
    scale = tl.load(unit)
    first = group * tiles * POINTS
    along = first * WIDTH + column[None, :] + member[:, None] * WIDTH
    total = tl.zeros((QUERIES, WIDTH), tl.float32)
    top = tl.full((QUERIES,), _LOWEST, tl.float32)
    for tile in range(tiles):
        offset = tile * POINTS * WIDTH
        upper = tl.load(points_high + along + offset)
        lower = tl.load(points_low + along + offset)
        logits = tl.dot(high, tl.trans(lower))
        logits = tl.dot(low, tl.trans(upper), logits)
        logits = tl.dot(high, tl.trans(upper), logits)
        logits = logits * scale + tl.load(bias + first + tile * POINTS + member)[None, :]
        peak = tl.maximum(top, tl.max(logits, axis=1))
        upper_share, lower_share = _halves(tl.exp2(logits - (peak - _ROOM)[:, None]))
        part = tl.dot(lower_share, upper)
        part = tl.dot(upper_share, lower, part)
        part = tl.dot(upper_share, upper, part)
        total = total * tl.exp2(top - peak)[:, None] + part
        top = peak
    mass = tl.sum(tl.where(column[None, :] == D, total, 0.0), axis=1)
    tl.store(result + asked, total / mass[:, None], mask=inside)


def means(queries: torch.Tensor, points: torch.Tensor, scale: float, variance: float) -> torch.Tensor:
    """Return the means m(x) of `attention.attention_means`, d at most 64.

    Parameters
    ----------
    queries : tensor, shape (b, n, d)
    points : tensor, shape (b, M, d)
        In float64, on one device.
    scale, variance : float
        Signal scale, and variance > 0 of each component.

    Returns
    -------
    tensor, shape (b, n, d)
        In float64.

    Accuracy
    --------
    About 3e-7 max abs(logit) times the spread of the points that share the weight.
    """
    groups, count, dimension = queries.shape
    width = max(16, triton.next_power_of_2(dimension + 1))
    tiles = triton.cdiv(points.shape[1], _POINTS)
    centre = points.mean(dim=1, keepdim=True)
    centred = points - centre
    asked, query_unit = _scaled((_LOG2_E * scale / variance) * (queries - scale * centre), count, width)
    stored, point_unit = _scaled(centred, tiles * _POINTS, width)
    stored[:, : points.shape[1], dimension] = 2.0**_TOP
    bias = torch.full((groups, tiles * _POINTS), _NEVER, dtype=torch.float32, device=queries.device)
    bias[:, : points.shape[1]] = (-0.5 * _LOG2_E * scale**2 / variance) * centred.square().sum(-1)
    result = torch.empty((groups, count, width), dtype=torch.float32, device=queries.device)
    with on_the_device_of(result):
        _means[(triton.cdiv(count, _QUERIES), groups)](
            *_split(asked),
            *_split(stored),
            bias,
            (query_unit * point_unit).to(torch.float32),
            result,
            count,
            tiles,
            D=dimension,
            WIDTH=width,
            QUERIES=_QUERIES,
            POINTS=_POINTS,
            num_warps=_WARPS,
            num_stages=min(_DEPTH, 128 // width),  # tiles of wide points fill the shared memory
            enable_fp_fusion=True,
        )
    return centre + (2.0**_TOP * point_unit) * result[..., :dimension].to(torch.float64)


def _scaled(values: torch.Tensor, rows: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return values (b, n, d) / unit, padded to (b, rows, width), at most 2^_TOP, and the unit, a power of two."""
    largest = values.abs().amax().clamp(min=1e-300)
    unit = torch.exp2(torch.ceil(torch.log2(largest)) - _TOP)
    padded = values.new_zeros((values.shape[0], rows, width))
    padded[:, : values.shape[1], : values.shape[2]] = values / unit
    return padded, unit


def _split(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the upper and the lower 11 bits in float16."""
    high = values.to(torch.float16)
    return high, (values - high).to(torch.float16)


def check_on_device(device: torch.device) -> float:
    """Return the largest difference of means of 300 points at 200 queries from those of float64 arithmetic."""
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(2, 300, 10, dtype=torch.float64, generator=generator).to(device)
    noise = torch.randn(2, 200, 10, dtype=torch.float64, generator=generator).to(device)
    queries, variance = 0.9 * points[:, :200] + 0.4 * noise, 0.19
    logits = (queries[:, :, None] - 0.9 * points[:, None]).square().sum(-1) / (-2.0 * variance)
    expected = torch.softmax(logits, dim=-1) @ points
    return float((means(queries, points, 0.9, variance) - expected).abs().max())
