"""Results draw themselves and show themselves, in notebooks and whatever the settings of the user are."""

from __future__ import annotations

from base64 import b64decode
from io import BytesIO

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

import hermite_collapse as hc
from hermite_collapse import figures
from hermite_collapse.core.display import PLOTS, VIEWS
from tests.figures.figure_checks import assert_readable

RECURSION = hc.Recursion(hc.presets.load("three_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
RUN = hc.simulation.simulate(
    RECURSION, rounds=3, particles=2000, degree=3, generator="channel", runs=2, seed=1
)
EDM = hc.mechanisms.SamplerSteps.edm(steps=5)
STEPS = RECURSION.replace(truncation_time=0.0)
BY_STEPS = hc.simulation.simulate(
    STEPS, rounds=2, particles=2000, degree=3, generator=hc.simulation.StepsGeneration(EDM), seed=1
)
POINTS = np.random.default_rng(0).normal(size=(300, 2)) * [0.5, 1.3]
CURVE = hc.mode_factors([1, 2], fresh_fraction=0.3, truncation_time=0.1, rounds=8)
SOLVABLE = hc.bounds.SolvableRecursion(hc.GaussianMixture([1.0], [0.0], 1.0), 0.5, [0.2, 0.2])

RESULTS = {
    "recursion": RECURSION,
    "blurred recursion": RECURSION.replace(blur=0.2),
    "law": RECURSION.target,
    "law in the plane": hc.presets.load("tilted_2d"),
    "sample": hc.EmpiricalLaw(POINTS, scale=1.0),
    "limit": RECURSION.limit(),
    "prediction": hc.predict(RECURSION, rounds=3, degree=3),
    "simulation": RUN,
    "comparison": hc.compare(RECURSION, RUN),
    "steps": hc.compare_steps(STEPS, BY_STEPS, EDM),
    "spectrum": hc.degree_spectrum(POINTS, degree=3),
    "schedule": hc.schedules.Geometric(0.4, 0.5),
    "plan": hc.plan_schedule([2, 4], rounds=4, fresh_fraction=0.3, error=hc.PowerLaw(0.01, 0.25)),
    "diagnosis": hc.diagnose(CURVE, standard_errors=np.full(CURVE.shape, 0.01)),
    "measured": hc.measure(POINTS, [0.9 * POINTS, 0.8 * POINTS]),
    "collapse": hc.bounds.collapse_bounds(RECURSION),
    "observed rates": hc.bounds.observed_rates(RECURSION, metric="kl", rounds=3),
    "bounds": hc.bounds.bound_columns(hc.bounds.propagation_table(SOLVABLE.record()), "I_i"),
}


@pytest.mark.parametrize("name", RESULTS)
def test_every_result_has_a_picture_a_view_and_a_short_text(name):
    value = RESULTS[name]
    axes = value.plot()
    assert isinstance(axes, Axes)
    assert_readable(figures.style.figure_of(axes))
    html = value._repr_html_()
    assert html.startswith("<") and len(html) < 20_000
    assert len(repr(value)) < 800 and "array([" not in repr(value)


def test_a_picture_goes_on_the_axes_that_are_given():
    axes = figures.new_figure().add_subplot()
    assert RESULTS["prediction"].plot(axes) is axes and len(axes.lines) > 0


def test_what_has_a_view_has_a_plot():
    assert set(VIEWS) == set(PLOTS)


def test_a_notebook_shows_figures_and_axes_without_pyplot():
    figure = hc.demo(particles=1000)
    data, size = figure._repr_png_()
    image = Image.open(BytesIO(data))
    assert image.size == (2 * size["width"], 2 * size["height"])
    assert len(np.unique(np.asarray(image.convert("L")))) > 50  # something is drawn
    axes = RESULTS["prediction"].plot()
    assert axes._repr_png_() == axes.get_figure()._repr_png_()


def test_a_kernel_without_any_magic_line_shows_the_demo_and_views():
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    recursion = "hc.Recursion(hc.presets.load('two_modes_1d'), fresh_fraction=0.3, truncation_time=0.1)"
    sources = ("import hermite_collapse as hc\nhc.demo(particles=1000)", recursion, f"{recursion}.plot()")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    nbclient.NotebookClient(book, kernel_name="python3", timeout=120).execute()
    demo, view, plot = ([output.get("data", {}) for output in cell.outputs] for cell in book.cells)
    for shown in (demo, plot):
        (image,) = [
            Image.open(BytesIO(b64decode(data["image/png"]))) for data in shown if "image/png" in data
        ]
        assert image.width > 400 and len(np.unique(np.asarray(image.convert("L")))) > 50  # something is drawn
    (page,) = [data["text/html"] for data in view if "text/html" in data]
    assert "In the limit the model keeps" in page


def test_settings_for_latex_stop_no_figure_that_the_user_saves(tmp_path):
    with mpl.rc_context({"text.usetex": True}):
        axes = RESULTS["prediction"].plot()
        axes.get_figure().savefig(tmp_path / "f.png")
        axes.get_figure().savefig(tmp_path / "f.pdf")
        assert mpl.rcParams["text.usetex"]
    assert (tmp_path / "f.png").stat().st_size > 10_000


def test_public_plots_are_the_figures_functions():
    names = [name for name in hc.__all__ if name.startswith("plot_")]
    assert len(names) >= 14
    drawn = hc.plot_comparison(RESULTS["comparison"])
    points = sum(len(container[0].get_xdata()) for container in drawn.containers)
    assert points == 3 * 3  # degrees times rounds shown


def test_plot_bounds_takes_every_kind_of_bounds_and_a_recursion():
    recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    collapse = hc.bounds.collapse_bounds(recursion)
    rates = hc.bounds.observed_rates(recursion, metric="kl", rounds=3)
    assert hc.plot_bounds(recursion).get_xlabel() == hc.plot_bounds(collapse).get_xlabel()
    assert hc.plot_bounds(rates).get_yscale() == "log"
    for wrong in (0.3, "bounds"):
        with pytest.raises(hc.InputError, match="bounds must be a recursion, collapse bounds"):
            hc.plot_bounds(wrong)
