"""Many configurations, one data set: a grid or a list over configuration keys, on all cores or a Dask cluster.

    [sweep.values]
    fresh_fraction = [0.1, 0.3, 0.9]
    truncation_time = [0.02, 0.1, 0.5]

Every point is validated before the first one runs.  Each finished point is one file, written atomically, so that
an interrupted sweep continues where it stopped; the result does not depend on who computed which point.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import InputError
from ..core.types import FloatArray
from ..storage.folder import read_arrays, read_json, write_arrays, write_json
from .config import Config, key_sections, parse_config, unknown_key
from .run import DATASET, write_dataset

if TYPE_CHECKING:
    from xarray import Dataset

    from ..recursion.recursion import Recursion

MANIFEST = "sweep.json"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_FORBIDDEN = ("sweep", "initial")

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
        if not entries:
            raise InputError(f"sweep.values.{key} must hold at least one value, got none.")
    keys = tuple(values)
    lengths = {len(entries) for entries in values.values()}
    if config.sweep.method == "list" and len(lengths) > 1:
        shown = ", ".join(f"{key} {len(entries)}" for key, entries in values.items())
        raise InputError(f'sweep.values must be lists of one length for method = "list", got {shown}.')
    columns = [values[key] for key in keys]
    settings = tuple(
        itertools.product(*columns) if config.sweep.method == "grid" else zip(*columns, strict=True)
    )
    configs = []
    for setting in settings:
        try:
            point = config.updated(dict(zip(keys, setting, strict=True)))
        except InputError as error:
            shown = ", ".join(f"{key} = {value}" for key, value in zip(keys, setting, strict=True))
            raise InputError(f"the point {shown} of the sweep is not valid: {error}") from None
        configs.append(point)
    for point in _distinct(configs):
        point.build_recursion()  # what only building can find, before anything is written
    return Sweep(config, keys, settings, tuple(configs))


def _distinct(configs: list[Config]) -> list[Config]:
    """Return one configuration for each law described: reading a file of samples once is enough."""
    first: dict[str, Config] = {}
    for config in configs:
        first.setdefault(
            json.dumps(config.model_dump(mode="json", include={"target", "initial"}), sort_keys=True), config
        )
    return list(first.values())


def run_sweep(
    sweep: Sweep, folder: str | os.PathLike[str], *, progress: Callable[[int, int], None] | None = None
) -> Dataset:
    """Run the points that `folder` does not hold yet, and gather all of them.

    Parameters
    ----------
    sweep : Sweep
    folder : str or path
        Where finished points go; made if it does not exist, continued if it holds this very sweep.
    progress : callable, optional
        Called with the number of finished points and of all points.

    Returns
    -------
    Dataset
        With one dimension for each key (a grid) or the dimension `point` (a list).

    Raises
    ------
    InputError
        If the folder holds something else.
    """
    path = Path(folder)
    where = {"workers", "scheduler"}  # points may be computed anywhere
    described = sweep.config.model_dump(mode="json", exclude_none=True, exclude={"sweep": where})
    manifest = {"sweep": described, "points": len(sweep.configs)}
    if (path / MANIFEST).exists():
        if read_json(path / MANIFEST) != manifest:
            raise InputError(f"folder must be empty or hold this sweep, got {str(path)!r} with another one.")
    elif path.exists() and any(path.iterdir()):
        raise InputError(f"folder must be empty or hold this sweep, got {str(path)!r} with other files.")
    open_points = [i for i in range(len(sweep.configs)) if not _file(path, i).exists()]
    total, done = len(sweep.configs), len(sweep.configs) - len(open_points)
    if progress is not None:
        progress(done, total)
    jobs = {i: sweep.configs[i].as_document() for i in open_points}
    for index, point in _results(jobs, sweep.config):
        if not (path / MANIFEST).exists():  # only now is it certain that there is something to keep
            path.mkdir(parents=True, exist_ok=True)
            write_json(path / MANIFEST, manifest)
        write_arrays(_file(path, index), point)
        done += 1
        if progress is not None:
            progress(done, total)
    dataset = gather(sweep, [read_arrays(_file(path, i)) for i in range(total)])
    write_dataset(dataset, path / DATASET)
    return dataset


def finished_points(folder: str | os.PathLike[str]) -> tuple[int, int]:
    """Return how many points of the sweep in a folder are finished, and how many there are; (0, 0) without a sweep."""
    path = Path(folder)
    if not (path / MANIFEST).exists():
        return 0, 0
    total = int(read_json(path / MANIFEST)["points"])
    return sum(_file(path, i).exists() for i in range(total)), total


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
    tested = comparison.z[comparison.tested]
    point: Point = {
        "rejected": np.asarray(float(not comparison.verdict.passed)),
        "p_value": np.asarray(comparison.verdict.adjusted_p_value),
        "tested": np.asarray(float(tested.size)),
        "largest_z": np.asarray(np.abs(tested).max() if tested.size else np.nan),
    }
    if comparison.measured_factors is not None and comparison.factor_standard_error is not None:
        point["measured_factor"] = comparison.measured_factors
        point["measured_error"] = comparison.factor_standard_error
    return point


def _file(folder: Path, index: int) -> Path:
    return folder / f"point-{index:05d}.npz"


def _results(jobs: dict[int, dict[str, object]], config: Config) -> Iterator[tuple[int, Point]]:
    """Yield points as they finish: in this process for one worker, else in spawned processes or on a cluster."""
    if not jobs:
        return
    workers = min(config.sweep.workers or os.cpu_count() or 1, len(jobs))
    if config.sweep.scheduler is not None:
        from .cluster import run_on_cluster

        with _one_thread_each():
            yield from run_on_cluster(compute_point, jobs, address=config.sweep.scheduler, workers=workers)
        return
    if workers == 1:
        for index, document in jobs.items():
            yield index, compute_point(document)
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

    # Spawned, not forked: a child forked after a parallel region of Numba does not survive it.
    with _one_thread_each(), ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(compute_point, document): index for index, document in jobs.items()}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Leave one thread to each process, where there is one for each core; libraries read this when a process starts."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
