"""
The last step decides the sign
==============================

A sampler that stops at noise level sigma can keep the noise, remove all of it, or take half a step.  Keeping it makes
the variance grow, removing it makes it shrink, and half a step leaves it alone up to the fourth power of sigma.
"""

import numpy as np

import hermite_collapse as hc
from hermite_collapse import figures

sigma = np.geomspace(0.01, 0.5, 40)
figure, grid = figures.panels(1, 1, width=6.4, height=3.6)
axes = grid[0, 0]
for kind in ("noisy", "half", "full"):
    limit = [
        hc.Pipeline([hc.mechanisms.FinalStep(s, kind)], fresh_fraction=0.1).limit(1.0)
        for s in sigma
    ]
    axes.plot(sigma, np.asarray(limit) - 1.0, label=kind)
axes.axhline(0.0, color="0.6", linewidth=0.8)
axes.set_xscale("log")
axes.set_yscale("symlog", linthresh=1e-3)
axes.set_xlabel("noise level sigma at the last step")
axes.set_ylabel("limit of the variance over the data's, minus 1")
axes.legend(frameon=False, title="last step", loc="lower left")
figure

# %%
# **How to read it.**  Unit variance, 10 % of fresh data, on an axis that is linear near zero.  "noisy" leaves the noise
# of the last level in the samples, "full" is the usual last step of DDPM, DDIM and EDM samplers.
