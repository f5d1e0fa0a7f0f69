"""How learned scores are made: training, architectures, checkpoints and addresses, as plain values without torch.

`networks` and `image_unet` build networks from the architectures here; `training` trains them.
"""

from __future__ import annotations

import math
import os
import time
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from ...core import checks
from ...core.errors import InputError


@dataclass(frozen=True)
class Training:
    """How networks are trained: AdamW, a warm-up, a cosine, and a stop when held-out points gain nothing.

    Attributes
    ----------
    samples : int
        Training points of each run and round, drawn from the round's training law; >= 4.
    held_out : float
        Share of them that decides when to stop, in (0, 1).
    steps, batch : int
        At most so many optimiser steps, on so many points each.
    learning_rate : float
        Of AdamW, reached after `warmup` (a share of the steps), then a cosine down to 0.
    warmup : float
        Share of the steps over which the learning rate rises, in (0, 1).
    weight_decay : float
        Of AdamW, >= 0.
    averaging : float
        Power of the step in the running average of the weights, > 0.
    check : int
        Steps between two evaluations of the held-out loss.
    patience : int
        A member stops to improve after so many evaluations without a better loss; the best average is used.
    location, width : float
        Mean and standard deviation of log(sigma / spread) before it is cut; width > 0.

    Examples
    --------
    >>> training = Training(steps=1000, warmup=0.1, learning_rate=1e-3)
    >>> [round(training.rate_at(step), 6) for step in (0, 99, 550)]
    [1e-05, 0.001, 0.0005]
    """

    samples: int = 50_000
    held_out: float = 0.1
    steps: int = 4000
    batch: int = 1024
    learning_rate: float = 2e-3
    warmup: float = 0.05
    weight_decay: float = 0.0
    averaging: float = 7.0
    check: int = 200
    patience: int = 10
    location: float = -0.6
    width: float = 1.5

    def __post_init__(self) -> None:
        for key, least in (("samples", 4), ("steps", 1), ("batch", 1), ("check", 1), ("patience", 1)):
            checks.keep(self, checks.integer, key, minimum=least)
        checks.keep(self, checks.positive, "learning_rate", "averaging", "width")
        for key in ("held_out", "warmup"):
            checks.keep(self, checks.fraction, key)
            if not 0.0 < getattr(self, key) < 1.0:
                raise InputError(f"{key} must be in (0, 1), got {getattr(self, key)!r}.")
        checks.keep(self, checks.real, "location")
        checks.keep(self, checks.nonnegative, "weight_decay")
        if not 1 <= self.held_out_count < self.samples:
            raise InputError(
                f"held_out must leave points on both sides, got {self.held_out!r} of {self.samples}."
            )

    @property
    def held_out_count(self) -> int:
        """Number of held-out points."""
        return round(self.held_out * self.samples)

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return asdict(self)

    def rate_at(self, step: int) -> float:
        """Return the learning rate of step 0, 1, ..."""
        rise = max(1.0, self.warmup * self.steps)
        if step < rise:
            return self.learning_rate * (step + 1.0) / rise
        share = (step - rise) / max(1.0, self.steps - rise)
        return 0.5 * self.learning_rate * (1.0 + math.cos(math.pi * share))

    def averaging_share(self, step: int) -> float:
        """Return the share of the current weights in their running average after step 1, 2, ...

        Weights of step s then count in proportion to about s^averaging (arXiv:2312.02696).
        """
        return 1.0 - (1.0 - 1.0 / step) ** (self.averaging + 1.0)


@dataclass(frozen=True)
class ResidualPerceptron:
    """A perceptron with residual blocks, the level entering every block.

        h = W x;   h <- h + B silu(A normalise(h) + C e(log sigma)), block by block;   F = V h

    Attributes
    ----------
    width : int
        Of the hidden layers, >= 1.
    blocks : int
        Number of residual blocks, >= 1.
    frequencies : int
        e consists of sines and cosines of log sigma at so many octaves, from one period in 40 units up.

    Examples
    --------
    >>> ResidualPerceptron(width=64).describe()
    {'name': 'residual_perceptron', 'width': 64, 'blocks': 3, 'frequencies': 8}
    """

    width: int = 128
    blocks: int = 3
    frequencies: int = 8

    name: ClassVar[str] = "residual_perceptron"

    def __post_init__(self) -> None:
        checks.keep(self, checks.integer, "width", "blocks", "frequencies", minimum=1)

    def describe(self) -> dict[str, Any]:
        """Return the architecture as JSON values."""
        return {"name": self.name, **asdict(self)}


@dataclass(frozen=True)
class ImageUNet:
    """The `UNet2DModel` of diffusers on images of one size; one member.

    Attributes
    ----------
    shape : tuple of int
        (channels, height, width); height and width divisible by 2^(len(widths) - 1).
    widths : tuple of int
        Channels of each resolution, each divisible by `groups`.
    layers : int
        Residual blocks of each resolution, >= 1.
    attention : bool
        Whether the lowest resolution attends to itself.
    groups : int
        Of the group normalisation.
    dropout : float
        In [0, 1), in the residual blocks.
    rows : int
        Images evaluated at once when sampling.
    precision : str
        "float32", "bfloat16", or "auto": bfloat16 on a GPU, float32 on a CPU.
    compiled : str
        "yes", "no", or "auto": torch.compile on a GPU only.

    Notes
    -----
    On a GPU the sums of convolutions have no fixed order: runs repeat to rounding, not to the byte.  On 28 x 28,
    widths (24, 48, 64) make 0.87 million parameters, (32, 64) 0.70 million.

    Examples
    --------
    >>> ImageUNet((1, 28, 28), widths=(24, 48, 64)).widths
    (24, 48, 64)
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
        checks.keep(self, checks.integer, "layers", "groups", "rows", minimum=1)
        checks.one_of(self.precision, ("auto", "float32", "bfloat16"), "precision")
        checks.one_of(self.compiled, ("auto", "yes", "no"), "compiled")
        checks.keep(self, checks.share, "dropout")
        if self.dropout == 1.0:
            raise InputError(f"dropout must be in [0, 1), got {self.dropout!r}.")
        if any(width % self.groups for width in self.widths):
            raise InputError(f"widths must be divisible by groups = {self.groups}, got {self.widths!r}.")
        halvings = 2 ** (len(self.widths) - 1)
        if len(self.shape) != 3 or self.shape[1] % halvings or self.shape[2] % halvings:
            raise InputError(
                f"shape must be (channels, height, width), the last two divisible by {halvings}, got {self.shape!r}."
            )

    def describe(self) -> dict[str, Any]:
        """Return the architecture as JSON values."""
        return {"name": self.name, **asdict(self)}


@dataclass(frozen=True)
class Address:
    """Where the random numbers of one member come from."""

    seed: int
    run: int
    round_index: int


class TrainingPaused(RuntimeError):
    """The time allowed for this call is over: the state is on the disk, and the same call continues."""


@dataclass(frozen=True)
class Checkpoints:
    """Where a training in progress is written, and when it pauses.

    Attributes
    ----------
    folder : path
        For the state of the round in training.
    seconds : float
        Between two checkpoints; the deadline is looked at after every step.
    deadline : float or None
        `time.monotonic()` after which `TrainingPaused` is raised, None for never.

    Examples
    --------
    >>> Checkpoints("states", deadline=0.0).is_over(1.0)
    True
    """

    folder: str | os.PathLike[str]
    seconds: float = 60.0
    deadline: float | None = None

    @classmethod
    def for_minutes(cls, folder: str | os.PathLike[str], minutes: float) -> Checkpoints:
        """Return checkpoints whose deadline is so many minutes from now."""
        return cls(folder, deadline=time.monotonic() + 60.0 * checks.positive(minutes, "minutes"))

    def is_over(self, now: float) -> bool:
        """Return whether the deadline has passed at `time.monotonic()` = now."""
        return self.deadline is not None and now > self.deadline
