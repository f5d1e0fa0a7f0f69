"""Errors of means of runs as they stand in a table, beside those that rounds share."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.types import BoolArray, FloatArray, IntArray
from ...core.value import Value


@dataclass(frozen=True, eq=False)
class RunScatter(Value):
    """Errors of means of some number of runs, before rounds share them.

    Attributes
    ----------
    squares : array, shape (N,)
        Squared errors as stated.
    freedom : array, shape (N,), or None
    groups : int array, shape (N,), or None
        Of the errors that rounds share, as in `Observations`.
    runs : array, shape (m,)
        Of how many runs each curve is the mean, by what is said or by how errors scatter.
    """

    squares: FloatArray
    freedom: FloatArray | None
    groups: IntArray | None
    runs: FloatArray

    def only(self, inside: BoolArray, columns: IntArray) -> RunScatter:
        """Return that of some entries, by a mask (N,), and columns."""
        return self.replace(
            squares=self.squares[inside],
            freedom=None if self.freedom is None else self.freedom[inside],
            groups=None if self.groups is None else self.groups[inside],
            runs=self.runs[columns],
        )
