"""Annealed truncation: what each schedule leaves over, round by round.

References
----------
arXiv:2606.13796, Theorem 4.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..distances import kl
from ..recursion.modes import mode_residuals
from . import style
from .labels import label_line_ends

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..recursion.recursion import Recursion


@style.style()
def draw_schedule_curves(
    axes: Axes | None = None,
    *,
    curves: Mapping[str, ArrayLike],
    errors: Mapping[str, ArrayLike] | None = None,
    asymptotes: Mapping[str, ArrayLike] | None = None,
    ylabel: str = "residual $1-f_n(i)$",
    logarithmic_rounds: bool = False,
) -> Axes:
    """Draw one curve a schedule on a log axis: residuals e_n(i), divergences from the data, or any positive measure.

    Parameters
    ----------
    axes : Axes, optional
        Where to draw; a new figure without it.
    curves : mapping of str to array, shape (rounds,)
        Values by name, the first after one round.
    errors : mapping of str to array, shape (rounds,), optional
        Of the values, as bars.
    asymptotes : mapping of str to array, shape (rounds,), optional
        What a curve tends to, dotted in its colour.
    ylabel : str
    logarithmic_rounds : bool
        A log axis for the rounds, on which polynomial schedules are straight.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If there is no curve, or one without a positive value.

    Examples
    --------
    >>> draw_schedule_curves(curves={"constant": [0.1, 0.15], "geometric": [0.1, 0.05]}).get_yscale()
    'log'
    """
    axes = style.own_axes(axes, height=3.5)
    if not curves:
        raise InputError("curves must hold at least one schedule, got none.")
    axes.set_yscale("log")
    if logarithmic_rounds:
        axes.set_xscale("log")
    last, ends, texts, tones = 1, [], [], []
    for j, (name, given) in enumerate(curves.items()):
        value = np.asarray(given, dtype=float)
        if value.ndim != 1 or not np.any(value > 0.0):
            raise InputError(f"curves must hold a positive value a round, got {given!r} for {name!r}.")
        rounds = np.arange(1, value.size + 1)
        colour = style.CATEGORIES[j % len(style.CATEGORIES)]
        shown = np.where(value > 0.0, value, np.nan)
        bars = None if errors is None or name not in errors else np.asarray(errors[name], dtype=float)
        axes.errorbar(
            rounds,
            shown,
            bars,
            color=colour,
            linestyle=style.DASHES[j % len(style.DASHES)],
            marker=style.MARKERS[j % len(style.MARKERS)],
            markersize=3.4,
            linewidth=1.3,
            elinewidth=0.9,
            markevery=max(1, value.size // 10),
            errorevery=max(1, value.size // 10),
        )
        if asymptotes is not None and name in asymptotes:
            axes.plot(
                rounds,
                np.asarray(asymptotes[name], dtype=float),
                color=colour,
                dashes=(1.2, 1.8),
                linewidth=1.0,
            )
        last = max(last, value.size)
        ends.append(float(shown[np.flatnonzero(value > 0.0)[-1]]))
        texts.append(name)
        tones.append(colour)
    axes.set_xlim(1.0 if logarithmic_rounds else 1.0 - 0.02 * last, last)
    axes.set_ylim(*axes.get_ylim())
    if not logarithmic_rounds:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    axes.set_xlabel("round $i$")
    axes.set_ylabel(ylabel)
    label_line_ends(axes, last, ends, texts, tones)
    return axes


@style.style()
def schedule_figure(recursions: Mapping[str, Recursion], *, rounds: int, degree: int = 4) -> Figure:
    """Draw recursions of one target under several schedules: the residual of one degree, and KL from the data.

        e_n(i) = 1 - f_n(i)          KL(p_i || p*)

    Parameters
    ----------
    recursions : mapping of str to Recursion
        Each with Ornstein-Uhlenbeck rounds started at the data.
    rounds : int
        Last round.
    degree : int
        n of the left panel.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If a recursion has a start of its own.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> len(schedule_figure({"constant": recursion}, rounds=2).axes)
    2
    """
    count = checks.integer(rounds, "rounds", minimum=1)
    n = checks.integer(degree, "degree", minimum=1)
    residuals, divergences, errors = {}, {}, {}
    for name, recursion in recursions.items():
        if recursion.initial is not None:
            raise InputError("recursions must start from the data for their residuals, got one with initial.")
        residuals[name] = mode_residuals(
            n,
            fresh_fraction=recursion.regime.fresh_fractions,
            truncation_time=recursion.schedule,
            rounds=count,
            rate=recursion.rate,
            regime=recursion.regime,
        )[1:]
        exact = [kl(recursion.law(i), recursion.target) for i in range(1, count + 1)]
        divergences[name] = [float(e) for e in exact]
        errors[name] = [e.error for e in exact]
    figure, grid = style.panels(1, 2, width=8.4, height=3.3)
    figure.set_layout_engine("constrained", wspace=0.08)
    left, right = grid[0]
    draw_schedule_curves(left, curves=residuals, ylabel=f"residual $1-f_{{{n}}}(i)$")
    draw_schedule_curves(right, curves=divergences, errors=errors, ylabel=r"KL$(p_i\,\|\,p_*)$")
    for text in list(left.texts):
        text.remove()
    return style.describe(
        figure,
        "schedules",
        f"What each truncation schedule leaves over: left, the part of degree {n} that is lost after each round, "
        "right, the Kullback-Leibler divergence of the law from the data.",
    )
