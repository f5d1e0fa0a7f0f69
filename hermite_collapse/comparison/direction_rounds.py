r"""Rounds of a sampler of K steps in several dimensions, where each direction stands for itself.

In an orthonormal basis in which the training law is a product of laws on lines, the noise of every level is a product
too, so that the posterior means of coordinate a are functions of coordinate a alone, and every step is linear in x, D
and N.  The sampler is then one on a line in each coordinate: its output is the product of the lines' outputs, which
the map V knows for Gaussian coordinates and `pipeline.line_grid` for mixtures.

    a Gaussian                       the product of its principal directions
    a mixture                        a product if its components are all combinations of factors along some axes
    alpha p* + (1 - alpha) p_1       no product, even of Gaussians: the posterior weights couple all coordinates

So the first round is known wherever the data are a product, later ones where all of their training data are fresh, and
for a Gaussian without fresh data, whose refit is a Gaussian again.  Of other rounds only the closure is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.types import FloatArray, IntArray
from ..laws.mixture import GaussianMixture
from ..pipeline.denoiser import Sampler
from ..pipeline.line_grid import can_be_followed, law_points, line_output
from ..pipeline.line_laws import LineLaw
from ..recursion.recursion import Recursion
from ..recursion.sampling_error import SamplingError, carried_covariances
from .line_refit import mixture_on_line
from .line_rounds import kurtosis_of, statistics_of

SAME = 1e-9  # relative size of differences that are rounding
DIFFERENCE = 1e-4  # relative, for derivatives of V


@dataclass(frozen=True)
class Product:
    """A law as a product of laws on lines.

    Attributes
    ----------
    basis : array, shape (d, d)
        Directions as columns.
    lines : tuple of LineLaw
        The law of each coordinate.
    """

    basis: FloatArray
    lines: tuple[LineLaw, ...]


@dataclass(frozen=True)
class DirectionRounds:
    """What is predicted along each direction: its mean and its variance.

    Attributes
    ----------
    basis : array, shape (d, d)
        Directions as columns.
    error : SamplingError
        Of the means and then the variances along the directions, 2 d statistics of one run; expected values are NaN
        where nothing is known.
    grid_error : array, shape (rounds + 1, 2 d)
    """

    basis: FloatArray
    error: SamplingError
    grid_error: FloatArray


def product_of(mixture: GaussianMixture, basis: FloatArray | None = None) -> Product | None:
    """Return a mixture as a product of laws on lines, in the given basis or one that is found; None if it is none."""
    if basis is not None:
        return _product_in(mixture, basis)
    for directions in (np.eye(mixture.dimension), _common_directions(mixture)):
        product = _product_in(mixture, directions)
        if product is not None:
            return product
    return None


def principal_directions(mixture: GaussianMixture) -> FloatArray:
    """Return the eigenvectors of the covariance as columns, the widest first."""
    return np.ascontiguousarray(np.linalg.eigh(mixture.covariance)[1][:, ::-1])


def predict_direction_rounds(
    recursion: Recursion, sampler: Sampler, *, rounds: int, particles: int
) -> DirectionRounds | None:
    """Return what is known of the rounds along the directions of the data; None if that is nothing.

    Nothing is known unless the data are a product; of Gaussians, where the sampler's law is known for no others.
    """
    target = recursion.target.as_mixture()
    product = product_of(target)
    if product is None or not (_is_gaussian(product) or can_be_followed(sampler)):
        return None
    initial = target if recursion.initial is None else recursion.initial.as_mixture()
    start = product if recursion.initial is None else product_of(initial, product.basis)
    if start is not None and not (_is_gaussian(start) or can_be_followed(sampler)):
        start = None
    size = len(product.lines)
    expected, grid_error = np.full((rounds + 1, 2 * size), np.nan), np.zeros((rounds + 1, 2 * size))
    kurtosis = np.full((rounds + 1, 2 * size), np.inf)
    local = [np.zeros(2 * size) for _ in range(rounds + 1)]
    mixing = [np.zeros(i + 1) for i in range(rounds)]
    actions = [np.zeros(2 * size) for _ in range(rounds)]
    turning: list[int] = []  # rounds whose mean turns with the directions of refits
    if start is not None:
        _fill(0, [_moments(line, None, 0.0) for line in start.lines], expected, grid_error, kurtosis, local)
    for i in range(rounds):
        lines, drawn = _training_lines(recursion, product, start, expected, i)
        if lines is None:
            continue
        _fill(
            i + 1,
            [_moments(line, sampler, recursion.blur) for line in lines],
            expected,
            grid_error,
            kurtosis,
            local,
        )
        if drawn is not None:
            mixing[i][drawn] = 1.0
            actions[i] = _slopes(sampler, lines, recursion.blur)
            if np.any(np.abs(expected[drawn, :size]) > SAME * np.sqrt(expected[drawn, size:].max())):
                turning.append(i + 1)
    variances = [values / particles for values in local]
    covariance = carried_covariances(variances, mixing=mixing, actions=actions)
    expected[turning, :size] = np.nan
    expected[:, size:] -= np.einsum("iis->is", covariance)[:, :size]
    error = SamplingError(expected, covariance, None, kurtosis, particles)
    return DirectionRounds(product.basis, error, grid_error)


def closure_of(recursion: Recursion, sampler: Sampler, basis: FloatArray, *, rounds: int) -> FloatArray:
    """Return means and variances along directions by V for every training law, a closure, (rounds + 1, 2 d)."""
    target = recursion.target.as_mixture()
    initial = target if recursion.initial is None else recursion.initial.as_mixture()

    def moments(law: GaussianMixture) -> tuple[FloatArray, FloatArray]:
        return law.mean @ basis, np.einsum("da,de,ea->a", basis, law.covariance, basis)

    data, states = moments(target), [moments(initial)]
    for i in range(rounds):
        fresh, earlier = recursion.mixing(i)
        weights, parts = np.array([fresh, *earlier]), [data, *states]
        means, spreads = (np.array([part[k] for part in parts]) for k in range(2))
        mean = weights @ means
        w = np.maximum(weights @ (spreads + means**2) - mean**2, 0.0) + recursion.blur**2
        states.append((np.asarray(sampler.gain(w)) * mean, np.asarray(sampler.variance(w))))
    return np.array([np.concatenate(state) for state in states])


def _is_gaussian(product: Product) -> bool:
    return all(len(line.weights) == 1 for line in product.lines)


def _training_lines(
    recursion: Recursion, product: Product, start: Product | None, expected: FloatArray, index: int
) -> tuple[tuple[LineLaw, ...] | None, int | None]:
    """Return the lines whose product a round is trained on, and the round that they are the refit of, or None."""
    fresh, earlier = recursion.mixing(index)
    used = np.flatnonzero(earlier)
    if len(used) == 0:
        return product.lines, None
    if np.all(used == 0):
        if recursion.initial is None:
            return product.lines, None
        return (None if fresh > 0.0 or start is None else start.lines), None
    j = int(used[0])
    count = len(recursion.target.as_mixture().weights)
    if fresh > 0.0 or len(used) > 1 or count > 1 or not np.all(np.isfinite(expected[j])):
        return None, None
    means, spreads = np.split(expected[j], 2)
    one = np.ones(1)
    return tuple(mixture_on_line(one, m * one, v * one) for m, v in zip(means, spreads, strict=True)), j


def _moments(line: LineLaw, sampler: Sampler | None, blur: float) -> FloatArray:
    """Return what is known of one coordinate, of the law itself without a sampler.

    Rows: expected, error of the grid, variance of one particle's contribution, kurtosis; columns: mean, variance.
    """
    blurred = LineLaw(line.weights, line.means, line.variances + blur**2, line.classes)
    if len(line.weights) == 1:
        mean, variance = float(line.means[0]), float(blurred.variances[0])
        if sampler is not None:
            mean, variance = float(sampler.gain(variance)) * mean, float(sampler.variance(variance))
        return np.array([[mean, variance], [0.0, 0.0], [variance, 2.0 * variance**2], [3.0, 15.0]])
    points = law_points(blurred) if sampler is None else line_output(sampler, blurred)
    finer = points if sampler is None else line_output(sampler, blurred, refinement=2)
    values = statistics_of(points, 1, points.mean)
    centred = values - points.masses @ values
    return np.array(
        [
            [points.mean, points.variance],
            [abs(finer.mean - points.mean), abs(finer.variance - points.variance)],
            points.masses @ centred**2,
            kurtosis_of(points, 1),
        ]
    )


def _fill(
    index: int,
    moments: list[FloatArray],
    expected: FloatArray,
    grid_error: FloatArray,
    kurtosis: FloatArray,
    local: list[FloatArray],
) -> None:
    columns = np.array(moments).transpose(1, 2, 0).reshape(4, -1)  # means of all directions, then variances
    expected[index], grid_error[index], local[index], kurtosis[index] = columns


def _slopes(sampler: Sampler, lines: tuple[LineLaw, ...], blur: float) -> FloatArray:
    """Return the derivatives of mean and variance of the output in those of the refit."""
    w = np.array([line.variances[0] for line in lines]) + blur**2
    above, below = sampler.variance((1.0 + DIFFERENCE) * w), sampler.variance((1.0 - DIFFERENCE) * w)
    return np.concatenate([sampler.gain(w), (above - below) / (2.0 * DIFFERENCE * w)])


def _common_directions(mixture: GaussianMixture) -> FloatArray:
    """Return the eigenvectors of a combination of all covariances and the spread of the means, as columns."""
    centred = mixture.means - mixture.mean
    combined = np.sqrt(2.0) * np.einsum("k,kd,ke->de", mixture.weights, centred, centred)
    for k, covariance in enumerate(mixture.covariances):
        combined = combined + np.sqrt(3.0 + np.pi * k) * covariance
    return np.ascontiguousarray(np.linalg.eigh(combined)[1][:, ::-1])


def _product_in(mixture: GaussianMixture, basis: FloatArray) -> Product | None:
    """Return a mixture as a product along the columns of a basis, None if it is none."""
    turned = np.einsum("da,kde,eb->kab", basis, mixture.covariances, basis)
    variances = np.einsum("kaa->ka", turned).copy()
    size = float(np.trace(mixture.covariance)) / mixture.dimension
    turned[:, np.arange(len(basis)), np.arange(len(basis))] = 0.0
    if np.abs(turned).max(initial=0.0) > SAME * size:
        return None
    means = mixture.means @ basis
    lines, numbers = [], []
    for a in range(len(basis)):
        line, number = _factor(mixture.weights, means[:, a], variances[:, a], size)
        lines.append(line)
        numbers.append(number)
    table = np.stack(numbers, axis=1)
    tuples, inverse = np.unique(table, axis=0, return_inverse=True)
    weights = np.bincount(inverse.ravel(), mixture.weights)
    factors = np.prod([line.weights[tuples[:, a]] for a, line in enumerate(lines)], axis=0)
    # Combinations that are missing have no weight: then the products of those that are there fall short of 1.
    is_product = np.abs(weights - factors).max() <= SAME and abs(factors.sum() - 1.0) <= SAME * len(factors)
    return Product(basis, tuple(lines)) if is_product else None


def _factor(
    weights: FloatArray, means: FloatArray, variances: FloatArray, size: float
) -> tuple[LineLaw, IntArray]:
    """Return the distinct components along one direction, and which of them each component has."""
    distinct: list[int] = []
    numbers = np.zeros(len(weights), dtype=np.int64)
    for k, (mean, variance) in enumerate(zip(means, variances, strict=True)):
        for number, other in enumerate(distinct):
            close = abs(mean - means[other]) <= SAME * np.sqrt(size)
            if close and abs(variance - variances[other]) <= SAME * size:
                numbers[k] = number
                break
        else:
            numbers[k] = len(distinct)
            distinct.append(k)
    return mixture_on_line(
        np.bincount(numbers, weights).astype(np.float64), means[distinct], variances[distinct]
    ), numbers
