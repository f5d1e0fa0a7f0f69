"""
Replace, or accumulate
======================

What happens to a mode of degree 4 if each round trains on the newest output alone, on all output so far, or on all
output so far beside fresh data?  Without fresh data accumulation slows collapse from a geometric to a power law, and does
not stop it.
"""

import numpy as np

import hermite_collapse as hc
from hermite_collapse import figures

rounds = 200
kept = {
    "replace, no fresh data": hc.mode_factors(
        4, fresh_fraction=0.0, truncation_time=0.05, rounds=rounds
    ),
    "accumulate, no fresh data": hc.mode_factors(
        4,
        fresh_fraction=0.0,
        truncation_time=0.05,
        rounds=rounds,
        regime="accumulate",
    ),
    "replace, 10 % fresh": hc.mode_factors(
        4, fresh_fraction=0.1, truncation_time=0.05, rounds=rounds
    ),
    "accumulate, 10 % fresh": hc.mode_factors(
        4,
        fresh_fraction=0.1,
        truncation_time=0.05,
        rounds=rounds,
        regime="accumulate_with_fresh",
    ),
}

figure, grid = figures.panels(1, 1, width=6.4, height=3.6)
axes = grid[0, 0]
for name, values in kept.items():
    axes.plot(np.arange(rounds + 1), values, label=name)
axes.axhline(
    hc.attenuation(4, fresh_fraction=0.1, truncation_time=0.05),
    color="0.6",
    linestyle=":",
    label="limit, 10 % fresh",
)
axes.set_xscale("symlog", linthresh=1.0)
axes.set_xlim(0, rounds)
axes.set_ylim(0, 1.02)
axes.set_xlabel("round")
axes.set_ylabel("share of degree 4 that is left")
axes.legend(frameon=False, fontsize="small")
figure

# %%
# **How to read it.**  With fresh data both regimes end at the same limit; the accumulating one takes longer to get there,
# because old rounds stay in the training set.
