"""Training regimes: of which laws the training set of each round is a mixture.

Round i trains on q_i = w p* + sum_{j <= i} v_j p_j.  A regime is the rule that gives (w, v) for every round:

    replace                q_i = alpha p* + (1 - alpha) p_i
    accumulate             q_i = (p* + p_1 + ... + p_i) / (i + 1)          the data once, then every round
    accumulate_with_fresh  q_i = alpha p* + (1 - alpha) mean(p_1, ..., p_i), and p* in round 0

or a table of weights, row i for round i: w first, then v_0, ..., v_i.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.arrays import Arrays, as_array
from ..core.errors import InputError
from ..core.types import FloatArray
from ..core.value import Value

NAMES = ("replace", "accumulate", "accumulate_with_fresh")


@dataclass(frozen=True, eq=False)
class Regime(Value):
    """The mixing weights of every round.

    Parameters
    ----------
    name : str
        "replace", "accumulate", "accumulate_with_fresh" or "table".
    fresh_fractions : tuple of float
        Share of fresh data by round; the last value holds for every later round.
    table : array, shape (rounds, rounds + 1), optional
        Rows of weights for the name "table", row i zero beyond column i + 1.
    """

    name: str
    fresh_fractions: tuple[float, ...]
    table: FloatArray | None = None

    def fresh_fraction(self, round_index: int) -> float:
        """Return the share of fresh data in round i."""
        return self.fresh_fractions[min(round_index, len(self.fresh_fractions) - 1)]

    @property
    def final_fraction(self) -> float:
        """The share of fresh data in all late rounds."""
        return self.fresh_fractions[-1]

    def mixing(self, round_index: int) -> tuple[float, FloatArray]:
        """Return the weight of p* and the weights of p_0, ..., p_i in the training law of round i; they sum to 1."""
        i = round_index
        earlier = np.zeros(i + 1)
        if self.table is not None:
            if i >= len(self.table):
                raise InputError(
                    f"regime must hold a row of weights for every round, got {len(self.table)} rows."
                )
            return float(self.table[i, 0]), self.table[i, 1 : i + 2].copy()
        if self.name == "accumulate":
            earlier[1:] = 1.0 / (i + 1)
            return 1.0 / (i + 1), earlier
        alpha = self.fresh_fraction(i)
        if self.name == "replace":
            earlier[i] = 1.0 - alpha
            return alpha, earlier
        if i == 0:
            return 1.0, earlier
        earlier[1:] = (1.0 - alpha) / i
        return alpha, earlier


def as_regime(regime: str | ArrayLike | Regime, fresh_fraction: ArrayLike | None = None) -> Regime:
    """Return a regime as it is, or from its name or a table of weights with one fresh fraction or one a round.

    Raises
    ------
    InputError
        For an unknown name, fractions outside [0, 1], fresh data in the regime "accumulate", or a table that is no
        table of weights.
    """
    if isinstance(regime, Regime):
        return regime
    # Tensors and masked arrays as numbers; lists entry by entry, so that booleans and text in them are refused.
    is_array = isinstance(fresh_fraction, Arrays)
    given = (
        as_array(fresh_fraction, "fresh_fraction") if is_array else np.asarray(fresh_fraction, dtype=object)
    )
    fractions = tuple(checks.fraction(value) for value in np.atleast_1d(given))
    if not fractions:
        raise InputError("fresh_fraction must hold at least one value, got none.")
    if not isinstance(regime, str):
        return Regime("table", fractions, _weight_table(regime))
    name = checks.one_of(regime, NAMES, "regime")
    if name == "accumulate" and any(fractions):
        raise InputError(
            f"fresh_fraction must be 0 in the regime 'accumulate', where the data enter once, got {fractions[0]!r}."
        )
    return Regime(name, fractions)


def _weight_table(regime: ArrayLike) -> FloatArray:
    table = checks.real_array(regime, "regime").copy()
    if table.ndim != 2 or table.shape[1] < 2 or table.shape[1] < table.shape[0] + 1:
        raise InputError(
            f"regime must be a name or a table of shape (rounds, rounds + 1), got an array of shape {table.shape}."
        )
    for i, row in enumerate(table):
        table[i] = checks.probabilities(row, f"regime[{i}]")
        if np.any(row[i + 2 :] != 0.0):
            raise InputError(
                f"regime[{i}] must give no weight to rounds after {i}, got {row[i + 2 :].tolist()!r}."
            )
    return table
