"""What can go wrong, as types: bad input, and an iteration that did not converge."""

from __future__ import annotations

import errno

from .printable import sentence


class InputError(ValueError):
    """An argument breaks a rule; the message is one sentence naming the argument, the rule and the value.

    Examples
    --------
    >>> from hermite_collapse import half_degree
    >>> try:
    ...     half_degree(fresh_fraction=1.5, truncation_time=0.1)
    ... except InputError as error:
    ...     print(error)
    fresh_fraction must lie in [0, 1], got 1.5.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(sentence(message))  # it may repeat names of files and columns


class ConvergenceError(RuntimeError):
    """An iteration stopped before its tolerance was met.

    Attributes
    ----------
    value : object
        The best value reached.
    bound : object
        The error bound or last change that belongs to it.

    Examples
    --------
    >>> error = ConvergenceError("the iteration stopped at 1.4.", value=1.4, bound=0.1)
    >>> error.value, error.bound
    (1.4, 0.1)
    """

    def __init__(self, message: str, *, value: object, bound: object) -> None:
        super().__init__(message)
        self.value = value
        self.bound = bound


def is_out_of_memory(problem: BaseException) -> bool:
    """Return whether an exception says that memory ran out; torch, loaders and llvmlite have words of their own."""
    if isinstance(problem, MemoryError) or type(problem).__name__ == "OutOfMemoryError":
        return True
    if isinstance(problem, OSError) and problem.errno == errno.ENOMEM:
        return True
    words = ("not enough memory", "allocate memory", "out of memory", "failed to map segment", "libllvmlite")
    foreign = isinstance(problem, RuntimeError | ImportError | OSError)
    return foreign and any(text in str(problem) for text in words)
