"""The words that the arguments of a simulation take, in a module that needs no PyTorch."""

from __future__ import annotations

from ..pipeline.named_samplers import NAMES

GENERATORS = ("channel", "exact", "kernel", "neural")
"""How the particles of a round are made: `generator` of `simulate`."""

SAMPLERS = ("exponential_multistep", "euler_maruyama", "probability_flow_heun")
"""Names of the samplers of a reverse diffusion, the default first."""

STEPS = "steps"
"""The generator by a sampler of K steps, `StepsGeneration`, in a configuration."""

STEP_SAMPLERS = NAMES
"""Names of the samplers of K steps in a configuration, the default first."""

GRIDS = ("log_snr", "uniform", "geometric")
"""Spacings of the times of a reverse diffusion: `grid` of a sampler."""

STARTS = ("marginal", "normal")
"""Laws that a reverse diffusion starts from: `start` of `simulate`."""

KEEPS = ("statistics", "last", "all")
"""Which particles a simulation keeps: `keep` of `simulate`."""

PRECISIONS = ("float32", "float64")
"""Number formats of the fused attention of the kernel generator."""
