"""A simulated recursion beside its prediction: what was predicted, what was measured, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..core.display import Displayed
from ..core.estimates import Estimate
from ..core.numbers import counted
from ..core.significance import Verdict
from ..core.types import BoolArray, FloatArray, IntArray
from ..core.value import Value
from ..hermite.indices import mode_label
from ..recursion.sampling_error import SamplingError
from .mode_tests import tested_statistics

if TYPE_CHECKING:
    import xarray as xr


class Statistics(NamedTuple):
    """What a table of a comparison shows: one column a degree or a mode, one row a round.

    Attributes
    ----------
    kind : str
        "degree" or "mode".
    labels : tuple of str, length m
    expected, measured, standard_error, z : array, shape (rounds + 1, m)
    tested : array of bool, shape (rounds + 1, m)
    """

    kind: str
    labels: tuple[str, ...]
    expected: FloatArray
    measured: FloatArray
    standard_error: FloatArray
    z: FloatArray
    tested: BoolArray

    def random_entries(self, rounds: Sequence[int]) -> list[tuple[int, int]]:
        """Return (round, column) of every entry of these rounds that has a value and a standard error."""
        shown = np.isfinite(self.expected) & (self.standard_error > 0.0)
        return [(i, int(k)) for i in rounds for k in np.flatnonzero(shown[i])]


@dataclass(frozen=True, eq=False)
class Comparison(Displayed, Value):
    """A simulated recursion beside its prediction.

    Attributes
    ----------
    indices : array of int, shape (m, d)
        Multi-indices.
    modes : SamplingError
        Predicted mean, covariance and kurtosis of each coefficient (one run).
    measured : array, shape (rounds + 1, m)
        Coefficients averaged over the runs; extrapolated to infinitely many steps where a refined simulation was given.
    degrees : SamplingError or None
        The same for the degree statistics, which estimate f_n(i); None where degrees are coupled.
    measured_factors : array, shape (rounds + 1, degree + 1), or None
        The degree statistics.
    implied_fresh_fraction, implied_truncation : Estimate or None
        In the units of the recursion; the second is the factor on all truncation times.  None where they cannot be
        estimated.
    discretisation, discretisation_error : array, shape (rounds + 1, m), or None
        Estimated effect of the sampler's step size on each coefficient and its standard error, where a refined
        simulation was given.
    runs, particles : int
        Of the simulation.
    generator : str
        Of the simulation.
    target_standard_error : array, shape (m,), or None
        For a sample as target: sampling error of its coefficients about the population's, which concerns the
        population and enters no test.
    verdict : Verdict
        The outcome.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> run = hc.simulation.simulate(recursion, rounds=2, particles=1000, degree=2, generator="channel", seed=1)
    >>> comparison = hc.compare(recursion, run)
    >>> comparison.rounds, sorted(comparison.dataset.sizes)
    (2, ['degree_block', 'mode', 'round'])
    """

    indices: IntArray
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

    def __repr__(self) -> str:
        size = f"{self.rounds} rounds of {self.particles} particles, {counted(self.runs, 'run')}, {self.generator}"
        verdict = self.verdict
        return f"Comparison({size}: {verdict.head.lower()}, {verdict.tests} tests, p = {verdict.adjusted_p_value:.2g})"

    @property
    def rounds(self) -> int:
        """Number of rounds."""
        return len(self.measured) - 1

    @property
    def standard_error(self) -> FloatArray:
        """Predicted standard error of the measured coefficients, shape (rounds + 1, m)."""
        return self.modes.standard_error / np.sqrt(self.runs)

    @property
    def z(self) -> FloatArray:
        """Deviation in standard errors, shape (rounds + 1, m); NaN where the mode is not random."""
        return _ratio(self.measured - self.modes.expected, self.standard_error)

    @property
    def tested(self) -> BoolArray:
        """Whether the mode takes part in the verdict, shape (rounds + 1, m)."""
        return self._tested(self.modes)

    @property
    def factor_tested(self) -> BoolArray | None:
        """Whether the factor takes part in the verdict, shape (rounds + 1, degree + 1)."""
        return None if self.degrees is None else self._tested(self.degrees)

    def _tested(self, error: SamplingError) -> BoolArray:
        tested = tested_statistics(error, self.runs)
        return np.zeros_like(tested) if self.verdict.reason else tested

    @property
    def factor_standard_error(self) -> FloatArray | None:
        """Predicted standard error of the measured factors, shape (rounds + 1, degree + 1)."""
        return None if self.degrees is None else self.degrees.standard_error / np.sqrt(self.runs)

    @property
    def factor_z(self) -> FloatArray | None:
        """Deviation of the factors in standard errors, shape (rounds + 1, degree + 1)."""
        error = self.factor_standard_error
        if self.degrees is None or self.measured_factors is None or error is None:
            return None
        return _ratio(self.measured_factors - self.degrees.expected, error)

    @property
    def statistics(self) -> Statistics:
        """Factors of the degrees, or coefficients of the modes where degrees are coupled."""
        error, z = self.factor_standard_error, self.factor_z
        if self.degrees is None or self.measured_factors is None or error is None or z is None:
            labels = tuple(map(mode_label, self.indices.tolist()))
            rows = (self.modes.expected, self.measured, self.standard_error, self.z, self.tested)
            return Statistics("mode", labels, *rows)
        labels = tuple(map(str, range(self.degrees.expected.shape[1])))
        tested = self._tested(self.degrees)
        return Statistics("degree", labels, self.degrees.expected, self.measured_factors, error, z, tested)

    @cached_property
    def dataset(self) -> xr.Dataset:
        """Everything as one labelled xarray Dataset with units and long names, ready for netCDF."""
        import xarray as xr

        columns = [
            ("predicted", self.modes.expected, "predicted Hermite coefficient"),
            ("measured", self.measured, "measured Hermite coefficient, mean over runs"),
            ("standard_error", self.standard_error, "predicted standard error of measured"),
            ("z", self.z, "deviation in predicted standard errors"),
            ("tested", self.tested, "takes part in the verdict"),
        ]
        if self.discretisation is not None and self.discretisation_error is not None:
            columns += [
                (
                    "discretisation",
                    self.discretisation,
                    "effect of the sampler's step size, by doubling the steps",
                ),
                (
                    "discretisation_standard_error",
                    self.discretisation_error,
                    "standard error of discretisation",
                ),
            ]
        variables = {
            name: (("round", "mode"), values, {"long_name": label, "units": "1"})
            for name, values, label in columns
        }
        labels = [mode_label(k) for k in self.indices.tolist()]
        coordinates: dict[str, tuple[str, ArrayLike, dict[str, str]]] = {
            "round": ("round", np.arange(self.rounds + 1), {"long_name": "round of training"}),
            "mode": ("mode", labels, {"long_name": "Hermite multi-index"}),
            "degree": ("mode", self.indices.sum(axis=1), {"long_name": "total degree of the mode"}),
        }
        if self.degrees is not None:
            factors = [
                ("factor_predicted", self.degrees.expected, "predicted factor f_n(i)"),
                ("factor_measured", self.measured_factors, "measured factor of the degree"),
                ("factor_standard_error", self.factor_standard_error, "its standard error"),
                ("factor_z", self.factor_z, "its deviation in standard errors"),
                ("factor_tested", self.factor_tested, "takes part in the verdict"),
            ]
            variables |= {
                name: (("round", "degree_block"), np.asarray(values), {"long_name": label, "units": "1"})
                for name, values, label in factors
            }
            blocks = np.arange(self.degrees.expected.shape[1])
            coordinates["degree_block"] = ("degree_block", blocks, {"long_name": "Hermite degree"})
        attributes = {
            "generator": self.generator,
            "particles": self.particles,
            "runs": self.runs,
            "verdict": self.verdict.text,
            "passed": int(self.verdict.passed),
        }
        return xr.Dataset(variables, coordinates, attributes)

    def table(self, rounds: Sequence[int] | None = None) -> str:
        """Return predicted and measured factors (or coefficients, where degrees are coupled) as text of 80 columns.

        Parameters
        ----------
        rounds : sequence of int, optional
            The rounds shown; all if None.
        """
        shown = self.statistics
        lines = [
            f"{'round':>5}  {shown.kind:>10}  {'predicted':>12}  {'measured':>12}  {'std. error':>10}  {'z':>6}"
        ]
        for i, k in shown.random_entries(range(self.rounds + 1) if rounds is None else rounds):
            values = f"{shown.expected[i, k]:12.6f}  {shown.measured[i, k]:12.6f}  {shown.standard_error[i, k]:10.6f}"
            mark = f"{shown.z[i, k]:6.2f}" if shown.tested[i, k] else "untested"
            lines.append(f"{i:5d}  {shown.labels[k]:>10}  {values}  {mark}")
        return "\n".join(lines)


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0.0)
