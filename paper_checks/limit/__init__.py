"""Statements of the limit paper, arXiv:2606.13796."""

ORDER: tuple[str, ...] = (
    "limit.fixed_point",
    "limit.closed_form",
    "limit.attenuation",
    "limit.annealed",
    "limit.ball",
    "limit.mode_defects",
    "limit.relative_fisher",
    "limit.second_moment",
    "limit.mixture_experiment",
)
