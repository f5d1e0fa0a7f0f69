"""
Audit of a sampler
==================

EDM's Heun sampler with 18 steps, in a loop with 10 % of fresh data: what do its steps do to coarse, median and fine
directions of the data, and what should be changed first?
"""

import hermite_collapse as hc

pipeline = hc.Pipeline([hc.mechanisms.SamplerSteps.edm(steps=18)], fresh_fraction=0.1)
audit = hc.audit(
    pipeline, build=lambda steps: hc.mechanisms.SamplerSteps.edm(steps=steps)
)
print(audit.text)

axes = audit.plot()
axes.figure

# %%
# **How to read it.**  The coarsest directions are on the left.  The solid line is what the sampler makes of their variance
# in the long run, 1 would be right; the dotted line is what its last step alone would do.  Where the two differ, it is the
# steps that decide.  ``build`` makes the sampler for any number of steps, so that the audit can say how many are enough.
