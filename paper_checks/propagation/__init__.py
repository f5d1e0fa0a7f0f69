"""Statements of the propagation paper, arXiv:2602.16601."""

ORDER: tuple[str, ...] = ()
