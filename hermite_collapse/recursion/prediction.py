"""What the theory says about a recursion, gathered in one record: modes, rates, limit law, distances.

    prediction = predict(recursion, rounds=12, degree=8)
    prediction.distances_to_data()
    prediction.to_dataset()      # xarray, with units and long names

Nothing here is new mathematics: every number comes from the modules below, and what does not exist for a
recursion (a limit without fresh data at scale 1, one factor for each mode under blur) is None with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..core import checks
from ..core.display import Displayed
from ..core.errors import InputError
from ..core.estimates import Estimate
from ..core.signature import public
from ..core.types import FloatArray, IntArray
from ..core.value import Value
from ..hermite.indices import default_degree, index_count
from ..laws.aged import AgedLaw
from ..laws.mixture import GaussianMixture
from .constant_rounds import ConstantRounds
from .law_distances import law_distances
from .recursion import Recursion
from .repetitions import repetitions_to

if TYPE_CHECKING:
    from xarray import Dataset

LARGEST_TABLE = 20_000
"""Number of Hermite coefficients above which they are not listed one by one."""
_MOST_ROUNDS, _MOST_COMPONENTS = 500, 20
"""Proved rounds, and components of the data, up to which the exact rounds are searched for: about a second."""


@dataclass(frozen=True, eq=False)
class Prediction(Displayed, Value):
    """Theory of one recursion.

    Attributes
    ----------
    recursion : Recursion
        What is predicted.
    rounds : int
        Number of rounds shown.
    degrees : array of int, shape (n + 1,)
        Hermite degrees 0..n.
    factors : array, shape (rounds + 1, n + 1), or None
        Share of each degree that survives; None where degrees mix.
    attenuation : array, shape (n + 1,), or None
        That share in the limit law.
    contraction : array, shape (n + 1,), or None
        Factor of one round on a deviation of each degree; None where degrees mix or earlier rounds stay in the
        training set, when the approach is a power of the round.
    half_degree : float or None
        Degree at which the limit keeps half of a mode.
    indices, coefficients, limit_coefficients : array, shapes (m, d), (rounds + 1, m) and (m,), or None
        Predicted Hermite coefficients; None where there are more than 20 000 of them.
    limit : AgedLaw or None
        The limit law.
    rates : dict of str to float
        Proved contraction of one round by metric; empty where none is proved.
    notes : tuple of str
        Why what is None is None.
    """

    recursion: Recursion
    rounds: int
    degrees: IntArray
    factors: FloatArray | None
    attenuation: FloatArray | None
    contraction: FloatArray | None
    half_degree: float | None
    indices: IntArray | None
    coefficients: FloatArray | None
    limit_coefficients: FloatArray | None
    limit: AgedLaw | None
    rates: dict[str, float]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        size = f"{self.rounds} rounds, degree {int(self.degrees[-1])}"
        half = "" if self.half_degree is None else f", half_degree={self.half_degree:.4g}"
        return f"Prediction({size}{half}, {self.recursion!r})"

    @cached_property
    def lowest_mode(self) -> int | None:
        """Lowest degree >= 1 in which the start and the limit differ: it decides the final rate."""
        if self.coefficients is None or self.limit_coefficients is None or self.indices is None:
            return None
        gap = np.abs(self.coefficients[0] - self.limit_coefficients)
        degree = self.indices.sum(axis=1)
        size = np.abs(self.coefficients[0]) + np.abs(self.limit_coefficients)
        moved = (degree >= 1) & (gap > 1e-10 * np.maximum(size, 1e-3))
        return int(degree[moved].min()) if moved.any() else None

    @property
    def final_rates(self) -> dict[str, float]:
        """Factor of one round in the end, by metric: kappa_m for distances, its square for divergences."""
        m = self.lowest_mode
        if m is None or self.contraction is None:
            return {}
        kappa = float(self.contraction[m])
        return {name: kappa**2 if name in ("kl", "chi_square") else kappa for name in self.rates}

    @cached_property
    def exact_rounds(self) -> int | None:
        """Rounds until the distance of `proved_rounds` is 1 % of its start; None unless on a line of few components."""
        proved, data = proved_rounds(self.rates), self.recursion.target
        if proved is None or self.limit is None or self.recursion.initial is not None or data.dimension > 1:
            return None
        metric, most = proved
        few = isinstance(data, GaussianMixture) and data.has_density and len(data.weights) <= _MOST_COMPONENTS
        start = self._distance_to_limit(0, metric) if few and most <= _MOST_ROUNDS else None
        if start is None or not start.value > 100.0 * start.error:
            return None
        low, high = 0, most  # no distance grows from round to round
        while high - low > 1:
            middle = (low + high) // 2
            distance = self._distance_to_limit(middle, metric)
            if distance is None:
                return None
            low, high = (low, middle) if distance.value <= 0.01 * start.value else (middle, high)
        return high

    def _distance_to_limit(self, i: int, metric: str) -> Estimate | None:
        assert self.limit is not None
        return law_distances(self.recursion.law(i), self.limit, metrics=[metric]).get(metric)

    def distances_to_data(self) -> dict[str, Estimate]:
        """Return the distances of the limit law to the data, by metric; empty without a limit."""
        return self._to_data

    @cached_property
    def _to_data(self) -> dict[str, Estimate]:
        return {} if self.limit is None else law_distances(self.limit, self.recursion.target)

    @public
    def approach(self, metrics: Sequence[str] | None = None) -> dict[str, list[Estimate]]:
        """Return the distances of the law after each round to the limit law, by metric; empty without a limit.

        Parameters
        ----------
        metrics : sequence of str, optional
            Names in `law_distances.METRIC_NAMES`; in one dimension total variation, KL and Wasserstein-2 unless given,
            else total variation (sampled), Mehler and Bures.
        """
        if self.limit is None:
            return {}
        usual = ("total_variation", "kl", "wasserstein2")
        if self.recursion.dimension > 1:
            usual = ("total_variation", "mehler", "bures")
        wanted = usual if metrics is None else metrics
        for i, known in enumerate(self._to_limit):
            if missing := [name for name in wanted if name not in known]:
                computed = law_distances(self.recursion.law(i), self.limit, metrics=missing)
                known |= {name: computed.get(name) for name in missing}
        rows = {name: [row[name] for row in self._to_limit] for name in wanted}
        return {name: [e for e in row if e is not None] for name, row in rows.items() if None not in row}

    @cached_property
    def _to_limit(self) -> list[dict[str, Estimate | None]]:
        """Distances to the limit computed so far, by round and metric; None where one does not exist."""
        return [{} for _ in range(self.rounds + 1)]

    def to_dataset(self) -> Dataset:
        """Return everything above as one xarray Dataset with labelled dimensions, units and long names."""
        import xarray

        columns = [
            ("factor", ("round", "degree"), self.factors, "share of the data's mode kept"),
            ("attenuation", ("degree",), self.attenuation, "share of the data's mode kept in the limit"),
            ("contraction", ("degree",), self.contraction, "factor of one round on a deviation"),
            ("half_degree", (), self.half_degree, "half-amplitude degree"),
            ("coefficient", ("round", "mode"), self.coefficients, "predicted Hermite coefficient"),
            ("limit_coefficient", ("mode",), self.limit_coefficients, "coefficient of the limit law"),
            ("proved_rate", ("metric",), list(self.rates.values()) or None, "proved factor of one round"),
        ]
        data = {
            name: (axes, values, {"long_name": label, "units": "1"})
            for name, axes, values, label in columns
            if values is not None
        }
        coordinates: dict[str, object] = {"degree": self.degrees, "round": np.arange(self.rounds + 1)}
        if self.indices is not None:
            coordinates["multi_index"] = (("mode", "axis"), self.indices)
        if self.rates:
            coordinates["metric"] = list(self.rates)
        attributes = {"recursion": repr(self.recursion), "notes": "\n".join(self.notes)}
        return xarray.Dataset(data, coords=coordinates, attrs=attributes)


@public
def predict(recursion: Recursion, *, rounds: int, degree: int | None = None) -> Prediction:
    """Return the theory of a recursion, without simulating anything.

        f_n(i) = g_n + (1 - g_n) kappa_n^i

    Parameters
    ----------
    recursion : Recursion
        What is predicted.
    rounds : int
        Number of rounds, >= 1.
    degree : int, optional
        Highest Hermite degree, >= 1; `hermite.indices.default_degree` of the dimension unless given.

    Returns
    -------
    Prediction

    Raises
    ------
    InputError
        If an argument is outside its range.

    References
    ----------
    arXiv:2606.13796, Theorem 3.1, Propositions 3.3 and 5.3.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("off_centre_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> prediction = predict(recursion, rounds=3, degree=2)
    >>> prediction.attenuation.round(4).tolist(), prediction.rates["total_variation"]
    ([1.0, 0.854, 0.7404], 0.7)
    """
    checks.instance(recursion, Recursion, "recursion")
    count = checks.entries(rounds, "rounds", 1)
    highest = default_degree(recursion.dimension) if degree is None else checks.entries(degree, "degree", 1)
    degrees = np.arange(highest + 1)
    factors = None
    if recursion.is_diagonal and recursion.initial is None:
        factors = recursion.mode_factors(degrees, rounds=count)
    limit, reason = _limit(recursion)
    notes = [reason] if reason else []
    shares, contraction, half = _closed_forms(recursion, degrees)
    indices = coefficients = last = None
    if index_count(recursion.dimension, highest) <= LARGEST_TABLE:
        coefficients = recursion.coefficients(highest, rounds=count)
        indices = recursion.target.hermite_coefficients(highest).indices
        if limit is not None:
            last = limit.hermite_coefficients(highest).values
    else:
        notes.append(
            f"Dimension {recursion.dimension} has too many Hermite modes up to degree {highest} to list them"
            + ("; shares by degree hold for all of them." if shares is not None else ".")
        )
    return Prediction(
        recursion=recursion,
        rounds=count,
        degrees=degrees,
        factors=factors,
        attenuation=shares,
        contraction=contraction,
        half_degree=half,
        indices=indices,
        coefficients=coefficients,
        limit_coefficients=last,
        limit=limit,
        rates=_rates(recursion),
        notes=tuple(notes),
    )


def proved_rounds(rates: Mapping[str, float]) -> tuple[str, int] | None:
    """Return which of Wasserstein-2 and total variation has the smaller rate, and its rounds to 1 % by that rate."""
    best = min(("wasserstein2", "total_variation"), key=lambda name: rates.get(name, 1.0))
    return None if rates.get(best, 1.0) >= 1.0 else (best, int(repetitions_to(0.01, rates[best])))


def _limit(recursion: Recursion) -> tuple[AgedLaw | None, str]:
    try:
        return recursion.limit(), ""
    except InputError as error:
        return None, f"There is no limit law: {error}"


def _closed_forms(
    recursion: Recursion, degrees: IntArray
) -> tuple[FloatArray | None, FloatArray | None, float | None]:
    """Attenuation, contraction and half-amplitude degree, where each degree evolves by itself to a limit."""
    if not recursion.is_diagonal or recursion.regime.name not in ("replace", "accumulate_with_fresh"):
        return None, None, None
    rounds = recursion.final_rounds
    if rounds.fresh_fraction == 0.0 and recursion.schedule.total < np.inf:
        return None, rounds.contraction(degrees), None
    contraction = rounds.contraction(degrees) if recursion.regime.name == "replace" else None
    return rounds.attenuation(degrees), contraction, rounds.half_degree


def _rates(recursion: Recursion) -> dict[str, float]:
    if recursion.regime.name != "replace" or not recursion.has_constant_rounds:
        return {}
    rounds = ConstantRounds(recursion.regime.final_fraction, recursion.channel(0).decay)
    metrics = ["total_variation", "kl", "chi_square", "wasserstein1", "wasserstein2"]
    metrics += ["l2_gamma"] if recursion.is_diagonal else []
    return {metric: rounds.rate_in(metric) for metric in metrics}
