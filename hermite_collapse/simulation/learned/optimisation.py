"""One training under way: batches by address, optimiser steps, looks at the held-out points, and its state on the disk.

The loss and its notation are those of `training`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ...core.errors import ConvergenceError, InputError
from ...storage import folder as runfolder
from ..noise import _seed_from as seed_from
from ..scores import Level
from .networks import Architecture, Preconditioning

if TYPE_CHECKING:
    from .training import Address, Checkpoints, Training

# Places in the stream of a round: initial weights, held-out noise, then one for each step.
_WEIGHTS, _HELD_OUT, _FIRST_STEP = 0, 1, 2


class Levels:
    """Levels of a batch: log sigma normal with a location for each member, cut at both ends, stratified."""

    def __init__(self, location: torch.Tensor, width: float, bottom: torch.Tensor, top: torch.Tensor) -> None:
        self._location, self._width = location[:, None], width
        self._low = torch.special.ndtr((bottom - location) / width)[:, None]
        self._high = torch.special.ndtr((top - location) / width)[:, None]

    def at(self, shift: torch.Tensor, count: int) -> torch.Tensor:
        """log sigma (members, count), one from each of `count` strata of equal probability; shift (members,)."""
        strata = torch.arange(count, dtype=torch.float64, device=shift.device)
        share = (strata + shift[:, None]) / count
        return self._location + self._width * torch.special.ndtri(
            self._low + (self._high - self._low) * share
        )


class TrainingJob:
    """A training under way."""

    _ARRAYS: ClassVar[tuple[str, ...]] = ("live", "average", "best", "first", "second")

    def __init__(
        self,
        points: torch.Tensor,
        architecture: Architecture,
        training: Training,
        addresses: tuple[Address, ...],
        shortest: Sequence[float],
        horizon: float,
        rate: float,
    ) -> None:
        self.training, self.addresses = training, addresses
        self._settings = repr(
            (architecture.describe(), training.describe(), addresses, list(shortest), horizon, rate)
        )
        self.device = points.device
        members, count, dimension = points.shape
        split = count - training.held_out_count
        self._points = points.to(torch.float32)
        self._split = split
        self.preconditioning = Preconditioning.of(points[:, :split])
        streams = [a.stream(_WEIGHTS, 1, torch.device("cpu")) for a in addresses]

        def draw(size: int) -> torch.Tensor:
            return torch.cat([stream.normal(size) for stream in streams])

        self.network = architecture.build(members, dimension, draw, self.device)
        self.parameters = list(self.network.parameters())
        spread = self.preconditioning.spread
        ends = [
            [math.log(Level.at(t, rate).sigma) for t in times] for times in (shortest, [horizon] * members)
        ]
        bottom, top = torch.tensor(ends, dtype=torch.float64, device=self.device)
        self._levels = Levels(spread.log() + training.location, training.width, bottom, top)
        self.live = self.parameters
        self.average = [p.detach().clone() for p in self.parameters]
        self.best = [p.detach().clone() for p in self.parameters]
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        self.step = 0
        self.losses: list[NDArray[np.float64]] = []
        self._held_out = self._fixed_batch()

    @property
    def finished(self) -> bool:
        """Whether all steps are done, or every member has been without a better loss for too long."""
        if self.step >= self.training.steps:
            return True
        if len(self.losses) <= self.training.patience:
            return False
        best_look = np.argmin(np.stack(self.losses), axis=0)
        return bool((len(self.losses) - 1 - best_look >= self.training.patience).all())

    def advance(self) -> None:
        """One optimiser step, and a look at the held-out points when it is time."""
        self.network.train()
        size = self.training.batch
        chosen, z, log_sigma = self._batch(size)
        clean = torch.stack([p[: self._split][c] for p, c in zip(self._points, chosen, strict=True)])
        with self._dropout():
            loss = self._loss(clean, z, log_sigma).mean(dim=(1, 2)).sum()
            gradients = torch.autograd.grad(loss, self.parameters)
        self._update(gradients)
        self.step += 1
        if self.step % self.training.check == 0 or self.step == self.training.steps:
            self._look()

    @contextmanager
    def _dropout(self) -> Iterator[None]:
        """Dropout draws from torch's global generators: lend them a seed of this step, and put them back."""
        if not any(isinstance(module, nn.Dropout) and module.p > 0.0 for module in self.network.modules()):
            yield
            return
        first = self.addresses[0]
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed_from(first.seed, first.run, first.round_index, self.step))
            yield

    def _batch(self, size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Points, noise and levels of one step, (members, size, ...)."""
        dimension = self._points.shape[2]
        streams = [a.stream(_FIRST_STEP + self.step, size, self.device) for a in self.addresses]
        uniforms = torch.stack([stream.uniform(2) for stream in streams])
        chosen = (uniforms[:, :, 0] * self._split).long().clamp_(max=self._split - 1)
        z = torch.stack([stream.normal(dimension) for stream in streams]).to(torch.float32)
        return chosen, z, self._levels.at(uniforms[:, 0, 1], size)

    def _fixed_batch(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Held-out points with noise and levels that stay the same from look to look."""
        members, count, dimension = self._points.shape
        size = min(count - self._split, 8192)
        streams = [a.stream(_HELD_OUT, size, self.device) for a in self.addresses]
        z = torch.stack([stream.normal(dimension) for stream in streams]).to(torch.float32)
        shift = torch.full((members,), 0.5, dtype=torch.float64, device=self.device)
        return self._points[:, self._split : self._split + size], z, self._levels.at(shift, size)

    def _loss(self, clean: torch.Tensor, z: torch.Tensor, log_sigma: torch.Tensor) -> torch.Tensor:
        """Squared errors (members, n, d)."""
        sigma = log_sigma.exp().to(torch.float32)[..., None]
        spread = self.preconditioning.spread.to(torch.float32)[:, None, None]
        n = torch.sqrt(sigma**2 + spread**2)
        centred = clean - self.preconditioning.mean.to(torch.float32)[:, None]
        output = self.network((centred + sigma * z) / n, log_sigma.to(torch.float32))
        return (output - (sigma / spread * centred - spread * z) / n).square()

    @torch.no_grad()
    def _update(self, gradients: Sequence[torch.Tensor]) -> None:
        """AdamW (arXiv:1711.05101), then the running average."""
        t, rate = self.step + 1, self.training.rate_at(self.step)
        decay = 1.0 - rate * self.training.weight_decay
        one, two = 1.0 - 0.9**t, 1.0 - 0.999**t
        keep = (1.0 - 1.0 / t) ** (self.training.averaging + 1.0)
        for p, g, m, v, mean in zip(
            self.parameters, gradients, self.first, self.second, self.average, strict=True
        ):
            m.lerp_(g, 0.1)
            v.mul_(0.999).addcmul_(g, g, value=0.001)
            p.mul_(decay).addcdiv_(m / one, (v / two).sqrt_().add_(1e-8), value=-rate)
            mean.lerp_(p, 1.0 - keep)

    @torch.no_grad()
    def _look(self) -> None:
        """The held-out loss of the averages; the best of each member is kept."""
        live = [p.detach().clone() for p in self.parameters]
        self._load(self.average)
        self.network.eval()
        clean, z, log_sigma = self._held_out
        rows = max(1, (1 << 22) // (clean.shape[0] * clean.shape[2]))
        parts = [
            self._loss(clean[:, i : i + rows], z[:, i : i + rows], log_sigma[:, i : i + rows]).sum(dim=(1, 2))
            for i in range(0, clean.shape[1], rows)
        ]
        loss = torch.stack(parts).double().sum(0).cpu().numpy() / (clean.shape[1] * clean.shape[2])
        self._load(live)
        if not np.isfinite(loss).all():
            raise ConvergenceError(
                f"The training of round {self.addresses[0].round_index} must keep a finite loss, got "
                f"{float(loss[~np.isfinite(loss)][0])!r} after step {self.step}: lower learning_rate.",
                value=float(np.max(loss)),
                bound=math.inf,
            )
        before = np.min(self.losses, axis=0) if self.losses else np.full_like(loss, np.inf)
        better = torch.as_tensor(loss < before, device=self.device)
        for best, mean in zip(self.best, self.average, strict=True):
            # One member's parameters have no axis of members in front, and need none.
            chosen = better.view(-1, *[1] * (mean.ndim - 1)) if len(better) > 1 else better.view([])
            best.copy_(torch.where(chosen, mean, best))
        self.losses.append(loss)

    @torch.no_grad()
    def _load(self, values: Sequence[torch.Tensor]) -> None:
        for p, value in zip(self.parameters, values, strict=True):
            p.copy_(value)

    def load_best(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Put the best averages into the network; the losses of all looks, and the steps they were taken after."""
        self._load(self.best)
        self.network.eval()
        looks = np.stack(self.losses)
        return looks, np.minimum(self.training.check * np.arange(1, len(looks) + 1), self.step)

    def _file(self, checkpoints: Checkpoints) -> Path:
        first = self.addresses[0]
        return Path(checkpoints.folder) / f"training-{first.seed}-{first.run}-{first.round_index:05d}.npz"

    def keep(self, checkpoints: Checkpoints) -> None:
        """Write the state, atomically; those of earlier rounds have done their service."""
        path = self._file(checkpoints)
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {
            f"{name}-{i:04d}": t.detach().cpu().numpy()
            for name in self._ARRAYS
            for i, t in enumerate(getattr(self, name))
        }
        arrays["losses"] = np.reshape(self.losses, (-1, len(self.addresses)))
        arrays["step"], arrays["job"] = np.array([self.step]), self._digest()
        runfolder.write_arrays(path, arrays)
        series = path.name.rpartition("-")[0]
        for other in path.parent.glob(f"{series}-*.npz"):
            if other.name < path.name:
                other.unlink()

    def _digest(self) -> NDArray[np.uint8]:
        """What tells this training from any other: its settings and its points."""
        digest = hashlib.sha256(self._settings.encode())
        digest.update(np.ascontiguousarray(self._points.cpu().numpy()).tobytes())
        return np.frombuffer(digest.digest(), dtype=np.uint8)

    @torch.no_grad()
    def resume(self, checkpoints: Checkpoints | None) -> None:
        """Take up the state that `keep` wrote for this round, if there is one."""
        if checkpoints is None or not self._file(checkpoints).exists():
            return
        path = self._file(checkpoints)
        stored = runfolder.read_arrays(path)
        if not np.array_equal(stored.get("job", np.empty(0)), self._digest()):
            raise InputError(f"folder must hold the state of this training, got another's in {str(path)!r}.")
        for name in self._ARRAYS:
            for i, tensor in enumerate(getattr(self, name)):
                tensor.copy_(torch.as_tensor(stored[f"{name}-{i:04d}"]))
        self.step = int(stored["step"][0])
        self.losses = list(stored["losses"])
