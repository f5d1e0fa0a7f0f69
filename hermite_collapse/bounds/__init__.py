"""What is proved about the recursion: rates, final constants, robustness, Fisher bounds, error propagation.

Names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .collapse import CollapseBounds as CollapseBounds
    from .collapse import collapse_bounds as collapse_bounds
    from .constant_defects import RobustnessCheck as RobustnessCheck
    from .constant_defects import check_robustness as check_robustness
    from .constants import LeadingDifference as LeadingDifference
    from .constants import final_constant as final_constant
    from .constants import leading_difference as leading_difference
    from .fisher import coupling_bound as coupling_bound
    from .fisher import fisher_bound as fisher_bound
    from .fisher import relative_fisher_information as relative_fisher_information
    from .fisher import small_time_distance as small_time_distance
    from .propagation.divergences import DivergenceRow as DivergenceRow
    from .propagation.divergences import divergence_table as divergence_table
    from .propagation.divergences import first_infinite_round as first_infinite_round
    from .propagation.divergences import propagation_record as propagation_record
    from .propagation.drift import DriftRegime as DriftRegime
    from .propagation.drift import discount_weights as discount_weights
    from .propagation.drift import drift_regime as drift_regime
    from .propagation.innovation import InnovationBounds as InnovationBounds
    from .propagation.innovation import PropagationRecord as PropagationRecord
    from .propagation.innovation import PropagationRound as PropagationRound
    from .propagation.innovation import discounted_divergence as discounted_divergence
    from .propagation.innovation import divergence_to_limit as divergence_to_limit
    from .propagation.innovation import innovation_bounds as innovation_bounds
    from .propagation.innovation import persistence_floor as persistence_floor
    from .propagation.innovation import refreshed_divergence as refreshed_divergence
    from .propagation.rows import BoundColumns as BoundColumns
    from .propagation.rows import BoundRow as BoundRow
    from .propagation.rows import bound_columns as bound_columns
    from .propagation.rows import propagation_table as propagation_table
    from .propagation.solvable import SolvableFamily as SolvableFamily
    from .propagation.solvable import SolvableRecursion as SolvableRecursion
    from .rates import ObservedRates as ObservedRates
    from .rates import RateRow as RateRow
    from .rates import RoundsToDistance as RoundsToDistance
    from .rates import lowest_difference as lowest_difference
    from .rates import observed_rates as observed_rates
    from .rates import rate_table as rate_table
    from .rates import rounds_to_distance as rounds_to_distance
    from .robustness import ModeDefects as ModeDefects
    from .robustness import ball_radius as ball_radius
    from .robustness import mode_defects as mode_defects
    from .robustness import mode_deviation as mode_deviation
    from .robustness import mode_radius as mode_radius
    from .robustness import wasserstein_bound as wasserstein_bound

if not TYPE_CHECKING:  # type checkers refuse names that are not imported above
    __getattr__, __dir__, __all__ = lazy_names(__spec__)
