"""Particles by a scheduler object of diffusers, driven with the exact denoiser of the training law."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any, ClassVar

import torch
from numpy.typing import ArrayLike

from ..core.errors import InputError
from ..pipeline.scheduler_conventions import SchedulerObject
from ..pipeline.scheduler_probe import PreparedScheduler, SchedulerDrive, prepared, taking_steps
from ..pipeline.scheduler_sources import Config
from .steps import OWN_END, KStepGeneration, TensorPosterior, checked_scale

# What keeps warnings of diffusers away is not safe between threads; steps are cheap beside the denoiser.
_LOCK = Lock()


@dataclass(frozen=True, eq=False)
class SchedulerGeneration(KStepGeneration):
    """Particles by a scheduler of diffusers, driven as its pipeline does, with the exact denoiser of the training law.

    Parameters
    ----------
    scheduler : scheduler object, mapping or path
        As for `SamplerSteps.of_scheduler`; an object is copied.
    steps : int
        Number of inference steps that is given to the scheduler.
    guidance_scale : float
        1 + omega >= 1 of classifier-free guidance with the components of the data as classes; 1 is none.
    timesteps, sigmas, mu : optional
        Levels that the pipeline passes to the scheduler, where it takes them.
    step_options : mapping, optional
        More arguments of the scheduler's step, such as `{"eta": 1.0}`.

    Raises
    ------
    InputError
        As `SamplerSteps.of_scheduler`.

    Notes
    -----
    `StepsGeneration(SamplerSteps.of_scheduler(scheduler, steps=...))` makes the same particles to rounding from the
    steps read off beforehand, and is faster.  Clipping and thresholding are switched off in both.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.5, truncation_time=0.0)
    >>> generation = SchedulerGeneration({"_class_name": "DDIMScheduler"}, 10)  # doctest: +SKIP
    >>> hc.simulation.simulate(recursion, rounds=1, particles=500, generator=generation).steps  # doctest: +SKIP
    10
    """

    scheduler: SchedulerObject | Config
    steps: int
    guidance_scale: float = 1.0
    timesteps: ArrayLike | None = None
    sigmas: ArrayLike | None = None
    mu: float | None = None
    step_options: Mapping[str, object] | None = None

    name: ClassVar[str] = "scheduler"

    def __post_init__(self) -> None:
        checked_scale(self.guidance_scale)
        self._start()

    @property
    def scale(self) -> float:
        return self.guidance_scale

    @property
    def deviation(self) -> float:
        return self._start().deviation

    @cached_property
    def _ready(self) -> PreparedScheduler:
        return prepared(
            self.scheduler,
            steps=self.steps,
            timesteps=self.timesteps,
            sigmas=self.sigmas,
            mu=self.mu,
            denoiser="posterior_mean",
        )

    def _start(
        self, rows: torch.Tensor | None = None, draw: Callable[[], torch.Tensor] | None = None
    ) -> SchedulerDrive:
        """Return a copy of the scheduler ready to carry rows."""
        count, dimension = (1, 1) if rows is None else rows.shape
        shape = (count, dimension, *(1,) * (self._ready.convention.dimensions - 1))

        def noise(asked: Sequence[int]) -> torch.Tensor:
            if tuple(asked) != shape or draw is None:
                raise InputError("scheduler must draw noise like its samples, got one that does not.")
            return draw().reshape(shape)

        ready = self._ready._replace(scheduler=copy.deepcopy(self._ready.scheduler))
        return SchedulerDrive(ready, dict(self.step_options or {}), shape, noise)

    def carry(
        self, x: torch.Tensor, posterior: TensorPosterior, draw: Callable[[], torch.Tensor]
    ) -> torch.Tensor:
        drive = self._start(x, draw)
        shape = (*x.shape, *(1,) * (self._ready.convention.dimensions - 1))
        for index, timestep in enumerate(drive.timesteps):
            with _LOCK, taking_steps(drive.name, self.steps), drive.mode:
                call = drive.call(x.reshape(shape), timestep, index)
            data, noise = posterior(x, call.signal, call.noise)
            output = call.on_data * data + call.on_noise * noise + call.on_sample * x
            with _LOCK, taking_steps(drive.name, self.steps), drive.mode:
                x = drive.step(output.reshape(shape), timestep, x.reshape(shape), index).reshape(x.shape)
        return x

    def describe(self) -> dict[str, Any]:
        settings = sorted(
            (str(key), repr(value)) for key, value in dict(self._ready.scheduler.config).items()
        )
        given = (self.timesteps, self.sigmas, self.mu, sorted((self.step_options or {}).items()))
        return {
            "name": self.name,
            "guidance_scale": float(self.guidance_scale),
            "steps": self.steps,
            "sampler": {
                "name": type(self._ready.scheduler).__name__,
                "final_step": OWN_END,
                "digest": hashlib.sha256(repr((settings, given)).encode()).hexdigest(),
            },
        }
