"""hermite-collapse simulate: the recursion with particles, recorded in a folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from cyclopts import Parameter

from ...hermite.indices import mode_label
from ...simulation.words import STEPS
from ..asked import asked_of_run
from ..config import Config
from ..device import require_device
from .options import command as _command
from .output import Output
from .predict import title

if TYPE_CHECKING:
    from ...comparison.steps_result import StepsComparison
    from ...storage.record import SimulatedRecursion
    from ..run import Results

Resume = Annotated[bool, Parameter(help="Continue or read the run that the folder holds.", negative=())]


def run(config: Config, output: Output, *, resume: Resume = False) -> int:
    """Simulate the recursion and keep what is measured in a folder.

    The folder takes the configuration as run and the record of every round; an interrupted run continues with
    --resume, and the bytes come out the same.
    """
    from ..run import is_comparable

    results = start(config, output, resume)
    with results.claimed():
        record = simulate(results, output)
    title(config, output)
    runs = f", {record.runs} runs" if record.runs > 1 else ""
    output.text(f"{record.rounds} rounds of {record.particles} particles{runs}, on {record.device}.")
    print_coefficients(results, record, output)
    onwards = f"; compare --resume --out {results.folder} goes on from it" if is_comparable(config) else ""
    output.text(f"Written to {results.folder}{onwards}.")
    output.document(
        {
            "command": "simulate",
            "config": config.as_document(),
            "folder": results.folder,
            "multi_indices": record.indices,
            "coefficients": record.coefficients,
            "standard_errors": record.standard_errors,
            "notes": record.notes,
        }
    )
    return 0


def print_coefficients(results: Results, record: SimulatedRecursion, output: Output) -> None:
    """Print the largest Hermite coefficients of the last round beside those of the data and, if known, exact ones."""
    from ..run import has_prediction, is_comparable

    is_by_steps = results.config.simulation.generator == STEPS and is_comparable(results.config)
    if is_by_steps and np.isfinite(results.steps_comparison.expected[-1]).any():
        print_steps(results.steps_comparison, output)
        return
    data = results.recursion.target.hermite_coefficients(record.degree)
    size = np.where(record.indices.any(axis=1), np.abs(data.values), -1.0)
    largest = np.sort(np.argsort(-size, kind="stable")[: min(MOST_MODES, int(np.sum(size >= 0.0)))])
    names = [mode_label(record.indices[k].tolist()) for k in largest]
    rows: list[list[object]]
    output.heading(f"Largest Hermite coefficients after round {record.rounds}")
    if has_prediction(results.config):
        comparison = results.comparison
        expected, error = comparison.modes.expected[-1], comparison.standard_error[-1]
        measured, z, tested = comparison.measured[-1], comparison.z[-1], comparison.tested[-1]
        rows = [
            [
                name,
                float(data.values[k]),
                float(expected[k]),
                float(measured[k]),
                float(error[k]),
                f"{z[k]:+.2f}" if tested[k] else "untested",
            ]
            for name, k in zip(names, largest, strict=True)
        ]
        output.table(["mode", "data", "exact", "simulated", "standard error", "z"], rows)
        return
    mean = record.mean_coefficients[-1]
    error = np.sqrt(np.mean(record.standard_errors[:, -1] ** 2, axis=0) / record.runs)
    rows = [
        [name, float(data.values[k]), float(mean[k]), float(error[k])]
        for name, k in zip(names, largest, strict=True)
    ]
    output.table(["mode", "data", "simulated", "error of this round"], rows)
    if is_by_steps and results.steps_comparison.reason:
        output.text(results.steps_comparison.reason)
    if not is_comparable(results.config):
        output.text("No exact values belong to this simulation.")


MOST_MODES = 8
"""Coefficients that are printed."""


def print_steps(comparison: StepsComparison, output: Output) -> None:
    """Print what a sampler of K steps made after the last round beside the exact law of its steps."""
    rows = []
    for k, label in enumerate(comparison.labels):
        exact, measured = float(comparison.expected[-1, k]), float(comparison.measured[-1, k])
        known, error = np.isfinite(exact), float(comparison.standard_error[-1, k])
        z = f"{comparison.z[-1, k]:+.2f}" if comparison.tested[-1, k] else "untested"
        rows.append(
            [label, comparison.data[k], exact if known else None, measured, error if known else None, z]
        )
    output.heading(f"The exact law of the steps and the particles after round {comparison.rounds}")
    output.table(["statistic", "data", "exact", "simulated", "standard error", "z"], rows)


def start(config: Config, output: Output, resume: bool) -> Results:
    """Return the folder the run goes to, checked but not written: --out, or one named after the configuration."""
    from ..cost import cost_of_simulation, require_affordable
    from ..enough_steps import planned_steps

    results = _folder(config, output, resume)
    if not results.is_complete:
        require_device(config)
        steps = planned_steps(config, results.recursion)
        cost = cost_of_simulation(config, results.recursion.dimension, steps=steps)
        require_affordable(cost, yes=output.yes)
    return results


def _folder(config: Config, output: Output, resume: bool) -> Results:
    from ..run import open_folder

    if output.folder is not None:
        return open_folder(output.folder, config, resume=resume)
    digest = hashlib.sha256(json.dumps(asked_of_run(config), sort_keys=True).encode()).hexdigest()[:8]
    # A folder named after what was asked can only hold that run, so it is continued.
    results = open_folder(Path("runs") / f"{config.target.label}-{digest}", config, resume=True)
    if results.is_complete:
        output.note(f"{results.folder} holds this very run, finished: it is read, not simulated again")
    elif results.rounds_done:
        output.note(f"{results.folder} holds {results.rounds_done} rounds of this very run: it is continued")
    return results


def simulate(results: Results, output: Output) -> SimulatedRecursion:
    """Run, continue or read the simulation; the recursion is built before anything is written."""
    from ..run import run_simulation

    _ = results.recursion
    if not results.is_complete:
        try:
            run_simulation(results)
        except KeyboardInterrupt:
            output.note(str(results))  # how far it came, and that --resume continues it
            raise
        seconds = float(np.nansum(results.simulated.wall_seconds))
        output.note(f"simulated {results.config.recursion.rounds} rounds in {seconds:.1f} s")
    return results.simulated


command = _command(run, uses=("target", "recursion", "analysis", "simulation", "network"))
