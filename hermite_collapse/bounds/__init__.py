"""What is proved about the recursion: rates, final constants, robustness, Fisher bounds, error propagation.

Names load on first use.
"""

from __future__ import annotations

from .._lazy import lazy_names

_PUBLIC = {
    "rate_table": "rates",
    "RateRow": "rates",
    "lowest_difference": "rates",
    "observed_rates": "rates",
    "ObservedRates": "rates",
    "rounds_to": "rates",
    "RoundsTo": "rates",
    "final_constant": "constants",
    "leading_difference": "constants",
    "LeadingDifference": "constants",
    "ball_radius": "robustness",
    "mode_radius": "robustness",
    "wasserstein_bound": "robustness",
    "mode_deviation": "robustness",
    "mode_defects": "robustness",
    "ModeDefects": "robustness",
    "check_robustness": "robustness",
    "RobustnessCheck": "robustness",
    "relative_fisher_information": "fisher",
    "fisher_bound": "fisher",
    "coupling_bound": "fisher",
    "small_time_distance": "fisher",
    "innovation_bounds": "propagation",
    "InnovationBounds": "propagation",
    "PropagationRecord": "propagation",
    "PropagationRound": "propagation",
    "refreshed_divergence": "propagation",
    "persistence_floor": "propagation",
    "discounted_divergence": "propagation",
    "divergence_to_limit": "propagation",
    "BoundRow": "propagation_rows",
    "propagation_table": "propagation_rows",
    "BoundColumns": "propagation_rows",
    "bound_columns": "propagation_rows",
    "AccumulationRow": "drift",
    "accumulation_table": "drift",
    "SolvableFamily": "solvable",
    "SolvableRecursion": "solvable",
    "LinearGaussianError": "linear_gaussian",
    "DivergenceRow": "divergences",
    "divergence_table": "divergences",
    "first_infinite_round": "divergences",
    "propagation_record": "divergences",
    "DriftRegime": "drift",
    "discount_weights": "drift",
    "drift_regime": "drift",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _PUBLIC)
