"""
Errors in every round
=====================

If each round moves the law by at most a defect, the recursion stays in a ball around the limit, and every Hermite mode in
an interval of its own.  The interval is short for high degrees: one round forgets them.
"""

import numpy as np

import hermite_collapse as hc
from hermite_collapse import figures

degree = np.arange(1, 17)
figure, grid = figures.panels(1, 1, width=6.4, height=3.4)
axes = grid[0, 0]
for fresh_fraction in (0.03, 0.1, 0.3):
    radius = hc.bounds.mode_radius(
        degree, 1.0, fresh_fraction=fresh_fraction, truncation_time=0.1
    )
    ball = hc.bounds.ball_radius(
        1.0, fresh_fraction=fresh_fraction, truncation_time=0.1
    )
    axes.plot(
        degree,
        radius,
        marker="o",
        markersize=3,
        label=f"{fresh_fraction:.0%} fresh data; ball {ball:.1f}",
    )
axes.set_xlabel("Hermite degree n")
axes.set_ylabel("largest error / defect of a round")
axes.set_yscale("log")
axes.set_xticks(range(2, 17, 2))
axes.legend(frameon=False)
figure

# %%
# **How to read it.**  A value of 10 says: an error of 0.001 in every round can become 0.01 in the long run, and no more.
