"""
Truncation times that shrink
============================

A constant truncation time leaves a fixed loss.  Times that go to zero undo it, as fast as the schedule allows, or as
fast as fresh data replace the past, whichever is slower.
"""

import hermite_collapse as hc
from hermite_collapse import figures

data = hc.presets.load("two_modes_1d")
schedules = {
    "constant": hc.schedules.Constant(0.1),
    "polynomial": hc.schedules.Polynomial(0.1, 1.0),
    "geometric, 0.9": hc.schedules.Geometric(0.1, 0.9),
    "geometric, 0.5": hc.schedules.Geometric(0.1, 0.5),
}
recursions = {
    name: hc.Recursion(data, fresh_fraction=0.3, truncation_time=schedule)
    for name, schedule in schedules.items()
}

figure = figures.schedule_figure(recursions, rounds=30, degree=4)
figure

# %%
# The leading law of each residual says what limits it.

for name, schedule in schedules.items():
    law = hc.annealing_law(4, fresh_fraction=0.3, truncation_time=schedule, rounds=30)
    print(f"{name:16s} {law.regime:12s} limited by {law.bottleneck}")

# %%
# **How to read it.**  A ratio of 0.5 shrinks faster than :math:`1 - \alpha = 0.7`: a faster schedule would not help, more fresh
# data would.
