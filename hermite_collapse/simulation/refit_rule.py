"""When the refit of a mixture to the particles of a round ends, for the simulation and for what theory says of it."""

ITERATIONS = 300
"""Steps of EM, at most."""

SETTLED = 1e-10
"""Change of the mean log-likelihood that is the last."""

FLOOR = 1e-12
"""Least variance of a component, in units of the mean variance of all particles."""
