"""What is proved about the recursion: rates, final constants, robustness, Fisher bounds, error propagation.

Names load on first use.
"""

from __future__ import annotations

from ..core.lazy import lazy_names

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
    "innovation_bounds": "propagation.innovation",
    "InnovationBounds": "propagation.innovation",
    "PropagationRecord": "propagation.innovation",
    "PropagationRound": "propagation.innovation",
    "refreshed_divergence": "propagation.innovation",
    "persistence_floor": "propagation.innovation",
    "discounted_divergence": "propagation.innovation",
    "divergence_to_limit": "propagation.innovation",
    "BoundRow": "propagation.rows",
    "propagation_table": "propagation.rows",
    "BoundColumns": "propagation.rows",
    "bound_columns": "propagation.rows",
    "SolvableFamily": "propagation.solvable",
    "SolvableRecursion": "propagation.solvable",
    "DivergenceRow": "propagation.divergences",
    "divergence_table": "propagation.divergences",
    "first_infinite_round": "propagation.divergences",
    "propagation_record": "propagation.divergences",
    "DriftRegime": "propagation.drift",
    "discount_weights": "propagation.drift",
    "drift_regime": "propagation.drift",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _PUBLIC)
