"""
A learned score: the kernel recursion
=====================================

The score of a finite pool of points is what a network that fits its training set perfectly would learn.  Its recursion is
simulated with particles and held against the theory; how much each round adds to the scatter is predicted, too.
"""

import numpy as np

import hermite_collapse as hc
from hermite_collapse import figures

recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation=0.1)
simulated = hc.simulation.simulate(
    recursion, rounds=6, particles=1000, pool=500, steps=40, runs=4, generator="kernel", degree=4, progress=False
)
comparison = hc.compare(recursion, simulated)
print(comparison.verdict.text)

# %%
# Coefficients of the simulation, averaged over the runs, beside the predicted ones.

predicted = hc.predict(recursion, rounds=6, degree=4)
figure = figures.new_figure(6.4, 3.4)
axes = figure.subplots()
factors = hc.mode_factors([1, 2, 3, 4], fresh_fraction=0.3, truncation=0.1, rounds=6)
data = recursion.target.hermite_coefficients(4).values[1:]
measured = np.asarray(comparison.dataset["measured"])
error = np.asarray(comparison.dataset["standard_error"])
for n in range(1, 5):
    (line,) = axes.plot(range(7), data[n - 1] * factors[:, n - 1], label=f"degree {n}")
    axes.errorbar(range(7), measured[:, n], error[:, n], fmt="o", markersize=3, color=line.get_color())
axes.set_xlabel("round")
axes.set_ylabel("Hermite coefficient")
axes.legend(frameon=False, ncols=2)
figure
