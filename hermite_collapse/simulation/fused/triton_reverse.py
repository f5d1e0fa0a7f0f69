"""The reverse diffusion of a plan on a CUDA device: its tables, padded and in tiles, and how its kernel is launched.

`triton_stages` says what the kernel does: a particle stays in registers through all stages.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import triton

from ...core.types import FloatArray, IntArray
from ..laws import TorchMixture
from ..noise import NoiseStream, Piece
from ..samplers import ExponentialMultistep
from ..scores import Denoiser, MixtureDenoiser
from ..stages import Stage, carry
from .plan import Plan, plan_of
from .triton_random import Rows, Shares, groups_of, key_arguments, on_the_device_of
from .triton_stages import NEVER, reverse

_LOG2_E = 1.4426950408889634
# What rounding may make of a particle, amplified by the dynamics.
LARGEST_DIFFERENCE = 1e-7
_WIDEST_LANE = 8  # the largest dimension of the form with a particle in each thread
_ALIGNED = 16  # entries
_CHECKED = (Piece(0, 0, 100), Piece(3, 1, 100))


@dataclass(frozen=True)
class Launch:
    """How a kernel is cut into programs.

    Attributes
    ----------
    particles, warps : int
        Of a program.
    ahead : int
        Stages of the plan whose tables are loaded ahead.
    tile : int
        The most components that are taken together, a power of two.
    registers : int, optional
        The most that a thread may take: fewer let more programs run at once, and move numbers to memory.
    """

    particles: int
    warps: int
    ahead: int
    tile: int
    registers: int | None = None


# By padded dimension, as `validation.benchmarks.triton_kernels` found them on an H100; lanes first.
LAUNCHES = {
    1: Launch(256, 4, 1, 8),
    2: Launch(128, 4, 1, 8),
    4: Launch(128, 4, 1, 8),
    8: Launch(128, 4, 1, 8),
    16: Launch(64, 4, 2, 32),
    32: Launch(64, 4, 1, 32),
    64: Launch(64, 4, 1, 32),
}
# Under guidance a particle has two sets of sums: fewer at once, so that none of its numbers has to lie in memory (as
# ptxas counts them; up to 72 bytes of a thread do from 24 dimensions on, and 312 where eight have frames).
GUIDED_LAUNCHES = {
    1: Launch(256, 4, 1, 8),
    2: Launch(128, 4, 1, 8),
    4: Launch(128, 4, 1, 4),
    8: Launch(128, 4, 1, 2),
    16: Launch(32, 4, 2, 32),
    32: Launch(32, 4, 1, 16),
    64: Launch(16, 4, 1, 16),
}


@dataclass(frozen=True, eq=False)
class Prepared:
    """A plan as the kernel reads it, still on the host.

    Attributes
    ----------
    numbers, integers : tuple of array
        Tables in float64, then in int32, in the order of the kernel.
    options : dict of str to int
        What it is compiled for.
    stages, tiles : int
        Stages of the plan, and tiles of components of each.
    launch : Launch
        How it is cut into programs.
    """

    numbers: tuple[FloatArray, ...]
    integers: tuple[IntArray, ...]
    options: dict[str, int]
    stages: int
    tiles: int
    launch: Launch

    @classmethod
    def of(cls, plan: Plan, launch: Launch | None = None) -> Prepared:
        """Return the tables of a plan, d at most 64, cut as the module says unless another way is given."""
        in_lanes = plan.dimension <= _WIDEST_LANE
        least = 1 if in_lanes else 16
        width = max(least, triton.next_power_of_2(plan.dimension))
        sizes = np.diff(plan.group_start)
        guided = len(plan.class_of) > 0
        cut = (GUIDED_LAUNCHES if guided else LAUNCHES)[width] if launch is None else launch
        tile = max(least, min(triton.next_power_of_2(int(sizes.max())), cut.tile))
        members, frame_of = _tiles(plan, tile)
        frames = _padded(plan.frames if len(plan.frames) else np.zeros((1, 1, 1)), (width, width))
        frames[:, range(plan.dimension, width), range(plan.dimension, width)] = 1.0
        class_of = np.full((len(members), tile), -1, dtype=np.int32)
        for number, values in enumerate(members if guided else []):
            class_of[number, : values.stop - values.start] = plan.class_of[values]
        scale = np.array([plan.guidance_scale])
        options = {
            "D": plan.dimension,
            "WIDTH": width,
            "RIGHT": 1 if in_lanes else triton.next_power_of_2(plan.dimension - width // 2),
            "TILE": tile,
            "AXIS": 0 if in_lanes else 1,
            "SEVERAL": len(members) > 1,
            "ISOTROPIC": plan.gain.shape[2] == 1 and plan.quadratic.shape[1] == 1,
            "FRAMES": len(plan.frames) > 0,
            "GUIDED": guided,
            "EARLIER": bool(np.any(plan.step[:, 1])),
            "EARLIER_DATA": bool(np.any(plan.step[:, 3])),
            "NOISE": bool(np.any(plan.draw >= 0)),
        }
        return cls(
            numbers=(*_tables(plan, members, width, tile), frames, scale, plan.step),
            integers=(frame_of, class_of, np.append(plan.draw, -1).astype(np.int32)),
            options=options,
            stages=plan.stages,
            tiles=len(members),
            launch=cut,
        )

    @property
    def variant(self) -> tuple[int, ...]:
        """What it is compiled for, as a key."""
        return tuple(self.options.values())


@dataclass(frozen=True, eq=False)
class ReverseKernel:
    """Plans of one variant on a device, ready to carry particles by one launch.

    Attributes
    ----------
    tables : tuple of tensor
        What the kernel reads of the first plan, in its order; of the others, as far behind as `strides` says.
    strides : tuple of int
        Numbers, and integers, from the tables of one plan to those of the next.
    extents : tensor of int32, shape (plans, 2)
        Stages of each plan, and tiles of components of each stage.
    prepared : Prepared
        The first plan.
    options : dict of str to int
        What it is compiled for.
    """

    tables: tuple[torch.Tensor, ...]
    strides: tuple[int, int]
    extents: torch.Tensor
    prepared: Prepared
    options: dict[str, int]

    @classmethod
    def of(cls, plans: Sequence[Prepared], device: torch.device) -> ReverseKernel:
        """Return the kernel of plans that are compiled alike."""
        numbers, stride = _behind_each_other([plan.numbers for plan in plans], device)
        integers, small_stride = _behind_each_other([plan.integers for plan in plans], device)
        extents = torch.tensor([(plan.stages, plan.tiles) for plan in plans], dtype=torch.int32).to(device)
        return cls((*numbers, *integers), (stride, small_stride), extents, plans[0], plans[0].options)

    def carry(
        self,
        x: torch.Tensor,
        pieces: Sequence[Piece],
        key: tuple[int, int],
        labels: torch.Tensor | None = None,
    ) -> None:
        """Carry the particles (n, d) of pieces through all stages of the first plan; contiguous and in float64.

        They are replaced by what they become.  The stream with that key is the noise's, of which nothing was drawn.
        Under guidance, `labels` (n,) are the classes that the particles are asked for.
        """
        start = 0
        for group in groups_of(pieces):
            rows = Rows.of(group, x.device)
            part = slice(start, start + rows.count)
            self.launch(x[part], x if labels is None else labels[part], rows, key)
            start += rows.count

    def launch(
        self, x: torch.Tensor, labels: torch.Tensor, rows: Rows, key: tuple[int, int] | Shares
    ) -> None:
        """Carry rows of one size of pieces: all through the first plan, or those of shares each through its own."""
        many, plan, cut = isinstance(key, Shares), self.prepared, self.prepared.launch
        most, parts = (key.largest, key.count) if isinstance(key, Shares) else (len(x), 1)
        word, table, keys = key_arguments(key, rows)
        with on_the_device_of(x):
            reverse[(triton.cdiv(most, cut.particles), parts)](
                x,
                labels,
                rows.runs,
                rows.first,
                len(x),
                rows.size,
                plan.stages,
                plan.tiles,
                word,
                table,
                keys,
                self.extents,
                *self.strides,
                *self.tables,
                **self.options,
                MANY=many,
                BLOCK=cut.particles,
                num_warps=cut.warps,
                num_stages=cut.ahead,
                maxnreg=cut.registers,
                enable_fp_fusion=True,
            )


def _behind_each_other(
    tables: Sequence[Sequence[FloatArray | IntArray]], device: torch.device
) -> tuple[list[torch.Tensor], int]:
    """Return the tables of the first of several owners on a device, those of the others so many entries behind them.

    A table takes as much as the largest of its kind, in whole steps of `_ALIGNED` entries.
    """
    sizes = [
        _ALIGNED * -(-max(table.size for table in alike) // _ALIGNED) for alike in zip(*tables, strict=True)
    ]
    starts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    buffer = np.zeros((len(tables), starts[-1]), dtype=tables[0][0].dtype)
    for row, own in zip(buffer, tables, strict=True):
        for start, table in zip(starts, own, strict=False):
            row[start : start + table.size] = table.ravel()
    laid = torch.from_numpy(buffer).to(device).view(-1)
    return [laid[start:] for start in starts[:-1]], starts[-1]


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
    constant: FloatArray = np.full((plan.stages, len(members), tile), NEVER)
    constant_used = np.where(asked[:, 0], plan.constant * _LOG2_E, 0.0)
    for part, values in enumerate(members):
        constant[:, part, : values.stop - values.start] = constant_used[:, values]
    tables = []
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
        tables.append(table)
    linear, quadratic, offset, gain = tables
    shift = _padded(
        np.vstack([plan.shift, plan.mean]), (width,)
    )  # a row beyond the end is loaded, and not used
    if plan.dimension < width:
        # One more coordinate, y = 1, brings the constant; what its square would bring is taken off.
        shift[:, plan.dimension] = -1.0
        own_square = quadratic[:, :, 0] if quadratic.shape[2] == 1 else 0.0
        linear[:, :, plan.dimension] = constant - own_square
    offset, gain = (np.ascontiguousarray(table.transpose(0, 1, 3, 2)) for table in (offset, gain))
    return [shift, constant, linear, quadratic, _padded(plan.mean, (width,)), offset, gain]


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
    stages = ExponentialMultistep(final_step="half").stages(steps=4, start=8.0, stop=0.1, rate=0.5)
    denoiser = MixtureDenoiser(law)
    kernel = ReverseKernel.of([Prepared.of(plan_of(denoiser, stages, law))], device)
    return difference_from_loop(kernel, denoiser, stages, law)


def checked_labels(classes: int, device: torch.device) -> torch.Tensor:
    """Return the classes that `difference_from_loop` asks its particles for."""
    return torch.arange(sum(piece.rows for piece in _CHECKED), device=device) % classes


def difference_from_loop(
    kernel: ReverseKernel,
    denoiser: Denoiser,
    stages: Sequence[Stage],
    start: TorchMixture,
    labels: torch.Tensor | None = None,
) -> float:
    """Return the largest difference of some particles from the torch loop's, relative to the largest coordinate.

    Under guidance with the labels that the denoiser has.
    """
    streams = (
        NoiseStream(_CHECKED, seed=1, round_index=2, purpose=purpose, device=start.means.device)
        for purpose in ("start", "path")
    )
    x, path = start.sample(next(streams)), next(streams)
    expected = carry(x, denoiser, stages, path)
    kernel.carry(x, _CHECKED, path.key, labels)
    return float((x - expected).abs().max() / expected.abs().max().clamp(min=1.0))
