"""What the theory says about a recursion, gathered in one record: modes, rates, limit law, distances.

    prediction = predict(recursion, rounds=12, degree=8)
    prediction.distances_to_data()
    prediction.to_dataset()      # xarray, with units and long names

Nothing here is new mathematics: every number comes from the rooms below, and what does not exist for a
recursion (a limit without fresh data at scale 1, one factor for each mode under blur) is None with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core import checks
from ..core.display import Displayed
from ..core.errors import ConvergenceError, InputError
from ..core.estimates import Estimate
from ..hermite.indices import default_degree, index_count
from .modes import attenuation, contraction_rate, half_degree, mode_contraction
from .recursion import Recursion

if TYPE_CHECKING:
    from xarray import Dataset

    from ..laws.aged import AgedLaw

FloatArray = NDArray[np.float64]

LARGEST_TABLE = 20_000
"""Number of Hermite coefficients above which they are not listed one by one."""

LARGEST_PAIRED = 4000
"""Number of components above which no distance that compares every pair is computed."""

METRIC_NAMES = {
    "total_variation": "total variation",
    "kl": "Kullback-Leibler divergence",
    "chi_square": "chi-square divergence",
    "wasserstein1": "Wasserstein-1",
    "wasserstein2": "Wasserstein-2",
    "sliced_wasserstein": "sliced Wasserstein-2",
    "mehler": "Mehler, r = 1/2",
    "bures": "Bures (mean, covariance)",
}


@dataclass(frozen=True, eq=False)
class Prediction(Displayed):
    """Theory of one recursion.

    Attributes
    ----------
    recursion : what is predicted.
    rounds : number of rounds shown.
    degrees : (n + 1,) Hermite degrees 0..n.
    factors : (rounds + 1, n + 1) share of each degree that survives, or None where degrees mix.
    attenuation : (n + 1,) that share in the limit law, or None.
    contraction : (n + 1,) factor of one round on a deviation of each degree; None where degrees mix or earlier
        rounds stay in the training set, when the approach is a power of the round.
    half_degree : degree at which the limit keeps half of a mode, or None.
    indices, coefficients, limit_coefficients : (m, d), (rounds + 1, m), (m,) predicted Hermite coefficients;
        None where there are more than 20 000 of them.
    limit : the limit law, or None.
    rates : proved contraction of one round by metric; empty where none is proved.
    notes : why what is None is None.
    """

    recursion: Recursion
    rounds: int
    degrees: NDArray[np.int64]
    factors: FloatArray | None
    attenuation: FloatArray | None
    contraction: FloatArray | None
    half_degree: float | None
    indices: NDArray[np.int64] | None
    coefficients: FloatArray | None
    limit_coefficients: FloatArray | None
    limit: AgedLaw | None
    rates: dict[str, float]
    notes: tuple[str, ...]

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

    def distances_to_data(self) -> dict[str, Estimate]:
        """Distances of the limit law to the data, by metric; empty without a limit."""
        return self._to_data

    @cached_property
    def _to_data(self) -> dict[str, Estimate]:
        return {} if self.limit is None else distances(self.limit, self.recursion.target)

    def approach(self, metrics: Sequence[str] | None = None) -> dict[str, list[Estimate]]:
        """Distances of the law after each round to the limit law, by metric; empty without a limit.

        metrics : names as in `distances`; in one dimension total variation, KL and Wasserstein-2 unless given, else
            total variation (sampled), Mehler and Bures.
        """
        if self.limit is None:
            return {}
        usual = ("total_variation", "kl", "wasserstein2")
        if self.recursion.dimension > 1:
            usual = ("total_variation", "mehler", "bures")
        wanted = usual if metrics is None else metrics
        for i, known in enumerate(self._to_limit):
            if missing := [name for name in wanted if name not in known]:
                computed = distances(self.recursion.law(i), self.limit, metrics=missing)
                known |= {name: computed.get(name) for name in missing}
        rows = {name: [row[name] for row in self._to_limit] for name in wanted}
        return {name: [e for e in row if e is not None] for name, row in rows.items() if None not in row}

    @cached_property
    def _to_limit(self) -> list[dict[str, Estimate | None]]:
        """Distances to the limit computed so far, by round and metric; None where one does not exist."""
        return [{} for _ in range(self.rounds + 1)]

    def to_dataset(self) -> Dataset:
        """Everything above as one xarray Dataset with labelled dimensions, units and long names."""
        import xarray

        data: dict[str, Any] = {}
        coords: dict[str, Any] = {"degree": self.degrees, "round": np.arange(self.rounds + 1)}
        if self.factors is not None:
            data["factor"] = (("round", "degree"), self.factors, _units("share of the data's mode kept"))
        if self.attenuation is not None:
            data["attenuation"] = (
                "degree",
                self.attenuation,
                _units("share of the data's mode kept in the limit"),
            )
        if self.contraction is not None:
            data["contraction"] = ("degree", self.contraction, _units("factor of one round on a deviation"))
        if self.half_degree is not None:
            data["half_degree"] = ((), self.half_degree, _units("half-amplitude degree"))
        if self.coefficients is not None:
            assert self.indices is not None
            coords["multi_index"] = (("mode", "axis"), self.indices)
            data["coefficient"] = (
                ("round", "mode"),
                self.coefficients,
                _units("predicted Hermite coefficient"),
            )
            if self.limit_coefficients is not None:
                data["limit_coefficient"] = (
                    "mode",
                    self.limit_coefficients,
                    _units("coefficient of the limit law"),
                )
        if self.rates:
            coords["metric"] = list(self.rates)
            data["proved_rate"] = ("metric", list(self.rates.values()), _units("proved factor of one round"))
        attributes = {"recursion": repr(self.recursion), "notes": "\n".join(self.notes)}
        return xarray.Dataset(data, coords=coords, attrs=attributes)


def predict(recursion: Recursion, *, rounds: int, degree: int | None = None) -> Prediction:
    """The theory of a recursion, without simulating anything.

    Parameters
    ----------
    recursion : a `Recursion`.
    rounds : number of rounds, >= 1.
    degree : highest Hermite degree, >= 1; `default_degree` unless given.

    Raises
    ------
    InputError : an argument outside its range, or a target of which the recursion cannot be predicted.
    """
    count = checks.integer(rounds, "rounds", 1)
    highest = default_degree(recursion.dimension) if degree is None else checks.integer(degree, "degree", 1)
    degrees = np.arange(highest + 1)
    factors = None
    if recursion.is_diagonal and recursion.initial is None:
        factors = recursion.mode_factors(degrees, rounds=count)
    limit, reason = _limit(recursion)
    notes = [reason] if reason else []
    shares, contraction, half = _closed_forms(recursion, degrees)
    indices = coefficients = last = None
    if index_count(recursion.dimension, int(degrees[-1])) <= LARGEST_TABLE:
        coefficients = recursion.coefficients(int(degrees[-1]), rounds=count)
        indices = recursion.target.hermite_coefficients(int(degrees[-1])).indices
        if limit is not None:
            last = limit.hermite_coefficients(int(degrees[-1])).values
    else:
        notes.append(
            f"Dimension {recursion.dimension} has too many Hermite modes up to degree {degrees[-1]} to list them"
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


def distances(p: Any, q: Any, *, metrics: Collection[str] | None = None) -> dict[str, Estimate]:
    """Distances between two laws by every metric that exists for them.

    One dimension: total variation, KL, chi-square, Wasserstein 1 and 2 by quadrature.  Several: total variation,
    KL and chi-square by sampling, sliced Wasserstein-2.  Any: Mehler and Bures in closed form.  Laws of more than
    4000 components (samples, in the end) have those that do not compare every pair.  `metrics` chooses among them.
    """
    from .. import distances as room

    wanted: dict[str, Callable[[], Estimate]] = {}
    if max(_components(p), _components(q)) <= LARGEST_PAIRED:
        wanted = {
            "total_variation": lambda: room.total_variation(p, q),
            "kl": lambda: room.kl(p, q),
            "chi_square": lambda: room.chi_square(p, q),
        }
        if p.dimension == 1:
            wanted["wasserstein1"] = lambda: room.wasserstein(p, q, order=1)
            wanted["wasserstein2"] = lambda: room.wasserstein(p, q, order=2)
        else:
            wanted["sliced_wasserstein"] = lambda: room.sliced_wasserstein(p, q, order=2)
        wanted["mehler"] = lambda: room.mehler(p, q, 0.5)
    wanted["bures"] = lambda: room.bures(p, q)
    found = {}
    for name, compute in wanted.items():
        if metrics is not None and name not in metrics:
            continue
        try:
            found[name] = compute()
        except (
            InputError,
            ConvergenceError,
        ):  # a law without density has no divergence, and some are undecided
            continue
    return found


def _components(law: Any) -> int:
    """Number of Gaussians (or points) the law consists of."""
    if hasattr(law, "bases"):
        return sum(_components(law.bases[b]) for b in law.base_of)
    return len(law.samples) if hasattr(law, "samples") else len(law.weights)


def _limit(recursion: Recursion) -> tuple[AgedLaw | None, str]:
    try:
        return recursion.limit(), ""
    except InputError as error:
        return None, f"There is no limit law: {error}"


def _closed_forms(
    recursion: Recursion, degrees: NDArray[np.int64]
) -> tuple[FloatArray | None, FloatArray | None, float | None]:
    """Attenuation, contraction and half-amplitude degree, where each degree evolves by itself to a limit."""
    if not recursion.is_diagonal or recursion.regime.name not in ("replace", "accumulate_with_fresh"):
        return None, None, None
    setting = {
        "fresh_fraction": recursion.regime.final_fraction,
        "truncation_time": recursion.schedule.final,
        "rate": recursion.rate,
    }
    if setting["fresh_fraction"] == 0.0 and recursion.schedule.total < np.inf:
        return None, mode_contraction(degrees, **setting), None
    contraction = mode_contraction(degrees, **setting) if recursion.regime.name == "replace" else None
    return attenuation(degrees, **setting), contraction, half_degree(**setting)


def _rates(recursion: Recursion) -> dict[str, float]:
    if recursion.regime.name != "replace" or not recursion.has_constant_rounds:
        return {}
    channel = recursion.channel(0)
    metrics = ["total_variation", "kl", "chi_square", "wasserstein1", "wasserstein2"]
    metrics += ["l2_gamma"] if recursion.is_diagonal else []
    return {
        metric: contraction_rate(
            fresh_fraction=recursion.regime.final_fraction,
            truncation_time=-float(np.log(channel.scale)),
            metric=metric,
            rate=1.0,
        )
        for metric in metrics
    }


def _units(name: str) -> dict[str, str]:
    return {"long_name": name, "units": "1"}
