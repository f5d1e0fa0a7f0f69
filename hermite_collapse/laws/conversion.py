"""What users pass for a law, as a law."""

from __future__ import annotations

from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from .empirical import EmpiricalLaw
from .mixture import Law


def as_law(law: Law | ArrayLike, name: str = "law") -> Law:
    """Return a law as it is, and samples (n,) or (n, d) as their empirical law.

    Raises
    ------
    InputError
        If the argument is neither a law nor a rectangular array of finite numbers.
    """
    if isinstance(law, Law):
        return law
    if law is None or isinstance(law, str | bytes | dict | type) or callable(law):
        raise InputError(
            f"{name} must be a law (GaussianMixture, EmpiricalLaw) or an array of samples, got {law!r}."
        )
    return EmpiricalLaw(checks.samples(law, name))
