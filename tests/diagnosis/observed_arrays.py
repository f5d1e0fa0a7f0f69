"""Arrays as observations with standard errors, and nothing else said."""

from __future__ import annotations

from hermite_collapse.diagnosis.observed.gathering import from_arrays


def observed(values, errors, *, kind="variances", **more):
    nothing = dict.fromkeys(("degrees", "rounds", "covariance", "data", "data_errors", "names"))
    return from_arrays(values, kind=kind, standard_errors=errors, **(nothing | more))
