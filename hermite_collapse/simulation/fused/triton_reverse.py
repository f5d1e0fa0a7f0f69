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
from .triton_random import Rows, groups_of, key_of, on_the_device_of
from .triton_stages import NEVER, reverse

_LOG2_E = 1.4426950408889634
# What rounding may make of a particle, amplified by the dynamics.
LARGEST_DIFFERENCE = 1e-7
_WIDEST_LANE = 8  # the largest dimension of the form with a particle in each thread
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
        How it is cut into programs.
    """

    tables: tuple[torch.Tensor, ...]
    options: dict[str, int]
    stages: int
    tiles: int
    launch: Launch

    @classmethod
    def of(cls, plan: Plan, device: torch.device, launch: Launch | None = None) -> ReverseKernel:
        """Return the kernel of a plan, d at most 64, cut as `LAUNCHES` says unless another way is given."""
        in_lanes = plan.dimension <= _WIDEST_LANE
        least = 1 if in_lanes else 16
        width = max(least, triton.next_power_of_2(plan.dimension))
        sizes = np.diff(plan.group_start)
        cut = LAUNCHES[width] if launch is None else launch
        tile = max(least, min(triton.next_power_of_2(int(sizes.max())), cut.tile))
        members, frame_of = _tiles(plan, tile)
        arrays = _tables(plan, members, width, tile)
        frames = _padded(plan.frames if len(plan.frames) else np.zeros((1, 1, 1)), (width, width))
        frames[:, range(plan.dimension, width), range(plan.dimension, width)] = 1.0
        guided = len(plan.class_of) > 0
        class_of = np.full((len(members), tile), -1, dtype=np.int32)
        for number, values in enumerate(members if guided else []):
            class_of[number, : values.stop - values.start] = plan.class_of[values]
        scale = np.array([plan.guidance_scale])
        small = np.append(plan.draw, -1).astype(np.int32)
        tables = [
            torch.tensor(array, device=device)
            for array in (*arrays, frames, frame_of, class_of, scale, plan.step, small)
        ]
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
        return cls(tuple(tables), options, plan.stages, len(members), cut)

    @property
    def variant(self) -> tuple[int, ...]:
        """What it is compiled for, as a key."""
        return tuple(self.options.values())

    def carry(
        self,
        x: torch.Tensor,
        pieces: Sequence[Piece],
        key: tuple[int, int],
        labels: torch.Tensor | None = None,
    ) -> None:
        """Carry the particles (n, d) of pieces through all stages, in their own entries; contiguous and in float64.

        The stream with that key is the noise's, of which nothing was drawn.  Under guidance, `labels` (n,) are the
        classes that the particles are asked for.
        """
        start = 0
        with on_the_device_of(x):
            for group in groups_of(pieces):
                rows = Rows.of(group, x.device)
                part = slice(start, start + rows.count)
                self._launch(x[part], x if labels is None else labels[part], rows, key)
                start += rows.count

    def _launch(self, x: torch.Tensor, labels: torch.Tensor, rows: Rows, key: tuple[int, int]) -> None:
        reverse[(triton.cdiv(len(x), self.launch.particles),)](
            x,
            labels,
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
    kernel = ReverseKernel.of(plan_of(denoiser, stages, law), device)
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
