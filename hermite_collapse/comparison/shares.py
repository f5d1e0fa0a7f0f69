"""Where the last round's coefficients differ from the data's: what a finished run says without another simulation.

With lengths over all modes, predicted coefficients p, measured m (without b where it was measured), data d and standard
errors s,

    recursion       norm(p - d), exact                     what truncation and blur do, predicted
    step size       norm(b), where it was measured         bias b of the sampler's steps
    particles       norm(s)                                what a mean over the runs scatters by
    left over       norm(m - p) beyond its scatter         zero within its error if nothing else is at work

Squared lengths of noisy vectors are corrected by the noise; one that comes out negative is 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.estimates import Estimate
from ..core.types import FloatArray

if TYPE_CHECKING:
    from .result import Comparison


def error_shares(comparison: Comparison) -> dict[str, Estimate]:
    """Return what moves the coefficients of the last round away from the data's, as lengths over all modes.

    Parameters
    ----------
    comparison : Comparison
        Of a recursion that starts from the data.

    Returns
    -------
    dict of str to Estimate
        "recursion", "step size" (where it was measured), "particles" and "left over"; lengths of noisy vectors
        with standard errors.

    Notes
    -----
    With the covariance S of the noise of a vector v, the squared length v'v - tr S has the variance
    2 tr S^2 + 4 (v'S v - tr S^2).

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> run = hc.simulation.simulate(recursion, rounds=2, particles=1000, degree=3, generator="channel", seed=1)
    >>> list(error_shares(hc.compare(recursion, run)))
    ['recursion', 'particles', 'left over']
    """
    last = comparison.modes.expected[-1]
    joint = comparison.modes.joint
    noise = np.diag(comparison.standard_error[-1] ** 2) if joint is None else joint[-1, -1] / comparison.runs
    missed = comparison.measured[-1] - last
    shares = {"recursion": Estimate(float(np.linalg.norm(last - comparison.modes.expected[0])), 0.0)}
    if comparison.discretisation is not None and comparison.discretisation_error is not None:
        uncertain = np.diag(comparison.discretisation_error[-1] ** 2)
        shares["step size"] = _length(comparison.discretisation[-1], uncertain)
    shares["particles"] = Estimate(float(np.linalg.norm(comparison.standard_error[-1])), 0.0)
    shares["left over"] = _length(missed, noise)
    return shares


def _length(vector: FloatArray, noise: FloatArray) -> Estimate:
    """Length of what lies under noise of the given covariance, with its standard error."""
    square = float(vector @ vector - np.trace(noise))
    own = float(np.sum(noise**2))  # trace of the squared covariance
    spread = float(np.sqrt(2.0 * own + 4.0 * max(float(vector @ noise @ vector) - own, 0.0)))
    value = float(np.sqrt(max(square, 0.0)))
    # Far from zero the square root is smooth; near it the length is at most about the root of the spread.
    error = min(spread / (2.0 * value), np.sqrt(spread)) if value > 0.0 else np.sqrt(spread)
    return Estimate(value, float(error), "standard_error", "samples")
