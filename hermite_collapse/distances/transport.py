r"""Wasserstein distances: exact in one dimension and for Gaussians, sliced and by linear programming otherwise."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import ConvergenceError, InputError
from ..core.estimates import Estimate
from ..core.signature import public
from ..core.types import FloatArray, Seed
from ..laws.conversion import as_law
from ..laws.empirical import EmpiricalLaw
from ..laws.mixture import GaussianMixture, Law
from . import _transport
from ._empirical_line import Points, between_points, to_mixture
from .closed_form import bures
from .line import LineMixture, same_dimension

# Levels are rounded, which costs 1e-15 over the width of a component: narrower ones are better moved a little.
_WIDTH = 3e-10  # least width beside components with a density, relative to the widest of these
_POINT = 1e-11  # of the size of both laws: a narrower component is a point mass


@public
def wasserstein(p: Law | ArrayLike, q: Law | ArrayLike, *, order: int = 2) -> Estimate:
    """Return the Wasserstein distance of order 1 or 2, exact where the laws allow it.

        W1 = int abs(F - G),     W2^2 = int_0^1 (F^{-1} - G^{-1})^2

    Parameters
    ----------
    p, q : Law or array, shape (n,)
        Of one dimension d.  d = 1: any laws, or samples.  d > 1 and order 2: two single Gaussians.
    order : int
        1 or 2.

    Returns
    -------
    Estimate
        In the units of x.  Between samples it is the exact distance of the empirical laws.

    Raises
    ------
    InputError
        In several dimensions otherwise: see `sliced_wasserstein`, `bures` (a lower bound) and `optimal_transport`.
    ConvergenceError
        If the coupling could not be resolved; W1 <= W2 is checked against W1's proved bound.

    Accuracy
    --------
    Relative 1e-8 or better, and about 1e-14 of the size of the laws; W1 with a proved bound.  Where both laws have
    gaps, rounding of the distribution functions moves about 1e-16 of mass across them, which the error includes.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> p, q = hc.GaussianMixture([1.0], [0.0], 1.0), hc.GaussianMixture([1.0], [3.0], 25.0)
    >>> round(hc.distances.wasserstein(p, q).value, 9)
    5.0
    """
    degree = _order(order)
    left, right = as_law(p, "p"), as_law(q, "q")
    dimension = same_dimension(left, right)
    if dimension > 1:
        if degree == 2 and all(_is_gaussian(law) for law in (left, right)):
            return bures(left, right)
        raise InputError(
            f"p and q must be one-dimensional (or two Gaussians, for order 2), got dimension {dimension}; see"
            " sliced_wasserstein, bures and optimal_transport."
        )
    unit = max(_size(left, right), _size(right, left))
    if not np.isfinite(unit):
        raise ConvergenceError("the laws lie further apart than doubles reach.", value=np.inf, bound=np.inf)
    if unit > 0.0 and not 1e-100 < unit < 1e100:  # squares that overflow or vanish
        scaled = wasserstein(_scaled(left, unit), _scaled(right, unit), order=degree)
        return Estimate(unit * scaled.value, unit * scaled.error, scaled.kind, scaled.route)
    (left, p_narrow), (right, q_narrow) = (_without_needles(law, _POINT * unit) for law in (left, right))
    return _loosened(_on_line(left, right, degree, _POINT * unit), p_narrow + q_narrow)


def _on_line(left: Law, right: Law, degree: int, least_width: float) -> Estimate:
    """Return the distance of two laws on the line, whose widths are 0 or can be resolved."""
    first, second = Points.of(left), Points.of(right)
    if first is not None and second is not None:
        return between_points(first, second, degree)
    if first is not None or second is not None:
        points, law = (first, right) if first is not None else (second, left)
        assert points is not None
        mixture, slack = _with_width(law, least_width)
        return _loosened(to_mixture(points, mixture, degree), slack)
    function = _transport.wasserstein1 if degree == 1 else _transport.wasserstein2
    (p_line, p_slack), (q_line, q_slack) = (_with_width(law, least_width) for law in (left, right))
    return _loosened(function(p_line, q_line), p_slack + q_slack)


def _size(law: Law, other: Law) -> float:
    """The largest width of a component, and distance of one from the middle of the other law."""
    if isinstance(law, EmpiricalLaw):
        with np.errstate(over="ignore"):
            return float(np.abs(law.samples - other.mean).max())
    mixture = law.as_mixture()
    used = mixture.weights > 0.0
    with np.errstate(over="ignore"):
        distance = np.abs(mixture.means[used] - other.mean).max()
    return float(max(np.sqrt(mixture.variances[used].max()), distance))


def _scaled(law: Law, unit: float) -> Law:
    """The law of x / unit."""
    if isinstance(law, EmpiricalLaw):
        return EmpiricalLaw(law.samples / unit)
    mixture = law.as_mixture()
    return GaussianMixture.from_spectra(
        mixture.weights,
        mixture.means / unit,
        mixture.variances / unit / unit,
        mixture.frames,
        mixture.frame_of,
    )


def _without_needles(law: Law, width: float) -> tuple[Law, float]:
    """The law with components narrower than a width as point masses, and how far that moves it at most."""
    if isinstance(law, EmpiricalLaw):
        return law, 0.0
    mixture = law.as_mixture()
    variances = mixture.variances
    narrow = (variances > 0.0) & (variances < width**2)
    if not narrow.any():
        return law, 0.0
    points = GaussianMixture.from_spectra(mixture.weights, mixture.means, np.where(narrow, 0.0, variances))
    return points, float(mixture.weights @ np.where(narrow, variances, 0.0)[:, 0]) ** 0.5


def _with_width(law: Law, least: float) -> tuple[LineMixture, float]:
    """A law with a component of positive variance, its narrowest widened, and how far that moves it at most."""
    mixture = law.as_mixture()
    used = mixture.weights > 0.0
    weights, means = mixture.weights[used], mixture.means[used, 0]
    scales = np.sqrt(mixture.variances[used, 0])
    width = max(_WIDTH * float(scales.max()), least)
    masses = scales < width
    if not masses.any():
        return LineMixture(weights, means, scales), 0.0
    return LineMixture(weights, means, np.where(masses, width, scales)), width * float(
        weights[masses].sum() ** 0.5
    )


def _loosened(estimate: Estimate, slack: float) -> Estimate:
    return Estimate(estimate.value, estimate.error + slack, estimate.kind, estimate.route)


@public
def sliced_wasserstein(
    p: Law | ArrayLike, q: Law | ArrayLike, *, order: int = 2, directions: int = 64, rng: Seed = 0
) -> Estimate:
    """Return the sliced Wasserstein distance over random directions u.

        (E_u W_order(u.X, u.Y)^order)^(1/order)

    Parameters
    ----------
    p, q : Law or array, shape (n, d)
    order : int
        1 or 2.
    directions : int
        How many directions are drawn.
    rng : seed
        Anything `numpy.random.default_rng` takes.

    Returns
    -------
    Estimate
        Its standard error is that of the directions; the one-dimensional distances are exact.  At most the Wasserstein
        distance of the same order.

    Raises
    ------
    InputError
        For laws of different dimensions, or another order.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> p, q = hc.EmpiricalLaw([[0.0, 0.0]]), hc.EmpiricalLaw([[1.0, 1.0]])
    >>> abs(hc.distances.sliced_wasserstein(p, q).value - 1.0) < 0.3
    True
    """
    degree = _order(order)
    count, generator = checks.integer(directions, "directions", minimum=2), checks.generator(rng)
    left, right = as_law(p, "p"), as_law(q, "q")
    dimension = same_dimension(left, right)
    if dimension == 1:
        return wasserstein(left, right, order=degree)
    u = generator.standard_normal((count, dimension))
    values = np.array([wasserstein(left.project(v), right.project(v), order=degree).value for v in u])
    largest = float(values.max())
    unit = largest if largest > 0.0 and not 1e-100 < largest < 1e100 else 1.0  # squares overflow or vanish
    powers = (values / unit) ** degree
    mean, error = float(powers.mean()), float(powers.std(ddof=1) / np.sqrt(count))
    value = mean ** (1.0 / degree)
    scaled = error if degree == 1 else (0.5 * error / value if value > 0.0 else float(np.sqrt(error)))
    return Estimate(unit * value, unit * scaled, "standard_error", "samples")


@public
def optimal_transport(
    x: EmpiricalLaw | ArrayLike, y: EmpiricalLaw | ArrayLike, *, order: int = 2
) -> Estimate:
    """Return the Wasserstein distance of two samples in any dimension, by linear programming (POT).

    Parameters
    ----------
    x, y : array, shape (n, d) and (m, d), or EmpiricalLaw
        A few thousand points each.
    order : int
        1 or 2.

    Returns
    -------
    Estimate
        Of the distance of the two *empirical* laws; the error is the duality gap.  As an estimate of the populations'
        distance it is biased upwards by about n^(-1/d).

    Raises
    ------
    InputError
        For other input.
    ImportError
        Without the extra "transport".

    Examples
    --------
    >>> from hermite_collapse.distances import optimal_transport
    >>> optimal_transport([[0.0, 0.0]], [[3.0, 4.0]]).value  # doctest: +SKIP
    5.0
    """
    degree = _order(order)
    a, b = (_points(x, "x"), _points(y, "y"))
    if a.shape[1] != b.shape[1]:
        raise InputError(f"y must have the dimension of x, {a.shape[1]}, got {b.shape[1]}.")
    checks.moderate(a, "x")
    checks.moderate(b, "y")
    try:
        import ot
    except ImportError:
        raise ImportError('optimal_transport needs POT: pip install "hermite_collapse[transport]".') from None
    cost = np.sqrt(np.maximum(ot.dist(a, b, metric="sqeuclidean"), 0.0)) ** degree
    u, v = np.full(len(a), 1.0 / len(a)), np.full(len(b), 1.0 / len(b))
    plan, log = ot.emd(u, v, cost, numItermax=10_000_000, log=True)
    primal = float((plan * cost).sum())
    # Any potentials give a lower bound once the second is lowered until it is feasible.
    lowered = np.minimum(log["v"], (cost - log["u"][:, None]).min(axis=0))
    dual = float(u @ log["u"] + v @ lowered)
    value = primal ** (1.0 / degree)
    gap = max(primal - dual, 0.0)
    return Estimate(value, value - max(primal - gap, 0.0) ** (1.0 / degree), "bound", "linear_program")


def _points(value: EmpiricalLaw | ArrayLike, name: str) -> FloatArray:
    return value.samples if isinstance(value, EmpiricalLaw) else checks.samples(value, name)


def _order(order: int) -> int:
    degree = checks.integer(order, "order", minimum=1)
    if degree > 2:
        raise InputError(f"order must be 1 or 2, got {degree}.")
    return degree


def _is_gaussian(law: Law) -> bool:
    return len(law.as_mixture().weights) == 1
