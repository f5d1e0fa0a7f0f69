r"""How the refit of N particles scatters, by drawing them: what error bars of first order cannot see.

The likelihood that a refit climbs can have several tops, and a draw of the particles decides which one it ends on.  N
particles are N_k at the points x_k of the law of a round, multinomial in the masses; they are refitted as those of the
simulation, and of the coefficients c of the mixture that comes out,

    r = c(refit of the draw) - c(refit of the law) - J mean of (h - E h)

is what first order leaves out: J the derivative of c in the parameters, h what a particle contributes to them.  DRAWS
draws miss an end of probability 5 % once in a hundred times.
"""

from __future__ import annotations

import numpy as np

from ..core.types import FloatArray
from ..hermite.basis import hermite_values
from ..laws.mixture import GaussianMixture
from ..pipeline.line_laws import LineLaw, WeightedPoints
from .line_refit import LineRefit, refit_on_line

DRAWS = 90
LEAST_DEGREE = 6  # EM keeps mean and variance, so that coefficients of low degree alone say nothing
VISIBLE = 0.25  # standard errors of a coefficient, left out by first order in root mean square
SEED = 20240229
DIFFERENCE = 1e-3  # of the derivatives in parameters of a refit, in their units


def is_of_first_order(
    points: WeightedPoints, refit: LineRefit, start: LineLaw, degree: int, *, particles: float
) -> bool:
    """Return whether the refits of draws of particles are where their influence puts them, within error bars.

    Parameters
    ----------
    points : WeightedPoints
        The law of a round.
    refit : LineRefit
        Its refit.
    start : LineLaw
        The data, whose components the refit begins with.
    degree : int
        Highest Hermite degree that is held against the theory.
    particles : float
        Independent particles whose coefficients scatter as those of the round do.
    """
    degree, count = max(degree, LEAST_DEGREE), round(particles)
    centre = mixture_coefficients(refit.parameters, degree)
    values, influence = hermite_values(points.points, degree)[:, 1:], refit.influence(points)
    bars = np.sqrt(points.masses @ (values - points.masses @ values) ** 2 / count)
    slope = _slope(refit, degree)
    if count < 1 or not np.all(np.isfinite(slope)):
        return False
    generator = np.random.default_rng(SEED)
    left: FloatArray = np.zeros((DRAWS, degree))
    for number in range(DRAWS):
        masses = generator.multinomial(count, points.masses / points.masses.sum()) / count
        occupied = masses > 0.0
        drawn = WeightedPoints(points.points[occupied], masses[occupied], points.labels[occupied])
        with np.errstate(all="ignore"):  # components without particles are refused below
            parameters = refit_on_line(
                drawn, start, classes_known=refit.classes_known, with_gain=False
            ).parameters
        moved = mixture_coefficients(parameters, degree) - centre
        left[number] = moved - slope @ ((masses - points.masses) @ influence)
        if not np.all(np.sum(left**2, axis=0) <= DRAWS * (VISIBLE * bars) ** 2):
            return False
    return True


def mixture_coefficients(parameters: FloatArray, degree: int) -> FloatArray:
    """Return the Hermite coefficients of a mixture, degrees 1, 2, ...; infinite where it is none."""
    weights, means, variances = parameters.reshape(-1, 3).T
    if not np.all(np.isfinite(parameters)) or np.any(weights <= 0.0) or np.any(variances <= 0.0):
        return np.full(degree, np.inf)
    law = GaussianMixture(weights / weights.sum(), means, variances)
    return np.asarray(law.hermite_coefficients(degree).values[1:])


def _slope(refit: LineRefit, degree: int) -> FloatArray:
    """Return the derivative of the coefficients in the parameters of a refit, shape (degree, 3 K)."""
    columns = []
    for move in np.diag(DIFFERENCE * refit.units):
        above, below = (mixture_coefficients(refit.parameters + sign * move, degree) for sign in (1.0, -1.0))
        with np.errstate(invalid="ignore"):  # infinite where the mixture is none
            columns.append((above - below) / (2.0 * move.sum()))
    return np.stack(columns, axis=1)
