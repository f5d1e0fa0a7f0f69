"""Figures for papers: each function takes and returns an Axes, `save` writes SVG and PNG.

    axes = figures.draw_attenuation(fresh_fraction=0.3, truncation=0.1, rounds=(1, 2, 4), highest_degree=20)
    figures.save(axes.figure, "attenuation")

    for name, figure in figures.comparison_figures(comparison, recursion, simulated).items():
        figures.save(figure, folder / name)

Without an Axes a function makes a figure of its own, free of pyplot's global state.
"""

from __future__ import annotations

from ..core.lazy import lazy_names

_MODULES = {
    "approach": ("Approach", "approach_figure", "draw_approach"),
    "attenuation": ("MeasuredFactors", "draw_attenuation", "draw_z_scores"),
    "budget": ("draw_budget", "draw_discount_weights"),
    "comparison": ("comparison_figures", "draw_prediction", "prediction_figures"),
    "density": ("draw_densities", "draw_density_contours"),
    "heatmap": ("coefficient_figure", "draw_coefficients", "draw_parameter_map"),
    "images": (
        "draw_degree_factors",
        "draw_high_frequency_loss",
        "draw_radial_power",
        "sample_figure",
    ),
    "modes": ("draw_mode_values",),
    "projections": ("Direction", "draw_projection", "projection_figure", "telling_directions"),
    "propagation": ("draw_bounds", "draw_moment_drift"),
    "schedules": ("draw_schedule_curves", "schedule_figure"),
    "spectrum": ("draw_spectrum",),
    "style": ("describe", "new_figure", "panels", "save"),
}
_PUBLIC = {name: module for module, names in _MODULES.items() for name in names}

__getattr__, __dir__, __all__ = lazy_names(__name__, _PUBLIC)
