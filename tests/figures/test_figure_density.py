"""Densities: lines are the law's own, contours enclose what they say, directions tell components apart."""

from __future__ import annotations

import numpy as np
import pytest

from hermite_collapse import EmpiricalLaw, GaussianMixture, Recursion, presets
from hermite_collapse.core.errors import InputError
from hermite_collapse.figures import (
    draw_densities,
    draw_density_contours,
    projection_figure,
    style,
    telling_directions,
)
from hermite_collapse.figures.density import enclosing_levels
from tests.figures.figure_checks import assert_readable


def recursion(target: object) -> Recursion:
    return Recursion(target, fresh_fraction=0.3, truncation_time=0.1)


@pytest.mark.parametrize("mass", [0.25, 0.5, 0.95])
def test_levels_enclose_their_share(mass: float) -> None:
    """The standard normal of the plane exceeds (1 - m)/(2 pi) on a disc of probability m."""
    side = np.linspace(-7.0, 7.0, 801)
    x, y = np.meshgrid(side, side)
    density = np.exp(-0.5 * (x**2 + y**2)) / (2.0 * np.pi)
    (level,) = enclosing_levels(density, [mass])
    assert level == pytest.approx((1.0 - mass) / (2.0 * np.pi), rel=2e-3)
    assert level != pytest.approx((1.0 - 0.95 * mass) / (2.0 * np.pi), rel=2e-3)


def test_lines_are_the_densities_over_nearly_all_of_the_mass() -> None:
    r = recursion(presets.load("three_modes_1d"))
    axes = draw_densities(data=r.target, rounds={1: r.law(1), 4: r.law(4)}, limit=r.limit())
    for law, colour in ((r.law(1), style.ROUNDS[0]), (r.law(4), style.ROUNDS[5]), (r.limit(), style.LIMIT)):
        (curve,) = [c for c in axes.lines if c.get_color() == colour]
        x, y = curve.get_data()
        np.testing.assert_allclose(y, law.density(x))
        assert np.trapezoid(y, x) == pytest.approx(1.0, abs=2e-3)
    assert_readable(axes.get_figure())


def test_points_and_particles_become_histograms_of_their_own_mass() -> None:
    r = recursion(EmpiricalLaw(presets.load("two_modes_1d").sample(500, 1)))
    particles = r.law(3).sample(4000, 2)
    axes = draw_densities(data=r.target, rounds={3: r.law(3)}, limit=r.limit(), samples=particles)
    (steps,) = [p for p in axes.patches if p.get_label() == "particles"]
    heights, edges, _ = steps.get_data()
    low, high = axes.get_xlim()
    inside = np.mean((particles >= low) & (particles <= high))
    assert np.sum(heights * np.diff(edges)) == pytest.approx(inside, rel=1e-12)
    assert_readable(axes.get_figure())


def test_contours_need_no_density_of_the_data() -> None:
    flat = GaussianMixture(
        [0.5, 0.5], [[-1.0, 0.0], [1.0, 0.0]], [[0.2, 0.0], [0.2, 0.0]], covariance_type="diagonal"
    )
    for target in (presets.load("grid_2d"), EmpiricalLaw(presets.load("tilted_2d").sample(300, 0)), flat):
        axes = draw_density_contours(data=target, law=recursion(target).limit())
        assert_readable(axes.get_figure())


def test_contour_lines_enclose_their_shares_of_draws() -> None:
    """Independent of any grid: the share of samples above each level, within five standard errors of it."""
    target = presets.load("tilted_2d")
    law = recursion(target).law(2)
    axes = draw_density_contours(data=target, law=law)
    levels = np.sort(axes.collections[-1].levels)[::-1]
    heights = law.density(law.sample(40_000, 7))
    for level, mass in zip(levels, (0.25, 0.5, 0.75, 0.95), strict=True):
        error = np.sqrt(mass * (1.0 - mass) / 40_000)
        assert abs(np.mean(heights > level) - mass) < 5.0 * error + 5e-3
        assert abs(np.mean(heights > 1.2 * level) - mass) > 5.0 * error + 5e-3


def test_components_narrower_than_the_grid_are_still_seen() -> None:
    needles = GaussianMixture([0.5, 0.5], [-2.0, 2.0], 1e-6)
    axes = draw_densities(
        data=needles, rounds={1: recursion(needles).law(1)}, limit=recursion(needles).limit()
    )
    (curve,) = [c for c in axes.lines if c.get_color() == style.DATA]
    x, y = curve.get_data()
    assert np.max(y) == pytest.approx(0.5 / np.sqrt(2.0 * np.pi * 1e-6), rel=1e-3)
    assert np.trapezoid(y, x) == pytest.approx(1.0, abs=2e-3)
    plane = GaussianMixture([0.5, 0.5], [[-2.0, 0.3], [2.0, -0.3]], 1e-5)
    contours = draw_density_contours(data=plane, law=recursion(plane).limit())
    # Each needle is a round Gaussian of weight 1/2: a share 1 - level / peak of it lies above a level.
    peak = 0.5 / (2.0 * np.pi * 1e-5)
    shares = 1.0 - np.asarray(contours.collections[0].levels[:4]) / peak
    np.testing.assert_allclose(shares, [0.95, 0.75, 0.5, 0.25], atol=0.025)


@pytest.mark.parametrize("dimension", [1, 3])
def test_laws_of_the_wrong_dimension_are_refused(dimension: int) -> None:
    law = GaussianMixture([1.0], np.zeros((1, dimension)), 1.0)
    draw = draw_density_contours if dimension == 1 else draw_densities
    arguments = {"law": law} if dimension == 1 else {"rounds": {}}
    with pytest.raises(InputError, match="dimension"):
        draw(data=law, **arguments)


def test_directions_are_unit_vectors_that_tell_components_apart() -> None:
    law = presets.load("five_modes_10d")
    widest, separating, thinnest = telling_directions(law)
    for direction in (widest, separating, thinnest):
        assert np.linalg.norm(direction.vector) == pytest.approx(1.0)
    covariance = law.covariance
    spread = [d.vector @ covariance @ d.vector for d in (widest, separating, thinnest)]
    eigenvalues = np.linalg.eigvalsh(covariance)
    assert spread[0] == pytest.approx(eigenvalues[-1]) and spread[2] == pytest.approx(eigenvalues[0])
    # Along the separating direction the five means fall into at least three groups.
    assert np.unique(np.round(law.means @ separating.vector, 6)).size >= 3
    assert np.unique(np.round(law.means @ thinnest.vector, 6)).size == 1


def test_projections_are_the_projected_laws() -> None:
    r = recursion(presets.load("five_modes_10d"))
    figure = projection_figure(data=r.target, rounds={2: r.law(2)}, limit=r.limit())
    for axes, direction in zip(figure.axes, telling_directions(r.target), strict=True):
        (curve,) = [c for c in axes.lines if c.get_color() == style.LIMIT]
        x, y = curve.get_data()
        projected = Recursion(
            r.target.project(direction.vector), fresh_fraction=0.3, truncation_time=0.1
        ).limit()
        np.testing.assert_allclose(y, projected.density(x), rtol=1e-9)
    assert_readable(figure)
