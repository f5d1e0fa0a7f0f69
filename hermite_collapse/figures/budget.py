"""Where the error comes from: stacked budgets, and the weights with which later rounds remember an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from ..bounds.propagation.drift import discount_weights
from ..core.errors import InputError
from . import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@style.style()
def draw_budget(
    axes: Axes | None = None,
    *,
    parts: Mapping[str, ArrayLike],
    total: ArrayLike | None = None,
    labels: Sequence[str] | None = None,
    xlabel: str = "round",
    ylabel: str = "share of the error",
) -> Axes:
    """Draw stacked bars of the parts of an error, negative parts below zero, with the measured total as a rule.

    Parameters
    ----------
    axes : Axes, optional
        Where to draw; a new figure without it.
    parts : mapping of str to array, shape (n,)
        Contribution to each of n bars, by name.
    total : array, shape (n,), optional
        The whole, measured on its own; where it differs from the sum, an interaction is left over.
    labels : sequence of str, optional
        Names of the bars; 1 to n without them.
    xlabel, ylabel : str

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the parts differ in length.

    Notes
    -----
    Parts are stacked with their signs: the height from the lowest to the highest end of a bar is what the parts would
    add up to without cancelling, the rule is what is left of them.

    Examples
    --------
    >>> draw_budget(parts={"score": [0.4, 0.3], "sampling": [-0.1, 0.2]}, total=[0.3, 0.5]).get_xlabel()
    'round'
    """
    axes = style.own_axes(axes, height=3.2)
    columns = {name: np.atleast_1d(np.asarray(v, dtype=float)) for name, v in parts.items()}
    sizes = {v.shape for v in columns.values()}
    if len(sizes) != 1 or len(next(iter(sizes))) != 1:
        raise InputError(f"parts must be one-dimensional and of one length, got shapes {sorted(sizes)}.")
    count = next(iter(sizes))[0]
    x = np.arange(1, count + 1)
    above, below = np.zeros(count), np.zeros(count)
    for j, (name, height) in enumerate(columns.items()):
        base = np.where(height >= 0.0, above, below)
        axes.bar(
            x,
            height,
            bottom=base,
            width=0.72,
            color=style.CATEGORIES[j % len(style.CATEGORIES)],
            hatch=("", "//", "..", "\\\\", "xx", "--")[j % 6],
            edgecolor="#ffffff",
            linewidth=0.4,
            label=name,
        )
        above += np.maximum(height, 0.0)
        below += np.minimum(height, 0.0)
    if total is not None:
        whole = np.broadcast_to(np.asarray(total, dtype=float), (count,))
        axes.hlines(whole, x - 0.42, x + 0.42, color=style.INK, linewidth=1.8, label="total", zorder=3.0)
    axes.axhline(0.0, color=style.MUTED, linewidth=0.7)
    axes.set_xlim(0.4, count + 0.6)
    if labels is not None:
        axes.set_xticks(x, list(labels))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    entries, names = axes.get_legend_handles_labels()
    axes.legend(
        entries, names, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.3, handleheight=0.9
    )
    return axes


@style.style()
def draw_discount_weights(
    axes: Axes | None = None, *, fresh_fraction: float, rounds: int, coherence: str = "incoherent"
) -> Axes:
    """Draw the weight that the divergence after N rounds gives to the error of round i < N.

    Parameters
    ----------
    axes : Axes, optional
        Where to draw; a new figure without it.
    fresh_fraction : float
        In [0, 1].
    rounds : int
        The last N.
    coherence : str
        "incoherent" for the weights of errors that are independent from round to round, in D_N; "coherent" for those
        of repeated ones, in sqrt(D_N).

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        As `bounds.discount_weights`.

    Examples
    --------
    >>> draw_discount_weights(fresh_fraction=0.2, rounds=6).get_xlabel()
    'round $i$ of the error'
    """
    axes = style.own_axes(axes, width=3.9, height=style.COLUMN)
    weights = discount_weights(rounds, fresh_fraction=fresh_fraction, coherence=coherence)
    earlier = np.arange(len(weights) - 1)
    later = earlier + 1
    shade = axes.pcolormesh(
        earlier,
        later,
        np.ma.masked_where(earlier[None, :] >= later[:, None], weights[1:]),
        cmap=style.SEQUENTIAL,
        norm=Normalize(0.0, 1.0),
        shading="nearest",
        edgecolors="face",
        linewidth=0.1,
    )
    axes.set_aspect("equal")
    axes.set_xlabel("round $i$ of the error")
    axes.set_ylabel("round $N$ it is seen in")
    axes.set_title(rf"$\alpha={fresh_fraction:g}$, {coherence} errors")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    bar = style.figure_of(axes).colorbar(shade, ax=axes, pad=0.03, shrink=0.9, aspect=26)
    bar.set_label("weight in $D_N$" if coherence == "incoherent" else r"weight in $\sqrt{D_N}$")
    bar.outline.set_visible(False)
    return axes
