"""Statements that neither paper has."""

ORDER: tuple[str, ...] = (
    "additions.age_quadrature",
    "additions.design_rules",
    "additions.continuum_bound",
    "additions.genealogy",
    "additions.accumulate",
    "additions.accumulate_with_fresh",
    "additions.variance_channel",
    "additions.variance_fixed_count",
    "additions.variance_kernel",
    "additions.degree_kernel",
    "additions.second_moments",
    "additions.mixture_degree_energy",
    "additions.joint_identity",
    "additions.small_truncation",
    "additions.final_step",
    "additions.constant_time",
    "additions.final_constants",
    "additions.metric_rates",
)
