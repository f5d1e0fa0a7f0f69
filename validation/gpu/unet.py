"""A U-Net of several members on images, without diffusers: every convolution is one call with a group for each member.

    28 x 28:  enter 1 -> w1, block w1;   halve, w1 -> w2, block w2;   halve, block w2;   double, block 2 w2 -> w2;
              double, w2 -> w1, block 2 w1 -> w1;   leave w1 -> 1

A block is  h + conv(silu(norm(conv(silu(norm(h))) + embedding))),  the embedding made of sines and cosines of log sigma.
Parameters have the member in front, so that the best average of each member can be selected alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from hermite_collapse.simulation.learned.networks import ScoreNetwork

Draw = Callable[[int], torch.Tensor]


@dataclass(frozen=True)
class MemberUNet:
    """An architecture for `NeuralGeneration`.

    Attributes
    ----------
    shape : tuple of int
        (channels, height, width), height and width divisible by 4.
    widths : tuple of int
        Channels at full resolution and below, divisible by `groups`.
    groups : int
        Of the group normalisation.
    half : bool
        Whether layers compute in bfloat16.
    channels_last : bool
        Order of the images in memory.
    rows : int
        Images evaluated at once when sampling.
    """

    shape: tuple[int, int, int] = (1, 28, 28)
    widths: tuple[int, int] = (32, 64)
    groups: int = 8
    half: bool = False
    channels_last: bool = False
    rows: int = 4096

    def describe(self) -> dict[str, Any]:
        return {"name": "member_unet", **asdict(self), "shape": list(self.shape), "widths": list(self.widths)}

    def build(self, members: int, dimension: int, draw: Draw, device: torch.device) -> ScoreNetwork:
        return MemberUNetwork(self, members, draw, device)


class MemberUNetwork(ScoreNetwork):
    """The members of a MemberUNet."""

    def __init__(self, architecture: MemberUNet, members: int, draw: Draw, device: torch.device) -> None:
        super().__init__()
        self.members, self._architecture = members, architecture
        self._draw, self._device = draw, device
        channels = architecture.shape[0]
        w1, w2 = architecture.widths
        levels = 2 * 8
        self.weights, self.biases = nn.ParameterDict(), nn.ParameterDict()
        self._convolution("enter", channels, w1)
        self._convolution("down1", w1, w2)
        self._convolution("down2", w2, w2)
        self._convolution("up1", w2, w2)
        self._convolution("up2", w2, w1)
        self._convolution("leave", w1, channels, gain=0.0)
        self._affine("leave_norm", w1)
        blocks = {
            "high": (w1, w1),
            "middle": (w2, w2),
            "low": (w2, w2),
            "back": (2 * w2, w2),
            "top": (2 * w1, w1),
        }
        for name, (before, after) in blocks.items():
            self._affine(f"{name}_norm1", before)
            self._convolution(f"{name}_first", before, after)
            self._linear(f"{name}_level", levels, after)
            self._affine(f"{name}_norm2", after)
            self._convolution(f"{name}_second", after, after, gain=0.1)
            if before != after:
                self._convolution(f"{name}_skip", before, after, size=1)
        octaves = 2.0 * math.pi / 40.0 * 2.0 ** torch.arange(8, dtype=torch.float32, device=device)
        self.register_buffer("octaves", octaves, persistent=False)
        del self._draw

    def forward(self, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        return self._evaluate(x, level, slice(None))

    def one(self, member: int, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        return self.several(slice(member, member + 1), x[None], level[None])[0]

    def several(self, members: slice, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        rows = self._architecture.rows
        parts = [
            self._evaluate(x[:, i : i + rows], level[:, i : i + rows], members)
            for i in range(0, x.shape[1], rows)
        ]
        return torch.cat(parts, dim=1)

    def _parameter(self, values: torch.Tensor) -> nn.Parameter:
        return nn.Parameter(values.to(device=self._device, dtype=torch.float32))

    def _convolution(self, name: str, before: int, after: int, *, size: int = 3, gain: float = 1.0) -> None:
        count = after * before * size * size
        values = self._draw(count).view(self.members, after, before, size, size)
        self.weights[name] = self._parameter(gain / math.sqrt(before * size * size) * values)
        self.biases[name] = self._parameter(torch.zeros(self.members, after))

    def _linear(self, name: str, before: int, after: int) -> None:
        values = self._draw(before * after).view(self.members, before, after)
        self.weights[name] = self._parameter(values / math.sqrt(before))

    def _affine(self, name: str, channels: int) -> None:
        self.weights[name] = self._parameter(torch.ones(self.members, channels))
        self.biases[name] = self._parameter(torch.zeros(self.members, channels))

    def _evaluate(self, x: torch.Tensor, level: torch.Tensor, selected: slice) -> torch.Tensor:
        members, rows, _ = x.shape
        kind = torch.bfloat16 if self._architecture.half else torch.float32
        weights = {name: value[selected].to(kind) for name, value in self.weights.items()}
        biases = {name: value[selected].to(kind) for name, value in self.biases.items()}
        shape = self._architecture.shape

        def convolve(name: str, h: torch.Tensor, stride: int = 1) -> torch.Tensor:
            weight = weights[name].flatten(0, 1)
            return functional.conv2d(
                h,
                weight,
                biases[name].flatten(),
                stride=stride,
                padding=weight.shape[-1] // 2,
                groups=members,
            )

        def normalise(name: str, h: torch.Tensor) -> torch.Tensor:
            groups = members * self._architecture.groups
            return functional.group_norm(h, groups, weights[name].flatten(), biases[name].flatten())

        phase = level[..., None] * self.octaves
        waves = torch.cat([phase.sin(), phase.cos()], dim=-1).to(kind)

        def block(name: str, h: torch.Tensor) -> torch.Tensor:
            y = convolve(f"{name}_first", functional.silu(normalise(f"{name}_norm1", h)))
            shift = torch.bmm(waves, weights[f"{name}_level"])  # (members, rows, channels)
            y = y + shift.transpose(0, 1).reshape(rows, -1, 1, 1)
            y = convolve(f"{name}_second", functional.silu(normalise(f"{name}_norm2", y)))
            return y + (convolve(f"{name}_skip", h) if f"{name}_skip" in weights else h)

        def joined(h: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
            """Put the channels of a member side by side."""
            parts = [part.reshape(rows, members, -1, *part.shape[2:]) for part in (h, skip)]
            return torch.cat(parts, dim=2).flatten(1, 2)

        images = x.transpose(0, 1).reshape(rows, members * shape[0], *shape[1:]).to(kind)
        if self._architecture.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        high = block("high", convolve("enter", images))
        middle = block("middle", convolve("down1", high, 2))
        low = block("low", convolve("down2", middle, 2))
        h = convolve("up1", functional.interpolate(low, scale_factor=2.0))
        h = block("back", joined(h, middle))
        h = convolve("up2", functional.interpolate(h, scale_factor=2.0))
        h = block("top", joined(h, high))
        out = convolve("leave", functional.silu(normalise("leave_norm", h)))
        return out.float().reshape(rows, members, -1).transpose(0, 1)
