r"""Any scheduler of diffusers as a round map, by driving the scheduler object itself.

Every call of `step` gets a fresh probe for its sample, one for the network's output, and one for each noise that it
draws: rows of one batch, so that what comes back holds the coefficients of all of them.  They do not depend on the
data, so one run gives V(w) for every w (`probed_steps`).  Two more rows check it: zeros must give zeros, and random
numbers what the coefficients say; clipping and thresholding, which would fail that, are switched off and noted.

The scheduler's tables keep the values that it made, mostly rounded to float32; its arithmetic is done in float64, by
NumPy where the scheduler asks for nothing that `probe_numbers` lacks, else by torch.  Noise is answered through a
`TorchFunctionMode`; nothing is patched, and the object that was given is not touched.
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError, is_out_of_memory
from ..core.threads import one_thread
from ..core.types import FloatArray
from .guidance import Guidance
from .probe_numbers import Numbers, answering_mode
from .probed_steps import Denoiser, ProbedSteps
from .scheduler_classes import quiet, require
from .scheduler_conventions import (
    Call,
    Convention,
    SchedulerObject,
    convention_of,
    flow_map_call,
    starting_noise,
    told_call,
)
from .scheduler_setup import (
    chosen_map,
    given_levels,
    made,
    sentence,
    set_levels,
    without_clipping,
)
from .scheduler_sources import Config, SchedulerSource, read_source

if TYPE_CHECKING:
    import torch

NETWORK_LEVELS = ("sigma", "timestep")
DENOISERS = ("posterior_mean", "flow_map")
DRAWS_OF_A_STEP = 3
MIXTURE = 50.0  # size of the random numbers that check the coefficients
TOLERANCE = 1e-9
OPERATIONS_WITHOUT_COUNTERPART = (TypeError, AttributeError, ValueError, RuntimeError)
"""What operations that `probe_numbers` lacks end in."""


def probe_scheduler(
    scheduler: SchedulerObject | Config,
    *,
    steps: int,
    guidance: Guidance | None = None,
    timesteps: ArrayLike | None = None,
    sigmas: ArrayLike | None = None,
    mu: float | None = None,
    denoiser: str | None = None,
    step_options: Mapping[str, object] | None = None,
    network_level: str = "sigma",
) -> ProbedSteps:
    """Return what `SamplerSteps.of_scheduler` says."""
    ready = prepared(
        scheduler,
        steps=steps,
        guided=guidance is not None,
        timesteps=timesteps,
        sigmas=sigmas,
        mu=mu,
        denoiser=denoiser,
    )
    name = type(ready.scheduler).__name__
    is_told = checks.one_of(network_level, NETWORK_LEVELS, "network_level") == "timestep"
    options = {} if step_options is None else dict(checks.instance(step_options, Mapping, "step_options"))  # type: ignore[type-abstract]
    # Waiting for other threads takes longer than these small arrays do.
    with taking_steps(name, steps), one_thread():
        try:
            driven = copy.deepcopy(ready.scheduler)
            return _QuickProbe(ready._replace(scheduler=driven), options, is_told).run(guidance)
        except OPERATIONS_WITHOUT_COUNTERPART as problem:
            if is_out_of_memory(problem):
                raise
        return _Probe(ready, options, is_told).run(guidance)


@contextmanager
def taking_steps(name: str, steps: int) -> Iterator[None]:
    """Keep a scheduler quiet, and make one sentence of whatever its code raises: it is what it was given that fails."""
    with quiet():
        try:
            yield
        except InputError:
            raise
        except Exception as problem:
            if is_out_of_memory(problem):
                raise
            if isinstance(problem, IndexError):  # as an offset that leads beyond the training steps
                rule = f"steps must be a number that {name} accepts, got {steps}"
            else:
                rule = f"scheduler must be set up so that its steps run, got {name}"
            raise InputError(f"{rule}: {sentence(problem)}") from None


class PreparedScheduler(NamedTuple):
    """A scheduler with its levels set, before its first step.

    Attributes
    ----------
    scheduler : scheduler object
        A copy of the one that was given.
    convention : Convention
    denoiser : str
        What its network is taken for.
    notes : tuple of str
        What was assumed.
    """

    scheduler: SchedulerObject
    convention: Convention
    denoiser: Denoiser
    notes: tuple[str, ...]


def prepared(
    scheduler: SchedulerObject | Config,
    *,
    steps: int,
    guided: bool = False,
    timesteps: ArrayLike | None = None,
    sigmas: ArrayLike | None = None,
    mu: float | None = None,
    denoiser: str | None = None,
) -> PreparedScheduler:
    """Return a scheduler ready for its first step; arguments as for `SamplerSteps.of_scheduler`."""
    count = checks.integer(steps, "steps", minimum=1)
    require("torch")
    if denoiser is not None:
        checks.one_of(denoiser, DENOISERS, "denoiser")
    if isinstance(scheduler, str | Mapping) or hasattr(scheduler, "__fspath__"):
        source = read_source(scheduler, "scheduler")
        original = made(source)
    else:
        source, original = SchedulerSource({}), scheduler
        is_made = not isinstance(scheduler, type)
        if not (is_made and hasattr(scheduler, "set_timesteps") and hasattr(scheduler, "config")):
            raise InputError(
                f"scheduler must be a scheduler of diffusers, its configuration or its folder, got {scheduler!r}."
            )
    convention = convention_of(tuple(base.__name__ for base in type(original).__mro__))
    kind = chosen_map(type(original).__name__, convention, denoiser, guided, source)
    with quiet():
        driven = copy.deepcopy(original)
        notes = without_clipping(driven)
        notes += set_levels(driven, convention, count, source, given_levels(timesteps, sigmas, mu))
    return PreparedScheduler(driven, convention, kind, tuple(notes))


class SchedulerDrive:
    """A scheduler driven step by step, its arithmetic done in float64 and its noise answered.

    Parameters
    ----------
    ready : PreparedScheduler
        Its scheduler is used up.
    step_options : dict
        More arguments of the scheduler's step.
    shape : tuple of int
        Of the samples.
    noise : function of a shape
        Returns the noise of a step.

    Attributes
    ----------
    in_numbers : bool
        Whether `Numbers` stand in place of tensors, but for timesteps.
    """

    in_numbers: ClassVar[bool] = False

    def __init__(
        self,
        ready: PreparedScheduler,
        step_options: dict[str, object],
        shape: tuple[int, ...],
        noise: Callable[[Sequence[int]], Any],
    ) -> None:
        import torch

        scheduler = ready.scheduler
        self.scheduler, self.convention, self.step_options = scheduler, ready.convention, step_options
        self.name = type(scheduler).__name__
        timesteps = list(scheduler.timesteps)
        self.timesteps = timesteps[:-1] if self.convention.leaves_out_last else timesteps
        self.step_method = scheduler.step_pred if self.name == "ScoreSdeVeScheduler" else scheduler.step
        self.parameters = inspect.signature(self.step_method).parameters
        for option in step_options:
            if option not in self.parameters or option in (
                "model_output",
                "timestep",
                "sample",
                "return_dict",
            ):
                raise InputError(f"step_options must be arguments of {self.name}.step, got {option!r}.")
        self.count = len(self.timesteps)
        self.deviation = starting_noise(scheduler)
        self.mode = answering_mode(noise, numbers=self.in_numbers)
        # The data prediction of the step before, where a scheduler wants it back.
        self.earlier: torch.Tensor | None = None
        for attribute, value in vars(scheduler).items():
            if isinstance(value, torch.Tensor) and value.is_floating_point() and attribute != "timesteps":
                exact = value.double()
                setattr(scheduler, attribute, Numbers(exact.numpy()[()]) if self.in_numbers else exact)
        if hasattr(scheduler, "noise_sampler"):
            scheduler.noise_sampler = _BrownianPath(lambda: noise(shape))

    def call(self, sample: torch.Tensor, timestep: torch.Tensor, index: int) -> Call:
        """Return what the network is asked at a timestep."""
        scheduler = self.scheduler
        if hasattr(scheduler, "scale_model_input"):
            scheduler.scale_model_input(sample, timestep)
        if getattr(scheduler, "step_index", index) is None and hasattr(scheduler, "_init_step_index"):
            scheduler._init_step_index(timestep)
        number = getattr(scheduler, "step_index", None)
        return self.convention.call(scheduler, timestep, index if number is None else int(number))

    def step(
        self, output: torch.Tensor, timestep: torch.Tensor, sample: torch.Tensor, index: int
    ) -> torch.Tensor:
        """Return the next sample, calling the scheduler as its pipeline does."""
        import torch

        scheduler, options = self.scheduler, {**self.step_options, "return_dict": False}
        is_last = index + 1 == self.count
        if self.name == "ScoreSdeVeScheduler":
            following, without_noise = self.step_method(output, timestep, sample, return_dict=False)
            return without_noise if is_last else following
        if self.name == "PiflowScheduler":
            output = output.expand(*output.shape[:-1], scheduler.n_grid)
        if self.convention.leaves_out_last and self.name == "DDPMWuerstchenScheduler":
            timestep = timestep.expand(len(sample))
        if "prev_timestep" in self.parameters:
            options["prev_timestep"] = None if is_last else self.timesteps[index + 1]
        if "emit_mask" in self.parameters:
            options["emit_mask"] = torch.ones(sample.shape[:2], dtype=torch.bool)
        if "old_pred_original_sample" in self.parameters:
            back = self.timesteps[index - 1] if index else None
            following, self.earlier = self.step_method(
                output, self.earlier, timestep, back, sample, **options
            )
            return following
        return self.step_method(output, timestep, sample, **options)[0]


class _Probe(SchedulerDrive):
    """One run of a scheduler on probes."""

    def __init__(self, ready: PreparedScheduler, step_options: dict[str, object], is_told: bool) -> None:
        self.is_told = is_told  # whether the network takes its level from the timestep
        count = len(ready.scheduler.timesteps) - ready.convention.leaves_out_last
        self.ready = ready
        self.probes = (2 + DRAWS_OF_A_STEP) * count
        self.mixture = MIXTURE * np.random.default_rng(0).standard_normal(self.probes)
        self.shape = (self.probes + 2, *(1,) * ready.convention.dimensions)  # the last two rows are checks
        self.draws = 0
        super().__init__(ready, step_options, self.shape, self.noise)

    def run(self, guidance: Guidance | None) -> ProbedSteps:
        """Return the scheduler as a linear program."""
        denoiser = self.ready.denoiser
        calls: list[Call] = []
        targets: list[tuple[float, float]] = []
        pointer, variables, coefficients = [0], [], []
        with self.mode:
            for index, timestep in enumerate(self.timesteps):
                sample, output = self.unit(index), self.unit(self.count + index)
                call = self.call(sample, timestep, index)
                if index == 0:
                    self._check_start()
                if denoiser == "flow_map":
                    call, target = flow_map_call(self.scheduler, call, index)
                    targets.append(target)
                calls.append(told_call(self.scheduler, timestep, call) if self.is_told else call)
                column = self.step(output, timestep, sample, index).reshape(-1).numpy()
                row = self.checked(column)
                used = np.flatnonzero(row)
                variables.append(used)
                coefficients.append(row[used])
                pointer.append(pointer[-1] + len(used))
        signal, noise, on_data, on_noise, on_sample = np.array(calls, dtype=np.float64).T
        if noise[0] * signal[-1] < 0.999 * noise[-1] * signal[0]:
            raise InputError(
                f"scheduler must run from noise to data, got {self.name}, whose last level is noisier than its first."
            )
        return ProbedSteps(
            self.name,
            self.deviation,
            signal,
            noise,
            on_data,
            on_noise,
            on_sample,
            np.array(pointer),
            np.concatenate(variables).astype(np.int64),
            np.concatenate(coefficients),
            denoiser,
            np.array(targets) if targets else None,
            self.ready.notes,
            guidance,
            self.scheduler.config.get("num_train_timesteps"),
        )

    def _check_start(self) -> None:
        """Refuse what would fail in the last step: a scheduler that takes the second of two equal timesteps first."""
        first, levels = getattr(self.scheduler, "step_index", None), getattr(self.scheduler, "sigmas", None)
        if first and levels is not None and int(first) + self.count >= len(levels):
            raise InputError(
                f"steps must be a number that {self.name} accepts, got {self.count}, whose first timesteps are equal."
            )

    def unit(self, number: int) -> Any:
        """Return the probe of one sample, output or noise."""
        import torch

        return torch.from_numpy(self._unit(number))

    def _unit(self, number: int) -> FloatArray:
        probe = np.zeros(self.shape)
        probe[number] = 1.0
        probe[-1] = self.mixture[number]
        return probe

    def noise(self, shape: Sequence[int]) -> Any:
        """Return the probe of the next noise."""
        number = 2 * self.count + self.draws
        if tuple(shape) != self.shape or number >= self.probes:
            raise InputError(f"scheduler must draw noise like its samples, got {self.name}, which does not.")
        self.draws += 1
        return self.unit(number)

    def checked(self, column: FloatArray) -> FloatArray:
        """Return the coefficients of the probes, if the step is linear in them."""
        row, offset, mixed = column[:-2], float(column[-2]), float(column[-1])
        size = float(np.abs(row) @ np.abs(self.mixture)) + 1e-300
        if not np.all(np.isfinite(column)):
            raise InputError(f"scheduler must make finite steps, got {self.name}, which divides by zero.")
        if abs(offset) > TOLERANCE * size or abs(mixed - row @ self.mixture) > TOLERANCE * size:
            raise InputError(f"scheduler must make steps that are linear, got {self.name}, whose are not.")
        return row


class _QuickProbe(_Probe):
    """The same with NumPy in place of torch."""

    in_numbers = True

    def run(self, guidance: Guidance | None) -> ProbedSteps:
        with np.errstate(all="ignore"):
            return super().run(guidance)

    def unit(self, number: int) -> Numbers:
        return Numbers(self._unit(number))


class _BrownianPath:
    """Noise sampler of SDE solvers: increments of one Brownian path over noise levels, scaled to unit variance.

    Overlapping intervals give correlated noises.  Values of the path inside a known interval are drawn from its
    Brownian bridge.
    """

    def __init__(self, draw: Callable[[], torch.Tensor]) -> None:
        self.draw = draw
        self.values: dict[float, torch.Tensor | float] = {}

    def __call__(self, first: float, second: float) -> torch.Tensor:
        low, high = float(first), float(second)
        return (self._at(high) - self._at(low)) / math.sqrt(abs(high - low))

    def _at(self, time: float) -> torch.Tensor | float:
        values = self.values
        for known, value in values.items():
            if math.isclose(known, time, rel_tol=1e-12):
                return value
        before = [known for known in values if known < time]
        after = [known for known in values if known > time]
        if not values:
            values[time] = 0.0
        elif before and after:
            low, high = max(before), min(after)
            share = (time - low) / (high - low)
            bridge = math.sqrt((time - low) * (high - time) / (high - low))
            values[time] = (1.0 - share) * values[low] + share * values[high] + bridge * self.draw()
        else:
            near = max(before) if before else min(after)
            values[time] = values[near] + math.sqrt(abs(time - near)) * self.draw()
        return values[time]
