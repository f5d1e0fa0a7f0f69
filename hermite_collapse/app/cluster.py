"""Many jobs on the workers of a Dask cluster: one of processes on this machine, or one that runs elsewhere."""

from __future__ import annotations

import socket
import threading
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from ..core.errors import InputError
from ..hermite.distributed import require_dask

if TYPE_CHECKING:
    from distributed import Client

Key = TypeVar("Key", bound=Hashable)
Job = TypeVar("Job")
Result = TypeVar("Result")

_CONNECT_SECONDS = 10.0
# Run by each local worker: an interrupt from the terminal reaches all processes, and this one stops the others.
_LEAVE_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
_SCHEMES = ("tcp", "tls", "ws", "wss")
_one_job = threading.Lock()


def run_on_cluster(
    function: Callable[[Job], Result],
    jobs: Mapping[Key, Job],
    *,
    address: str,
    workers: int = 1,
    lost: Result | None = None,
) -> Iterator[tuple[Key, Result]]:
    """Yield the results of a function on every job, as they finish on a Dask cluster.

    Parameters
    ----------
    function : callable
        Importable on the workers; each process runs one job at a time.
    jobs : mapping
        From a key to the argument.
    address : str
        Of a scheduler, as in tcp://host:8786, or "local" for a cluster of processes on this machine.
    workers : int
        Processes of the local cluster.
    lost : object, optional
        The result of a job that lost worker after worker; without it such a job ends all of them.

    Yields
    ------
    tuple
        The key and the result of a job.

    Raises
    ------
    InputError
        For an address where no scheduler answers, for workers that keep dying, processes without this package, and if
        the scheduler goes away.
    ImportError
        Without the extra "distributed".

    Notes
    -----
    A job whose worker is lost is given to another, as often as the scheduler allows (Dask's default: three times).
    What the function raises is raised here.
    """
    with _client(address, workers) as client:
        from distributed import CancelledError, KilledWorker, as_completed  # after the check that it is there

        if address != "local" and not client.scheduler_info()["workers"]:
            warnings.warn(f"the scheduler at {address} has no workers yet; waiting for one.", stacklevel=2)
        futures = {client.submit(_alone, function, job, pure=False): key for key, job in jobs.items()}
        try:
            for future in as_completed(futures, loop=client.loop):
                try:
                    result = future.result()
                except KilledWorker:
                    if lost is None:
                        raise
                    result = lost
                yield futures[future], result
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
def _client(address: str, workers: int) -> Iterator[Client]:
    """Connect to a scheduler, or start one with workers on this machine."""
    require_dask()
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
    """Raise the reason at once where no scheduler listens.

    A client would try again until its time is over, wait without end for a listener that says nothing, and not close
    after a malformed address.
    """
    from distributed.comm.addressing import parse_address, parse_host_port

    scheme, location = parse_address(address)
    if scheme not in _SCHEMES:
        raise ValueError(f"its protocol must be one of {', '.join(_SCHEMES)}")
    with socket.create_connection(parse_host_port(location), timeout=_CONNECT_SECONDS) as connection:
        if scheme == "tcp" and not connection.recv(1):  # a Dask server speaks first
            raise OSError("what listens there is not a Dask scheduler")


def _alone(function: Callable[[Job], Result], job: Job) -> Result:
    """Run one job at a time in a process, whatever threads its cluster gave it.

    Jobs use all threads there are, and libraries below them keep state for the whole process.
    """
    with _one_job:
        return function(job)
