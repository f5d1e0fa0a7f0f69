"""How wrong learned scores are along paths: the energies of arXiv:2602.16601 for the networks of a recursion.

In the first round the training law is known, and the reference is its exact score.  Later training laws are not: there
the reference is the score of the round's own training points (their smoothed empirical law), so the energy measures how
far the network is from its training set, not from the law behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ...core import checks
from ...core.errors import InputError
from ...core.types import FloatArray
from ...core.value import Value
from ...laws.channels import GaussianChannel
from ...recursion.recursion import Recursion
from .. import devices
from ..attention import PoolDenoiser
from ..generations import InitialRound, RoundContext, RoundGenerator
from ..laws import components_of
from ..learned.generation import NeuralGeneration, NeuralRound, train_rounds
from ..noise import BLOCK, NoiseStream, member_of, pieces_of_run, plan_chunks
from ..reverse import Truncation
from ..scores import Denoiser, Level, MixtureDenoiser, score_of
from .energies import FollowedPaths, follow_paths, path_energy, weight_check
from .processes import Field, ReverseProcess, time_nodes


@dataclass(frozen=True, eq=False)
class LearnedEnergies(Value):
    """Path energies int norm(e)^2 of the networks' errors, by round and run.

    Attributes
    ----------
    ideal, ideal_error : array, shape (rounds, runs)
        eps_star^2, along the reference's paths, and its standard error.
    learned, learned_error : array, shape (rounds, runs)
        eps_hat^2, along the network's paths, and its standard error.  In the first round
        KL(p^_1 || C q_0) <= eps_hat^2 / 2.
    weight_scores : array, shape (rounds, runs, 2)
        z-scores of the mean Girsanov weight, on reference and learned paths.
    references : tuple of str
        "exact" or "training set", by round.
    """

    ideal: FloatArray
    ideal_error: FloatArray
    learned: FloatArray
    learned_error: FloatArray
    weight_scores: FloatArray
    references: tuple[str, ...]


def learned_energies(
    recursion: Recursion,
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
    recursion : Recursion
        With regime "replace".
    generation : NeuralGeneration, optional
        Networks, training and reverse diffusion; the default one unless given.
    rounds, runs, particles : int
        >= 1, as for `simulate`.
    paths, steps : int
        Of each energy; paths >= 2, the number of steps even.
    device, seed
        As for `simulate`.

    Returns
    -------
    LearnedEnergies

    Raises
    ------
    InputError
        If the regime is another, or an argument is out of range.

    References
    ----------
    arXiv:2602.16601, section 3 and Proposition 3.1.
    """
    if recursion.regime.name != "replace":
        raise InputError('recursion must have regime "replace" for its energies to be measured, got another.')
    count, n = checks.integer(runs, "runs", minimum=1), checks.integer(particles, "particles", minimum=1)
    last, walkers = checks.integer(rounds, "rounds", minimum=1), checks.integer(paths, "paths", minimum=2)
    chosen_device = devices.choose_device(device)
    generation = NeuralGeneration() if generation is None else generation
    coming: RoundGenerator = InitialRound(recursion, particles=n, seed=seed, device=chosen_device)
    table: list[list[tuple[float, ...]]] = []
    for i in range(last):
        limit = devices.default_chunk(chosen_device, coming.bytes_per_row)
        rows = torch.cat([coming.particles(chunk) for chunk in plan_chunks(count, n, limit)])
        earlier = {i: rows.view(count, n, recursion.dimension)}
        context = RoundContext(recursion, i, count, n, seed, chosen_device, earlier)
        trained = train_rounds(generation, [context])[0]
        coming = trained
        table.append([_energies(trained, context, run, paths=walkers, steps=steps) for run in range(count)])
    values = np.array(table)
    return LearnedEnergies(
        ideal=values[:, :, 0],
        ideal_error=values[:, :, 1],
        learned=values[:, :, 2],
        learned_error=values[:, :, 3],
        weight_scores=values[:, :, 4:],
        references=("exact", *["training set"] * (last - 1)),
    )


def _energies(
    trained: NeuralRound, context: RoundContext, run: int, *, paths: int, steps: int
) -> tuple[float, ...]:
    """Both energies with their standard errors, and both weights' z-scores, of one run."""
    recursion, device, number = context.recursion, context.device, context.round_index
    stop, piece = Truncation.of(recursion, number), min(paths, BLOCK)
    begin = Level.at(trained.horizon, stop.rate)
    noise = NoiseStream(
        pieces_of_run(0, paths),
        seed=context.seed,
        round_index=number + 1,
        purpose="start",
        device=device,
    )
    uniforms, normals = noise.uniform(1)[:, 0], noise.normal(recursion.dimension)
    if number == 0:
        law = components_of(recursion.training_law(0), device).through(
            GaussianChannel(1.0, recursion.blur**2)
        )
        origin = law.draw(uniforms, normals, piece=piece)
        reference: Denoiser = MixtureDenoiser(law, rate=stop.rate, piece=piece)
    else:
        points = trained.points[run]
        origin = points[member_of(uniforms, len(points))]
        reference = PoolDenoiser(points[None], rate=stop.rate)
    start = begin.scale * origin + begin.variance**0.5 * noise.normal(recursion.dimension)
    network = trained.trained.denoiser([trained.first + run], rate=stop.rate)
    ideal = ReverseProcess(lambda x, t: score_of(reference, x, t), rate=stop.rate)
    learned = ReverseProcess(lambda x, t: score_of(network, x, t), rate=stop.rate)
    error = ideal.relative(lambda x, t: learned.score(x, t) - ideal.score(x, t))
    clocks = time_nodes(begin.time, stop.time, steps)

    def follow(drift: Field) -> FollowedPaths:
        return follow_paths(
            ideal, error, start, clocks, drift=drift, seed=context.seed, round_index=number + 1
        )

    on_ideal, on_learned = follow(ideal.drift), follow(learned.drift)
    first, second = path_energy(on_ideal).energy, path_energy(on_learned).energy
    scores = weight_check(on_ideal, learned=False).score, weight_check(on_learned, learned=True).score
    return first.value, first.error, second.value, second.error, *scores
