"""The network of an `ImageUNet`: the U-Net of diffusers as a score network of one member, on flattened images."""

from __future__ import annotations

import math

import torch
from torch import nn

from ...core.errors import InputError
from .networks import Draw, ScoreNetwork
from .settings import ImageUNet


class ImageNetwork(ScoreNetwork):
    """An ImageUNet as a network of one member.

    Parameters
    ----------
    architecture : ImageUNet
    members, dimension : int
        1, and the number of entries of an image.
    draw : function
        Normals (1, count) that the weights are made of.
    device : torch.device

    Raises
    ------
    InputError
        If there is more than one member, or images do not have `dimension` entries.
    ImportError
        If diffusers is not installed.
    """

    def __init__(
        self, architecture: ImageUNet, members: int, dimension: int, draw: Draw, device: torch.device
    ) -> None:
        if members != 1:
            raise InputError(f"runs must be 1 with an ImageUNet, which has one member, got {members!r}.")
        if dimension != math.prod(architecture.shape):
            raise InputError(
                f"shape must have as many entries as the dimension, {dimension}, got {architecture.shape!r}."
            )
        super().__init__()
        self.members = 1
        self._shape, self._rows = architecture.shape, architecture.rows
        on_gpu = device.type == "cuda"
        self._half = architecture.precision == "bfloat16" or (architecture.precision == "auto" and on_gpu)
        self.unet = _make_unet(architecture, device)
        _fill(self.unet, draw)
        if architecture.compiled == "yes" or (architecture.compiled == "auto" and on_gpu):
            self.unet.compile()

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
            out = self.unet(images, 25.0 * level).sample
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
    # Not its own `to`, which warns of layers for half precision even where there are none.
    return nn.Module.to(unet, torch.float32).to_empty(device=device)


@torch.no_grad()
def _fill(unet: nn.Module, draw: Draw) -> None:
    """Weights of variance 1/fan-in, biases 0, norms 1; what adds to the stream starts small, the last layer at 0."""
    for name, parameter in unet.named_parameters():
        module, _, kind = name.rpartition(".")
        if kind == "bias":
            parameter.zero_()
        elif parameter.ndim == 1:
            parameter.fill_(1.0)
        elif module == "conv_out":
            parameter.zero_()
        else:
            gain = 0.1 if module.endswith(("conv2", "to_out.0")) else 1.0
            values = draw(parameter.numel()).view(parameter.shape)
            parameter.copy_(gain / math.sqrt(parameter[0].numel()) * values)
