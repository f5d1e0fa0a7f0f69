"""Figures for papers: each function takes and returns an Axes, `save` writes SVG, PNG and PDF.

    axes = figures.draw_attenuation(fresh_fraction=0.3, truncation_time=0.1, rounds=(1, 4))
    figures.save(axes.figure, "attenuation")

    for name, figure in figures.comparison_figures(comparison, recursion, simulated).items():
        figures.save(figure, folder / name)

Without an Axes a function makes a figure of its own, free of pyplot's global state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .approach import Approach as Approach
    from .approach import approach_figure as approach_figure
    from .approach import draw_approach as draw_approach
    from .attenuation import MeasuredFactors as MeasuredFactors
    from .attenuation import draw_attenuation as draw_attenuation
    from .audit import draw_audit as draw_audit
    from .budget import draw_budget as draw_budget
    from .budget import draw_discount_weights as draw_discount_weights
    from .comparison import comparison_figures as comparison_figures
    from .comparison import prediction_figures as prediction_figures
    from .density import draw_densities as draw_densities
    from .density import draw_density_contours as draw_density_contours
    from .diagnosis import draw_diagnosis as draw_diagnosis
    from .heatmap import coefficient_figure as coefficient_figure
    from .heatmap import draw_coefficients as draw_coefficients
    from .images import draw_degree_factors as draw_degree_factors
    from .images import draw_high_frequency_loss as draw_high_frequency_loss
    from .images import draw_radial_power as draw_radial_power
    from .images import sample_figure as sample_figure
    from .learned import draw_learned as draw_learned
    from .measured import draw_measured as draw_measured
    from .modes import draw_mode_values as draw_mode_values
    from .parameter_map import draw_parameter_map as draw_parameter_map
    from .projections import Direction as Direction
    from .projections import draw_projection as draw_projection
    from .projections import projection_figure as projection_figure
    from .projections import telling_directions as telling_directions
    from .propagation import draw_bounds as draw_bounds
    from .propagation import draw_moment_drift as draw_moment_drift
    from .result_attenuation import draw_prediction as draw_prediction
    from .result_bounds import draw_bound_columns as draw_bound_columns
    from .result_bounds import draw_collapse as draw_collapse
    from .result_bounds import draw_observed_rates as draw_observed_rates
    from .result_comparison import draw_comparison as draw_comparison
    from .result_comparison import draw_record as draw_record
    from .result_theory import draw_law as draw_law
    from .result_theory import draw_plan as draw_plan
    from .result_theory import draw_recursion as draw_recursion
    from .result_theory import draw_schedule as draw_schedule
    from .round_maps import draw_round_maps as draw_round_maps
    from .saving import save as save
    from .schedules import draw_schedule_curves as draw_schedule_curves
    from .schedules import schedule_figure as schedule_figure
    from .spectrum import draw_degree_spectrum as draw_degree_spectrum
    from .spectrum import draw_spectrum as draw_spectrum
    from .style import describe as describe
    from .style import new_figure as new_figure
    from .style import panels as panels
    from .z_scores import draw_z_scores as draw_z_scores

if not TYPE_CHECKING:  # type checkers refuse names that are not imported above
    __getattr__, __dir__, __all__ = lazy_names(__spec__)
