"""
Undoing the limit
=================

Every mode of the limit is the data's times a known number, so dividing by it restores the data's coefficients, however
many rounds there were: one deconvolution.  What it cannot do is divide noise: the error bars grow by the same factor.
"""

import numpy as np

import hermite_collapse as hc
from hermite_collapse import figures

data = hc.presets.load("three_modes_1d")
recursion = hc.Recursion(data, fresh_fraction=0.3, truncation_time=0.1)
samples = recursion.limit().sample(200_000, np.random.default_rng(0))

measured = hc.EmpiricalLaw(samples, scale=1.0).hermite_coefficients(10)
restored = hc.repair.restore_modes(measured, fresh_fraction=0.3, truncation_time=0.1)
exact = data.hermite_coefficients(10)

figure, grid = figures.panels(1, 1, width=6.4, height=3.5)
axes = grid[0, 0]
degree = np.arange(11)
axes.bar(degree, exact.values, color="0.85", label="data")
axes.errorbar(
    degree - 0.15,
    measured.values,
    measured.standard_error,
    fmt="o",
    markersize=4,
    label="limit, 200 000 samples",
)
axes.errorbar(
    degree + 0.15,
    restored.coefficients.values,
    restored.coefficients.standard_error,
    fmt="s",
    markersize=4,
    label="restored",
)
axes.set_xlabel("Hermite degree")
axes.set_ylabel("coefficient")
axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3)
figure

# %%
# **How to read it.**  Bars are the truth.  Round points are what 200 000 samples of the limit show, squares are the same
# divided by the share that the limit keeps.  Error bars grow with the division: at higher degrees a repair needs more samples.
