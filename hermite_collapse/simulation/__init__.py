"""Recursions run with particles, in PyTorch, on a CPU or a GPU.

    simulate(recursion, ...)                     the recursion as an experiment
    error_budget(recursion, ...)                 where its errors come from
    simulate_together({name: recursion}, ...)    several, learned scores as one model
    learned_energies(recursion, ...)             path energies of learned scores
    follow_paths(ReverseProcess(score), ...)     path of a known error of the score
    draw_ideal_paths(...), observability_of(..)  what of an error the end point shows

Samplers, scores and generators are objects and can be replaced by one's own: a class on `Sampler`, or on `Generation`
with its `RoundGenerator`.  The theory needs none of this.  Names
load on first use: `SimulatedRecursion`, `time_grid` and the words in `simulation.words` need no PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from ..storage.record import SimulatedRecursion as SimulatedRecursion
    from .attention import KernelGeneration as KernelGeneration
    from .attention import PoolDenoiser as PoolDenoiser
    from .attention import attention_means as attention_means
    from .attention import plain_means as plain_means
    from .budget import ErrorBudget as ErrorBudget
    from .budget import error_budget as error_budget
    from .closed_form import ChannelGeneration as ChannelGeneration
    from .closed_form import ExactGeneration as ExactGeneration
    from .experiment import simulate as simulate
    from .generations import Generation as Generation
    from .generations import RoundContext as RoundContext
    from .generations import RoundGenerator as RoundGenerator
    from .grids import time_grid as time_grid
    from .guided import GuidedDenoiser as GuidedDenoiser
    from .learned.generation import NeuralGeneration as NeuralGeneration
    from .learned.settings import Checkpoints as Checkpoints
    from .learned.settings import ImageUNet as ImageUNet
    from .learned.settings import ResidualPerceptron as ResidualPerceptron
    from .learned.settings import Training as Training
    from .learned.settings import TrainingPaused as TrainingPaused
    from .noise import BLOCK as BLOCK
    from .noise import Chunk as Chunk
    from .paths.energies import PathEnergy as PathEnergy
    from .paths.energies import WeightCheck as WeightCheck
    from .paths.energies import follow_paths as follow_paths
    from .paths.energies import path_energy as path_energy
    from .paths.energies import weight_check as weight_check
    from .paths.ideal import IdealPaths as IdealPaths
    from .paths.ideal import draw_ideal_paths as draw_ideal_paths
    from .paths.learned import LearnedEnergies as LearnedEnergies
    from .paths.learned import learned_energies as learned_energies
    from .paths.observability import ObservabilityBounds as ObservabilityBounds
    from .paths.observability import PairedObservability as PairedObservability
    from .paths.observability import observability_bounds as observability_bounds
    from .paths.observability import observability_of as observability_of
    from .paths.observability import paired_observability as paired_observability
    from .paths.perturbations import AlignedError as AlignedError
    from .paths.perturbations import HyperbolicTangentError as HyperbolicTangentError
    from .paths.perturbations import LinearError as LinearError
    from .paths.perturbations import RandomFeatureError as RandomFeatureError
    from .paths.perturbations import TimeOnlyError as TimeOnlyError
    from .paths.perturbations import supremum_energy as supremum_energy
    from .paths.processes import ReverseProcess as ReverseProcess
    from .paths.processes import time_nodes as time_nodes
    from .reverse import ReverseDiffusion as ReverseDiffusion
    from .samplers import EulerMaruyama as EulerMaruyama
    from .samplers import ExponentialMultistep as ExponentialMultistep
    from .samplers import ProbabilityFlowHeun as ProbabilityFlowHeun
    from .samplers import Sampler as Sampler
    from .schedulers import SchedulerGeneration as SchedulerGeneration
    from .scores import Denoiser as Denoiser
    from .scores import Level as Level
    from .scores import MixtureDenoiser as MixtureDenoiser
    from .scores import ScoreDenoiser as ScoreDenoiser
    from .scores import score_of as score_of
    from .stages import Stage as Stage
    from .steps import StepsGeneration as StepsGeneration
    from .together import simulate_many as simulate_many
    from .together import simulate_together as simulate_together

if not TYPE_CHECKING:  # type checkers refuse names that are not imported above
    _load, __dir__, __all__ = lazy_names(__spec__)

    def __getattr__(name: str) -> object:
        try:
            return _load(name)
        except ModuleNotFoundError as problem:
            if problem.name != "torch":
                raise
            raise ImportError(
                'The simulation needs PyTorch, which is not installed: pip install "hermite_collapse[torch]".'
            ) from None
