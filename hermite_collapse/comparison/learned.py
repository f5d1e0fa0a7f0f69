r"""Learned scores beside the ideal recursion: what networks miss each round, and where that leads.

A round with a learned score does not apply its channel exactly.  With c_n the statistic of degree n, kappa_n(i) =
(1 - alpha_i) a_i^n the contraction of round i, and d(i) the defect of round i (`recursion.identity`),

    f_n(i) measured = f_n(i) ideal + e_n(i),     e_n(i+1) = kappa_n(i) e_n(i) + d_n(i),     abs(e_n) <= bound_n,
    bound_n(i+1)    = kappa_n(i) bound_n(i) + max_j abs(d_n(j)).

The first line is an identity and the bound follows from it: neither tests anything.  With four runs or more, one claim
that can fail is tested: that one constant defect of each degree, measured on one half of the runs, describes the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..bounds.constant_defects import check_robustness
from ..core import checks
from ..core.display import Displayed
from ..core.errors import InputError
from ..core.estimates import standard_error_of_mean
from ..core.signature import public
from ..core.significance import Verdict
from ..core.types import FloatArray, IntArray
from ..core.value import Value
from ..recursion.identity import accumulate_defects, round_defects
from ..recursion.recursion import Recursion
from ..recursion.sampling_error import degree_combinations
from ..storage.record import SimulatedRecursion

if TYPE_CHECKING:
    import xarray as xr

LEAST_RUNS = 4
"""Runs from which a constant defect is tested."""


@dataclass(frozen=True, eq=False)
class LearnedComparison(Displayed, Value):
    """A recursion with learned scores beside the ideal one.

    Attributes
    ----------
    degrees : array of int, shape (q,)
        Degrees with energy in the data, from 1 on.
    ideal, measured, standard_error : array, shape (rounds + 1, q)
        Factors f_n(i): of the ideal recursion, and the mean of the runs with its standard error (of a single run, that
        of its particles about their own law).
    defects, defect_error : array, shape (rounds, q)
        d_n(i), mean of the runs, and standard error (NaN for a single run).
    contraction : array, shape (rounds, q)
        kappa_n(i).
    accumulated, bound : array, shape (rounds + 1, q)
        What the defects have become, and the most that defects of their largest size could have.
    constant_defects : Verdict or None
        Whether one constant defect of each degree describes the other half of the runs; None where it is not tested.
    runs, particles : int
    generator : str
    """

    degrees: IntArray
    ideal: FloatArray
    measured: FloatArray
    standard_error: FloatArray
    defects: FloatArray
    defect_error: FloatArray
    contraction: FloatArray
    accumulated: FloatArray
    bound: FloatArray
    constant_defects: Verdict | None
    runs: int
    particles: int
    generator: str

    @property
    def rounds(self) -> int:
        """Number of rounds."""
        return len(self.measured) - 1

    @property
    def text(self) -> str:
        """What is and what is not tested, in a few sentences."""
        largest = np.unravel_index(int(np.argmax(np.abs(self.defects))), self.defects.shape)
        end = int(np.argmax(np.abs(self.accumulated[-1])))
        summary = (
            f"The largest defect of a round is {self.defects[largest]:.2g} of degree {self.degrees[largest[1]]} in "
            f"round {largest[0] + 1}; in the end the factor of degree {self.degrees[end]} is off that of the ideal "
            f"recursion by {self.accumulated[-1, end]:.2g}."
        )
        untested = (
            "Not tested: the theory's predictions, which are those of exact scores; that the measured curve is the "
            "ideal one plus accumulated defects is an identity, and the bound follows from it."
        )
        if self.constant_defects is None:
            why = (
                f"fewer than {LEAST_RUNS} runs"
                if self.runs < LEAST_RUNS
                else "a recursion that does not replace its data each round"
            )
            return f"{summary} {untested} Nothing else is tested either: {why}."
        holds = "holds" if self.constant_defects.passed else "fails"
        return (
            f"{summary} {untested} Tested: that one constant defect of each degree, from one half of the runs, "
            f"describes the other half; it {holds} (adjusted p = {self.constant_defects.adjusted_p_value:.2g})."
        )

    @cached_property
    def dataset(self) -> xr.Dataset:
        """Everything as one labelled xarray Dataset, ready for netCDF."""
        import xarray as xr

        columns = {
            "ideal": (self.ideal, "factor of the ideal recursion"),
            "measured": (self.measured, "measured factor, mean over runs"),
            "standard_error": (self.standard_error, "standard error of measured"),
            "accumulated": (self.accumulated, "what the defects have become"),
            "bound": (self.bound, "bound on accumulated defects"),
        }
        by_round = {
            "defect": (self.defects, "defect of the round that ends here"),
            "defect_standard_error": (self.defect_error, "standard error of defect"),
            "contraction": (self.contraction, "contraction of the round that ends here"),
        }
        variables = {
            name: (("round", "degree"), values, {"long_name": label, "units": "1"})
            for name, (values, label) in columns.items()
        } | {
            name: (
                ("round", "degree"),
                np.concatenate([np.full((1, len(self.degrees)), np.nan), values]),
                {"long_name": label, "units": "1"},
            )
            for name, (values, label) in by_round.items()
        }
        coordinates = {
            "round": ("round", np.arange(self.rounds + 1), {"long_name": "round of training"}),
            "degree": ("degree", self.degrees, {"long_name": "Hermite degree"}),
        }
        attributes = {
            "generator": self.generator,
            "particles": self.particles,
            "runs": self.runs,
            "text": self.text,
        }
        return xr.Dataset(variables, coordinates, attributes)

    def table(self, rounds: Sequence[int] | None = None) -> str:
        """Return curves, defects, contraction and bound as text of 80 columns.

        Parameters
        ----------
        rounds : sequence of int, optional
            The rounds shown; all if None.
        """
        head = f"{'round':>5} {'degree':>6} {'ideal':>10} {'measured':>10} {'std. error':>10} {'defect':>10}"
        lines = [f"{head} {'kappa':>8} {'bound':>10}"]
        for i in range(self.rounds + 1) if rounds is None else rounds:
            for j, degree in enumerate(self.degrees):
                row = f"{i:5d} {degree:6d} {self.ideal[i, j]:10.6f} {self.measured[i, j]:10.6f}"
                made = (
                    f"{self.defects[i - 1, j]:10.6f} {self.contraction[i - 1, j]:8.4f}"
                    if i
                    else f"{'-':>10} {'-':>8}"
                )
                lines.append(f"{row} {self.standard_error[i, j]:10.6f} {made} {self.bound[i, j]:10.6f}")
        return "\n".join(lines)


@public
def compare_learned(
    recursion: Recursion, simulated: SimulatedRecursion, *, level: float = 0.01
) -> LearnedComparison:
    """Return a recursion with learned scores beside the ideal one: curves, defects, contraction, bound.

        f measured = f ideal + accumulated defects

    Parameters
    ----------
    recursion : Recursion
        The recursion as theory knows it; rounds of an Ornstein-Uhlenbeck process without blur.
    simulated : SimulatedRecursion
        What was measured, by any generator.
    level : float
        Of the test of constant defects, in (0, 1).

    Returns
    -------
    LearnedComparison

    Raises
    ------
    InputError
        Where the two do not belong together, or rounds mix degrees.

    References
    ----------
    arXiv:2606.13796, Theorem 5.2 and Proposition 5.3; arXiv:2602.16601.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("three_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> run = hc.simulation.simulate(recursion, rounds=2, particles=2000, degree=4, generator="channel", seed=1)
    >>> learned = compare_learned(recursion, run)
    >>> learned.degrees.tolist(), bool(np.all(np.abs(learned.accumulated) <= learned.bound + 1e-12))
    ([1, 2, 3, 4], True)
    """
    checks.instance(recursion, Recursion, "recursion")
    checks.instance(simulated, SimulatedRecursion, "simulated")
    size = checks.probability(level, "level")
    if simulated.dimension != recursion.dimension:
        raise InputError(
            f"simulated must have the dimension of recursion, {recursion.dimension}, got {simulated.dimension}."
        )
    if not recursion.is_diagonal:
        raise InputError(
            "recursion must act on every degree by itself, got one with blur or of another process than "
            "Ornstein-Uhlenbeck's."
        )
    data = recursion.target.hermite_coefficients(simulated.degree)
    combinations = degree_combinations(data.indices, data.values)
    degrees = np.flatnonzero(np.any(combinations != 0.0, axis=1))
    degrees = degrees[degrees > 0]
    if len(degrees) == 0:
        raise InputError("simulated must record a degree with energy in the data, got none.")
    combined = combinations[degrees].T
    factors = simulated.coefficients @ combined
    ideal = recursion.coefficients(simulated.degree, rounds=simulated.rounds) @ combined
    index = degrees[:, None]
    defects = round_defects(recursion, factors, index, target=np.ones(len(degrees)))
    start = factors[:, 0] - ideal[0]
    accumulated = accumulate_defects(recursion, defects, index, start=start)
    mean_defects = defects.mean(axis=0)
    largest = np.broadcast_to(np.abs(mean_defects).max(axis=0), mean_defects.shape)
    bound = accumulate_defects(recursion, largest[None], index, start=np.abs(start.mean(axis=0))[None])[0]
    several = simulated.runs > 1
    return LearnedComparison(
        degrees=degrees,
        ideal=ideal,
        measured=factors.mean(axis=0),
        standard_error=standard_error_of_mean(factors)
        if several
        else np.sqrt(simulated.variances[0] / simulated.particles @ combined**2),
        defects=mean_defects,
        defect_error=standard_error_of_mean(defects) if several else np.full_like(mean_defects, np.nan),
        contraction=_contraction(recursion, degrees, simulated.rounds),
        accumulated=accumulated.mean(axis=0),
        bound=bound,
        constant_defects=_constant_defects(recursion, factors, degrees, size),
        runs=simulated.runs,
        particles=simulated.particles,
        generator=simulated.generator,
    )


def _contraction(recursion: Recursion, degrees: IntArray, rounds: int) -> FloatArray:
    """Return by how much each round contracts a deviation of the last law, (rounds, q)."""
    return np.array(
        [(1.0 - recursion.mixing(i)[0]) * recursion.channel(i).scale ** degrees for i in range(rounds)]
    )


def _constant_defects(
    recursion: Recursion, factors: FloatArray, degrees: IntArray, level: float
) -> Verdict | None:
    """Return whether constant defects describe the other half of the runs, where rounds replace their data."""
    rounds = factors.shape[1] - 1
    earlier = [recursion.mixing(i)[1] for i in range(rounds)]
    replaces = all(not np.any(weights[:-1]) for weights in earlier)
    if len(factors) < LEAST_RUNS or not replaces:
        return None
    return check_robustness(
        factors,
        degrees,
        target=np.ones(len(degrees)),
        fresh_fraction=[float(recursion.mixing(i)[0]) for i in range(rounds)],
        truncation_time=recursion.schedule,
        rate=recursion.rate,
        level=level,
    ).verdict
