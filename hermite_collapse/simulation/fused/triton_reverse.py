"""The reverse diffusion of a plan in one Triton kernel: a particle stays in registers through all stages.

Two forms of one algorithm, for blocks of particles:

    matrices   (particles, d) rows; the sums over coordinates and components are float64 matrix products, which Hopper
               and Ampere cards do in tensor cores; d and the number of components are padded to 16 and more
    lanes      (d, particles) columns, a thread's own particle; the sums stay in the thread, for few dimensions

Components are taken in tiles, all of one frame, with a running maximum of the logits, which are in units of log 2.
Padded components have a logit that no sum sees.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import triton
import triton.language as tl

from ...core.types import FloatArray, IntArray
from ..laws import TorchMixture
from ..noise import NoiseStream, Piece
from ..samplers import ExponentialMultistep
from ..scores import Denoiser, MixtureDenoiser
from ..stages import Stage, carry
from .plan import Plan, plan_of
from .triton_random import (
    Rows,
    addresses,
    groups_of,
    high_word,
    key_of,
    normal_pair,
    on_the_device_of,
    with_high_word,
)

_LOG2_E = 1.4426950408889634
# What rounding may make of a particle, amplified by the dynamics.
LARGEST_DIFFERENCE = 1e-7
# The largest dimension of the form with a particle in each thread, and components taken together in both forms.
_WIDEST_LANE = 8
_TILE_OF_LANE, _TILE = 8, 32
_NEVER = tl.constexpr(-1e300)  # the logit of a padded component
_MAGIC = tl.constexpr(6755399441055744.0)  # 1.5 2^52: what is added to it is rounded to an integer
_HIGH_OF_1000 = tl.constexpr(0x408F4000)  # upper word of the double 1000
# 2^f as a polynomial through Chebyshev's nodes, abs(f) <= 1/2: relative error 2e-17.
_P1, _P2 = tl.constexpr(0.6931471805599453), tl.constexpr(0.24022650695910158)
_P3, _P4 = tl.constexpr(0.055504108664821625), tl.constexpr(0.009618129107587256)
_P5, _P6 = tl.constexpr(0.001333355814640647), tl.constexpr(0.00015403530463724353)
_P7, _P8 = tl.constexpr(1.5252733841556773e-05), tl.constexpr(1.3215432535912375e-06)
_P9, _P10 = tl.constexpr(1.0178057087733941e-07), tl.constexpr(7.074194297288521e-09)
_P11 = tl.constexpr(4.4558179083360645e-10)


@triton.jit
def power_of_minus(t):
    """2^-t for t >= 0, to an ulp; about 2^-1000 above 1000."""
    t = with_high_word(t, tl.minimum(high_word(t), _HIGH_OF_1000))
    shifted = -t + _MAGIC
    f = -t - (shifted - _MAGIC)
    p = f * _P11 + _P10
    p = f * p + _P9
    p = f * p + _P8
    p = f * p + _P7
    p = f * p + _P6
    p = f * p + _P5
    p = f * p + _P4
    p = f * p + _P3
    p = f * p + _P2
    p = f * p + _P1
    p = f * p + 1.0
    return with_high_word(p, high_word(p) + (shifted.to(tl.int64, bitcast=True).to(tl.int32) << 20))


@triton.jit
def _next_normals(spare, draw, column, particle, run, key):
    """The normals of a draw, and those of the draw after it once an even one is made."""
    normals = spare
    if (draw & 1) == 0:
        normals, spare = normal_pair(draw >> 1, column, particle, run, key)
    return normals, spare


@triton.jit(do_not_specialize=["offset", "rows", "size", "stages", "tiles", "key"])
def _matrices(
    points, run_of, first_of, offset, rows, size, stages, tiles, key,
    shift, constant, linear, quadratic, mean, value, gain, frames, frame_of, step, draw,
    D: tl.constexpr, WIDTH: tl.constexpr, TILE: tl.constexpr, SEVERAL: tl.constexpr, ISOTROPIC: tl.constexpr,
    FRAMES: tl.constexpr, EARLIER: tl.constexpr, EARLIER_DATA: tl.constexpr, NOISE: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Carry rows `offset` to `offset + rows` of the points through all stages, BLOCK rows a program."""
    row = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    column = tl.arange(0, WIDTH)
    component = tl.arange(0, TILE)
    inside = row < rows
    run, particle = addresses(row + offset, run_of, first_of, size, inside)
    entries = row[:, None].to(tl.int64) * D + column[None, :]
    mask = inside[:, None] & (column < D)[None, :]
    x = tl.load(points + entries, mask=mask, other=0.0)
    wide = column[:, None] * TILE + component[None, :]
    tall = component[:, None] * WIDTH + column[None, :]
    square = column[:, None] * WIDTH + column[None, :]
    centre = tl.load(mean + column)
    x_before = x
    data = tl.zeros_like(x)
    data_before = data
    spare = tl.zeros_like(x)
    for stage in range(stages):
        y = x - tl.load(shift + stage * WIDTH + column)[None, :]
        total = tl.zeros_like(x)
        mass = tl.zeros_like(tl.sum(x, axis=1))
        top = mass + _NEVER
        data_before = data
        for tile in range(tiles):
            at = stage * tiles + tile
            if FRAMES:
                frame = frames + tl.load(frame_of + tile) * WIDTH * WIDTH
                turned = tl.dot(y, tl.load(frame + square))
            else:
                turned = y
            logits = tl.dot(turned, tl.load(linear + at * WIDTH * TILE + wide))
            logits += tl.load(constant + at * TILE + component)[None, :]
            if ISOTROPIC:
                curvature = tl.load(quadratic + at * TILE + component)
                logits += tl.sum(turned * turned, axis=1)[:, None] * curvature[None, :]
            else:
                logits += tl.dot(turned * turned, tl.load(quadratic + at * WIDTH * TILE + wide))
            peak = tl.max(logits, axis=1)
            if SEVERAL:
                peak = tl.maximum(peak, top)
            shares = power_of_minus(peak[:, None] - logits)
            part = tl.dot(shares, tl.load(value + at * WIDTH * TILE + tall))
            if ISOTROPIC:
                part += (
                    tl.sum(shares * tl.load(gain + at * TILE + component)[None, :], axis=1)[:, None] * turned
                )
            else:
                part += tl.dot(shares, tl.load(gain + at * WIDTH * TILE + tall)) * turned
            if FRAMES:
                part = tl.dot(part, tl.trans(tl.load(frame + square)))
            if SEVERAL:
                fade = power_of_minus(peak - top)
                total = total * fade[:, None] + part
                mass = mass * fade + tl.sum(shares, axis=1)
                top = peak
            else:
                total = part
                mass = tl.sum(shares, axis=1)
        data = centre[None, :] + total * (1.0 / mass)[:, None]
        moved = tl.load(step + stage * 5) * x + tl.load(step + stage * 5 + 2) * data
        if EARLIER:
            moved += tl.load(step + stage * 5 + 1) * x_before
            x_before = x
        if EARLIER_DATA:
            moved += tl.load(step + stage * 5 + 3) * data_before
        if NOISE:
            normals, spare = _next_normals(
                spare, tl.load(draw + stage), column[None, :], particle[:, None], run[:, None], key
            )
            moved += tl.where(column < D, tl.load(step + stage * 5 + 4), 0.0)[None, :] * normals
        x = moved
    tl.store(points + entries, x, mask=mask)


@triton.jit
def _times(matrix, columns):
    """The product of a small matrix with columns, one in each thread."""
    return tl.sum(matrix[:, :, None] * columns[None, :, :], axis=1)


@triton.jit(do_not_specialize=["offset", "rows", "size", "stages", "tiles", "key"])
def _lanes(
    points, run_of, first_of, offset, rows, size, stages, tiles, key,
    shift, constant, linear, quadratic, mean, value, gain, frames, frame_of, step, draw,
    D: tl.constexpr, WIDTH: tl.constexpr, TILE: tl.constexpr, SEVERAL: tl.constexpr, ISOTROPIC: tl.constexpr,
    FRAMES: tl.constexpr, EARLIER: tl.constexpr, EARLIER_DATA: tl.constexpr, NOISE: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """The same with a particle in each thread: sums over coordinates and components stay in it."""
    row = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    column = tl.arange(0, WIDTH)
    component = tl.arange(0, TILE)
    inside = row < rows
    run, particle = addresses(row + offset, run_of, first_of, size, inside)
    entries = row[None, :].to(tl.int64) * D + column[:, None]
    mask = inside[None, :] & (column < D)[:, None]
    x = tl.load(points + entries, mask=mask, other=0.0)
    wide = column[None, :] * TILE + component[:, None]
    tall = component[None, :] * WIDTH + column[:, None]
    square = column[None, :] * WIDTH + column[:, None]
    centre = tl.load(mean + column)
    x_before = x
    data = tl.zeros_like(x)
    data_before = data
    spare = tl.zeros_like(x)
    for stage in range(stages):
        y = x - tl.load(shift + stage * WIDTH + column)[:, None]
        total = tl.zeros_like(x)
        mass = tl.zeros_like(tl.sum(x, axis=0))
        top = mass + _NEVER
        data_before = data
        for tile in range(tiles):
            at = stage * tiles + tile
            if FRAMES:
                frame = frames + tl.load(frame_of + tile) * WIDTH * WIDTH
                turned = _times(tl.load(frame + square), y)
            else:
                turned = y
            logits = _times(tl.load(linear + at * WIDTH * TILE + wide), turned)
            logits += tl.load(constant + at * TILE + component)[:, None]
            if ISOTROPIC:
                curvature = tl.load(quadratic + at * TILE + component)
                logits += tl.sum(turned * turned, axis=0)[None, :] * curvature[:, None]
            else:
                logits += _times(tl.load(quadratic + at * WIDTH * TILE + wide), turned * turned)
            peak = tl.max(logits, axis=0)
            if SEVERAL:
                peak = tl.maximum(peak, top)
            shares = power_of_minus(peak[None, :] - logits)
            part = _times(tl.load(value + at * WIDTH * TILE + tall), shares)
            if ISOTROPIC:
                part += (
                    tl.sum(shares * tl.load(gain + at * TILE + component)[:, None], axis=0)[None, :] * turned
                )
            else:
                part += _times(tl.load(gain + at * WIDTH * TILE + tall), shares) * turned
            if FRAMES:
                part = _times(tl.trans(tl.load(frame + square)), part)
            if SEVERAL:
                fade = power_of_minus(peak - top)
                total = total * fade[None, :] + part
                mass = mass * fade + tl.sum(shares, axis=0)
                top = peak
            else:
                total = part
                mass = tl.sum(shares, axis=0)
        data = centre[:, None] + total * (1.0 / mass)[None, :]
        moved = tl.load(step + stage * 5) * x + tl.load(step + stage * 5 + 2) * data
        if EARLIER:
            moved += tl.load(step + stage * 5 + 1) * x_before
            x_before = x
        if EARLIER_DATA:
            moved += tl.load(step + stage * 5 + 3) * data_before
        if NOISE:
            normals, spare = _next_normals(
                spare, tl.load(draw + stage), column[:, None], particle[None, :], run[None, :], key
            )
            moved += tl.where(column < D, tl.load(step + stage * 5 + 4), 0.0)[:, None] * normals
        x = moved
    tl.store(points + entries, x, mask=mask)


@dataclass(frozen=True)
class Launch:
    """How a kernel is cut into programs.

    Attributes
    ----------
    particles, warps : int
        Of a program.
    ahead : int
        Stages of the plan whose tables are loaded ahead.
    registers : int, optional
        The most that a thread may take: fewer leave room for more programs, and move numbers to memory.
    """

    particles: int
    warps: int
    ahead: int
    registers: int | None = None


@dataclass(frozen=True, eq=False)
class ReverseKernel:
    """A plan on a device, ready to carry particles.

    Attributes
    ----------
    tables : tuple of tensor
        What the kernel reads, in its order.
    options : dict of str to int
        What it is compiled for.
    stages, tiles : int
        Stages of the plan, and tiles of components of each.
    launch : Launch
        How it is cut into programs; the numbers do not depend on it.
    """

    tables: tuple[torch.Tensor, ...]
    options: dict[str, int]
    stages: int
    tiles: int
    launch: Launch

    @classmethod
    def of(cls, plan: Plan, device: torch.device) -> ReverseKernel:
        """Return the kernel of a plan; K and d at most 64."""
        lanes = plan.dimension <= _WIDEST_LANE
        least = 1 if lanes else 16
        width = max(least, triton.next_power_of_2(plan.dimension))
        sizes = np.diff(plan.group_start)
        tile = max(least, min(triton.next_power_of_2(int(sizes.max())), _TILE_OF_LANE if lanes else _TILE))
        members, frame_of = _tiles(plan, tile)
        arrays = _tables(plan, members, width, tile)
        frames = _padded(plan.frames if len(plan.frames) else np.zeros((1, 1, 1)), (width, width))
        small = plan.draw.astype(np.int32)
        tables = [
            torch.tensor(array, device=device) for array in (*arrays, frames, frame_of, plan.step, small)
        ]
        options = {
            "D": plan.dimension,
            "WIDTH": width,
            "TILE": tile,
            "SEVERAL": len(members) > 1,
            "ISOTROPIC": plan.gain.shape[2] == 1 and plan.quadratic.shape[1] == 1,
            "FRAMES": len(plan.frames) > 0,
            "EARLIER": bool(np.any(plan.step[:, 1])),
            "EARLIER_DATA": bool(np.any(plan.step[:, 3])),
            "NOISE": bool(np.any(plan.draw >= 0)),
        }
        launch = Launch(128, 4, 1) if lanes else Launch(64, 4, 2) if width < 32 else Launch(64, 8, 1)
        return cls(tuple(tables), options, plan.stages, len(members), launch)

    @property
    def variant(self) -> tuple[int, ...]:
        """What it is compiled for, as a key."""
        return tuple(self.options.values())

    def carry(self, x: torch.Tensor, pieces: Sequence[Piece], key: tuple[int, int]) -> None:
        """Carry the particles (n, d) of pieces through all stages, in entries; contiguous and in float64.

        The stream with that key is the noise's, of which nothing was drawn.
        """
        start = 0
        with on_the_device_of(x):
            for group in groups_of(pieces):
                rows = Rows.of(group, x.device)
                self._launch(x[start : start + rows.count], rows, key)
                start += rows.count

    def _launch(self, x: torch.Tensor, rows: Rows, key: tuple[int, int]) -> None:
        lanes = self.options["D"] <= _WIDEST_LANE
        kernel = _lanes if lanes else _matrices
        kernel[(triton.cdiv(len(x), self.launch.particles),)](
            x,
            rows.runs,
            rows.first,
            0,
            len(x),
            rows.size,
            self.stages,
            self.tiles,
            key_of(key),
            *self.tables,
            **self.options,
            BLOCK=self.launch.particles,
            num_warps=self.launch.warps,
            num_stages=self.launch.ahead,
            maxnreg=self.launch.registers,
            enable_fp_fusion=True,
        )


def _tiles(plan: Plan, tile: int) -> tuple[list[slice], IntArray]:
    """Return the components of every tile, and its frame."""
    members, frame_of = [], []
    for group, (start, stop) in enumerate(itertools.pairwise(plan.group_start.tolist())):
        for first in range(start, stop, tile):
            members.append(slice(first, min(stop, first + tile)))
            frame_of.append(group)
    return members, np.array(frame_of, dtype=np.int32)


def _tables(plan: Plan, members: list[slice], width: int, tile: int) -> list[FloatArray]:
    """Return shift, constant, linear, quadratic, mean, offset and gain, padded, in tiles and in units of log 2."""
    asked = plan.asks[:, None, None]
    constant = np.where(asked[:, 0], plan.constant * _LOG2_E, 0.0)
    heights: FloatArray = np.full((plan.stages, len(members), tile), _NEVER.value)
    for part, values in enumerate(members):
        heights[:, part, : values.stop - values.start] = constant[:, values]
    tables = [heights]
    for array, by_column in (
        (plan.linear, True),
        (plan.quadratic, True),
        (plan.offset, False),
        (plan.gain, False),
    ):
        used: FloatArray = np.where(asked, array * (_LOG2_E if by_column else 1.0), 0.0)
        one = used.shape[1 if by_column else 2] == 1
        columns = 1 if one else width
        table: FloatArray = np.zeros((plan.stages, len(members), columns, tile))
        for part, values in enumerate(members):
            rows = used[:, :, values] if by_column else used[:, values].transpose(0, 2, 1)
            table[:, part, : rows.shape[1], : rows.shape[2]] = rows
        tables.append(table if by_column else np.ascontiguousarray(table.transpose(0, 1, 3, 2)))
    shift, mean = _padded(plan.shift, (width,)), _padded(plan.mean, (width,))
    return [shift, *tables[:3], mean, *tables[3:]]


def _padded(array: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Return an array with its last axes filled up with zeros."""
    leading = array.ndim - len(shape)
    widths = [(0, 0)] * leading + [(0, n - m) for n, m in zip(shape, array.shape[leading:], strict=True)]
    return np.pad(array, widths)


def check_on_device(device: torch.device) -> float:
    """Return the largest difference of particles of a small law from the torch loop's."""
    generator = np.random.default_rng(0)
    law = TorchMixture(
        torch.full((5,), 0.2, dtype=torch.float64, device=device),
        torch.tensor(generator.standard_normal((5, 3)), device=device),
        torch.tensor(generator.uniform(0.1, 0.5, (5, 3)), device=device),
    )
    stages = ExponentialMultistep(final_step="half").stages(steps=9, start=8.0, stop=0.1, rate=0.5)
    denoiser = MixtureDenoiser(law)
    kernel = ReverseKernel.of(plan_of(denoiser, stages, law), device)
    return difference_from_loop(kernel, denoiser, stages, law)


def difference_from_loop(
    kernel: ReverseKernel, denoiser: Denoiser, stages: Sequence[Stage], start: TorchMixture
) -> float:
    """Return the largest difference of some particles from the torch loop's, relative to the largest coordinate."""
    pieces = (Piece(0, 0, 100), Piece(3, 1, 100))
    streams = (
        NoiseStream(pieces, seed=1, round_index=2, purpose=purpose, device=start.means.device)
        for purpose in ("start", "path")
    )
    x, path = start.sample(next(streams)), next(streams)
    expected = carry(x, denoiser, stages, path)
    kernel.carry(x, pieces, path.key)
    return float((x - expected).abs().max() / expected.abs().max().clamp(min=1.0))
