"""How wrong learned scores are along paths: the energies of arXiv:2602.16601 for the networks of a recursion.

In the first round the training law is known, and the reference is its exact score.  Later training laws are not: there
the reference is the score of the round's own training points (their smoothed empirical law), so the energy measures how
far the network is from its training set, not from the law behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...core import checks
from ...core.errors import InputError
from ...laws.channels import GaussianChannel
from .. import devices
from ..attention import PoolDenoiser
from ..generations import InitialRound, RoundContext, RoundGenerator
from ..laws import components_of
from ..learned.generation import NeuralGeneration, NeuralRound, train_rounds
from ..noise import BLOCK, NoiseStream, plan_chunks
from ..reverse import Truncation
from ..scores import Denoiser, Level, MixtureDenoiser, score_of
from .energies import ReverseProcess, follow_paths, path_energy, time_nodes, weight_check

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class LearnedEnergies:
    """Path energies int norm(e)^2 of the networks' errors, by round and run.

    Attributes
    ----------
    ideal, ideal_error : (rounds, runs) eps_star^2, along the reference's paths, and its standard error.
    learned, learned_error : (rounds, runs) eps_hat^2, along the network's paths, and its standard error.  In the first
        round KL(p^_1 || C q_0) <= eps_hat^2 / 2.
    weight_scores : (rounds, runs, 2) z-scores of the mean Girsanov weight, on reference and learned paths.
    references : (rounds,) "exact" or "training set".
    """

    ideal: FloatArray
    ideal_error: FloatArray
    learned: FloatArray
    learned_error: FloatArray
    weight_scores: FloatArray
    references: tuple[str, ...]


def learned_energies(
    recursion: Any,
    *,
    generation: NeuralGeneration | None = None,
    rounds: int = 1,
    runs: int = 1,
    particles: int = 20_000,
    paths: int = 4096,
    steps: int = 200,
    device: str | torch.device = "auto",
    seed: int = 0,
) -> LearnedEnergies:
    """Train the networks of a recursion's first rounds and measure the energies of their errors.

    Parameters
    ----------
    recursion : with regime "replace".
    generation, runs, particles, device, seed : as for `simulate`.
    rounds : how many rounds, >= 1.
    paths, steps : of each energy; the number of steps is even.

    References : arXiv:2602.16601, section 3 and Proposition 3.1.
    """
    if getattr(recursion.regime, "name", recursion.regime) != "replace":
        raise InputError('recursion must have regime "replace" for its energies to be measured, got another.')
    generation = NeuralGeneration() if generation is None else generation
    place, count = devices.choose_device(device), checks.integer(runs, "runs", minimum=1)
    n, dimension = checks.integer(particles, "particles", minimum=1), recursion.dimension
    coming: RoundGenerator = InitialRound(recursion, particles=n, seed=seed, device=place)
    table: list[list[tuple[float, ...]]] = []
    references = []
    for i in range(checks.integer(rounds, "rounds", minimum=1)):
        rows = torch.cat([coming.particles(chunk) for chunk in plan_chunks(count, n, BLOCK)])
        context = RoundContext(recursion, i, count, n, seed, place, {i: rows.view(count, n, dimension)})
        made = train_rounds(generation, [context])[0]
        coming = made
        references.append("exact" if i == 0 else "training set")
        table.append([_energies(made, context, run, paths=paths, steps=steps) for run in range(count)])
    values = np.array(table)
    return LearnedEnergies(
        ideal=values[:, :, 0],
        ideal_error=values[:, :, 1],
        learned=values[:, :, 2],
        learned_error=values[:, :, 3],
        weight_scores=values[:, :, 4:],
        references=tuple(references),
    )


def _energies(
    made: NeuralRound, context: RoundContext, run: int, *, paths: int, steps: int
) -> tuple[float, ...]:
    recursion, device = context.recursion, context.device
    stop = Truncation.of(recursion, context.round_index)
    begin = Level.at(made.horizon, stop.rate)
    pieces = [piece for chunk in plan_chunks(1, paths, BLOCK) for piece in chunk.pieces]
    noise = NoiseStream(
        pieces,
        seed=context.seed,
        round_index=context.round_index + 1,
        purpose="start",
        device=device,
    )
    uniforms, normals = noise.uniform(1)[:, 0], noise.normal(recursion.dimension)
    if context.round_index == 0:
        law = components_of(recursion.training_law(0), device).through(
            GaussianChannel(1.0, recursion.blur**2)
        )
        origin = law.draw(uniforms, normals, piece=min(paths, BLOCK))
        reference: Denoiser = MixtureDenoiser(law, rate=stop.rate, piece=min(paths, BLOCK))
    else:
        points = made.points[run]
        origin = points[(uniforms * len(points)).long().clamp_(max=len(points) - 1)]
        reference = PoolDenoiser(points[None], rate=stop.rate)
    start = begin.scale * origin + begin.variance**0.5 * noise.normal(recursion.dimension)
    learned = made.trained.denoiser([made.first + run], rate=stop.rate)

    def error(x: torch.Tensor, t: float) -> torch.Tensor:
        return score_of(learned, x, t) - score_of(reference, x, t)

    ideal = ReverseProcess(lambda x, t: score_of(reference, x, t), rate=stop.rate)
    followed = ReverseProcess(lambda x, t: score_of(learned, x, t), rate=stop.rate)
    clocks = time_nodes(begin.time, stop.time, steps)
    options: dict[str, Any] = {"seed": context.seed, "round_index": context.round_index + 1}
    on_ideal = follow_paths(ideal, ideal.relative(error), start, clocks, **options)
    on_learned = follow_paths(ideal, ideal.relative(error), start, clocks, drift=followed.drift, **options)
    first, second = path_energy(on_ideal).energy, path_energy(on_learned).energy
    scores = weight_check(on_ideal, learned=False).score, weight_check(on_learned, learned=True).score
    return first.value, first.error, second.value, second.error, *scores
