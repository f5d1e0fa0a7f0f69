"""
The limit law of three modes
============================

Trained on its own output with 30 % of fresh data, a model with a perfect score does not keep the data law (filled): it
settles at a law of its own (orange), in which narrow modes are broad and low.  The limit law is itself a mixture: the data
seen at the ages 1, 2, 3, ... of the diffusion, with geometric weights, which a Gauss rule shortens to a few dozen.
"""

import hermite_collapse as hc
from hermite_collapse import figures

data = hc.presets.load("three_modes_1d")
recursion = hc.Recursion(data, fresh_fraction=0.3, truncation_time=0.1)
limit = recursion.limit()

print(
    f"{limit.age_count} ages instead of infinitely many;",
    f"density known to {limit.error_bound:.1e}",
)
print(
    "Wasserstein-2 distance of limit and data:", hc.distances.wasserstein(limit, data)
)

axes = figures.draw_densities(
    data=data, rounds={i: recursion.law(i) for i in (1, 3)}, limit=limit
)
axes.figure

# %%
# **How to read it.**  Grey is the data, blue lines are the model after the rounds given, orange is where it ends.  Peaks
# lose height first: a peak is made of high Hermite degrees, and those fade first.
