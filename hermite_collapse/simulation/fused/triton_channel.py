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
from ..laws import TorchMixture
from ..philox import KINDS
from .triton_random import (
    LARGEST_ELEMENTS,
    Part,
    Piece,
    Rows,
    Shares,
    addresses,
    draw_pair,
    groups_of,
    key_arguments,
    launches_of,
    normal_pair,
    on_the_device_of,
    own_rows,
    rows_from,
    signed,
    uniform_pair,
)
from .triton_use import usable

# What rounding may make of a particle of order one.
LARGEST_DIFFERENCE = 1e-12
_BLOCK = 512
_PLACES = tl.constexpr(11)  # entries of a table of addresses
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


@triton.jit
def _address(places, number, KIND: tl.constexpr):
    """An entry of a table of addresses, as a pointer."""
    return tl.load(places + number).to(tl.pointer_type(KIND))


@triton.jit(do_not_specialize=["offset", "count", "size", "key", "sources", "components", "members"])
def _draw(
    result, run_of, first_of, offset, count, size, key,
    source_steps, parents, sources, steps, means, roots, components, members, channel,
    frames, frame_of, normals, noises, shares, keys, places,
    COLUMNS: tl.constexpr, ROOTS: tl.constexpr, SOURCE_BITS: tl.constexpr, COMPONENT_BITS: tl.constexpr,
    FRAMED: tl.constexpr, START: tl.constexpr, MANY: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Numbers `offset` to `offset + count` of the rows of a stream, or of every part."""
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    if MANY:
        part = tl.program_id(1)
        owner, _, _ = own_rows(shares, part)
        offset, count = rows_from(shares, part, offset, count, COLUMNS)
        before = offset.to(tl.int64) * COLUMNS
        result, normals, noises = result + before, normals + before, noises + before
        key = tl.load(keys + part)
        at = places + owner * _PLACES
        source_steps, steps = _address(at, 0, tl.float64), _address(at, 1, tl.float64)
        means, roots = _address(at, 2, tl.float64), _address(at, 3, tl.float64)
        frames, channel = _address(at, 4, tl.float64), _address(at, 5, tl.float64)
        parents, frame_of = _address(at, 6, tl.int64), _address(at, 7, tl.int64)
        sources, components = tl.load(at + 8).to(tl.int32), tl.load(at + 9).to(tl.int32)
        members = tl.load(at + 10).to(tl.int32)
    mask = index < count
    row = index // COLUMNS
    column = index - row * COLUMNS
    run, particle = addresses(row + offset, run_of, first_of, size, mask)
    zero = tl.zeros_like(index)
    first, second = uniform_pair(zero + _UNIFORMS, zero, particle, run, key)
    chooses = first if START else second
    if not START:
        source = _count_below(source_steps, sources - 1, first, SOURCE_BITS)
    component = _count_below(steps, components - 1, chooses, COMPONENT_BITS)
    if not START:
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
    if START:
        tl.store(result + index, fresh, mask=mask)
    else:
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
    """What a training mixture is drawn from, on the device, and the channel that its points are carried through.

    Attributes
    ----------
    law : TorchMixture
        Of fresh data.
    source_steps : tensor, shape (S + 1,)
        Distribution function of the source, fresh data first.
    parents : tensor of int64, shape (runs, S + 1)
        Where the particles (members, d) of each run and source begin; the first of each run is not used.
    members : int
        Particles of a run.
    channel : tensor, shape (2,)
        Scale and root of X -> scale X + root Z.
    """

    law: TorchMixture
    source_steps: torch.Tensor
    parents: torch.Tensor
    members: int
    channel: torch.Tensor

    @classmethod
    def of_law(cls, law: TorchMixture) -> TrainingTables:
        """Return tables of which points of a law are drawn alone (`start`), without sources and a channel."""
        return cls(
            law, law.means, torch.empty((0, 1), dtype=torch.int64, device=law.means.device), 1, law.means
        )

    @property
    def variant(self) -> tuple[int, bool]:
        """What the kernel is compiled for: columns of the roots, and whether there are frames."""
        return self.law.variances.shape[1], self.law.frames is not None

    @property
    def bits(self) -> tuple[int, int]:
        """Steps of the searches for a source and for a component."""
        return (len(self.source_steps) - 1).bit_length(), (self.law.count - 1).bit_length()

    def arguments(self) -> tuple[torch.Tensor | int, ...]:
        """What the kernel reads, in its order."""
        law, unused = self.law, self.parents
        return (
            self.source_steps,
            self.parents,
            len(self.source_steps),
            law.cumulative,
            law.means,
            law.roots,
            law.count,
            self.members,
            self.channel,
            law.means if law.frames is None else law.frames,
            unused if law.frame_of is None else law.frame_of,
        )

    def addresses(self) -> list[int]:
        """What the kernel reads, as entries of a table of `_PLACES` numbers."""
        (
            source_steps,
            parents,
            sources,
            steps,
            means,
            roots,
            components,
            members,
            channel,
            frames,
            frame_of,
        ) = (entry.data_ptr() if isinstance(entry, torch.Tensor) else entry for entry in self.arguments())
        return [
            source_steps, steps, means, roots, frames, channel, parents, frame_of, sources, components, members
        ]  # fmt: skip


def training_through_channel(
    tables: TrainingTables, pieces: Sequence[Piece], key: tuple[int, int], *, start: bool = False
) -> torch.Tensor:
    """Return scale X + root Z, X in the training set, for each row of pieces, shape (rows, d).

    The stream with that key is one of which nothing was drawn.  At the `start` of a recursion or a reverse diffusion,
    X of the law of fresh data.
    """
    device, columns = tables.law.means.device, tables.law.dimension
    result = torch.empty((sum(piece.rows for piece in pieces), columns), dtype=torch.float64, device=device)
    begin = 0
    for group in groups_of(pieces):
        rows = Rows.of(group, device)
        _launch([tables], rows, key, result[begin : begin + rows.count], start)
        begin += rows.count
    return result


class TrainingTogether:
    """Several training mixtures, whose points are made by one launch, as many as are compiled alike.

    Parameters
    ----------
    tables : sequence of TrainingTables
        In one dimension, on one device.
    start : bool
        As for `training_through_channel`.
    """

    def __init__(self, tables: Sequence[TrainingTables], *, start: bool = False) -> None:
        self._tables, self._start = tables, start
        self._device = tables[0].law.means.device
        self._places = torch.tensor([one.addresses() for one in tables]).to(self._device)

    def particles(self, parts: Sequence[Part]) -> torch.Tensor:
        """Return the points of parts laid end to end, shape (rows, d); equal to those of each part alone."""
        count = sum(piece.rows for part in parts for piece in part.pieces)
        columns = self._tables[0].law.dimension
        result = torch.empty((count, columns), dtype=torch.float64, device=self._device)
        variants = [one.variant for one in self._tables]
        for variant, span, rows, shares in launches_of(parts, variants, range(len(variants)), self._device):
            alike = [one for one in self._tables if one.variant == variant]
            _launch(alike, rows, shares, result[span], self._start, self._places)
        return result

    def difference_from_each(self) -> float:
        """Return 0 where some points are equal to the bit to those of each alone, else infinity."""
        parts = [Part(owner, (Block(0, 0, 40),), (3, owner + 1)) for owner in range(len(self._tables))]
        alone = [
            training_through_channel(self._tables[part.owner], part.pieces, part.key, start=self._start)
            for part in parts
        ]
        return 0.0 if torch.equal(self.particles(parts), torch.cat(alone)) else math.inf


def together(tables: Sequence[TrainingTables], *, start: bool = False) -> TrainingTogether | None:
    """Return several training mixtures to draw from by one launch; None where that gives other bytes on the device."""
    made = TrainingTogether(tables, start=start)
    variant = ("together", start, tables[0].law.dimension, *sorted({one.variant for one in tables}))
    device = tables[0].law.means.device
    return made if usable("triton_channel", device, variant, made.difference_from_each) else None


def _launch(
    alike: Sequence[TrainingTables],
    rows: Rows,
    key: tuple[int, int] | Shares,
    result: torch.Tensor,
    start: bool,
    places: torch.Tensor | None = None,
) -> None:
    """Make rows of tables of one variant: of the only ones, or those of shares, whose tables are at `places`."""
    tables, columns = alike[0], result.shape[1]
    (root_columns, framed), many = tables.variant, isinstance(key, Shares)
    source_bits, component_bits = (max(bits) for bits in zip(*(one.bits for one in alike), strict=True))
    most, parts = (key.largest, key.count) if isinstance(key, Shares) else (rows.count, 1)
    step = max(1, LARGEST_ELEMENTS // columns)
    within, noise = draw_pair("normal", 0, columns, rows, key) if framed else (result, result)
    word, table, keys = key_arguments(key, rows)
    with on_the_device_of(result):
        for first in range(0, most, step):
            count = min(step, most - first) * columns
            from_first = slice(None) if many else slice(first, None)
            _draw[(triton.cdiv(count, _BLOCK), parts)](
                result[from_first],
                rows.runs,
                rows.first,
                first,
                count,
                rows.size,
                word,
                *tables.arguments(),
                within[from_first],
                noise[from_first],
                table,
                keys,
                rows.runs if places is None else places,
                COLUMNS=columns,
                ROOTS=root_columns,
                SOURCE_BITS=0 if start else source_bits,
                COMPONENT_BITS=component_bits,
                FRAMED=framed,
                START=start,
                MANY=many,
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
    source_steps, weights, channel = (
        torch.tensor(values, dtype=torch.float64, device=device)
        for values in ([0.4, 0.7, math.inf], [0.1, 0.2, 0.05, 0.45, 0.2], [0.9, 0.3])
    )
    steps = TorchMixture(weights, means, roots).cumulative
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
        law = TorchMixture(weights, means, own_roots.square(), axes, None if axes is None else frame_of)
        tables = TrainingTables(law, source_steps, parents, 64, channel)
        made = training_through_channel(tables, pieces, key)
        training = torch.where((source == 0)[:, None], means[component] + spread, old)
        largest = max(largest, float((made - (0.9 * training + 0.3 * noise)).abs().max()))
        started = training_through_channel(TrainingTables.of_law(law), pieces, key, start=True)
        largest = max(largest, float((started - law.draw(chooses_source[:, 0], within)).abs().max()))
    return largest
