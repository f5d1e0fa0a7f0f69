"""Many configurations, one data set: a grid or a list over configuration keys, on all cores or a Dask cluster.

    [sweep.values]
    fresh_fraction = [0.1, 0.3, 0.9]
    truncation_time = [0.02, 0.1, 0.5]

Every point is validated before the first one runs.  Each finished point is one file, written atomically, so that
an interrupted sweep continues where it stopped; the result does not depend on who computed which point.  A point that
fails stops no other: it is named at the end, and tried again when the sweep is continued.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import InputError
from ..core.types import FloatArray
from ..simulation.words import STEPS
from ..storage.claims import claimed
from ..storage.datasets import write_dataset
from ..storage.folder import array_bytes, read_arrays
from ..storage.written import WrittenFiles
from .asked import asked_of_sweep, require_own_config, write_config
from .config import Config, key_sections, parse_config, unknown_key
from .cost import Cost, cost_of_prediction, cost_of_simulation
from .device import require_device
from .jobs import Failure, Jobs
from .run import DATASET, require_comparable
from .schema import SweepSection

if TYPE_CHECKING:
    from xarray import Dataset

    from ..core.significance import Verdict
    from ..recursion.recursion import Recursion

LARGEST_SWEEP = 100_000
_FORBIDDEN = ("sweep", "initial")
_SIMULATED = ("simulation", "network")

Point = dict[str, FloatArray]


@dataclass(frozen=True)
class Sweep:
    """The points of a sweep.

    Attributes
    ----------
    config : Config
        Its [sweep] says what varies.
    keys : tuple of str
        The keys that vary.
    settings : tuple of tuple
        For each point, the value of each key.
    configs : tuple of Config
        For each point, its configuration.
    """

    config: Config
    keys: tuple[str, ...]
    settings: tuple[tuple[object, ...], ...]
    configs: tuple[Config, ...]

    @property
    def is_grid(self) -> bool:
        return self.config.sweep.method == "grid"


def plan_sweep(config: Config) -> Sweep:
    """Return the points that [sweep] asks for, each validated.

    Raises
    ------
    InputError
        For no values, an unknown key, lists of different lengths with method "list", or a point that is not a valid
        configuration; the sentence names the point.
    """
    values = config.sweep.values
    if not values:
        raise InputError("sweep.values must name at least one key and its values, got none.")
    homes = key_sections()
    for key, entries in values.items():
        if key not in homes:
            raise InputError(unknown_key(key))
        if homes[key] in _FORBIDDEN:
            raise InputError(f"sweep.values must name keys of a run, got {key}.")
        if homes[key] in _SIMULATED and config.sweep.task == "predict":
            raise InputError(
                f'sweep.values must name keys that predictions use unless task = "compare", got {key}.'
            )
        if not entries:
            raise InputError(f"sweep.values.{key} must hold at least one value, got none.")
    keys = tuple(values)
    lengths = {len(entries) for entries in values.values()}
    if config.sweep.method == "list" and len(lengths) > 1:
        shown = ", ".join(f"{key} {len(entries)}" for key, entries in values.items())
        raise InputError(f'sweep.values must be lists of one length for method = "list", got {shown}.')
    columns = [values[key] for key in keys]
    count = math.prod(map(len, columns)) if config.sweep.method == "grid" else len(columns[0])
    if count > LARGEST_SWEEP:
        raise InputError(f"sweep.values must span at most {LARGEST_SWEEP} points, got {count}.")
    settings = tuple(
        itertools.product(*columns) if config.sweep.method == "grid" else zip(*columns, strict=True)
    )
    # Without the values of all points, which each of them would carry along.
    single = config.model_copy(update={"sweep": SweepSection(task=config.sweep.task)})
    configs = []
    for setting in settings:
        try:
            point = single.updated(dict(zip(keys, setting, strict=True)))
            if config.sweep.task == "compare":
                require_comparable(point)
                if config.sweep.scheduler in (None, "local"):  # others' machines have devices of their own
                    require_device(point)
        except InputError as error:
            shown = ", ".join(f"{key} = {value}" for key, value in zip(keys, setting, strict=True))
            raise InputError(f"the point {shown} of the sweep is not valid: {error}") from None
        configs.append(point)
    for point in _distinct(configs):
        point.build_recursion()  # what only building can find, before anything is written
    return Sweep(config, keys, settings, tuple(configs))


def cost_of_sweep(sweep: Sweep) -> Cost:
    """Return what a sweep needs: the time of all points on all workers, and the memory of those side by side."""
    estimate = cost_of_simulation if sweep.config.sweep.task == "compare" else cost_of_prediction
    dimension = max(config.target.build_law().dimension for config in _distinct(list(sweep.configs)))
    costs = [estimate(config, dimension) for config in sweep.configs]
    workers = min(sweep.config.sweep.workers or os.cpu_count() or 1, len(costs))
    dearest = max(costs, key=lambda cost: cost.seconds)
    return Cost(
        bytes=workers * max(cost.bytes for cost in costs),
        seconds=sum(cost.seconds for cost in costs) / workers,
        keys=("sweep.values", *dearest.keys),
    )


def _distinct(configs: list[Config]) -> list[Config]:
    """Return one configuration for each law described: reading a file of samples once is enough."""
    first: dict[str, Config] = {}
    for config in configs:
        first.setdefault(
            json.dumps(config.model_dump(mode="json", include={"target", "initial"}), sort_keys=True), config
        )
    return list(first.values())


def run_sweep(
    sweep: Sweep,
    folder: str | os.PathLike[str],
    *,
    progress: Callable[[int, int], None] | None = None,
    failures: dict[int, str] | None = None,
) -> Dataset:
    """Run the points that `folder` does not hold yet, and gather all of them.

    Parameters
    ----------
    sweep : Sweep
    folder : str or path
        Where finished points go; made if it does not exist, continued if it holds this very sweep.
    progress : callable, optional
        Called with the number of finished points and of all points.
    failures : dict, optional
        Takes the reason of each point that failed, by its number; these points are NaN in the data set.

    Returns
    -------
    Dataset
        With one dimension for each key (a grid) or the dimension `point` (a list).

    Raises
    ------
    InputError
        If the folder holds something else, or a point that was edited since; if every point failed, or, without
        `failures`, any.
    """
    total = len(sweep.configs)
    with claimed(folder, asked_of_sweep(sweep.config), name="folder") as path:
        files = WrittenFiles(path)
        files.require_unedited()
        open_points = [i for i in range(total) if not _file(path, i).exists()]
        if len(open_points) < total:
            require_own_config(path, sweep.config, asked_of_sweep)
        write_config(path, sweep.config)
        done, failed = total - len(open_points), {}
        if progress is not None:
            progress(done, total)
        jobs = Jobs(compute_point, open_points, lambda index: sweep.configs[index].as_document())
        for index, point in jobs.results(sweep.config.sweep):
            if isinstance(point, Failure):
                failed[index] = point.reason
            else:
                files.write(_file(path, index).name, array_bytes(point))
                done += 1
            if progress is not None:
                progress(done, total)
        if failed and (failures is None or len(failed) == total):
            raise InputError(failure_text(sweep, failed))
        if failures is not None:
            failures |= failed
        dataset = gather(sweep, [{} if i in failed else read_arrays(_file(path, i)) for i in range(total)])
        write_dataset(dataset, path / DATASET)
    return dataset


def failure_text(sweep: Sweep, failed: Mapping[int, str]) -> str:
    """Return the sentence that names the points that failed: the first few, each with its reason."""
    shown = [
        f"{', '.join(f'{key} = {value}' for key, value in zip(sweep.keys, sweep.settings[i], strict=True))} "
        f"({failed[i].rstrip('.')})"
        for i in sorted(failed)[:5]
    ]
    more = f", and {len(failed) - 5} more" if len(failed) > 5 else ""
    return (
        f"sweep.values must be points that can be computed, got {len(failed)} of {len(sweep.configs)} that cannot "
        f"(--resume tries them again): {'; '.join(shown)}{more}."
    )


def finished_points(folder: str | os.PathLike[str]) -> int:
    """Return how many points of a sweep a folder holds."""
    return len(list(Path(folder).glob("point-*.npz")))


def gather(sweep: Sweep, points: list[Point]) -> Dataset:
    """Return one data set of the arrays of every point; shorter ones are filled with NaN."""
    import xarray

    names = sorted({name for point in points for name in point})
    shape = (
        tuple(len(sweep.config.sweep.values[key]) for key in sweep.keys) if sweep.is_grid else (len(points),)
    )
    outer = sweep.keys if sweep.is_grid else ("point",)
    data: dict[str, tuple[tuple[str, ...], FloatArray, dict[str, str]]] = {}
    for name in names:
        dims, attributes = _LAYOUT[name.partition("__")[0]]
        own = tuple(max(p[name].shape[axis] for p in points if name in p) for axis in range(len(dims)))
        full = np.full((len(points), *own), np.nan)
        for index, point in enumerate(points):
            if name in point:
                value = point[name].reshape(
                    point[name].shape[: len(dims)]
                )  # files keep a scalar as one entry
                full[index, ...][tuple(map(slice, value.shape))] = value
        variable, _, metric = name.partition("__")
        text = attributes if not metric else f"{attributes}, {metric.replace('_', ' ')}"
        label = variable if not metric else f"{variable}_{metric}"
        data[label] = ((*outer, *dims), full.reshape(*shape, *own), {"long_name": text, "units": "1"})
    coords: dict[str, tuple[tuple[str, ...], list[int | float | str]]] = {}
    for number, key in enumerate(sweep.keys):
        entries = sweep.config.sweep.values[key] if sweep.is_grid else [s[number] for s in sweep.settings]
        plain = [entry if isinstance(entry, int | float | str) else str(entry) for entry in entries]
        coords[key] = ((key,) if sweep.is_grid else ("point",), plain)
    dataset = xarray.Dataset(data, coords=coords, attrs={"task": sweep.config.sweep.task})
    for dimension in ("degree", "round"):
        if dimension in dataset.dims and dimension not in dataset.coords:
            dataset = dataset.assign_coords({dimension: np.arange(dataset.sizes[dimension])})
    return dataset


# Name of an array, up to a double underscore -> its dimensions and what it is.
_LAYOUT: dict[str, tuple[tuple[str, ...], str]] = {
    "half_degree": ((), "half-amplitude degree"),
    "filter_degree": ((), "fresh_fraction / (rate * truncation_time)"),
    "attenuation": (("degree",), "share of the data's mode kept in the limit"),
    "contraction": (("degree",), "factor of one round on a deviation"),
    "factor": (("round", "degree"), "share of the data's mode kept"),
    "distance": ((), "distance of the limit law to the data"),
    "distance_error": ((), "error of the distance of the limit law to the data"),
    "measured_factor": (("round", "degree"), "measured share of the data's mode kept"),
    "measured_error": (("round", "degree"), "predicted standard error of the measured share"),
    "exact_variance": (("round",), "variance of the exact law, all directions together"),
    "measured_variance": (("round",), "measured variance, all directions together"),
    "rejected": ((), "whether the comparison rejected the theory (1: yes)"),
    "largest_z": ((), "largest absolute z-score of all tested modes and rounds"),
    "tested": ((), "number of tested modes and rounds"),
    "p_value": ((), "smallest p-value after Holm's correction"),
    "seconds": ((), "wall time of the point, in seconds"),
}


def compute_point(document: Mapping[str, object]) -> Point:
    """Return the arrays of one point, from its configuration as a document."""
    import time

    from ..recursion.prediction import predict

    start = time.perf_counter()
    config = parse_config(document)
    recursion = config.build_recursion()
    if config.sweep.task == "compare" and config.simulation.generator == STEPS:
        return _steps_comparison(config, recursion) | {"seconds": np.asarray(time.perf_counter() - start)}
    prediction = predict(recursion, rounds=config.recursion.rounds, degree=config.analysis.degree)
    point: Point = {}
    for name in ("half_degree", "attenuation", "contraction"):
        value = getattr(prediction, name)
        if value is not None:
            point[name] = np.asarray(value, dtype=float)
    if prediction.factors is not None:
        point["factor"] = prediction.factors
    if prediction.half_degree is not None and recursion.schedule.final > 0.0:
        lam = recursion.regime.final_fraction / (recursion.rate * recursion.schedule.final)
        point["filter_degree"] = np.asarray(lam)
    for name, estimate in prediction.distances_to_data().items():
        point[f"distance__{name}"] = np.asarray(estimate.value)
        point[f"distance_error__{name}"] = np.asarray(estimate.error)
    if config.sweep.task == "compare":
        point |= _comparison(config, recursion)
    point["seconds"] = np.asarray(time.perf_counter() - start)
    return point


def _comparison(config: Config, recursion: Recursion) -> Point:
    from ..comparison.comparison import compare
    from .run import simulate

    simulated = simulate(config, recursion, folder=None, progress=False)
    comparison = compare(recursion, simulated, level=config.analysis.significance)
    point = _verdict(comparison.verdict, comparison.z[comparison.tested])
    if comparison.measured_factors is not None and comparison.factor_standard_error is not None:
        point["measured_factor"] = comparison.measured_factors
        point["measured_error"] = comparison.factor_standard_error
    return point


def _steps_comparison(config: Config, recursion: Recursion) -> Point:
    """Return what the exact laws of a sampler of K steps say; the theory of the channel is none of them."""
    from ..comparison.steps import compare_steps
    from .run import simulate
    from .step_sampler import steps_generation

    generation = steps_generation(config)
    comparison = compare_steps(
        recursion,
        simulate(config, recursion, folder=None, progress=False),
        generation.sampler,
        guidance_scale=generation.guidance_scale,
        level=config.analysis.significance,
    )
    point = _verdict(comparison.verdict, comparison.z[comparison.tested])
    is_variance = [label.startswith("variance") for label in comparison.labels]
    point["exact_variance"] = comparison.expected[:, is_variance].sum(axis=1)
    point["measured_variance"] = comparison.measured[:, is_variance].sum(axis=1)
    if recursion.dimension == 1:
        expected, measured, error = (
            np.insert(share[:, :-1], 0, np.nan, axis=1) for share in comparison.shares
        )
        point |= {"factor": expected, "measured_factor": measured, "measured_error": error}
    return point


def _verdict(verdict: Verdict, tested_z: FloatArray) -> Point:
    return {
        "rejected": np.asarray(float(bool(verdict.rejected))),
        "p_value": np.asarray(verdict.adjusted_p_value),
        "tested": np.asarray(float(tested_z.size)),
        "largest_z": np.asarray(np.abs(tested_z).max() if tested_z.size else np.nan),
    }


def _file(folder: Path, index: int) -> Path:
    return folder / f"point-{index:05d}.npz"
