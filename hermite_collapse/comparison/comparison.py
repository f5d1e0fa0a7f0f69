"""Theory against a simulated recursion: predicted values and error bars, tests, and a verdict.

Every mode of every round is compared with its exact value in units of its predicted standard error.  Three families of
tests enter one weighted Holm correction, so that the verdict keeps its level whatever their dependence:

- each mode in each round, a normal test (modes too far from normal for the number of particles are left untested);
- each mode over all rounds together, a chi-square test with the predicted covariance between rounds;
- the fresh fraction and the truncation times implied by all degrees and rounds, estimated by generalised least squares:
  a few per cent off in either is visible here before it shows in any single mode, so these two tests carry half of
  the level.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core import checks
from ..core.display import Displayed
from ..core.errors import InputError
from ..core.estimates import Estimate
from ..core.significance import Test, Verdict, holm, normal_test
from ..recursion.recursion import Recursion
from ..recursion.sampling_error import (
    GENERATORS,
    LARGEST_COMBINED,
    SamplingError,
    degree_combinations,
    predict_degree_error,
    predict_sampling_error,
)
from ..storage.record import SimulatedRecursion
from .implied import implied_fresh_fraction, implied_truncation
from .mode_tests import statistic_tests

if TYPE_CHECKING:
    import xarray as xr

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Comparison(Displayed):
    """A simulated recursion beside its prediction.

    Attributes
    ----------
    indices : (m, d) multi-indices.
    modes : predicted mean, covariance and kurtosis of each coefficient (one run).
    measured : (rounds + 1, m) coefficients averaged over the runs.
    degrees : the same for the degree statistics, which estimate f_n(i); None where degrees are coupled.
    measured_factors : (rounds + 1, degree + 1), or None.
    implied_fresh_fraction, implied_truncation : Estimates in the units of the recursion; the second is the factor on
        all truncation times.  None where they cannot be estimated.
    discretisation, discretisation_error : (rounds + 1, m) estimated effect of the sampler's step size on each
        coefficient and its standard error, where a refined simulation was given; else None.
    target_standard_error : (m,) for a sample as target: sampling error of its coefficients about the population's,
        which concerns the population and enters no test; else None.
    runs, particles, generator : of the simulation.
    verdict : the outcome.
    """

    indices: NDArray[np.int64]
    modes: SamplingError
    measured: FloatArray
    degrees: SamplingError | None
    measured_factors: FloatArray | None
    implied_fresh_fraction: Estimate | None
    implied_truncation: Estimate | None
    discretisation: FloatArray | None
    discretisation_error: FloatArray | None
    runs: int
    particles: int
    generator: str
    target_standard_error: FloatArray | None
    verdict: Verdict

    @property
    def rounds(self) -> int:
        return len(self.measured) - 1

    @property
    def standard_error(self) -> FloatArray:
        """(rounds + 1, m) predicted standard error of the measured coefficients."""
        return self.modes.standard_error / np.sqrt(self.runs)

    @property
    def z(self) -> FloatArray:
        """(rounds + 1, m) deviation in standard errors; NaN where the mode is not random."""
        return _ratio(self.measured - self.modes.expected, self.standard_error)

    @property
    def tested(self) -> BoolArray:
        """(rounds + 1, m) whether the mode takes part in the verdict."""
        return self.modes.is_testable(self.runs)

    @property
    def factor_standard_error(self) -> FloatArray | None:
        """(rounds + 1, degree + 1) predicted standard error of the measured factors."""
        return None if self.degrees is None else self.degrees.standard_error / np.sqrt(self.runs)

    @property
    def factor_z(self) -> FloatArray | None:
        """(rounds + 1, degree + 1) deviation of the factors in standard errors."""
        if self.degrees is None or self.measured_factors is None:
            return None
        return _ratio(self.measured_factors - self.degrees.expected, self.factor_standard_error)

    @cached_property
    def dataset(self) -> xr.Dataset:
        """Everything as one labelled xarray Dataset with units and long names, ready for netCDF."""
        import xarray as xr

        by_mode, by_degree = ("round", "mode"), ("round", "degree_block")
        variables: dict[str, Any] = {
            "predicted": (by_mode, self.modes.expected, {"long_name": "predicted Hermite coefficient"}),
            "measured": (
                by_mode,
                self.measured,
                {"long_name": "measured Hermite coefficient, mean over runs"},
            ),
            "standard_error": (
                by_mode,
                self.standard_error,
                {"long_name": "predicted standard error of measured"},
            ),
            "z": (by_mode, self.z, {"long_name": "deviation in predicted standard errors"}),
            "tested": (by_mode, self.tested, {"long_name": "takes part in the verdict"}),
        }
        if self.discretisation is not None:
            label = "effect of the sampler's step size, by doubling the steps"
            variables["discretisation"] = (by_mode, self.discretisation, {"long_name": label})
            label = "standard error of discretisation"
            variables["discretisation_standard_error"] = (
                by_mode,
                self.discretisation_error,
                {"long_name": label},
            )
        if self.degrees is not None:
            variables |= {
                "factor_predicted": (
                    by_degree,
                    self.degrees.expected,
                    {"long_name": "predicted factor f_n(i)"},
                ),
                "factor_measured": (
                    by_degree,
                    self.measured_factors,
                    {"long_name": "measured factor of the degree"},
                ),
                "factor_standard_error": (
                    by_degree,
                    self.factor_standard_error,
                    {"long_name": "its standard error"},
                ),
                "factor_z": (by_degree, self.factor_z, {"long_name": "its deviation in standard errors"}),
                "factor_tested": (
                    by_degree,
                    self.degrees.is_testable(self.runs),
                    {"long_name": "near normal"},
                ),
            }
        coordinates: dict[str, Any] = {
            "round": ("round", np.arange(self.rounds + 1), {"long_name": "round of training"}),
            "mode": (
                "mode",
                [str(tuple(k)) for k in self.indices.tolist()],
                {"long_name": "Hermite multi-index"},
            ),
            "degree": ("mode", self.indices.sum(axis=1), {"long_name": "total degree of the mode"}),
        }
        if self.degrees is not None:
            blocks = np.arange(self.degrees.expected.shape[1])
            coordinates["degree_block"] = ("degree_block", blocks, {"long_name": "Hermite degree"})
        for variable in variables.values():
            variable[2]["units"] = "1"
        attributes = {
            "generator": self.generator,
            "particles": self.particles,
            "runs": self.runs,
            "verdict": self.verdict.text,
            "passed": int(self.verdict.passed),
        }
        return xr.Dataset(variables, coordinates, attributes)

    def table(self, rounds: list[int] | None = None) -> str:
        """Predicted and measured factors (or coefficients, where degrees are coupled) as text of 80 columns."""
        if self.degrees is not None and self.measured_factors is not None:
            labels = [str(n) for n in range(self.degrees.expected.shape[1])]
            expected, measured, error = (
                self.degrees.expected,
                self.measured_factors,
                self.factor_standard_error,
            )
            z, tested, title = self.factor_z, self.degrees.is_testable(self.runs), "degree"
        else:
            labels = [",".join(map(str, k)) for k in self.indices.tolist()]
            expected, measured, error = self.modes.expected, self.measured, self.standard_error
            z, tested, title = self.z, self.tested, "mode"
        assert error is not None and z is not None
        lines = [
            f"{'round':>5}  {title:>10}  {'predicted':>12}  {'measured':>12}  {'std. error':>10}  {'z':>6}"
        ]
        for i in range(self.rounds + 1) if rounds is None else rounds:
            for s, label in enumerate(labels):
                if np.isfinite(expected[i, s]) and error[i, s] > 0.0:
                    values = f"{expected[i, s]:12.6f}  {measured[i, s]:12.6f}  {error[i, s]:10.6f}"
                    mark = f"{z[i, s]:6.2f}" if tested[i, s] else "untested"
                    lines.append(f"{i:5d}  {label:>10}  {values}  {mark}")
        return "\n".join(lines)


def compare(
    recursion: Recursion,
    simulated: SimulatedRecursion,
    *,
    level: float = 0.01,
    refined: SimulatedRecursion | None = None,
) -> Comparison:
    """Theory against a simulation of the same recursion.

    Parameters
    ----------
    recursion : the recursion as theory knows it.
    simulated : what was measured, by any generator with predicted error bars ("channel", "exact", "kernel").
    level : probability of rejecting a true theory anywhere, in (0, 1).
    refined : the same simulation with twice the steps; the effect of the step size is then estimated by Richardson
        extrapolation and shown beside the statistical error.

    Raises : InputError where the two do not belong together: another dimension, a generator without predicted error
    bars, or a final step other than the noisy one.
    """
    _require_match(recursion, simulated)
    alpha_level = checks.positive(level, "level")
    settings: dict[str, Any] = {
        "rounds": simulated.rounds,
        "particles": simulated.particles,
        "generator": simulated.generator,
        "pool": simulated.pool,
    }
    measured = simulated.mean_coefficients
    data = recursion.target.hermite_coefficients(simulated.degree)
    modes = predict_sampling_error(recursion, simulated.degree, **settings)
    degrees = factors = None
    if recursion.is_diagonal and recursion.initial is None and len(simulated.indices) <= LARGEST_COMBINED:
        degrees = predict_degree_error(recursion, simulated.degree, **settings)
        combinations = degree_combinations(data.indices, data.values)
        factors = np.where(np.any(combinations != 0.0, axis=1), measured @ combinations.T, np.nan)
    fresh = times = None
    if degrees is not None and factors is not None:
        fresh = implied_fresh_fraction(recursion, degrees, factors, simulated.runs)
        times = implied_truncation(recursion, degrees, factors, simulated.runs)
    step, step_error = _discretisation(simulated, refined, modes)
    tests = _tests(recursion, simulated, modes, measured, degrees, factors, fresh, times)
    untested = int(np.sum(~modes.is_testable(simulated.runs)[:, simulated.degrees > 0]))
    return Comparison(
        indices=simulated.indices,
        modes=modes,
        measured=measured,
        degrees=degrees,
        measured_factors=factors,
        implied_fresh_fraction=fresh,
        implied_truncation=times,
        discretisation=step,
        discretisation_error=step_error,
        runs=simulated.runs,
        particles=simulated.particles,
        generator=simulated.generator,
        target_standard_error=data.standard_error,
        verdict=holm(tests, alpha_level, untested),
    )


def _require_match(recursion: Recursion, simulated: SimulatedRecursion) -> None:
    if simulated.generator not in GENERATORS:
        raise InputError(
            f"simulated must come from a generator with predicted error bars ({', '.join(GENERATORS)}), got "
            f"{simulated.generator!r}."
        )
    final_step = (simulated.sampler or {}).get("final_step", "noisy")
    if final_step != "noisy":
        raise InputError(
            f"simulated must end with the noisy step the theory is about, got the final step {final_step!r}; "
            "`final_steps` predicts the others."
        )
    if simulated.dimension != recursion.dimension:
        raise InputError(
            f"simulated must have the dimension of recursion, {recursion.dimension}, got {simulated.dimension}."
        )


def _tests(
    recursion: Recursion,
    simulated: SimulatedRecursion,
    modes: SamplingError,
    measured: FloatArray,
    degrees: SamplingError | None,
    factors: FloatArray | None,
    fresh: Estimate | None,
    times: Estimate | None,
) -> list[Test]:
    labels = [f"mode {tuple(k)}" if len(k) > 1 else f"degree {k[0]}" for k in simulated.indices.tolist()]
    tests = statistic_tests(modes, measured, labels, simulated.runs)
    if degrees is not None and factors is not None and recursion.dimension > 1:
        names = [f"energy of degree {n}" for n in range(factors.shape[1])]
        tests += statistic_tests(degrees, factors, names, simulated.runs)
    implied = []
    if fresh is not None:
        implied.append(
            ("implied fresh fraction", (fresh.value - recursion.regime.final_fraction) / fresh.error)
        )
    if times is not None:
        implied.append(("implied truncation time", (times.value - 1.0) / times.error))
    weight = max(len(tests), 1) / max(len(implied), 1)
    return tests + [dataclasses.replace(normal_test(name, z), weight=weight) for name, z in implied]


def _discretisation(
    simulated: SimulatedRecursion, refined: SimulatedRecursion | None, modes: SamplingError
) -> tuple[FloatArray | None, FloatArray | None]:
    if refined is None:
        return None, None
    if refined.steps is None or simulated.steps is None or refined.steps != 2 * simulated.steps:
        raise InputError(
            f"refined must have twice the steps of simulated, {simulated.steps}, got {refined.steps}."
        )
    order = (simulated.sampler or {}).get("order")
    if order is None:
        raise InputError("simulated must record the weak order of its sampler to be refined, got none.")
    gain = 1.0 / (1.0 - 0.5**order)
    difference = simulated.mean_coefficients - refined.mean_coefficients
    share = 1.0 / simulated.runs + (simulated.particles / refined.particles) / refined.runs
    return gain * difference, gain * modes.standard_error * np.sqrt(share)


def _ratio(numerator: FloatArray, denominator: Any) -> FloatArray:
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0.0)
