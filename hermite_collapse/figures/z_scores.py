"""Deviations of measurements from their predictions, in predicted standard errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from . import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BAND = 1.96
"""Size of a z-score within which 95 % of all lie, shaded."""


@style.style()
def draw_z_scores(
    axes: Axes | None = None,
    *,
    degree: ArrayLike,
    z: ArrayLike,
    tested: ArrayLike,
    colour: ArrayLike | None = None,
    critical: float | None = None,
) -> Axes:
    """Draw standardised differences, measured minus predicted over the predicted standard error, by degree.

    Parameters
    ----------
    axes : Axes, optional
        Where to draw; a new figure without it.
    degree, z, tested : array, shape (m,)
        One entry a comparison; untested ones are hollow.
    colour : array of str, shape (m,), optional
        Colour of each point.
    critical : float, optional
        Size a z-score has to pass for the family of tests to reject, drawn as a pair of dashed rules.

    Returns
    -------
    Axes

    Examples
    --------
    >>> draw_z_scores(degree=[1, 2], z=[0.5, -1.2], tested=[True, False], critical=3.4).get_ylabel()
    'z-score'
    """
    axes = style.own_axes(axes, height=1.9)
    n, score = np.asarray(degree, dtype=float), np.asarray(z, dtype=float)
    keep = np.asarray(tested, dtype=bool)
    tones = np.full(n.shape, style.INK, dtype=object) if colour is None else np.asarray(colour, dtype=object)
    reach = max(3.2, 1.12 * (critical or 0.0), 1.12 * float(np.max(np.abs(score[keep]), initial=0.0)))
    axes.axhspan(-_BAND, _BAND, color=style.RULE, alpha=0.45, linewidth=0.0, zorder=0.5)
    axes.axhline(0.0, color=style.MUTED, linewidth=0.7, zorder=1.0)
    if critical is not None:
        for sign in (-1.0, 1.0):
            axes.axhline(sign * critical, color=style.LIMIT, linewidth=0.9, dashes=(4.0, 2.0), zorder=1.0)
    inside = np.abs(score) <= reach
    hollow = ~keep & inside
    axes.scatter(
        n[hollow], score[hollow], s=13.0, facecolor="#ffffff", edgecolor=list(tones[hollow]), linewidth=0.8
    )
    axes.scatter(n[keep], score[keep], s=13.0, c=list(tones[keep]), linewidth=0.0, zorder=2.5)
    axes.set_ylim(-reach, reach)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 3, 5, 10], symmetric=True, integer=True))
    axes.set_ylabel("z-score")
    axes.set_xlabel("Hermite degree $n$")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=9, integer=True))
    return axes
