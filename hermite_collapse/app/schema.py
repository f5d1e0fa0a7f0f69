"""The sections of a configuration: every key with its default, its rule, its unit and one sentence.

The words a key may hold, and the defaults of the network, come from the modules that own them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

from pydantic import BaseModel, ConfigDict, Field

from ..core import checks
from ..core.errors import InputError
from ..hermite.indices import default_degree
from ..recursion import regimes, schedules
from ..recursion.final_steps import FINAL_STEPS
from ..simulation.learned.settings import ResidualPerceptron, Training
from ..simulation.words import GENERATORS, KEEPS, SAMPLERS, STEP_SAMPLERS, STEPS
from ..storage.units import require_units
from .fields import (
    Array,
    Count,
    File,
    Fraction,
    Natural,
    Nonnegative,
    Positive,
    Sample,
    Settings,
    listed,
    number,
    numbers,
    word,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike

    from ..core.types import FloatArray
    from ..laws.channels import OrnsteinUhlenbeck, VarianceExploding
    from ..laws.empirical import EmpiricalLaw
    from ..laws.mixture import GaussianMixture

PROCESSES = ("ornstein_uhlenbeck", "variance_exploding")
SCHEDULES = ("constant", "polynomial", "geometric", "explicit")
METHODS = ("grid", "list")
TASKS = ("predict", "compare")


class Section(BaseModel):
    """A table of the file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TargetSection(Section):
    """The data law, in the diffusion's own (dimensionless) coordinates: a preset, a mixture, or samples."""

    preset: str | None = Field(None, description="Name of a preset law, such as three_modes_1d.")
    weights: Annotated[tuple[float, ...], numbers(checks.nonnegative)] | None = Field(
        None,
        description="Weights of a Gaussian mixture's components, dimensionless; they sum to 1.",
        json_schema_extra={
            "option": False
        },  # means and covariances cannot be options, so alone it says nothing
    )
    means: Array | None = Field(
        None, description="Means of the components: one number each, or one list of coordinates each."
    )
    covariances: Array | None = Field(
        None, description="Covariances: one number, or for each component a number, variances or a matrix."
    )
    covariance_type: str | None = Field(
        None,
        description="How to read a square of covariances: spherical, diagonal, full or shared (one matrix for all).",
        json_schema_extra={"option": False},
    )
    samples: File | None = Field(
        None, description="File of samples (.npy .npz .csv .txt IDX) or folder of images: no mixture."
    )
    scale: Positive | None = Field(
        None,
        description="Numbers p of the file become (p - shift) / scale. Unless given, images of 8 and 16 bits become "
        "[-1, 1] and other numbers stay.",
    )
    shift: Annotated[float, number(checks.real)] | None = Field(
        None,
        description="As for scale; plain numbers have 0 beside scale, whole numbers such as pixels none.",
    )
    value_range: Annotated[tuple[float, ...], numbers(checks.real)] | None = Field(
        None, description="The two numbers in the file that become -1 and 1, instead of scale and shift."
    )

    @property
    def kind(self) -> str:
        """Which of "preset", "mixture" and "samples" the section gives."""
        mixture = [key for key in ("weights", "means", "covariances") if getattr(self, key) is not None]
        given = [key for key in ("preset", "samples") if getattr(self, key) is not None]
        if mixture:
            given.append(", ".join(mixture))
        if len(given) != 1:
            raise InputError(
                "the target must be one of preset, samples, or weights with means and covariances, "
                f"got {' and '.join(given) or 'none of them'}."
            )
        if mixture and len(mixture) < 3:
            missing = [key for key in ("weights", "means", "covariances") if key not in mixture]
            raise InputError(f"a mixture must have weights, means and covariances, got no {missing[0]}.")
        if self.covariance_type is not None and not mixture:
            raise InputError(
                f"covariance_type must come with a mixture, got covariance_type = {self.covariance_type!r} without one."
            )
        for key in ("scale", "shift", "value_range"):
            if self.samples is None and (value := getattr(self, key)) is not None:
                raise InputError(f"{key} must come with samples, got {key} = {value!r} without them.")
        require_units(self.scale, self.shift, self.value_range)
        return "mixture" if mixture else given[0]

    def build_law(self, *, is_recorded: bool = False) -> GaussianMixture | EmpiricalLaw:
        """Return the law that the section describes, for a run that was recorded already as it was then.

        In records whole numbers with a scale alone are divided by it.
        """
        kind = self.kind
        if kind == "preset":
            from ..laws import presets

            assert self.preset is not None
            return presets.load(self.preset)
        if kind == "mixture":
            from ..laws.mixture import GaussianMixture

            assert self.weights is not None and self.means is not None and self.covariances is not None
            return GaussianMixture(
                self.weights,
                cast("ArrayLike", self.means),
                cast("ArrayLike", self.covariances),
                covariance_type=self.covariance_type,
            )
        from ..laws.empirical import EmpiricalLaw

        shift = 0.0 if is_recorded and self.scale is not None and self.shift is None else self.shift
        return EmpiricalLaw(self.read(self.samples, shift), scale=1.0)

    def read(self, path: Path | None, shift: float | None = None) -> FloatArray:
        """Return samples of a file in the units of those of the section."""
        from ..storage.samples import read_samples

        assert path is not None
        return read_samples(
            path,
            scale=self.scale,
            shift=self.shift if shift is None else shift,
            value_range=self.value_range,
        )

    @property
    def label(self) -> str:
        """A short name for titles and folders."""
        if self.preset is not None:
            return self.preset
        return self.samples.stem if self.samples is not None else "mixture"


class RecursionSection(Section):
    """The rounds: what each is trained on and where its reverse diffusion stops."""

    fresh_fraction: Fraction = Field(
        0.3, description="Share of fresh real data in each round's training set, in [0, 1], dimensionless."
    )
    truncation_time: Nonnegative = Field(
        0.1, description="Where the reverse diffusion stops, in OU time (sigma^2 if variance exploding)."
    )
    schedule: Annotated[str, word(SCHEDULES)] = Field(
        "constant", description=f"Truncation time by round: {listed(SCHEDULES)}."
    )
    exponent: Positive = Field(
        1.0, description="Polynomial schedule: truncation_time / (1 + round)^exponent, dimensionless."
    )
    ratio: Fraction = Field(
        0.9, description="Geometric schedule: truncation_time * ratio^round, dimensionless, in (0, 1)."
    )
    floor: Nonnegative = Field(0.0, description="Geometric schedule: least truncation time, in OU time.")
    truncation_times: Annotated[tuple[float, ...], numbers(checks.nonnegative)] | None = Field(
        None, description="Explicit schedule: one truncation time for each round, in OU time."
    )
    regime: Annotated[str, word(regimes.NAMES)] = Field(
        "replace", description=f"Training set: {listed(regimes.NAMES)}."
    )
    rounds: Count = Field(12, description="Number of rounds of training and sampling, a count.")
    blur: Nonnegative = Field(
        0.0, description="Bandwidth of a kernel density estimate before truncation, in units of x."
    )
    process: Annotated[str, word(PROCESSES)] = Field(
        "ornstein_uhlenbeck", description=f"Forward process: {listed(PROCESSES)}."
    )
    rate: Positive = Field(
        0.5, description="theta in dX = -theta X dt + sqrt(2 theta) dW, per unit of OU time; 0.5 is DDPM's."
    )

    def build_schedule(self) -> schedules.Schedule:
        """Return the schedule of truncation times."""
        if self.schedule != "explicit" and self.truncation_times is not None:
            raise InputError(
                f'truncation_times must come with schedule = "explicit", got schedule = "{self.schedule}".'
            )
        if self.schedule == "polynomial":
            return schedules.Polynomial(self.truncation_time, self.exponent)
        if self.schedule == "geometric":
            return schedules.Geometric(self.truncation_time, self.ratio, floor=self.floor)
        if self.schedule == "explicit":
            if self.truncation_times is None:
                raise InputError('schedule = "explicit" must come with truncation_times, got none.')
            return schedules.Explicit(self.truncation_times)
        return schedules.Constant(self.truncation_time)

    def build_process(self) -> OrnsteinUhlenbeck | VarianceExploding:
        """Return the forward process."""
        from ..laws.channels import OrnsteinUhlenbeck, VarianceExploding

        return OrnsteinUhlenbeck(self.rate) if self.process == "ornstein_uhlenbeck" else VarianceExploding()


class AnalysisSection(Section):
    """What is computed from the laws and tested."""

    degree: Count | None = Field(
        None,
        description="Highest Hermite degree shown and tested, a count; 8, or what the dimension allows, "
        "unless given.",
    )
    significance: Annotated[float, number(checks.probability)] = Field(
        0.01, description="Level of the Holm test over all modes and rounds, a probability."
    )

    def degree_in(self, dimension: int) -> int:
        """Return the degree, or the default one of a law in this dimension."""
        return default_degree(dimension) if self.degree is None else self.degree


class SimulationSection(Section):
    """How the recursion is simulated."""

    generator: Annotated[str, word((*GENERATORS, STEPS))] = Field(
        "channel",
        description="channel (exact draws), exact (exact score, reversed), kernel, neural or steps (K steps).",
    )
    particles: Sample = Field(100_000, description="Number of particles in each round, a count of 2 or more.")
    runs: Count = Field(4, description="Independent runs in one batch, a count.")
    sampler: Annotated[str, word((*SAMPLERS, *STEP_SAMPLERS))] | None = Field(
        None, description="Sampler of the reverse diffusion, or of K steps; the generator's own unless given."
    )
    scheduler_file: File | None = Field(
        None,
        description="Scheduler of diffusers as the sampler of K steps: its file or folder, or a pipeline's.",
    )
    guidance_scale: Annotated[float, number(checks.positive)] = Field(
        1.0,
        description="Guidance 1 + omega of a sampler of K steps, dimensionless, components as classes; 1 is none.",
    )
    steps: Count | None = Field(
        None,
        description="Steps of a sampler, a count; its own, or more where error bars ask for more, unless given.",
    )
    final_step: Annotated[str, word(FINAL_STEPS)] = Field(
        "noisy",
        description="What is done at the truncation time: noisy (nothing), rescaled, half or full (denoised).",
    )
    pool: Count | None = Field(
        None, description="Points each round's kernel score or network is made from, a count."
    )
    keep: Annotated[str, word(KEEPS)] = Field(
        "statistics", description="What of the particles is kept: statistics, last (round) or all."
    )
    device: str = Field("auto", description="torch device: auto, cpu, cuda, cuda:0, ...")
    seed: Natural = Field(
        0, description="Seed of the random numbers, an integer; the same seed gives the same bytes."
    )


class NetworkSection(Section):
    """The network of the neural generator and its training."""

    network_width: Count = Field(ResidualPerceptron.width, description="Width of the hidden layers, a count.")
    network_blocks: Count = Field(ResidualPerceptron.blocks, description="Residual blocks, a count.")
    training_steps: Count = Field(Training.steps, description="Optimiser steps of a round at most, a count.")
    training_batch: Count = Field(Training.batch, description="Points of one optimiser step, a count.")
    learning_rate: Positive = Field(
        Training.learning_rate, description="Largest learning rate of AdamW, dimensionless."
    )


class SweepSection(Section):
    """Many runs over keys of this file."""

    method: Annotated[str, word(METHODS)] = Field(
        "grid", description="grid (every combination) or list (first with first, second with second, ...)."
    )
    task: Annotated[str, word(TASKS)] = Field(
        "predict", description="Done at each point: predict (theory alone) or compare (with a simulation)."
    )
    workers: Natural = Field(0, description="Processes on this machine, a count; 0 is one for each core.")
    scheduler: str | None = Field(
        None, description='Address of a Dask scheduler, as in tcp://host:8786, or "local" for its own.'
    )
    values: Settings = Field(
        default_factory=dict, description="Key of this file and the values it takes, one line each."
    )
