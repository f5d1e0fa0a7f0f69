"""A round of the channel generator in one Triton kernel: source, member, component, normals and channel.

The same numbers of the same addresses as `generations.TrainingMixture.draw_readable`, equal to it to a few units of
rounding.  A program makes numbers of the result, row after row, so that writing them is one stream; what a row's
numbers share, its two uniforms and what they choose, every one of them computes.

Where components of fresh data have axes of their own, a number of a row needs all the normals of the row: they are
made by one launch before, and read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import triton
import triton.language as tl

from .. import philox_torch
from ..philox import KINDS
from .triton_random import (
    LARGEST_ELEMENTS,
    Piece,
    Rows,
    addresses,
    draw_pair,
    groups_of,
    key_of,
    normal_pair,
    on_the_device_of,
    signed,
    uniform_pair,
)

# What rounding may make of a particle of order one.
LARGEST_DIFFERENCE = 1e-12
_BLOCK = 512
_UNIFORMS = tl.constexpr(signed(KINDS["uniform"] << 31, 32))


@triton.jit
def _count_below(steps, count, uniforms, BITS: tl.constexpr):
    """How many of `count` < 2^BITS ascending steps are not above each uniform."""
    result = tl.zeros_like(uniforms).to(tl.int32)
    for bit in tl.static_range(BITS):
        following = result + (1 << (BITS - 1 - bit))
        inside = following <= count
        step = tl.load(steps + following - 1, mask=inside, other=2.0)
        result = tl.where(step <= uniforms, following, result)
    return result


@triton.jit(do_not_specialize=["offset", "count", "size", "key", "sources", "components", "members"])
def _draw(
    result, run_of, first_of, offset, count, size, key,
    source_steps, parents, sources, steps, means, roots, components, members, channel,
    frames, frame_of, normals, noises,
    COLUMNS: tl.constexpr, ROOTS: tl.constexpr, SOURCE_BITS: tl.constexpr, COMPONENT_BITS: tl.constexpr,
    FRAMED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Numbers `offset` to `offset + count` of the rows of a stream."""
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = index < count
    row = index // COLUMNS
    column = index - row * COLUMNS
    run, particle = addresses(row + offset, run_of, first_of, size, mask)
    zero = tl.zeros_like(index)
    chooses_source, chooses = uniform_pair(zero + _UNIFORMS, zero, particle, run, key)
    source = _count_below(source_steps, sources - 1, chooses_source, SOURCE_BITS)
    component = _count_below(steps, components - 1, chooses, COMPONENT_BITS)
    member = tl.minimum((chooses * members).to(tl.int64), members - 1)
    old = source > 0
    parent = tl.load(parents + run * sources + source, mask=mask & old, other=0) + 8 * (
        member * COLUMNS + column
    )
    earlier = tl.load(parent.to(tl.pointer_type(tl.float64)), mask=mask & old, other=0.0)
    fresh = tl.load(means + component * COLUMNS + column, mask=mask, other=0.0)
    if FRAMED:
        noise = tl.load(noises + index, mask=mask, other=0.0)
        axes = frames + (tl.load(frame_of + component, mask=mask, other=0) * COLUMNS + column) * COLUMNS
        for axis in range(COLUMNS):
            within = tl.load(normals + row * COLUMNS + axis, mask=mask, other=0.0)
            root = tl.load(roots + component * COLUMNS + axis, mask=mask, other=0.0)
            fresh += tl.load(axes + axis, mask=mask, other=0.0) * (root * within)
    else:
        within, noise = normal_pair(zero, column, particle, run, key)
        root = tl.load(roots + component * ROOTS + (column if ROOTS > 1 else 0), mask=mask, other=0.0)
        fresh += root * within
    value = tl.load(channel) * tl.where(old, earlier, fresh) + tl.load(channel + 1) * noise
    tl.store(result + index, value, mask=mask)


@dataclass(frozen=True)
class Block:
    """Consecutive particles of one run."""

    run: int
    first: int
    rows: int


@dataclass(frozen=True, eq=False)
class TrainingTables:
    """What a training mixture is drawn from, on the device.

    Attributes
    ----------
    source_steps : tensor, shape (S + 1,)
        Distribution function of the source, fresh data first.
    parents : tensor of int64, shape (runs, S + 1)
        Where the particles (members, d) of each run and source begin; the first of each run is not used.
    steps : tensor, shape (K,)
        Distribution function of the component of fresh data.
    means : tensor, shape (K, d)
    roots : tensor, shape (K, d) or (K, 1)
        Roots of variances.
    members : int
        Particles of a run.
    frames : tensor, shape (F, d, d), or None
        Eigenvectors as columns, where components have axes of their own.
    frame_of : tensor of int64, shape (K,), or None
        The frame of each component.
    """

    source_steps: torch.Tensor
    parents: torch.Tensor
    steps: torch.Tensor
    means: torch.Tensor
    roots: torch.Tensor
    members: int
    frames: torch.Tensor | None = None
    frame_of: torch.Tensor | None = None


def training_through_channel(
    tables: TrainingTables, pieces: Sequence[Piece], key: tuple[int, int], scale: float, root: float
) -> torch.Tensor:
    """Return scale X + root Z, X in the training set, for each row of pieces, shape (rows, d).

    The stream with that key is one of which nothing was drawn.
    """
    device, columns = tables.means.device, tables.means.shape[1]
    channel = torch.tensor([scale, root], dtype=torch.float64).to(device)
    result = torch.empty((sum(piece.rows for piece in pieces), columns), dtype=torch.float64, device=device)
    start = 0
    for group in groups_of(pieces):
        rows = Rows.of(group, device)
        _launch(tables, rows, key, channel, result[start : start + rows.count])
        start += rows.count
    return result


def _launch(
    tables: TrainingTables, rows: Rows, key: tuple[int, int], channel: torch.Tensor, result: torch.Tensor
) -> None:
    columns = result.shape[1]
    step = max(1, LARGEST_ELEMENTS // columns)
    framed = tables.frames is not None
    within, noise = draw_pair("normal", 0, columns, rows, key) if framed else (result, result)
    with on_the_device_of(result):
        for first in range(0, rows.count, step):
            count = min(step, rows.count - first) * columns
            _draw[(triton.cdiv(count, _BLOCK),)](
                result[first:],
                rows.runs,
                rows.first,
                first,
                count,
                rows.size,
                key_of(key),
                tables.source_steps,
                tables.parents,
                len(tables.source_steps),
                tables.steps,
                tables.means,
                tables.roots,
                len(tables.steps),
                tables.members,
                channel,
                tables.frames if framed else tables.means,
                tables.frame_of if framed else rows.runs,
                within[first:],
                noise[first:],
                COLUMNS=columns,
                ROOTS=tables.roots.shape[1],
                SOURCE_BITS=(len(tables.source_steps) - 1).bit_length(),
                COMPONENT_BITS=(len(tables.steps) - 1).bit_length(),
                FRAMED=framed,
                BLOCK=_BLOCK,
                num_warps=4,
                enable_fp_fusion=True,
            )


def check_on_device(device: torch.device) -> float:
    """Return the largest difference of a few hundred particles from those of torch's operations."""
    generator = torch.Generator().manual_seed(0)
    earlier = torch.randn(2, 2, 64, 3, dtype=torch.float64, generator=generator).to(device)
    means = torch.randn(5, 3, dtype=torch.float64, generator=generator).to(device)
    roots = torch.rand(5, 1, dtype=torch.float64, generator=generator).to(device)
    source_steps, steps = (
        torch.tensor(values, dtype=torch.float64, device=device)
        for values in ([0.4, 0.7, math.inf], [0.1, 0.3, 0.35, 0.8, math.inf])
    )
    parents = torch.tensor(
        [[means.data_ptr(), *(source[run].data_ptr() for source in earlier)] for run in range(2)],
        device=device,
    )
    pieces, key = (Block(0, 0, 64), Block(1, 0, 64)), (3, 1 << 31)
    frames = (
        torch.linalg.qr(torch.randn(2, 3, 3, dtype=torch.float64, generator=generator))[0]
        .contiguous()
        .to(device)
    )
    frame_of = torch.arange(5, device=device) % 2
    wide = roots * torch.arange(1.0, 4.0, dtype=torch.float64, device=device)
    particle = torch.arange(64, device=device).repeat(2)
    run = torch.arange(2, device=device).repeat_interleave(64)
    chooses_source, chooses = philox_torch.draw_pair("uniform", 0, 1, particle, run, key)
    within, noise = philox_torch.draw_pair("normal", 0, 3, particle, run, key)
    source, component = (
        torch.searchsorted(table, uniforms[:, 0].contiguous(), right=True)
        for table, uniforms in ((source_steps, chooses_source), (steps, chooses))
    )
    member = (chooses[:, 0] * 64).long().clamp_(max=63)
    old = earlier[(source - 1).clamp_(min=0), run, member]
    turned = torch.einsum("njm,nm->nj", frames[frame_of[component]], wide[component] * within)
    largest = 0.0
    for own_roots, axes, spread in ((roots, None, roots[component] * within), (wide, frames, turned)):
        tables = TrainingTables(
            source_steps, parents, steps, means, own_roots, 64, axes, None if axes is None else frame_of
        )
        made = training_through_channel(tables, pieces, key, 0.9, 0.3)
        training = torch.where((source == 0)[:, None], means[component] + spread, old)
        largest = max(largest, float((made - (0.9 * training + 0.3 * noise)).abs().max()))
    return largest
