"""What samplers keep of a direction, in one round or in the limit, against the variance of the direction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..pipeline.mechanism import Mechanism, variances
from ..pipeline.pipeline import Pipeline
from . import style
from .labels import label_line_ends

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VARIANCES = np.geomspace(1.0, 1e-4, 161)
FLOOR, CEILING = 1e-4, 1e4
"""Shares below and above which curves are cut off."""
_CLOSURE = "Exact for one round of Gaussian directions; limits, and other data, are a Gaussian closure."


@style.style()
def draw_round_maps(
    mechanisms: Mapping[str, Mechanism],
    axes: Axes | None = None,
    *,
    fresh_fraction: float | None = None,
    variance: ArrayLike = VARIANCES,
) -> Axes:
    """Draw V(w)/w of several samplers against w, or the limits over the variance of the data.

    Parameters
    ----------
    mechanisms : mapping of str to Mechanism
        Names and samplers, or other mechanisms.
    axes : Axes, optional
        Where to draw; a new figure without it.
    fresh_fraction : float, optional
        Share alpha of fresh data; draws the limits that are reached from the data.  One round without it.
    variance : array, shape (m,)
        Variances w > 0 of the directions, in the units of the samplers.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        For no mechanism, and for variances that are not positive.

    Examples
    --------
    >>> from hermite_collapse.pipeline.mechanisms import SamplerSteps
    >>> samplers = {"EDM, Heun 18": SamplerSteps.edm(), "DDIM 50": SamplerSteps.ddim()}
    >>> draw_round_maps(samplers, fresh_fraction=0.1).get_ylabel()
    'limit / data variance'
    """
    w = np.sort(np.atleast_1d(variances(variance, "variance")))[::-1]
    if w.ndim != 1 or len(w) < 2 or w[-1] <= 0.0:
        raise InputError(f"variance must be one axis of at least two variances > 0, got {variance!r}.")
    if not mechanisms:
        raise InputError("mechanisms must hold at least one, got none.")
    for mechanism in mechanisms.values():
        checks.instance(mechanism, Mechanism, "mechanisms")  # type: ignore[type-abstract]
    axes = style.own_axes(axes, height=3.6)
    axes.axhline(1.0, color=style.RULE, linewidth=0.8, zorder=1.0)
    labels, heights, colours = [], [], []
    for k, (name, mechanism) in enumerate(mechanisms.items()):
        if fresh_fraction is None:
            ratio = np.asarray(mechanism.variance(w)) / w
        else:
            ratio = np.asarray(Pipeline([mechanism], fresh_fraction=fresh_fraction).limit(w)) / w
        shares = np.clip(np.where(np.isfinite(ratio), ratio, np.nan), FLOOR, CEILING)
        again, number = divmod(k, len(style.CATEGORIES))
        colour = style.CATEGORIES[number]
        dashes = style.DASHES[again % len(style.DASHES)] if again else "-"
        axes.plot(w, shares, color=colour, linewidth=1.4, linestyle=dashes)
        drawn = shares[np.isfinite(shares)]
        if len(drawn):
            labels.append(name)
            heights.append(float(drawn[-1]))
            colours.append(colour)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(w[0], w[-1])
    axes.set_xlabel("variance of the direction, coarse to fine")
    one_round = fresh_fraction is None
    axes.set_ylabel("variance after one round / before" if one_round else "limit / data variance")
    label_line_ends(axes, float(w[-1]), heights, labels, colours)
    what = (
        "Variance after one round over the variance before"
        if one_round
        else f"Limit variance over data variance at fresh fraction {fresh_fraction:g}"
    )
    style.describe(style.figure_of(axes), "round maps", f"{what}, with the exact denoiser. {_CLOSURE}")
    return axes
