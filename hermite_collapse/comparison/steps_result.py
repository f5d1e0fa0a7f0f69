"""A simulation by a sampler of K steps beside its exact laws: what was predicted, what was measured, the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..core.display import Displayed
from ..core.estimates import Estimate
from ..core.numbers import counted
from ..core.significance import Verdict
from ..core.types import BoolArray, FloatArray
from ..core.value import Value
from .implied import is_determined

if TYPE_CHECKING:
    import xarray as xr

SHARP = 20.0
"""Standard errors that a value of the data must be from zero for shares of it to be shown."""


@dataclass(frozen=True, eq=False)
class StepsComparison(Displayed, Value):
    """A simulation by a sampler of K steps beside its exact laws.

    Attributes
    ----------
    labels : tuple of str, length s
        What is measured: Hermite degrees and the variance on a line (degree 1 is the mean), means and variances along
        directions else.
    expected, measured, standard_error : array, shape (rounds + 1, s)
        Exact values (NaN where nothing is known), means over the runs, and their predicted standard errors.
    tested : array of bool, shape (rounds + 1, s)
    closure : array, shape (rounds + 1, s)
        Means and variances as the map V has them for every training law; a Gaussian closure, never tested.  NaN where
        there is none.
    grid_error : array, shape (rounds + 1, s)
        Error of the expected values by the grid they come from.
    data : array, shape (s,)
        The values of the data.
    implied_fresh_fraction : Estimate or None
        The fresh fraction that all degrees and rounds imply; None where it is not estimated.
    fresh_fraction : float
        What was asked.
    reason : str
        Which rounds are not tested, why, and what would be; empty if all of them are.
    sampler : str
    guidance_scale : float
    runs, particles : int
    verdict : Verdict

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.5, truncation_time=0.0)
    >>> sampler = hc.mechanisms.SamplerSteps.flow(steps=8)
    >>> run = hc.simulation.simulate(
    ...     recursion, rounds=1, particles=2000, degree=2, generator=hc.simulation.StepsGeneration(sampler), seed=1
    ... )
    >>> hc.compare_steps(recursion, run, sampler).labels
    ('degree 1', 'degree 2', 'variance')
    """

    labels: tuple[str, ...]
    expected: FloatArray
    measured: FloatArray
    standard_error: FloatArray
    tested: BoolArray
    closure: FloatArray
    grid_error: FloatArray
    data: FloatArray
    implied_fresh_fraction: Estimate | None
    fresh_fraction: float
    reason: str
    sampler: str
    guidance_scale: float
    runs: int
    particles: int
    verdict: Verdict

    def __repr__(self) -> str:
        size = (
            f"{self.rounds} rounds of {self.particles} particles, {counted(self.runs, 'run')}, {self.sampler}"
        )
        verdict = self.verdict
        outcome = f"{verdict.head.lower()}, {verdict.tests} tests, p = {verdict.adjusted_p_value:.2g}"
        return f"StepsComparison({size}: {outcome})"

    @property
    def rounds(self) -> int:
        """Number of rounds."""
        return len(self.measured) - 1

    @property
    def z(self) -> FloatArray:
        """Deviation in standard errors, shape (rounds + 1, s); NaN where nothing is known."""
        known = np.isfinite(self.expected) & (self.standard_error > 0.0)
        difference = self.measured - self.expected
        return np.divide(difference, self.standard_error, out=np.full_like(difference, np.nan), where=known)

    @property
    def largest_grid_error(self) -> float:
        """The largest error of the grid on what is tested, in standard errors."""
        share = np.divide(
            self.grid_error, self.standard_error, out=np.zeros_like(self.grid_error), where=self.tested
        )
        return float(share.max(initial=0.0))

    @property
    def telling(self) -> list[int]:
        """The statistics whose shares of the data's values are known well, variances first, then the sharpest."""
        is_variance = np.array([label.startswith("variance") for label in self.labels])
        sharpness = np.divide(
            np.abs(self.data),
            self.standard_error[0],
            out=np.zeros_like(self.data),
            where=self.standard_error[0] > 0.0,
        )
        rank = np.where(is_variance, np.inf, sharpness)
        order = np.argsort(-rank, kind="stable")
        return [int(k) for k in order if rank[k] > SHARP and self.data[k] != 0.0]

    @property
    def shares(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Expected values, measured values and standard errors over the data's; NaN where these vanish."""
        scale = np.max(np.abs(self.data))
        visible = np.abs(self.data) > 1e-10 * scale
        over = np.where(visible, np.where(visible, self.data, 1.0), np.nan)
        return self.expected / over, self.measured / over, self.standard_error / np.abs(over)

    @property
    def text(self) -> str:
        """The verdict, what is left untested and why, and what the grid contributes."""
        parts = [self.verdict.text] if self.verdict.is_tested or not self.reason else []
        if self.implied_fresh_fraction is not None:
            fresh = self.implied_fresh_fraction
            parts.append(
                f"All degrees and rounds imply the fresh fraction {fresh.value:.5f} ± {fresh.error:.5f} "
                f"({self.fresh_fraction:g} was asked)."
                if is_determined(fresh, upper=1.0)
                else "All degrees and rounds leave the fresh fraction undetermined "
                f"({self.fresh_fraction:g} was asked)."
            )
        if self.reason:
            parts.append(self.reason)
        if self.verdict.is_tested:
            parts.append(
                f"The predictions' own error, by a finer grid, is at most {self.largest_grid_error:.1g} standard "
                "errors."
            )
        return " ".join(parts)

    @cached_property
    def dataset(self) -> xr.Dataset:
        """Everything as one labelled xarray Dataset, ready for netCDF."""
        import xarray as xr

        columns = {
            "predicted": (self.expected, "exact value"),
            "measured": (self.measured, "measured value, mean over runs"),
            "standard_error": (self.standard_error, "predicted standard error of measured"),
            "z": (self.z, "deviation in predicted standard errors"),
            "tested": (self.tested, "takes part in the verdict"),
            "closure": (self.closure, "value by the Gaussian closure"),
            "grid_error": (self.grid_error, "error of predicted by its grid"),
        }
        variables = {
            name: (("round", "statistic"), values, {"long_name": label, "units": "1"})
            for name, (values, label) in columns.items()
        } | {"data": (("statistic",), self.data, {"long_name": "value of the data", "units": "1"})}
        coordinates = {
            "round": ("round", np.arange(self.rounds + 1), {"long_name": "round of training"}),
            "statistic": ("statistic", list(self.labels), {"long_name": "what is measured"}),
        }
        attributes = {
            "sampler": self.sampler,
            "guidance_scale": self.guidance_scale,
            "particles": self.particles,
            "runs": self.runs,
            "verdict": self.text,
        }
        return xr.Dataset(variables, coordinates, attributes)

    def rows(self, rounds: Sequence[int]) -> list[tuple[int, int]]:
        """Return (round, statistic) of every entry of these rounds that is random."""
        shown = ~np.isfinite(self.expected) | (self.standard_error > 0.0)
        return [(i, int(k)) for i in rounds for k in np.flatnonzero(shown[i])]

    def table(self, rounds: Sequence[int] | None = None) -> str:
        """Return predicted and measured values as text of 80 columns.

        Parameters
        ----------
        rounds : sequence of int, optional
            The rounds shown; all if None.
        """
        head = f"{'round':>5} {'statistic':>12} {'predicted':>11} {'measured':>11} {'std. error':>10}"
        lines = [f"{head} {'z':>8} {'closure':>11}"]
        for i, k in self.rows(range(self.rounds + 1) if rounds is None else rounds):
            known = np.isfinite(self.expected[i, k])
            mark = f"{self.z[i, k]:8.2f}" if self.tested[i, k] else "untested"
            values = f"{_number(self.expected[i, k], 11)} {_number(self.measured[i, k], 11)}"
            error = _number(self.standard_error[i, k] if known else np.nan, 10)
            lines.append(
                f"{i:5d} {self.labels[k]:>12} {values} {error} {mark} {_number(self.closure[i, k], 11)}"
            )
        return "\n".join(lines)


def _number(value: float, width: int) -> str:
    return f"{round(float(value), 6) + 0.0:{width}.6f}" if np.isfinite(value) else f"{'-':>{width}}"
