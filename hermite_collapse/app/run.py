"""The folder of one run: what was asked, what was simulated, what came out.

asked.json            what was asked, with digests of the data: a run is read and continued as what it was
config.toml           the configuration as run
simulation/           the record of the simulation, round by round
results.nc            predictions, measurements and tests as one labelled data set
figures/              SVG and PNG
report.html           one self-contained page

results = load("runs/three_modes_1d")
results.comparison.verdict.text
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Required, TypedDict

from ..core import checks
from ..core.errors import InputError
from ..core.signature import public
from ..simulation.words import STEPS
from ..storage.claims import ASKED, CONFIG, claimed, first_difference, holds_work, read_asked
from ..storage.datasets import write_dataset
from ..storage.record import DOCUMENT, SimulatedRecursion
from ..storage.regular import require_existing
from ..storage.written import WrittenFiles
from .asked import asked_of_run, require_own_config, write_config
from .config import Config, load_config
from .enough_steps import asked_sampler, enough_steps, is_refined
from .step_sampler import require_steps, steps_generation

if TYPE_CHECKING:
    from xarray import Dataset

    from ..comparison.comparison import Comparison
    from ..comparison.steps import StepsComparison
    from ..figures.saving import Drawing
    from ..recursion.prediction import Prediction
    from ..recursion.recursion import Recursion
    from ..simulation.generations import Generation
    from ..simulation.samplers import Sampler

SIMULATION = "simulation"
REFINED = "refined"
DATASET = "results.nc"
FIGURES = "figures"


@dataclass(frozen=True)
class Results:
    """What a folder holds; everything is read when it is asked for.

    Attributes
    ----------
    folder : Path
    config : Config
        The configuration as run.
    """

    folder: Path
    config: Config

    @property
    def rounds_done(self) -> int:
        """Rounds whose simulation is complete, of `config.recursion.rounds`; 0 without a simulation."""
        if self.is_complete:
            return self.config.recursion.rounds
        return max(0, len(list((self.folder / SIMULATION).glob("round-*.npz"))) - 1)

    @property
    def is_complete(self) -> bool:
        """Whether the simulation came to its end."""
        folders = [SIMULATION, REFINED] if self.is_refined else [SIMULATION]
        return all((self.folder / name / DOCUMENT).exists() for name in folders)

    @property
    def is_refined(self) -> bool:
        """Whether the sampler is of first order: then its step-size error is measured by doubling the steps."""
        return is_refined(self.config)

    @cached_property
    def recursion(self) -> Recursion:
        """The recursion as theory knows it."""
        records = (self.folder / ASKED, self.folder / SIMULATION / DOCUMENT)
        return self.config.build_recursion(is_recorded=any(file.exists() for file in records))

    @cached_property
    def simulated(self) -> SimulatedRecursion:
        """What was measured; InputError for a run that was interrupted, or whose data or configuration changed."""
        if not self.is_complete:
            raise InputError(f"folder must hold a finished run, got {self}.")
        if (self.folder / ASKED).exists():
            self._require(read_asked(self.folder), asked_of_run(self.config))
        return self._record(SIMULATION)

    @cached_property
    def refined(self) -> SimulatedRecursion | None:
        """The simulation with twice the steps, if the sampler calls for one."""
        if not self.is_refined:
            return None
        _ = self.simulated
        return self._record(REFINED)

    def _record(self, name: str) -> SimulatedRecursion:
        """Return a record of the folder, after holding it against the configuration."""
        from ..laws.empirical import EmpiricalLaw
        from ..recursion.description import describe_recursion

        self._require_unedited(name, "folder")
        record, recursion = SimulatedRecursion.load(self.folder / name), self.recursion
        section, rounds = self.config.simulation, self.config.recursion.rounds
        wanted = describe_recursion(recursion, rounds) | {
            "rounds": rounds,
            "particles": section.particles,
            "runs": section.runs,
            "generator": section.generator,
            "degree": self.config.analysis.degree_in(recursion.dimension),
        }
        recorded = {**record.recursion} | {
            "rounds": record.rounds,
            "particles": record.particles,
            "runs": record.runs,
            "generator": record.generator,
            "degree": record.degree,
        }
        for law in ("target", "initial"):
            # Digests of mixtures hold eigenvectors, whose last bits depend on the machine.
            if not isinstance(getattr(recursion, law), EmpiricalLaw):
                recorded.pop(law, None)
                wanted.pop(law, None)
        self._require(recorded, wanted)
        return record

    def _require_unedited(self, name: str, argument: str) -> None:
        WrittenFiles(self.folder / name).require_unedited(argument)

    def _require(self, recorded: object, wanted: object) -> None:
        difference = first_difference(recorded, wanted)
        if difference is not None:
            raise InputError(
                f"folder must hold the run of its {CONFIG} and data, got {str(self.folder)!r} of a run "
                f"with {difference}."
            )

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the folder while working in it: nobody else does, and a start that fails leaves nothing."""
        with claimed(self.folder, asked_of_run(self.config)):
            write_config(self.folder, self.config)
            yield

    @cached_property
    def comparison(self) -> Comparison:
        """Theory against the simulation."""
        from ..comparison.comparison import compare

        level = self.config.analysis.significance
        return compare(self.recursion, self.simulated, level=level, refined=self.refined)

    @cached_property
    def steps_comparison(self) -> StepsComparison:
        """The exact laws of a sampler of K steps against the simulation."""
        from ..comparison.steps import compare_steps

        generation, level = steps_generation(self.config), self.config.analysis.significance
        return compare_steps(
            self.recursion,
            self.simulated,
            generation.sampler,
            guidance_scale=generation.guidance_scale,
            level=level,
        )

    @cached_property
    def dataset(self) -> Dataset:
        """The data set on the disk, in memory; that of the comparison if none was written."""
        import xarray

        path = self.folder / DATASET
        if not path.exists():
            is_by_steps = self.config.simulation.generator == STEPS
            return self.steps_comparison.dataset if is_by_steps else self.comparison.dataset
        with xarray.open_dataset(path, engine="h5netcdf") as stored:
            return stored.load()

    def __str__(self) -> str:
        rounds = self.config.recursion.rounds
        if self.is_complete:
            return f"{str(self.folder)!r}, a finished run of {rounds} rounds"
        return (
            f"{str(self.folder)!r}, a run interrupted after {self.rounds_done} of {rounds} rounds "
            "(--resume continues it)"
        )

    def __repr__(self) -> str:
        return f"Results({self})"


@public
def load(folder: str | os.PathLike[str]) -> Results:
    """Return the results in a folder that `hermite-collapse simulate` or `compare` wrote.

    Parameters
    ----------
    folder : str or path
        That of an interrupted run, too: it says so, and `is_complete` is False.

    Returns
    -------
    Results

    Raises
    ------
    InputError
        If the folder holds no run.

    Examples
    --------
    >>> import contextlib, io, os, tempfile
    >>> from hermite_collapse.app.cli.app import run
    >>> folder = os.path.join(tempfile.mkdtemp(), "run")
    >>> size = ["--particles", "1000", "--rounds", "2", "--degree", "3", "--runs", "1", "--device", "cpu"]
    >>> with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    ...     status = run(["simulate", "--out", folder, *size])
    >>> load(folder).simulated.coefficients.shape
    (1, 3, 4)
    """
    path = Path(folder)
    require_existing(path, "folder")
    if not (path / CONFIG).is_file():
        raise InputError(f"folder must hold a run (with its {CONFIG}), got {str(folder)!r}.")
    return Results(path, load_config(path / CONFIG))


def open_folder(folder: str | os.PathLike[str], config: Config, *, resume: bool) -> Results:
    """Return a folder to run a configuration in: empty or new, or with `resume` one that holds this very run.

    Nothing is written; that needs `Results.claimed`.
    """
    results = Results(Path(folder), config)
    if holds_work(folder, asked_of_run(config)):
        if not resume:
            raise InputError(f"out must be empty unless --resume is given, got {results}.")
        require_own_config(folder, config, asked_of_run)
        for name in (SIMULATION, REFINED):
            results._require_unedited(name, "out")
    return results


def is_comparable(config: Config) -> bool:
    """Return whether something can be said of a simulation beside the theory."""
    try:
        require_reportable(config)
    except InputError:
        return False
    return True


def has_prediction(config: Config) -> bool:
    """Return whether the theory of the channel predicts a simulation with its error bars."""
    if config.simulation.generator == STEPS:
        return False
    try:
        require_comparable(config)
    except InputError:
        return False
    return True


def require_reportable(config: Config) -> None:
    """Refuse a simulation of which nothing can be said beside the theory, before it begins."""
    if config.simulation.generator != "neural":
        require_comparable(config)


def require_comparable(config: Config) -> None:
    """Refuse a simulation that no prediction belongs to, before it begins."""
    from ..recursion.sampling_error import GENERATORS

    if config.simulation.generator == STEPS:
        require_steps(config, config.build_recursion())
        return
    checks.one_of(config.simulation.generator, (*GENERATORS, STEPS), "generator of a comparison")
    checks.one_of(config.simulation.final_step, ("noisy",), "final_step of a comparison")


def run_simulation(results: Results, *, progress: bool | None = None) -> SimulatedRecursion:
    """Simulate what the configuration asks for, into the claimed folder; continue where an earlier try stopped.

    Parameters
    ----------
    results : Results
    progress : bool, optional
        Whether to show a bar; if None, only on a terminal.

    Returns
    -------
    SimulatedRecursion
    """
    config, recursion = results.config, results.recursion
    record = simulate(config, recursion, folder=results.folder / SIMULATION, progress=progress)
    if results.is_refined:
        assert record.steps is not None
        from ..simulation.noise import seed_of_part

        # Another seed: the two must not share their noise for their errors to add up, nor with a user's next run.
        finer = config.updated({"steps": 2 * record.steps, "seed": seed_of_part(config.simulation.seed, 1)})
        simulate(finer, recursion, folder=results.folder / REFINED, progress=progress)
    return record


def simulate(
    config: Config, recursion: Recursion, *, folder: Path | None, progress: bool | None = None
) -> SimulatedRecursion:
    """Return the simulation that a configuration asks for; arguments as for `simulation.simulate`."""
    from .. import simulation

    section = config.simulation
    return simulation.simulate(
        recursion,
        rounds=config.recursion.rounds,
        particles=section.particles,
        degree=config.analysis.degree,
        runs=section.runs,
        **_generation(config, recursion),
        keep=section.keep,
        device=section.device,
        seed=section.seed,
        folder=folder,
        progress=progress,
    )


def write_outcome(
    results: Results,
    prediction: Prediction,
    *,
    command: str,
    save: Callable[[Mapping[str, Drawing], Path], dict[str, Path]],
    progress: Callable[[int, int], object] | None = None,
) -> dict[str, Path]:
    """Write the data set, the figures and the page of a finished run, and return their paths by name.

    Parameters
    ----------
    results : Results
    prediction : Prediction
        Of as many rounds and degrees; its distances are computed once for all of them.
    command : str
        The command that repeats the run, for the page.
    save : callable
        Writes figures by name into a folder and returns their paths by name.
    progress : callable, optional
        Called with how many figures are drawn, and of how many.

    Returns
    -------
    dict of str to Path
    """
    from .. import figures, reporting
    from ..figures.saving import drawings

    comparison = results.comparison
    written = {"dataset": results.folder / DATASET}
    write_dataset(comparison.dataset, written["dataset"])
    drawn = drawings(
        figures.comparison_figures(
            comparison, results.recursion, results.simulated, prediction=prediction, progress=progress
        )
    )
    written |= save(drawn, results.folder / FIGURES)
    written["report"] = reporting.write_report(
        results.folder,
        comparison=comparison,
        recursion=results.recursion,
        simulated=results.simulated,
        config_text=results.config.to_toml(results.folder),
        command=command,
        figures=drawn,
        budget=reporting.error_shares(comparison) if results.recursion.initial is None else None,
        prediction=prediction,
    )
    return written


class _Generation(TypedDict, total=False):
    """The arguments of `simulation.simulate` that say how particles are made."""

    generator: Required[str | Generation]
    sampler: Sampler | None
    steps: int | None
    pool: int | None


def _generation(config: Config, recursion: Recursion) -> _Generation:
    """Return how particles are made, as arguments of `simulation.simulate`."""
    section = config.simulation
    if section.generator == STEPS:
        return {"generator": steps_generation(config)}
    if section.scheduler_file is not None:
        raise InputError(
            f'scheduler_file must come with generator = "steps", got {str(section.scheduler_file)!r}.'
        )
    if section.guidance_scale != 1.0:
        raise InputError(
            f'guidance_scale must come with generator = "steps", got {section.guidance_scale!r}.'
        )
    sampler = asked_sampler(config)
    if section.generator == "channel" and section.final_step != "noisy":
        raise InputError(f"final_step must be noisy with the generator channel, got {section.final_step!r}.")
    if section.generator != "neural":
        return {
            "generator": section.generator,
            "sampler": sampler,
            "steps": enough_steps(config, recursion, sampler),
            "pool": section.pool,
        }
    from ..simulation import (
        ExponentialMultistep,
        NeuralGeneration,
        ResidualPerceptron,
        ReverseDiffusion,
        Training,
    )

    network = config.network
    generation = NeuralGeneration(
        network=ResidualPerceptron(width=network.network_width, blocks=network.network_blocks),
        training=Training(
            steps=network.training_steps,
            batch=network.training_batch,
            learning_rate=network.learning_rate,
            samples=Training.samples if section.pool is None else section.pool,
        ),
        reverse=ReverseDiffusion(
            sampler=ExponentialMultistep() if sampler is None else sampler, steps=section.steps
        ),
    )
    return {"generator": generation}
