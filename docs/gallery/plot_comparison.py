"""
Theory against a simulation
===========================

Particles, predicted error bars, and one verdict over all modes and rounds.  A comparison that could not fail would be
worth nothing, so the same simulation is also held against a fresh fraction that is ten per cent off.
"""

import hermite_collapse as hc

data = hc.presets.load("three_modes_1d")
recursion = hc.Recursion(data, fresh_fraction=0.3, truncation_time=0.1)
simulated = hc.simulation.simulate(
    recursion, rounds=8, particles=50_000, degree=8, progress=False
)

comparison = hc.compare(recursion, simulated)
print(comparison.verdict.text)
wrong = hc.compare(recursion.replace(fresh_fraction=0.33), simulated)
print("With 33 % instead of 30 %:", wrong.verdict.text)

drawn = hc.figures.comparison_figures(comparison, recursion, simulated)
print("figures:", ", ".join(drawn))

# %%
# **How to read it.**  z is a difference in predicted standard errors.  Among forty numbers one beyond 2 is normal; the
# verdict allows for how many there are.  "Untested" marks modes whose coefficients are too far from normal for a z.
