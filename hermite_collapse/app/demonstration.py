"""A first look, in three seconds: what recursive training leaves of a mixture of three Gaussians."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core import checks
from ..core.signature import public

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..figures.attenuation import MeasuredFactors
    from ..recursion.recursion import Recursion

_HIGHEST_DEGREE = 8


@public
def demo(*, fresh_fraction: float = 0.3, truncation_time: float = 0.1, particles: int = 20_000) -> Figure:
    """Return a figure of the theory and of samples that follow it; it is shown where there is a window.

        g_n = alpha / (alpha + expm1(n * rate * truncation_time))

    Left, the share of each Hermite degree that is left after some rounds and in the limit, g_n, with the
    coefficients of `particles` independent samples of the law after each round, and bars of one standard error.  Right,
    the densities.

    Parameters
    ----------
    fresh_fraction : float
        Share of fresh data in every round, in [0, 1].
    truncation_time : float
        Ornstein-Uhlenbeck time at which each round stops, > 0.
    particles : int
        Samples of each round; error bars shrink as their root.

    Returns
    -------
    Figure
        Of matplotlib; `figures.save` writes it.

    Raises
    ------
    InputError
        If an argument is outside its range.

    Examples
    --------
    >>> len(demo(particles=1000).axes)
    2
    """
    from ..figures import density, style
    from ..figures.attenuation import draw_attenuation
    from ..laws.presets import load
    from ..recursion.recursion import Recursion

    count = checks.count(particles, "particles", minimum=2)
    fresh_fraction = checks.fraction(fresh_fraction)
    truncation_time = checks.nonnegative(truncation_time, "truncation_time")
    recursion = Recursion(
        load("three_modes_1d"), fresh_fraction=fresh_fraction, truncation_time=truncation_time
    )
    rounds = (1, 2, 4)
    measured = _measured(recursion, rounds, count)
    figure = _window(style.WIDE * 1.35, 3.7)
    with style.style():
        left, right = figure.subplots(1, 2, width_ratios=(1.12, 1.0))
        draw_attenuation(
            left,
            fresh_fraction=fresh_fraction,
            truncation_time=truncation_time,
            rounds=rounds,
            highest_degree=_HIGHEST_DEGREE + 0.35,
            measured=measured,
            limit=recursion.regime.final_fraction > 0.0,
        )
        density.draw_densities(
            right,
            data=recursion.target,
            rounds={i: recursion.law(i) for i in rounds},
            limit=recursion.limit(),
        )
    style.describe(
        figure,
        "demo",
        f"What is left of each Hermite degree and of the density; points: {count} samples of each "
        "round, with bars of one standard error.",
    )
    if figure.canvas.manager is not None:
        figure.show()
    return figure


def _measured(recursion: Recursion, rounds: tuple[int, ...], count: int) -> list[MeasuredFactors]:
    """Return the factors of each round from independent samples of its law, with the error bars predicted for them."""
    from ..figures.attenuation import MeasuredFactors
    from ..laws.empirical import EmpiricalLaw
    from ..recursion.sampling_error import predict_sampling_error

    data = recursion.target.hermite_coefficients(_HIGHEST_DEGREE)
    expected = predict_sampling_error(
        recursion, _HIGHEST_DEGREE, rounds=max(rounds), particles=count, generator="exact"
    )
    bar = expected.standard_error / np.abs(data.values)
    points = []
    for i in rounds:
        samples = recursion.law(i).sample(count, np.random.default_rng(i))
        measured = EmpiricalLaw(samples).hermite_coefficients(_HIGHEST_DEGREE)
        # A mode the data hardly have says nothing about its factor: its bar would span the figure.
        shown = np.flatnonzero((data.degrees > 0) & (bar[i] < 0.1))
        points.append(
            MeasuredFactors(
                round=i,
                degree=data.degrees[shown],
                factor=measured.values[shown] / data.values[shown],
                standard_error=bar[i, shown],
                tested=expected.is_testable()[i, shown],
            )
        )
    return points


def _window(width: float, height: float) -> Figure:
    """Return a figure that pyplot can show where it draws in windows, else a plain one, which notebooks display."""
    from matplotlib import pyplot as plt
    from matplotlib.backends import BackendFilter, backend_registry

    from ..figures import style

    windows = {name.lower() for name in backend_registry.list_builtin(BackendFilter.INTERACTIVE)}
    if plt.get_backend().lower() not in windows:
        return style.new_figure(width, height)
    with style.style():
        return plt.figure(figsize=(width, height), layout="constrained", facecolor="white")
