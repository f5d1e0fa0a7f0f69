"""Networks that learn scores: many members side by side, trained together as one batched model.

A network has `members`: independent networks of one architecture.  Those of a `ResidualPerceptron` are one set of
batched matrices; an `ImageUNet` has one member (`image_unet`).  Weights start from numbers drawn by address, never from
torch's global generator.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import nn

from .settings import ImageUNet, ResidualPerceptron

# Normals (members, count) by address, what weights are made of.
Draw = Callable[[int], torch.Tensor]


class ScoreNetwork(nn.Module):
    """A network of several members.

    Attributes
    ----------
    members : int
        How many.
    """

    members: int

    def forward(self, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        """Return the outputs (members, n, d) for x (members, n, d) float32 and log sigma (members, n)."""
        raise NotImplementedError

    def one(self, member: int, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        """Return the output of one member for x (n, d) and log sigma (n,)."""
        raise NotImplementedError

    def several(self, members: slice, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        """Return the outputs of consecutive members for x (members, n, d) and log sigma (members, n)."""
        numbers = range(*members.indices(self.members))
        return torch.stack([self.one(number, x[i], level[i]) for i, number in enumerate(numbers)])


class CustomArchitecture(Protocol):
    """What else a network can be made from: JSON values, and the network for a number of members and a dimension."""

    def describe(self) -> dict[str, Any]: ...
    def build(self, members: int, dimension: int, draw: Draw, device: torch.device) -> ScoreNetwork: ...


Architecture = ResidualPerceptron | ImageUNet | CustomArchitecture


class Perceptrons(ScoreNetwork):
    """The members of a ResidualPerceptron: every parameter has the member in front.

    Parameters
    ----------
    architecture : ResidualPerceptron
    members, dimension : int
    draw : function
        Normals (members, count) that the weights are made of.
    device : torch.device
    """

    def __init__(
        self,
        architecture: ResidualPerceptron,
        members: int,
        dimension: int,
        draw: Draw,
        device: torch.device,
    ) -> None:
        super().__init__()
        self.members = members
        width, levels = architecture.width, 2 * architecture.frequencies

        def weights(rows: int, columns: int, gain: float = 1.0) -> nn.Parameter:
            values = draw(rows * columns).view(members, rows, columns)
            return nn.Parameter((gain / math.sqrt(rows) * values).to(device=device, dtype=torch.float32))

        def zeros(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(members, *shape, dtype=torch.float32, device=device))

        blocks = range(architecture.blocks)
        self.enter, self.enter_bias = weights(dimension, width), zeros(1, width)
        self.inner = nn.ParameterList([weights(width, width) for _ in blocks])
        self.timed = nn.ParameterList([weights(levels, width) for _ in blocks])
        self.inner_bias = nn.ParameterList([zeros(1, width) for _ in blocks])
        # Small, so that blocks begin near the identity.
        self.outer = nn.ParameterList([weights(width, width, 0.1) for _ in blocks])
        self.leave = zeros(width, dimension)
        # torch's own buffer: not learned, moved with the module.
        octaves = torch.arange(architecture.frequencies, dtype=torch.float32, device=device)
        self.register_buffer("octaves", 2.0 * math.pi / 40.0 * 2.0**octaves, persistent=False)

    def forward(self, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        return self._apply_layers(x, level, slice(None))

    def one(self, member: int, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        return self._apply_layers(x[None], level[None], slice(member, member + 1))[0]

    def several(self, members: slice, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        return self._apply_layers(x, level, members)

    def _apply_layers(self, x: torch.Tensor, level: torch.Tensor, selected: slice) -> torch.Tensor:
        phase = level[..., None] * self.octaves
        waves = torch.cat([phase.sin(), phase.cos()], dim=-1)
        h = torch.baddbmm(self.enter_bias[selected], x, self.enter[selected])
        layers = zip(self.inner, self.timed, self.inner_bias, self.outer, strict=True)
        for inner, timed, bias, outer in layers:
            y = torch.baddbmm(bias[selected], nn.functional.layer_norm(h, h.shape[-1:]), inner[selected])
            y = nn.functional.silu(torch.baddbmm(y, waves, timed[selected]))
            h = torch.baddbmm(h, y, outer[selected])
        return torch.bmm(h, self.leave[selected])


def parameter_count(network: ScoreNetwork) -> int:
    """Return the number of learned values of one member."""
    return sum(p.numel() for p in network.parameters()) // network.members
