"""
Planning the truncation times
=============================

Stopping later costs detail, stopping earlier makes the score harder to learn.  With an error that grows as a power of
1/t, the best times are neither zero nor constant.
"""

import numpy as np

import hermite_collapse as hc
from hermite_collapse import figures

error = hc.PowerLaw(1e-3, 0.5)
figure, grid = figures.panels(1, 2, width=8.4, height=3.2)
left, right = grid[0]
for fresh_fraction in (0.05, 0.2, 0.5):
    plan = hc.plan_schedule(4, rounds=20, fresh_fraction=fresh_fraction, error=error)
    name = f"{fresh_fraction:.0%} fresh data"
    left.plot(
        np.arange(1, 21),
        plan.schedule.times(20),
        marker="o",
        markersize=3,
        label=name,
    )
    right.plot(
        np.arange(21), plan.absolute[:, 0], marker="o", markersize=3, label=name
    )
    print(f"{name}: error of degree 4 after 20 rounds {plan.value:.4f}")
left.set_ylabel("truncation time")
right.set_ylabel("error of degree 4")
for axes in grid[0]:
    axes.set_xlabel("round")
left.legend(frameon=False)
figure

# %%
# **How to read it.**  The times are nearly constant and do not depend much on the fresh fraction: they balance the detail
# that truncation costs against the error that a smaller time would bring.
