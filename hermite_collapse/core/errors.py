"""What can go wrong, as types: bad input, an iteration that did not converge, a value less accurate than promised."""

from __future__ import annotations

from typing import Any


class InputError(ValueError):
    """An argument breaks a rule; the message is one sentence naming the argument, the rule and the value."""


class ConvergenceError(RuntimeError):
    """An iteration stopped before its tolerance was met.

    Attributes
    ----------
    value : the best value reached.
    bound : the error bound or last change that belongs to it.
    """

    def __init__(self, message: str, *, value: Any, bound: Any) -> None:
        super().__init__(message)
        self.value = value
        self.bound = bound


class AccuracyWarning(UserWarning):
    """A result is correct to fewer digits than its docstring promises.

    Attributes
    ----------
    value : the result.
    bound : the error bound that holds instead.
    """

    def __init__(self, message: str, *, value: Any = None, bound: Any = None) -> None:
        super().__init__(message)
        self.value = value
        self.bound = bound
