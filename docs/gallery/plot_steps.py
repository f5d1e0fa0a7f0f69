"""
How many steps
==============

What one round with a perfect network makes of the variance of a direction, for four samplers and their usual numbers of
steps.  1 would be right.
"""

import numpy as np

import hermite_collapse as hc
from hermite_collapse import figures

steps = hc.mechanisms.SamplerSteps
samplers = {
    "EDM Heun, 18": steps.edm(steps=18),
    "EDM Heun, 40": steps.edm(steps=40),
    "DDPM, 1000": steps.ddpm(steps=1000),
    "DDIM, 50": steps.ddim(steps=50),
    "flow, 50": steps.flow(steps=50),
}
variance = np.geomspace(1e-4, 10.0, 200)
figure, grid = figures.panels(1, 2, width=8.4, height=3.4)
left, right = grid[0]
for name, sampler in samplers.items():
    left.plot(variance, sampler.variance(variance) / variance, label=name)
    right.plot(
        variance,
        hc.Pipeline([sampler], fresh_fraction=0.1).limit(variance) / variance,
    )
left.set_title("one round", fontsize="medium")
right.set_title("limit with 10 % of fresh data", fontsize="medium")
for axes in grid[0]:
    axes.axhline(1.0, color="0.6", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlim(10.0, 1e-4)
    axes.set_xlabel("variance of the direction, coarse to fine")
left.set_ylabel("variance over the data's")
right.set_yscale("log")
left.set_yscale("log")
left.legend(frameon=False, fontsize="small")
figure

# %%
# **How to read it.**  A deviation of a few per cent in one round becomes about :math:`1 / \alpha` times as much in the limit.  Most
# samplers of few steps lose fine directions, on the right of each panel, long before coarse ones; EDM's Heun steps widen
# them instead, and coarse ones too.
