"""
How fast the limit is reached
=============================

Each distance has a proved factor per round that holds for every start, and a smaller one that laws with light tails
settle to.  Both are drawn beside the exact distances of the rounds to the limit.
"""

import hermite_collapse as hc
from hermite_collapse import figures

recursion = hc.Recursion(
    hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1
)
approaches = []
for metric, name in (
    ("total_variation", "total variation"),
    ("wasserstein2", "Wasserstein-2"),
):
    observed = hc.bounds.observed_rates(recursion, metric=metric, rounds=8)
    approaches.append(
        figures.Approach(
            name,
            [estimate.value for estimate in observed.distances],
            proved_rate=observed.bound,
            asymptotic_rate=observed.final,
        )
    )
    print(
        f"{name}: at most {observed.bound:.4f} a round,",
        f"in the end {observed.final:.4f}",
    )

figure = figures.approach_figure(approaches)
figure

# %%
# **How to read it.**  Points are exact distances.  The dashed line is what is proved for every start; the points may not
# rise faster than it.  The dotted line is the rate that they settle to.
