"""One training under way: batches by address, optimiser steps, the held-out loss, and its state on the disk.

The loss and its notation are those of `training`.  The optimiser is torch's AdamW and the running average torch's
`AveragedModel`: both act entry by entry, so that members stacked in one parameter train as if each were alone.  Three
things are done here because torch has them for a single network only:

    levels    a cut normal, stratified over the batch, whose ends and location differ between members
    batches   of addressed random numbers, equal after an interruption and for any number of members beside
    best      each member's best average by its own held-out loss, selected within the stacked parameters
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.optim.swa_utils import AveragedModel

from ...core.errors import ConvergenceError, InputError
from ...core.types import FloatArray, IntArray
from ...storage.folder import array_bytes, read_arrays
from ...storage.written import WrittenFiles
from ..noise import NoiseStream, member_of, pieces_of_run, seed_from
from ..scores import Level
from .denoiser import Preconditioning
from .image_unet import ImageNetwork
from .networks import Architecture, Draw, Perceptrons, ScoreNetwork
from .settings import Address, Checkpoints, ImageUNet, ResidualPerceptron, Training

# Held-out points that are evaluated at most.
_MOST_HELD_OUT = 8192


def build_network(
    architecture: Architecture, members: int, dimension: int, draw: Draw, device: torch.device
) -> ScoreNetwork:
    """Return the network of an architecture, its weights made of `draw`."""
    if isinstance(architecture, ResidualPerceptron):
        return Perceptrons(architecture, members, dimension, draw, device)
    if isinstance(architecture, ImageUNet):
        return ImageNetwork(architecture, members, dimension, draw, device)
    return architecture.build(members, dimension, draw, device)


class Levels:
    """Levels of a batch: log sigma normal with a location for each member, cut at both ends, stratified."""

    def __init__(self, location: torch.Tensor, width: float, bottom: torch.Tensor, top: torch.Tensor) -> None:
        self._location, self._width = location[:, None], width
        self._low = torch.special.ndtr((bottom - location) / width)[:, None]
        self._high = torch.special.ndtr((top - location) / width)[:, None]

    def at(self, shift: torch.Tensor, count: int) -> torch.Tensor:
        """Return log sigma (members, count), one from each of `count` equally probable strata; shift (members,)."""
        strata = torch.arange(count, dtype=torch.float64, device=shift.device)
        share = (strata + shift[:, None]) / count
        return self._location + self._width * torch.special.ndtri(
            self._low + (self._high - self._low) * share
        )


class TrainingJob:
    """A training under way.

    Parameters
    ----------
    points : tensor, shape (members, n, d)
        In random order; the last ones are held out.
    architecture, training, addresses, shortest, horizon, rate
        As for `training.train_scores`.
    """

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
        self._split = count - training.held_out_count
        # A copy: points may have been made in inference mode, where autograd cannot use them.
        self._points = points.to(torch.float32, copy=True)
        self.preconditioning = Preconditioning.of(points[:, : self._split])
        streams = self._streams("weights", 1, torch.device("cpu"))

        def draw(size: int) -> torch.Tensor:
            return torch.cat([stream.normal(size) for stream in streams])

        self.network = build_network(architecture, members, dimension, draw, self.device)
        self._has_dropout = any(
            isinstance(module, torch.nn.Dropout) and module.p > 0.0 for module in self.network.modules()
        )
        spread = self.preconditioning.spread
        ends = [
            [math.log(Level.at(t, rate).sigma) for t in times] for times in (shortest, [horizon] * members)
        ]
        bottom, top = torch.tensor(ends, dtype=torch.float64, device=self.device)
        self._levels = Levels(spread.log() + training.location, training.width, bottom, top)
        self.step = 0
        self._batches: list[NoiseStream] = []
        self.losses: list[FloatArray] = []
        self._optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=training.learning_rate,
            weight_decay=training.weight_decay,
            fused=True,
        )
        with torch.device("cpu"):  # its count of updates, which a GPU would have to be waited for
            self._average = AveragedModel(self.network, multi_avg_fn=self._mix)
        self._average.eval()
        self._best = [p.detach().clone() for p in self.network.parameters()]
        self._held_out = self._fixed_batch()

    def _streams(
        self, purpose: str, rows: int, device: torch.device, first_draw: int = 0
    ) -> list[NoiseStream]:
        """Random numbers of one purpose, in the order of the members: one stream for those of one seed and round."""
        together = itertools.groupby(self.addresses, key=lambda address: (address.seed, address.round_index))
        return [
            NoiseStream(
                tuple(piece for address in group for piece in pieces_of_run(address.run, rows)),
                seed=seed,
                round_index=round_index,
                purpose=purpose,
                device=device,
                first_draw=first_draw,
            )
            for (seed, round_index), group in together
        ]

    def _by_member(self, draws: Iterable[torch.Tensor]) -> torch.Tensor:
        """Numbers of all streams as (members, rows, columns)."""
        numbers = torch.cat(list(draws))
        return numbers.view(len(self.addresses), -1, numbers.shape[1])

    @property
    def finished(self) -> bool:
        """Whether all steps are done, or every member has been without a better loss for too long."""
        if self.step >= self.training.steps:
            return True
        if len(self.losses) <= self.training.patience:
            return False
        best = np.argmin(np.stack(self.losses), axis=0)
        return bool((len(self.losses) - 1 - best >= self.training.patience).all())

    def advance(self) -> None:
        """Take one optimiser step, and evaluate the held-out loss when it is time."""
        self.network.train()
        indices, z, log_sigma = self._batch(self.training.batch)
        members = torch.arange(len(self.addresses), device=self.device)[:, None]
        clean = self._points[members, indices]
        for group in self._optimizer.param_groups:
            group["lr"] = self.training.rate_at(self.step)
        self._optimizer.zero_grad()
        with self._dropout():
            self._loss(self.network, clean, z, log_sigma).mean(dim=(1, 2)).sum().backward()
        self._optimizer.step()
        self.step += 1
        self._average.update_parameters(self.network)
        if self.step % self.training.check == 0 or self.step == self.training.steps:
            self._evaluate()

    def _mix(self, averages: Sequence[torch.Tensor], values: Sequence[torch.Tensor], count: object) -> None:
        torch._foreach_lerp_(averages, values, self.training.averaging_share(self.step))

    @contextmanager
    def _dropout(self) -> Iterator[None]:
        """Seed dropout by address: it draws from torch's global generators alone, which are restored afterwards."""
        if not self._has_dropout:
            yield
            return
        first = self.addresses[0]
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed_from(first.seed, first.run, first.round_index, self.step))
            yield

    def _batch(self, size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Points, noise and levels of one step, (members, size, ...)."""
        if not self._batches:  # with the first step after a checkpoint, whose numbers go on from there
            self._batches = self._streams("batches", size, self.device, self.step)
        uniforms = self._by_member(stream.uniform(2) for stream in self._batches)
        z = self._by_member(stream.normal(self._points.shape[2]) for stream in self._batches)
        indices = member_of(uniforms[:, :, 0], self._split)
        return indices, z.to(torch.float32), self._levels.at(uniforms[:, 0, 1], size)

    def _fixed_batch(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Held-out points with noise and levels that are the same in every evaluation."""
        members, count, dimension = self._points.shape
        size = min(count - self._split, _MOST_HELD_OUT)
        streams = self._streams("held out", size, self.device)
        z = self._by_member(stream.normal(dimension) for stream in streams).to(torch.float32)
        shift = torch.full((members,), 0.5, dtype=torch.float64, device=self.device)
        points = self._points[:, self._split : self._split + size]
        return points, z, self._levels.at(shift, size)

    def _loss(
        self, network: ScoreNetwork, clean: torch.Tensor, z: torch.Tensor, log_sigma: torch.Tensor
    ) -> torch.Tensor:
        """Squared errors (members, n, d)."""
        sigma = log_sigma.exp().to(torch.float32)[..., None]
        x, target = self.preconditioning.target(clean, z, sigma)
        return (network(x, log_sigma.to(torch.float32)) - target).square()

    @torch.no_grad()
    def _evaluate(self) -> None:
        """Record the held-out loss of the averages; the best of each member is copied."""
        clean, z, log_sigma = self._held_out
        rows = max(1, (1 << 22) // (clean.shape[0] * clean.shape[2]))
        parts = [
            self._loss(
                self._average.module, clean[:, i : i + rows], z[:, i : i + rows], log_sigma[:, i : i + rows]
            ).sum(dim=(1, 2))
            for i in range(0, clean.shape[1], rows)
        ]
        loss = torch.stack(parts).double().sum(0).cpu().numpy() / (clean.shape[1] * clean.shape[2])
        if not np.isfinite(loss).all():
            raise ConvergenceError(
                f"The training of round {self.addresses[0].round_index} must keep a finite loss, got "
                f"{float(loss[~np.isfinite(loss)][0])!r} after step {self.step}: lower learning_rate.",
                value=float(np.max(loss)),
                bound=math.inf,
            )
        before = np.min(self.losses, axis=0) if self.losses else np.full_like(loss, np.inf)
        better = torch.as_tensor(loss < before, device=self.device)
        for best, average in zip(self._best, self._average.parameters(), strict=True):
            # One member's parameters have no axis of members in front, and need none.
            selected = better.view(-1, *[1] * (average.ndim - 1)) if len(better) > 1 else better.view([])
            best.copy_(torch.where(selected, average, best))
        self.losses.append(loss)

    @torch.no_grad()
    def load_best(self) -> tuple[FloatArray, IntArray]:
        """Put the best averages into the network; return all held-out losses, and the steps they were taken after."""
        for parameter, best in zip(self.network.parameters(), self._best, strict=True):
            parameter.copy_(best)
        self.network.eval()
        losses = np.stack(self.losses)
        return losses, np.minimum(self.training.check * np.arange(1, len(losses) + 1), self.step)

    def _file(self, checkpoints: Checkpoints) -> Path:
        first = self.addresses[0]
        return Path(checkpoints.folder) / f"training-{first.seed}-{first.run}-{first.round_index:05d}.npz"

    def _written(self, checkpoints: Checkpoints) -> WrittenFiles:
        """Return the states of this series with their digests; other series may stand in the same folder."""
        first = self.addresses[0]
        return WrittenFiles(checkpoints.folder, f"digests-{first.seed}-{first.run}.txt")

    def write(self, checkpoints: Checkpoints) -> None:
        """Write the state atomically, after its digest; older checkpoints are deleted."""
        path = self._file(checkpoints)
        path.parent.mkdir(parents=True, exist_ok=True)
        moments = self._optimizer.state_dict()["state"]
        state = {
            "live": self.network.parameters(),
            "average": self._average.parameters(),
            "best": self._best,
            "exp_avg": (moments[i]["exp_avg"] for i in range(len(self._best))),
            "exp_avg_sq": (moments[i]["exp_avg_sq"] for i in range(len(self._best))),
        }
        arrays = {
            f"{name}-{i:04d}": tensor.detach().cpu().numpy()
            for name, tensors in state.items()
            for i, tensor in enumerate(tensors)
        }
        arrays["losses"] = np.reshape(self.losses, (-1, len(self.addresses)))
        arrays["step"], arrays["job"] = np.array([self.step]), self._digest()
        self._written(checkpoints).write(path.name, array_bytes(arrays))
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
        """Continue from the state that `write` wrote for this round, if there is one; InputError if it was edited."""
        if checkpoints is None or not self._file(checkpoints).exists():
            return
        path = self._file(checkpoints)
        self._written(checkpoints).require_unedited("folder", (path.name,))
        stored = read_arrays(path)
        if not np.array_equal(stored.get("job", np.empty(0)), self._digest()):
            raise InputError(f"folder must hold the state of this training, got another's in {str(path)!r}.")
        self.step = int(stored["step"][0])
        self.losses = list(stored["losses"])

        def tensor(name: str, index: int) -> torch.Tensor:
            return torch.from_numpy(stored[f"{name}-{index:04d}"])

        targets = zip(self.network.parameters(), self._average.parameters(), self._best, strict=True)
        for i, parameters in enumerate(targets):
            for name, target in zip(("live", "average", "best"), parameters, strict=True):
                target.copy_(tensor(name, i))
        self._average.n_averaged.fill_(self.step)
        moments = {
            i: {
                "step": torch.tensor(float(self.step), dtype=torch.float32, device=self.device),
                "exp_avg": tensor("exp_avg", i),
                "exp_avg_sq": tensor("exp_avg_sq", i),
            }
            for i in range(len(self._best))
        }
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": moments, "param_groups": groups})
