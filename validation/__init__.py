"""Theory against simulation: experiments, benchmarks and examples, each run writing one record."""

from hermite_collapse.core.threads import wait_passively

wait_passively()  # as the command does: read once by the thread pools, before NumPy and torch are loaded
