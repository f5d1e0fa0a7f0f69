"""Recursions run with particles, in PyTorch, on a CPU or a GPU.

    simulate(recursion, rounds=, particles=, generator=)     the recursion as an experiment -> SimulatedRecursion
    error_budget(recursion, rounds=, particles=, pool=)      where its errors come from -> ErrorBudget
    simulate_together({name: recursion}, rounds=, ...)       learned scores, all networks as one batched model
    learned_energies(recursion, ...)                         path energies of learned scores -> LearnedEnergies
    follow_paths(ReverseProcess(score), error, ...)          energies, weights and end points of a known score error
    draw_ideal_paths(...), observability_of(paths)           how much of a score error the end point shows

Samplers, scores and generators are objects and can be replaced by one's own.  The theory needs none of this.
"""

from __future__ import annotations

try:
    import torch  # noqa: F401
except ImportError:
    raise ImportError(
        'The simulation needs PyTorch, which is not installed: pip install "hermite_collapse[torch]".'
    ) from None

from ..storage.record import SimulatedRecursion
from .attention import KernelGeneration, PoolDenoiser, attention_means, plain_means
from .budget import ErrorBudget, error_budget
from .experiment import simulate, simulate_many
from .generations import ChannelGeneration, ExactGeneration, ReverseDiffusion
from .grids import time_grid
from .learned.generation import NeuralGeneration
from .learned.networks import ImageUNet, ResidualPerceptron
from .learned.training import Checkpoints, Training, TrainingPaused
from .noise import BLOCK
from .paths.energies import (
    BrownianMotion,
    PathEnergy,
    ReverseProcess,
    WeightCheck,
    follow_paths,
    path_energy,
    time_nodes,
    weight_check,
)
from .paths.ideal import IdealPaths, ReversedOrnsteinUhlenbeck, SolvablePaths, draw_ideal_paths
from .paths.learned import LearnedEnergies, learned_energies
from .paths.observability import (
    ObservabilityBounds,
    PairedObservability,
    observability_bounds,
    observability_of,
    paired_observability,
)
from .paths.perturbations import (
    AlignedError,
    HyperbolicTangentError,
    LinearError,
    PerturbedScore,
    RandomFeatureError,
    TimeOnlyError,
    supremum_energy,
)
from .samplers import EulerMaruyama, ExponentialMultistep, ProbabilityFlowHeun, Sampler
from .scores import Denoiser, MixtureDenoiser, ScoreDenoiser, score_of
from .together import simulate_together

__all__ = [
    "simulate",
    "simulate_many",
    "error_budget",
    "ErrorBudget",
    "SimulatedRecursion",
    "Sampler",
    "ExponentialMultistep",
    "EulerMaruyama",
    "ProbabilityFlowHeun",
    "Denoiser",
    "MixtureDenoiser",
    "ScoreDenoiser",
    "score_of",
    "ChannelGeneration",
    "ExactGeneration",
    "KernelGeneration",
    "NeuralGeneration",
    "ResidualPerceptron",
    "ImageUNet",
    "Training",
    "Checkpoints",
    "TrainingPaused",
    "simulate_together",
    "learned_energies",
    "LearnedEnergies",
    "PoolDenoiser",
    "attention_means",
    "plain_means",
    "ReverseDiffusion",
    "time_grid",
    "BLOCK",
    "PerturbedScore",
    "TimeOnlyError",
    "AlignedError",
    "LinearError",
    "HyperbolicTangentError",
    "RandomFeatureError",
    "supremum_energy",
    "ReverseProcess",
    "BrownianMotion",
    "follow_paths",
    "time_nodes",
    "path_energy",
    "PathEnergy",
    "weight_check",
    "WeightCheck",
    "draw_ideal_paths",
    "IdealPaths",
    "ReversedOrnsteinUhlenbeck",
    "SolvablePaths",
    "observability_of",
    "observability_bounds",
    "ObservabilityBounds",
    "paired_observability",
    "PairedObservability",
]
