r"""The same numbers from a Dask cluster: samples larger than one machine, and many jobs on many workers.

    import dask.array as da
    samples = da.from_zarr("samples.zarr")                    # (n, d), any chunks
    hc.distributed.sample_coefficients(samples, 8)
    hc.distributed.degree_spectrum(samples, degree=8)

Both run where Dask runs: on the current `distributed.Client`, or else in threads of this process.  The blocks go
through the kernels that serve arrays in memory.

Coefficients: sums over blocks of 8192 samples along a fixed binary tree (see `hermite.sums`).  Chunks are cut at
multiples of 8192, so every block and every node of the tree is the same wherever it is added: the result has the
same bits as on one machine, if the processors have the same instruction set.

Spectra: all pairs of blocks of 8192 samples.  Which pairs are added first differs from one machine, not from cluster
to cluster or from chunk to chunk: equal to the one-machine result within 1e-14 of the root mean square of K_n.
"""

from __future__ import annotations

import socket
import threading
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..core import checks
from ..core.errors import InputError
from .coefficients import HermiteCoefficients
from .degree import DegreeSpectrum, one_sample_spectrum, two_sample_spectrum
from .degree_sums import one_sample_sums, two_sample_sums, usable
from .pair_sums import OneSampleSums, TwoSampleSums
from .sums import BLOCK, SampleSums

Array = NDArray[np.float64]
Key = TypeVar("Key", bound=Hashable)

_BRANCHES = 8  # of the reductions: parts are let go early, and no task waits for more than these
_CONNECT_SECONDS = 10.0
# Run by each local worker: an interrupt from the terminal reaches all processes, and this one stops the others.
_LEAVE_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
_SCHEMES = ("tcp", "tls", "ws", "wss")


def sample_coefficients(samples: Any, degree: int) -> HermiteCoefficients:
    r"""Hermite coefficients of the law that the samples of a Dask array come from, with standard errors.

        c_k = (1/n) sum_i h_k(x_i),     standard_error_k^2 = (mean of h_k^2 - c_k^2) / (n - 1)

    Parameters
    ----------
    samples : Dask array (n,) or (n, d), n >= 2, in chunks of any known size.  Chunks whose rows are a multiple of 8192
        are used as they are, others are joined and cut.
    degree : largest total degree.

    Returns
    -------
    HermiteCoefficients with `standard_error`: the same bits as `hermite.coefficients.sample_coefficients`.

    Cost : one pass over the samples; a worker holds the chunks it works on, 8192 samples at least, and what travels
        is two numbers for each coefficient and open level of the tree.
    Raises : InputError as in memory, for anything but a Dask array, and for chunks of unknown size; ImportError
        without the extra "distributed".
    """
    dask = _dask()
    degree = checks.integer(degree, "degree")
    array = _dask_samples(samples, "samples", 2)
    SampleSums(array.shape[1], degree)  # refuses what is too large before anything runs
    starts = list(accumulate(array.chunks[0], initial=0))[:-1]
    rows: Any = array.chunks[0]
    if any(start % BLOCK for start in starts):
        rows = BLOCK * max(1, round(len(array) / (len(starts) * BLOCK)))
    block_sums = dask.delayed(_block_sums, pure=False)
    parts = [block_sums(block, start, degree) for block, start in _blocks(array, rows)]
    return dask.compute(_reduced(dask.delayed(_merged, pure=False), parts))[0].coefficients()


def degree_spectrum(x: Any, y: Any = None, *, degree: int) -> DegreeSpectrum:
    r"""Hermite energies by degree from samples in Dask arrays, or inner products of two samples' coefficients.

        E_n = mean over i != j of K_n(x_i, x_j)          <c_n(p), c_n(q)> = mean over i, j of K_n(x_i, y_j)

    Parameters
    ----------
    x : Dask array (N, d) or (N,), N >= 4 (N >= 2 with y), in chunks of any known size.
    y : Dask array (M, d) or (M,) independent of x, or None for x with itself.
    degree : largest n.

    Returns
    -------
    DegreeSpectrum

    Accuracy : as in memory; energies equal those of `hc.degree_spectrum` within 1e-14 of the root mean square of K_n.
        The numbers do not depend on the chunks, nor on who computed which pair of blocks.
    Cost : one task for each pair of blocks of 8192 samples.  The cluster's memory holds the samples (Dask spills what
        does not fit to its workers' disks), this machine holds degree + 1 numbers for each sample.
    Raises : InputError as in memory, for anything but Dask arrays, and for chunks of unknown size; ImportError
        without the extra "distributed".
    References : in the recursion <c_n(p_i), c_n(p*)> = f_n(i) E_n(p*), arXiv:2606.13796, Proposition 3.3.
    """
    dask = _dask()
    degree = checks.integer(degree, "degree")
    first = _dask_samples(x, "x", 4 if y is None else 2)
    second = first if y is None else _dask_samples(y, "y", 2)
    if first.shape[1] != second.shape[1]:
        raise InputError(f"x and y must have the same dimension, got {first.shape[1]} and {second.shape[1]}.")
    prepare = dask.delayed(_finite_block, pure=False)
    left = [prepare(block, start, "x") for block, start in _blocks(first, BLOCK)]
    right = left if y is None else [prepare(block, start, "y") for block, start in _blocks(second, BLOCK)]
    rows: list[list[Any]] = [[] for _ in left]
    columns = rows if y is None else [[] for _ in right]
    squares = []
    own, cross = (dask.delayed(f, pure=False, nout=3) for f in (_own_pairs, _cross_pairs))
    for i, block in enumerate(left):
        for j in range(i if y is None else 0, len(right)):
            same = y is None and i == j
            part = own(block, degree) if same else cross(block, right[j], degree, 2.0 if y is None else 1.0)
            rows[i].append(part[0])
            if not same:
                columns[j].append(part[1])
            squares.append(part[2])
    add = dask.delayed(_added, pure=False)
    totals = [[_reduced(add, parts) for parts in side] for side in ([rows] if y is None else [rows, columns])]
    sides, square = dask.compute(totals, _reduced(add, squares))
    joined = [np.concatenate(side) for side in sides]
    if y is None:
        return one_sample_spectrum(usable(OneSampleSums(joined[0], square)), first.shape[1])
    return two_sample_spectrum(usable(TwoSampleSums(joined[0], joined[1], square)), first.shape[1])


def run_on_cluster(
    function: Callable[[Any], Any], jobs: Mapping[Key, Any], *, address: str, workers: int = 1
) -> Iterator[tuple[Key, Any]]:
    """Results of a function on every job, as they finish, from a Dask cluster.

    Parameters
    ----------
    function : importable on the workers; each process runs one job at a time.
    jobs : key -> argument.
    address : of a scheduler, as in tcp://host:8786, or "local" for a cluster of processes on this machine.
    workers : processes of the local cluster.

    A job whose worker is lost is given to another, as often as the scheduler allows (Dask's default: three times).

    Raises : InputError for an address where no scheduler answers, for workers that keep dying, processes without this
        package, and if the scheduler goes away; ImportError without the extra "distributed"; what the function raises.
    """
    with _client(address, workers) as client:
        from distributed import CancelledError, KilledWorker, as_completed  # after the check that it is there

        if address != "local" and not client.scheduler_info()["workers"]:
            warnings.warn(f"the scheduler at {address} has no workers yet; waiting for one.", stacklevel=2)
        futures = {client.submit(_alone, function, job, pure=False): key for key, job in jobs.items()}
        try:
            for future in as_completed(futures, loop=client.loop):
                yield futures[future], future.result()
        except KilledWorker:
            raise InputError(
                f"scheduler must have workers that survive a job, got {address!r}, "
                "where one job lost worker after worker: give them more memory."
            ) from None
        except CancelledError:
            raise InputError(
                f"scheduler must stay until the last job, got {address!r}, which went away."
            ) from None
        except (ModuleNotFoundError, RuntimeError) as error:
            missing = error.__cause__ if isinstance(error, RuntimeError) else error
            if not isinstance(missing, ModuleNotFoundError):
                raise
            raise InputError(
                "scheduler must lead to processes that can import what this one imports, "
                f"got {address!r}: {missing}."
            ) from None


@contextmanager
def _client(address: str, workers: int) -> Iterator[Any]:
    _dask()
    from distributed import Client, LocalCluster
    from distributed.utils import silence_logging_cmgr

    if address == "local":
        with (
            # One thread for each worker: Numba's workqueue layer aborts when two Python threads call it.
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                # even without a dashboard the scheduler would ask for port 8787, and warn where it is taken
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                preload=_LEAVE_INTERRUPTS,
                silence_logs="CRITICAL",
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client
        return
    try:
        _knock(address)
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise InputError(
            f"scheduler must be the address of a Dask scheduler that answers, got {address!r}: {reason}."
        ) from None
    # What goes wrong is raised; Dask would also print it, with tracebacks of its own.
    with silence_logging_cmgr("CRITICAL"), client:
        yield client


def _knock(address: str) -> None:
    """The reason at once where no scheduler listens: a client would try again until its time is over, wait without end
    for a listener that says nothing, and not close after a malformed address."""
    from distributed.comm.addressing import parse_address, parse_host_port

    scheme, location = parse_address(address)
    if scheme not in _SCHEMES:
        raise ValueError(f"its protocol must be one of {', '.join(_SCHEMES)}")
    with socket.create_connection(parse_host_port(location), timeout=_CONNECT_SECONDS) as connection:
        if scheme == "tcp" and not connection.recv(1):  # a Dask server speaks first
            raise OSError("what listens there is not a Dask scheduler")


_one_job = threading.Lock()


def _alone(function: Callable[[Any], Any], job: Any) -> Any:
    """One job at a time in a process, whatever threads its cluster gave it: jobs use all threads there are, and
    libraries below them keep state for the whole process."""
    with _one_job:
        return function(job)


def _dask() -> Any:
    try:
        import dask
        import distributed  # noqa: F401
    except ModuleNotFoundError:
        raise ImportError(
            'Dask arrays and clusters need Dask, which is not installed: pip install "hermite-collapse[distributed]".'
        ) from None
    return dask


def _dask_samples(samples: Any, name: str, minimum: int) -> Any:
    """Samples as a Dask array (n, d) with known chunks."""
    if not all(hasattr(samples, attribute) for attribute in ("dask", "chunks", "to_delayed", "rechunk")):
        raise InputError(
            f"{name} must be a Dask array (dask.array.from_array makes one), got {type(samples).__name__}."
        )
    if samples.dtype.kind not in "biuf":
        raise InputError(f"{name} must hold real numbers, got an array of {samples.dtype}.")
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and samples.shape[1] == 0):
        raise InputError(f"{name} must have shape (n,) or (n, d), got {samples.shape}.")
    if any(np.isnan(size) for size in samples.shape):
        raise InputError(
            f"{name} must have chunks of known size (its compute_chunk_sizes() finds them), "
            f"got shape {samples.shape}."
        )
    if len(samples) < minimum:
        raise InputError(f"{name} must hold at least {minimum} samples, got {len(samples)}.")
    return samples if samples.ndim == 2 else samples[:, None]


def _blocks(array: Any, rows: int | tuple[int, ...]) -> list[tuple[Any, int]]:
    """Each block of that many rows, to be computed, and the sample it starts with."""
    cut = array.rechunk({0: rows, 1: -1})
    return list(zip(cut.to_delayed().ravel(), accumulate(cut.chunks[0], initial=0), strict=False))


def _reduced(combine: Callable[[Sequence[Any]], Any], parts: Sequence[Any]) -> Any:
    """All parts combined along a tree that their number fixes."""
    while len(parts) > 1:
        parts = [combine(parts[i : i + _BRANCHES]) for i in range(0, len(parts), _BRANCHES)]
    return parts[0]


def _finite_block(block: Any, start: int, name: str) -> Array:
    # a read-only array is another type to the compiler: it would be compiled for once more
    values = np.require(block, np.float64, ["C", "W"])
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"{name} must be finite, got {int(bad.sum())} NaN or infinite entries among samples {start} to "
            f"{start + len(values) - 1}, the first of them at {(start + row, column)}."
        )
    return values


def _block_sums(block: Any, start: int, degree: int) -> SampleSums:
    values = _finite_block(block, start, "samples")
    return SampleSums(values.shape[1], degree, first_block=start // BLOCK).add(values)


def _merged(parts: Sequence[SampleSums]) -> SampleSums:
    """A new sum: Dask may run a task twice, so no task changes what it is given."""
    total = SampleSums(parts[0].dimension, parts[0].degree)
    for part in parts:
        total.merge(part)
    return total


def _own_pairs(x: Array, degree: int) -> tuple[Array, None, Array]:
    sums = one_sample_sums(x, degree)
    return sums.rows, None, sums.squares


def _cross_pairs(x: Array, y: Array, degree: int, orders: float) -> tuple[Array, Array, Array]:
    """orders: 2 where both (i, j) and (j, i) are pairs of one sample, as in the sum of squares over a block."""
    sums = two_sample_sums(x, y, degree)
    return sums.rows, sums.columns, orders * sums.squares


def _added(parts: Sequence[Array]) -> Array:
    total = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total
