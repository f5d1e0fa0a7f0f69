"""Statements of the propagation paper, arXiv:2602.16601."""

ORDER: tuple[str, ...] = (
    "propagation.kl_bound",
    "propagation.observability",
    "propagation.lower_bound",
    "propagation.upper_bound",
    "propagation.refresh",
    "propagation.innovation",
    "propagation.divergent_sum",
    "propagation.divergence_floor",
    "propagation.vanishing_divergence",
    "propagation.discounted_sum",
    "propagation.divergence_finite",
    "propagation.mixture_experiment",
)
