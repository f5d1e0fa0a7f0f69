"""Path energies, observability and bounds of the kernel-density recursion, generation by generation, with N infinite.

In generation i the ideal path reverses the training law q_i, the learned path its blurred version q_i * N(0, h^2).
Both are mixtures known exactly, and so is the learned end law p_{i+1}: energies come from paths, eta from pairs of
ideal paths, KL and chi-square from the laws themselves.

The learned score is the exact score of *another law*.  Both path laws then are time reversals of one forward process,
their density ratio depends on the end point alone, and Proposition 3.1 with the starts included is an identity,

    KL(p_{i+1} against C q_i) = KL of the starts + eps_hat^2 / 2,

while small errors have eta = 1: nothing a kernel density estimate gets wrong is invisible at the end.  This holds for
the estimate from N points too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

import hermite_collapse as hc
from hermite_collapse import bounds, distances
from hermite_collapse.bounds import PropagationRecord, PropagationRound
from hermite_collapse.core.estimates import Estimate
from hermite_collapse.simulation.laws import components_of
from hermite_collapse.simulation.paths.energies import follow_paths, path_energy, weight_check
from hermite_collapse.simulation.paths.ideal import draw_ideal_paths
from hermite_collapse.simulation.paths.observability import paired_observability
from hermite_collapse.simulation.paths.processes import ReverseProcess, time_nodes
from hermite_collapse.simulation.scores import MixtureDenoiser, score_of

from .kde_recursion import Setting


def measure_energies(
    setting: Setting, *, generations: int, paths: int = 4096, steps: int = 64, seed: int = 0
) -> dict[str, Any]:
    """Energies and bounds of the first generations; the `particles` and `steps` of the setting play no part.

    Returns
    -------
    "generations" : one dict each with eps_hat^2, eps_star^2, eta, I, KL (value and error), and the weight check;
    "bounds" : the rows of the propagation table.  D_i is infinite from generation 1 on.
    """
    recursion = setting.recursion()
    process = hc.OrnsteinUhlenbeck()
    cpu = torch.device("cpu")
    clocks = time_nodes(setting.horizon, setting.truncation, steps)
    rounds, entries = [], []
    for i in range(generations):
        rng = np.random.default_rng([seed, i])
        ideal_law = recursion.training_law(i).mixture
        learned_law = ideal_law.through(hc.GaussianChannel(1.0, setting.blur**2))
        ideal_end = ideal_law.through(process.channel(setting.truncation))
        learned_end = learned_law.through(process.channel(setting.truncation))
        ideal_score, learned_score = (_score(law, cpu) for law in (ideal_law, learned_law))
        diffusion = ReverseProcess(ideal_score)

        def error(
            x: torch.Tensor, t: float, ideal: Any = ideal_score, learned: Any = learned_score
        ) -> torch.Tensor:
            return learned(x, t) - ideal(x, t)

        relative = diffusion.relative(error)
        start = torch.from_numpy(learned_law.through(process.channel(setting.horizon)).sample(paths, rng))
        learned = follow_paths(
            diffusion,
            relative,
            start,
            clocks,
            drift=ReverseProcess(learned_score).drift,
            seed=seed,
            round_index=i,
        )
        ideal = draw_ideal_paths(
            diffusion,
            relative,
            torch.from_numpy(ideal_end.sample(paths, rng)),
            clocks[::-1],
            time_bins=3,
            seed=seed,
            round_index=i,
        )
        paired = paired_observability(ideal)
        learned_energy = path_energy(learned).energy
        start_kl = distances.kl(
            learned_law.through(process.channel(setting.horizon)),
            ideal_law.through(process.channel(setting.horizon)),
            rng=seed,
        )
        whole = replace(learned_energy, value=learned_energy.value + 2.0 * start_kl.value)
        kl = distances.kl(learned_end, ideal_end, rng=seed)
        chi = distances.chi_square(learned_end, ideal_end, rng=seed)
        rounds.append(
            PropagationRound(
                ideal_energy=paired.energy,
                learned_energy=whole,
                observability=paired.observability,
                innovation=chi,
                innovation_kl=kl,
            )
        )
        check = weight_check(learned, learned=True)
        entries.append(
            {
                "generation": i,
                "learned_energy": _pair(learned_energy),
                "ideal_energy": _pair(paired.energy),
                "observability": _pair(paired.observability),
                "chi_square_of_the_defect": _pair(chi),
                "kl_of_the_defect": _pair(kl),
                "kl_of_the_starts": _pair(start_kl),
                "mean_weight": _pair(check.mean),
                "weight_accepted": check.accepted,
            }
        )
    rows = bounds.propagation_table(PropagationRecord(recursion.fresh_fraction, tuple(rounds)))
    return {
        "fresh_fraction": recursion.fresh_fraction,
        "paths": paths,
        "steps": steps,
        "generations": entries,
        "bounds": [row.as_dict() for row in rows],
    }


def _score(law: Any, device: torch.device) -> Any:
    denoiser = MixtureDenoiser(components_of(law, device))
    return lambda x, t: score_of(denoiser, x, t)


def _pair(estimate: Estimate) -> list[float]:
    return [float(estimate.value), float(estimate.error)]
