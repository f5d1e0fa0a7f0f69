"""
A learned score: the kernel recursion
=====================================

The score of a finite pool of points is what a network that fits its training set perfectly would learn.  Its recursion is
simulated with particles and held against the theory; how much each round adds to the scatter is predicted, too.
"""

import numpy as np

import hermite_collapse as hc
from hermite_collapse import figures

recursion = hc.Recursion(
    hc.presets.load("three_modes_1d"), fresh_fraction=0.3, truncation_time=0.1
)
simulated = hc.simulation.simulate(
    recursion,
    rounds=6,
    particles=1000,
    pool=500,
    steps=40,
    runs=4,
    generator="kernel",
    degree=4,
    progress=False,
)
comparison = hc.compare(recursion, simulated)
print(comparison.verdict.text)

# %%
# Shares of each mode, averaged over the runs, beside the predicted ones.

factors = hc.mode_factors(
    [1, 2, 3, 4], fresh_fraction=0.3, truncation_time=0.1, rounds=6
)
data = recursion.target.hermite_coefficients(4).values
measured = np.asarray(comparison.dataset["measured"])
error = np.asarray(comparison.dataset["standard_error"])

figure, grid = figures.panels(1, 1, width=6.4, height=3.6)
axes = grid[0, 0]
for n in (1, 2, 4):
    (line,) = axes.plot(range(7), factors[:, n - 1], label=f"degree {n}")
    share, bar = measured[:, n] / data[n], error[:, n] / abs(data[n])
    axes.errorbar(
        np.arange(7) + 0.05 * (n - 2), share, bar, fmt="o", color=line.get_color()
    )
axes.set_xlabel("round")
axes.set_ylabel("share of the data's mode")
axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3)
figure

# %%
# **How to read it.**  Points of one degree move together, because a deviation of one round is handed on to the next.  Bars are
# predicted, not estimated: with 500 points in the pool a round they are wide.
