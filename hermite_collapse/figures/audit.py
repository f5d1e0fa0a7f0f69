"""What each mechanism of a pipeline leaves of a direction in the limit, against the variance of the direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..advice.audit import CLOSURE, Audit
from ..core.signature import public
from ..core.types import FloatArray
from . import style
from .labels import label_line_ends, log_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FLOOR, CEILING = 1e-4, 1e4
"""Shares below and above which curves are cut off."""
_COLOURS = tuple(
    colour for i, colour in enumerate(style.CATEGORIES) if i != 1
)  # the second is near the limit's own
_DOTTED, _DASHES = 2, (1, 3, 4, 5, 0)


@public
@style.style()
def draw_audit(audit: Audit, axes: Axes | None = None) -> Axes:
    """Draw the variance that the limit keeps against the variance of the direction, one curve a mechanism.

    Parameters
    ----------
    audit : Audit
    axes : Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    Axes

    Notes
    -----
    Thick: all mechanisms together.  Thin: each alone.  Dotted: the sampler's last step alone, a part of its steps.
    Curves break where the variance grows without bound or ends in a cycle.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> pipeline = hc.Pipeline([hc.mechanisms.SamplerSteps.edm(steps=18)], fresh_fraction=0.1)
    >>> draw_audit(hc.audit(pipeline, directions=[0.2, 0.02])).get_ylabel()
    'limit / data variance'
    """
    axes = style.own_axes(axes, height=3.6)
    ledger = audit.curve
    order = np.argsort(ledger.data, kind="stable")
    variance = ledger.data[order]
    point = "o" if audit.differs else ""
    lines: list[tuple[str, FloatArray, str]] = []

    def draw(label: str, values: FloatArray, colour: str, dash: int, width: float) -> None:
        shares = np.clip(np.where(np.isfinite(values), values, np.nan), FLOOR, CEILING)[order]
        axes.plot(
            variance,
            shares,
            color=colour,
            linewidth=width,
            linestyle=style.DASHES[dash] if dash else "-",
            marker=point,
            markersize=2.4 + width,
            zorder=2.0 + (width > 2.0),
        )
        if np.isfinite(shares).any():
            lines.append((label, shares, colour))

    axes.axhline(1.0, color=style.RULE, linewidth=0.8, zorder=1.0)
    for k, (name, values) in enumerate(zip(ledger.names, ledger.limits, strict=True)):
        if len(ledger.names) > 1:
            draw(name, values, _COLOURS[k % len(_COLOURS)], _DASHES[k % len(_DASHES)], 1.2)
    if np.isfinite(ledger.last_step).any():
        draw("last step alone", ledger.last_step[1], style.DATA, _DOTTED, 1.2)
    together = "all together" if len(ledger.names) > 1 else "".join(ledger.names) or "nothing at work"
    draw(together, ledger.limit, style.LIMIT, 0, 2.6)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(variance[-1], variance[0])
    low, high = _reach([values for _, values, _ in lines])
    axes.set_ylim(low, high)
    log_ticks(axes)
    axes.set_xlabel("variance of the direction, coarse to fine")
    axes.set_ylabel("limit / data variance")
    label_line_ends(
        axes,
        float(variance[0]),
        [float(values[np.isfinite(values)][0]) for _, values, _ in lines],
        [label for label, _, _ in lines],
        [colour for _, _, colour in lines],
    )
    style.describe(style.figure_of(axes), "audit", _caption(audit))
    return axes


def _reach(curves: list[FloatArray]) -> tuple[float, float]:
    """Return limits of the axis that hold all curves and 1."""
    values = np.concatenate([*curves, np.ones(1)])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = max((high / low) ** 0.06, 1.02)
    return low / margin, high * margin


def _caption(audit: Audit) -> str:
    alpha = audit.ledger.fresh_fraction
    single = len(audit.ledger.names) <= 1
    curves = "Thick: the pipeline" if single else "Thin: each mechanism alone; thick: all together"
    last = np.isfinite(audit.ledger.last_step).any()
    dotted = "; dotted: the sampler's last step alone" if last else ""
    return (
        f"Limit variance over data variance at fresh fraction {alpha:g}, by the variance of the direction in the units "
        f"of the sampler (spectrum: {audit.spectrum}). {curves}{dotted}. {CLOSURE}"
    )
