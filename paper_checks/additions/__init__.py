"""Statements that neither paper has."""

ORDER: tuple[str, ...] = (
    "additions.age_quadrature",
    "additions.design_rules",
    "additions.continuum_bound",
    "additions.genealogy",
    "additions.accumulate",
    "additions.accumulate_with_fresh",
)
