"""
Audit of a sampler
==================

EDM's Heun sampler with 18 steps, in a loop with 10 % of fresh data: what do its steps do to coarse, median and fine
directions of the data, and what should be changed first?
"""

import hermite_collapse as hc

pipeline = hc.Pipeline([hc.mechanisms.SamplerSteps.edm(steps=18)], fresh_fraction=0.1)
audit = hc.audit(pipeline)
print(audit.text)

axes = audit.plot()
axes.figure
