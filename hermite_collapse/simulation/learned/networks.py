"""Networks that learn scores: many members side by side, and the preconditioning that turns an output into a denoiser.

With X_t = a X_0 + s Z, s = sqrt(v), data of mean mu and mean variance d^2 a coordinate, and n = sqrt(s^2 + a^2 d^2),

    D(x, t) = mu + (a d^2 / n^2) (x - a mu) + (s d / n) F((x - a mu) / n, log sigma),         sigma = s / a.

This is the preconditioning of arXiv:2206.00364 carried to Ornstein-Uhlenbeck time: the network F sees inputs of
variance 1, is asked for outputs of variance 1 at every level,

    F* = ((s/d) (X_0 - mu) - a d Z) / n,

and its errors are scaled down where the answer is known, at both ends.  F = 0 is the exact denoiser of N(mu, d^2 I).

A network has `members`: independent networks of one architecture, trained together.  Those of `ResidualPerceptron` are
one set of batched matrices; an `ImageUNet` has one member.  Weights start from numbers drawn by address, never from
torch's global generator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import nn

from ...core import checks
from ...core.errors import InputError
from ..scores import Level

# Normals (members, count) by address, what weights are made of.
Draw = Callable[[int], torch.Tensor]


class Network(Protocol):
    """A network of several members.

    members : how many.
    __call__(x, level) : x (members, n, d) float32 and log sigma (members, n) -> (members, n, d).
    one(member, x, level) : the same for one member, x (n, d) and level (n,).
    """

    members: int

    def __call__(self, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor: ...
    def one(self, member: int, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor: ...


class Architecture(Protocol):
    """What a network is made from: JSON values, and the network for a number of members and a dimension."""

    def describe(self) -> dict[str, Any]: ...
    def build(self, members: int, dimension: int, draw: Draw, device: torch.device) -> nn.Module: ...


@dataclass(frozen=True)
class ResidualPerceptron:
    """A perceptron with residual blocks, the level entering every block.

        h = W x;   h <- h + B silu(A normalise(h) + C e(log sigma)), block by block;   F = V h

    Attributes
    ----------
    width : of the hidden layers.
    blocks : how many.
    frequencies : e consists of sines and cosines of log sigma at so many octaves, from one period in 40 units up.
    """

    width: int = 128
    blocks: int = 3
    frequencies: int = 8

    name: ClassVar[str] = "residual_perceptron"

    def __post_init__(self) -> None:
        for key in ("width", "blocks", "frequencies"):
            checks.integer(getattr(self, key), key, minimum=1)

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, **asdict(self)}

    def build(self, members: int, dimension: int, draw: Draw, device: torch.device) -> nn.Module:
        return _Perceptrons(self, members, dimension, draw, device)


class _Perceptrons(nn.Module):
    """The members of a ResidualPerceptron: every parameter has the member in front."""

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
            return nn.Parameter(torch.zeros(members, *shape, device=device))

        blocks = range(architecture.blocks)
        self.enter, self.enter_bias = weights(dimension, width), zeros(1, width)
        self.inner = nn.ParameterList([weights(width, width) for _ in blocks])
        self.timed = nn.ParameterList([weights(levels, width) for _ in blocks])
        self.inner_bias = nn.ParameterList([zeros(1, width) for _ in blocks])
        # Small, so that blocks begin near the identity.
        self.outer = nn.ParameterList([weights(width, width, 0.1) for _ in blocks])
        self.leave = zeros(width, dimension)
        # torch's own buffer: not learned, moved with the module.
        octaves = 2.0 * math.pi / 40.0 * 2.0 ** torch.arange(architecture.frequencies, device=device)
        self.register_buffer("octaves", octaves, persistent=False)

    def forward(self, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        return self._apply_layers(x, level, slice(None))

    def one(self, member: int, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        return self._apply_layers(x[None], level[None], slice(member, member + 1))[0]

    def _apply_layers(self, x: torch.Tensor, level: torch.Tensor, chosen: slice) -> torch.Tensor:
        phase = level[..., None] * self.octaves
        waves = torch.cat([phase.sin(), phase.cos()], dim=-1)
        h = torch.baddbmm(self.enter_bias[chosen], x, self.enter[chosen])
        layers = zip(self.inner, self.timed, self.inner_bias, self.outer, strict=True)
        for inner, timed, bias, outer in layers:
            y = torch.baddbmm(bias[chosen], nn.functional.layer_norm(h, h.shape[-1:]), inner[chosen])
            y = nn.functional.silu(torch.baddbmm(y, waves, timed[chosen]))
            h = torch.baddbmm(h, y, outer[chosen])
        return torch.bmm(h, self.leave[chosen])


@dataclass(frozen=True)
class ImageUNet:
    """The `UNet2DModel` of diffusers on images of one size; one member.

    Attributes
    ----------
    shape : (channels, height, width); height and width divisible by 2^(len(widths) - 1).
    widths : channels of each resolution, each divisible by `groups`.
    layers : residual blocks of each resolution.
    attention : whether the lowest resolution attends to itself.
    groups : of the group normalisation.
    dropout : in [0, 1), in the residual blocks.
    rows : images evaluated at once when sampling.
    precision, compiled : "auto" is bfloat16 and torch.compile on a GPU, float32 without compilation on a CPU.

    On a GPU the sums of convolutions have no fixed order: runs repeat to rounding, not to the byte.

    On 28 x 28, widths (24, 48, 64) make 0.87 million parameters, (32, 64) 0.70 million.
    """

    shape: tuple[int, int, int]
    widths: tuple[int, ...] = (32, 64)
    layers: int = 1
    attention: bool = True
    groups: int = 8
    dropout: float = 0.0
    rows: int = 1024
    precision: str = "auto"
    compiled: str = "auto"

    name: ClassVar[str] = "image_unet"

    def __post_init__(self) -> None:
        for key in ("layers", "groups", "rows"):
            checks.integer(getattr(self, key), key, minimum=1)
        checks.one_of(self.precision, ("auto", "float32", "bfloat16"), "precision")
        checks.one_of(self.compiled, ("auto", "yes", "no"), "compiled")
        if any(width % self.groups for width in self.widths):
            raise InputError(f"widths must be divisible by groups = {self.groups}, got {self.widths!r}.")
        halvings = 2 ** (len(self.widths) - 1)
        if len(self.shape) != 3 or self.shape[1] % halvings or self.shape[2] % halvings:
            raise InputError(
                f"shape must be (channels, height, width), the last two divisible by {halvings}, got {self.shape!r}."
            )

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, **asdict(self)}

    def build(self, members: int, dimension: int, draw: Draw, device: torch.device) -> nn.Module:
        if members != 1:
            raise InputError(f"runs must be 1 with an ImageUNet, which has one member, got {members!r}.")
        if dimension != math.prod(self.shape):
            raise InputError(
                f"shape must have as many entries as the dimension, {dimension}, got {self.shape!r}."
            )
        return _OneUNet(self, draw, device)


class _OneUNet(nn.Module):
    """An ImageUNet as a network of one member, on flattened images."""

    def __init__(self, architecture: ImageUNet, draw: Draw, device: torch.device) -> None:
        super().__init__()
        self.members = 1
        self._shape, self._rows = architecture.shape, architecture.rows
        on_gpu = device.type == "cuda"
        self._half = architecture.precision == "bfloat16" or (architecture.precision == "auto" and on_gpu)
        unet = _make_unet(architecture, device)
        _fill(unet, draw)
        self.unet = unet
        wanted = architecture.compiled == "yes" or (architecture.compiled == "auto" and on_gpu)
        # A list keeps the compiled copy out of the module's own parameters.
        self._callable = [torch.compile(unet) if wanted else unet]

    def forward(self, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        return self._evaluate(x[0], level[0])[None]

    def one(self, member: int, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        parts = [
            self._evaluate(x[start : start + self._rows], level[start : start + self._rows])
            for start in range(0, x.shape[0], self._rows)
        ]
        return torch.cat(parts)

    def _evaluate(self, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        images = x.view(-1, *self._shape)
        # The embedding is made for steps up to 1000; log sigma runs from about -6 to 6.
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=self._half):
            out = self._callable[0](images, 25.0 * level).sample
        return out.float().reshape(x.shape)


def _make_unet(architecture: ImageUNet, device: torch.device) -> nn.Module:
    try:
        from diffusers import UNet2DModel
    except ImportError:
        raise ImportError(
            'Image networks need diffusers, which is not installed: pip install "hermite_collapse[images]".'
        ) from None
    channels, height, width = architecture.shape
    count = len(architecture.widths)
    attending = architecture.attention
    with torch.device("meta"):  # shapes only: no number is drawn from the global generator
        unet = UNet2DModel(
            sample_size=(height, width),
            in_channels=channels,
            out_channels=channels,
            block_out_channels=architecture.widths,
            down_block_types=("DownBlock2D",) * (count - 1)
            + (("AttnDownBlock2D",) if attending else ("DownBlock2D",)),
            up_block_types=(("AttnUpBlock2D",) if attending else ("UpBlock2D",))
            + ("UpBlock2D",) * (count - 1),
            layers_per_block=architecture.layers,
            norm_num_groups=architecture.groups,
            attention_head_dim=8,
            dropout=architecture.dropout,
            add_attention=attending,
        )
    return unet.to_empty(device=device)


@torch.no_grad()
def _fill(unet: nn.Module, draw: Draw) -> None:
    """Weights of variance 1/fan-in, biases 0, norms 1; what adds to the stream starts small, the last layer at 0."""
    for name, module in unet.named_modules():
        weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
        if bias is not None:
            bias.zero_()
        if weight is None:
            continue
        if weight.ndim == 1:
            weight.fill_(1.0)
        elif name == "conv_out":
            weight.zero_()
        else:
            gain = 0.1 if name.endswith(("conv2", "to_out.0")) else 1.0
            values = draw(weight.numel()).view(weight.shape)
            weight.copy_(gain / math.sqrt(weight[0].numel()) * values)


def parameter_count(network: nn.Module) -> int:
    """Learned numbers of one member."""
    return sum(p.numel() for p in network.parameters()) // network.members  # type: ignore[operator]


@dataclass(frozen=True)
class Preconditioning:
    """Mean mu (members, d) and spread (members,) of the training data, float64, for the module's formulas."""

    mean: torch.Tensor
    spread: torch.Tensor

    @classmethod
    def of(cls, points: torch.Tensor) -> Preconditioning:
        """From training points (members, n, d)."""
        mean = points.mean(dim=1, dtype=torch.float64)
        variance = (points.to(torch.float64) - mean[:, None]).square().mean(dim=(1, 2))
        if not bool((variance > 0.0).all()):
            raise InputError("training points must not all be equal, got a variance of 0.")
        return cls(mean, variance.sqrt())


class NetworkDenoiser:
    """The denoiser of trained members, for rows that belong to given members.

    Parameters
    ----------
    network, preconditioning : of all members.
    chosen : member of each of the consecutive groups of equal size that rows come in.
    rate : of the Ornstein-Uhlenbeck process.

    Float64 outside, float32 in the network.  Groups are evaluated one by one: what a particle sees does not depend on
    what is computed beside it.
    """

    def __init__(
        self, network: Any, preconditioning: Preconditioning, chosen: Sequence[int], *, rate: float = 0.5
    ) -> None:
        self.network, self.preconditioning = network, preconditioning
        self.chosen, self.rate = tuple(chosen), rate

    @torch.no_grad()
    def denoise(self, x: torch.Tensor, time: float) -> torch.Tensor:
        """E[X_0 | X_t = x] as learned, shape (n, d)."""
        level = Level.at(time, self.rate)
        a, v = level.scale, level.variance
        result = torch.empty_like(x)
        size = x.shape[0] // len(self.chosen)
        for place, member in enumerate(self.chosen):
            rows = slice(place * size, (place + 1) * size)
            mean, spread = self.preconditioning.mean[member], float(self.preconditioning.spread[member])
            n = math.sqrt(v + (a * spread) ** 2)
            centred = x[rows] - a * mean
            where = torch.full((size,), math.log(level.sigma), dtype=torch.float32, device=x.device)
            out = self.network.one(member, (centred / n).to(torch.float32), where)
            result[rows] = mean + (a * spread**2 / n**2) * centred + (math.sqrt(v) * spread / n) * out
        return result
