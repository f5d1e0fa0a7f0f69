"""
How errors propagate
====================

One round with an imperfect score starts at a law that is already off and adds an error of its own.  In a family that can
be solved exactly, the chi-square divergence of every round is drawn between its proved lower and upper bounds.
"""

import hermite_collapse as hc
from hermite_collapse import figures

start = hc.GaussianMixture([0.5, 0.5], [-1.2, 1.2], 0.4)
errors = [0.5, 0.42, 0.35, 0.3, 0.25, 0.2, 0.17, 0.15]
run = hc.bounds.SolvableRecursion(start, 0.3, errors)
rows = hc.bounds.propagation_table(run.record())

columns = hc.bounds.bound_columns(rows, "D_{i+1}")
axes = figures.draw_bounds(
    measured=columns.measured,
    lower=columns.lower,
    upper=columns.upper,
    ylabel="chi-square to the data",
    label="exact",
)
axes.figure

# %%
# Whether the errors add up to a bounded or an unbounded divergence depends on how fast they fall: this is their regime.

regime = hc.bounds.drift_regime([error**2 for error in errors], fresh_fraction=0.3)
print(f"{regime.name}: energies fall like the power {regime.exponent}")

# %%
# **How to read it.**  Points are exact values.  Upper bounds are drawn solid, lower ones dashed; in this family errors that
# point the same way make several of the bounds sharp, so that their lines lie on the points.
