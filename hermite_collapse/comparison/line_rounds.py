r"""Rounds of a sampler of K steps on a line: exact laws of many particles, and the sampling error of finitely many.

The recursion is that of the simulation.  Round i trains on

    q_i = alpha_i p* + v_i0 p_0 + sum_{j >= 1} v_ij f_j,     f_j the mixture refitted to the particles of round j,

and p_{i+1} is what the sampler makes of noise with the exact denoiser of q_i: the grid of `pipeline.line_grid`.  With
theta_j the parameters of f_j, y a statistic, and h_j(x) what a particle at x contributes to theta_j (`line_refit`),

    y_{i+1}     - E y_{i+1}     = mean of (y - E y)  + sum_j J_ij (theta_j - E theta_j),
    theta_{i+1} - E theta_{i+1} = mean of (h - E h)  + sum_j H_ij (theta_j - E theta_j),

J and H the derivatives of E y and E h under p_{i+1} in theta_j: differences of the grid.  The means are over N
independent particles of p_{i+1}, so that all covariances between rounds follow, to first order in 1/sqrt(N).

Second order: E f_j differs from f_j by about half the second difference of its coefficients over one standard
deviation of theta_j in each direction.  Where that is visible beside the error bars, or where draws of the particles
are refitted elsewhere than first order has them (`refit_draws`), the refit is too uncertain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.types import BoolArray, FloatArray
from ..hermite.basis import hermite_values
from ..laws.mixture import GaussianMixture
from ..pipeline.denoiser import Sampler
from ..pipeline.line_grid import ROUGH, law_points, line_output
from ..pipeline.line_laws import LineLaw, WeightedPoints
from ..recursion.recursion import Recursion
from ..recursion.sampling_error import SamplingError
from .line_refit import LineRefit, mixture_on_line, refit_on_line
from .refit_draws import DIFFERENCE, is_of_first_order, mixture_coefficients

VISIBLE_CURVATURE = 0.25  # standard errors that the second order of a refit may move a coefficient by


@dataclass(frozen=True)
class LineRounds:
    """What is predicted of the particles of each round.

    Attributes
    ----------
    error : SamplingError
        Of the Hermite coefficients of degrees 1, 2, ... and of the variance, of one run; `joint` between all of them.
    grid_error : array, shape (rounds + 1, degree + 1)
        How far the expected values of a finer grid are from these.
    is_linear : array of bool, shape (rounds + 1,)
        Whether the refits that a round draws on are certain enough for its error bars.
    """

    error: SamplingError
    grid_error: FloatArray
    is_linear: BoolArray


@dataclass(frozen=True)
class LinePath:
    """The laws of a recursion on a line, of infinitely many particles.

    Attributes
    ----------
    recursion, sampler, scale : Recursion, Sampler, float
        Scale of the guidance, 1 for none.
    """

    recursion: Recursion
    sampler: Sampler
    scale: float

    @property
    def target(self) -> LineLaw:
        """The data."""
        return _on_line(self.recursion.target.as_mixture())

    @property
    def initial(self) -> LineLaw:
        """The law of round 0."""
        law = self.recursion.initial
        return self.target if law is None else _on_line(law.as_mixture())

    def training(self, index: int, refits: dict[int, FloatArray]) -> LineLaw:
        """Return the training law of a round, given the parameters of the refits of earlier rounds."""
        fresh, earlier = self.recursion.mixing(index)
        parts = [(fresh, self.target), (float(earlier[0]), self.initial)]
        for j, parameters in refits.items():
            parts.append((float(earlier[j]), mixture_on_line(*parameters.reshape(-1, 3).T)))
        used = [(share, law) for share, law in parts if share > 0.0]
        return LineLaw(
            np.concatenate([share * law.weights for share, law in used]),
            np.concatenate([law.means for _, law in used]),
            np.concatenate([law.variances for _, law in used]) + self.recursion.blur**2,
            np.concatenate([law.classes for _, law in used]),
        )

    def output(self, training: LineLaw, refinement: float = 1.0) -> WeightedPoints:
        """Return the law of the round that is trained on a law."""
        shares = self.target.weights
        return line_output(
            self.sampler, training, guidance_scale=self.scale, shares=shares, refinement=refinement
        )

    def refit(self, points: WeightedPoints) -> LineRefit:
        """Return the refit of a round."""
        return refit_on_line(points, self.target, classes_known=self.scale > 1.0)

    def drawn_on(self, index: int) -> list[int]:
        """Return the rounds whose refits enter the training law of a round."""
        _, earlier = self.recursion.mixing(index)
        return [int(j) for j in np.flatnonzero(earlier) if j > 0]

    def coefficients(self, degree: int, rounds: int) -> FloatArray:
        """Return the Hermite coefficients of every round, (rounds + 1, degree + 1)."""
        rows, refits = [law_points(self.initial).coefficients(degree)], dict[int, FloatArray]()
        for i in range(rounds):
            known = {j: refits[j] for j in self.drawn_on(i)}
            points = self.output(self.training(i, known))
            rows.append(points.coefficients(degree))
            if i + 1 < rounds:
                refits[i + 1] = self.refit(points).parameters
        return np.array(rows)


def predict_line_rounds(path: LinePath, degree: int, *, rounds: int, particles: int, runs: int) -> LineRounds:
    """Return the expected statistics of every round with their covariances, for N particles a run.

    Parameters
    ----------
    path : LinePath
    degree : int
        Highest Hermite degree, >= 1.
    rounds, particles, runs : int
        Of the simulation; means over the runs are what second orders are held against.
    """
    size = degree + 1  # degrees 1, ..., and the variance
    points, refits = law_points(path.initial), dict[int, LineRefit]()
    coefficients, grid_error = [points.coefficients(degree)], [np.zeros(degree + 1)]
    variances, kurtosis = [points.variance], [kurtosis_of(points, degree)]
    blocks = _JointCovariance(size + 3 * len(path.target.weights))
    blocks.add(_local(points, degree, points.mean, None, blocks.size) / particles, {})
    certain, is_linear = [True], [True]
    used = {j for i in range(rounds) for j in path.drawn_on(i)}
    for i in range(rounds):
        known = {j: refits[j].parameters for j in path.drawn_on(i)}
        training = path.training(i, known)
        points = path.output(training)
        coefficients.append(points.coefficients(degree))
        grid_error.append(np.abs(path.output(training, 2.0).coefficients(degree) - coefficients[-1]))
        variances.append(points.variance)
        kurtosis.append(kurtosis_of(points, degree))
        refits[i + 1] = refit = path.refit(points)
        responses = {
            j: np.hstack(
                [
                    np.zeros((blocks.size, size)),
                    _response(path, i, known, j, refits[j].units, refit, degree, points.mean),
                ]
            )
            for j in known
        }
        local = _local(points, degree, points.mean, refit, blocks.size)
        blocks.add(local / particles, responses)
        own = blocks.own(i + 1)
        is_linear.append(all(certain[j] and is_linear[j] for j in known))
        if not is_linear[-1] or i + 1 not in used:
            certain.append(is_linear[-1])
            continue
        moved = _second_order(refit, own[size:, size:], degree)
        bars = np.sqrt(np.diagonal(own)[:degree] / runs)
        certain.append(
            bool(np.all(moved <= VISIBLE_CURVATURE * bars))
            and is_of_first_order(
                path.output(training, ROUGH),
                refit,
                path.target,
                degree,
                particles=particles / _excess(own, local, degree, particles),
            )
        )
    joint = blocks.matrix[:, :, :size, :size]
    covariance = np.einsum("ijss->ijs", joint)
    # The variance of the particles about their own mean, not about the expected one.
    own_variance = np.array(variances) - np.einsum("iis->is", covariance)[:, 0]
    error = SamplingError(
        expected=np.column_stack([np.array(coefficients)[:, 1:], own_variance]),
        covariance=covariance,
        joint=joint,
        kurtosis=np.array(kurtosis),
        particles=particles,
    )
    return LineRounds(error, np.array(grid_error), np.array(is_linear))


class _JointCovariance:
    """Covariances of (statistics, parameters of the refit) between all rounds, built round by round."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.matrix: FloatArray = np.zeros((0, 0, size, size))

    def own(self, index: int) -> FloatArray:
        """Return the covariance of one round."""
        return np.asarray(self.matrix[index, index])

    def add(self, local: FloatArray, responses: dict[int, FloatArray]) -> None:
        """Add a round: its own error, and its responses (size, size) to the errors of earlier rounds."""
        count = len(self.matrix)
        grown = np.zeros((count + 1, count + 1, self.size, self.size))
        grown[:count, :count] = self.matrix
        for j, response in responses.items():
            grown[count, :count] += response @ self.matrix[j]
        grown[:count, count] = grown[count, :count].swapaxes(1, 2)
        grown[count, count] = local
        for j, response in responses.items():
            grown[count, count] += grown[count, j] @ response.T
        self.matrix = grown


def _excess(own: FloatArray, local: FloatArray, degree: int, particles: int) -> float:
    """Return how much more than its own particles make a round scatters by those of earlier ones, >= 1."""
    alone, together = np.diagonal(local)[:degree] / particles, np.diagonal(own)[:degree]
    ratio = np.divide(together, alone, out=np.ones_like(alone), where=alone > 0.0)
    return max(float(ratio.max()), 1.0)


def statistics_of(points: WeightedPoints, degree: int, mean: float) -> FloatArray:
    """Return h_1, ..., h_degree and the squared distance to a mean, (n, degree + 1)."""
    values = hermite_values(points.points, degree)[:, 1:]
    return np.column_stack([values, (points.points - mean) ** 2])


def _all_statistics(points: WeightedPoints, degree: int, mean: float, refit: LineRefit | None) -> FloatArray:
    """Return the statistics with what each particle contributes to the refit."""
    values = statistics_of(points, degree, mean)
    return values if refit is None else np.hstack([values, refit.influence(points)])


def _local(
    points: WeightedPoints, degree: int, mean: float, refit: LineRefit | None, size: int
) -> FloatArray:
    """Return the covariance of one particle's statistics, zero for parameters that no round draws on."""
    values = _all_statistics(points, degree, mean, refit)
    centred = values - points.masses @ values
    covariance = np.zeros((size, size))
    covariance[: values.shape[1], : values.shape[1]] = (points.masses[:, None] * centred).T @ centred
    return covariance


def kurtosis_of(points: WeightedPoints, degree: int) -> FloatArray:
    """Return E (h - E h)^4 / Var(h)^2 of each statistic; infinite for what is not random."""
    values = statistics_of(points, degree, points.mean)
    centred = values - points.masses @ values
    square, fourth = points.masses @ centred**2, points.masses @ centred**4
    return np.divide(fourth, square**2, out=np.full_like(fourth, np.inf), where=square > 0.0)


def _response(
    path: LinePath,
    index: int,
    known: dict[int, FloatArray],
    j: int,
    units: FloatArray,
    refit: LineRefit,
    degree: int,
    mean: float,
) -> FloatArray:
    """Return the derivatives of a round's expected statistics in the parameters of an earlier refit."""
    columns = []
    for number, unit in enumerate(units):
        step = np.zeros_like(units)
        step[number] = DIFFERENCE * unit
        above, below = (
            path.output(path.training(index, {**known, j: known[j] + move}), ROUGH) for move in (step, -step)
        )
        difference = above.masses @ _all_statistics(above, degree, mean, refit)
        difference -= below.masses @ _all_statistics(below, degree, mean, refit)
        columns.append(difference / (2.0 * DIFFERENCE * unit))
    return np.stack(columns, axis=1)


def _second_order(refit: LineRefit, covariance: FloatArray, degree: int) -> FloatArray:
    """Return about how far the expected coefficients of a refit are from those of the expected refit, (degree,)."""
    values, vectors = np.linalg.eigh(covariance)
    directions = (vectors * np.sqrt(np.maximum(values, 0.0))).T
    centre = refit.parameters
    total = np.zeros(degree)
    for direction in directions:
        total += 0.5 * sum(mixture_coefficients(centre + sign * direction, degree) for sign in (1.0, -1.0))
        total -= mixture_coefficients(centre, degree)
    return np.abs(total)


def _on_line(mixture: GaussianMixture) -> LineLaw:
    """Return a mixture in one dimension as a law on a line."""
    return mixture_on_line(mixture.weights, mixture.means[:, 0], mixture.variances[:, 0])
