"""Statements that neither paper has."""

ORDER: tuple[str, ...] = ()
