r"""Where the errors of a simulated recursion come from: a budget, each source measured with the others exact.

The full experiment is the kernel generator as it would be used: finitely many pool points and particles, a blur, a
standard-normal start at a finite horizon, finitely many steps.  Against the ideal recursion (no blur, perfect rounds)
its coefficients have a bias and a variance, and each source contributes

    blur             bias       the recursion with blur against the one without, in closed form
    discretisation   bias       reverse diffusion with exact scores and an exact start, in the experiment's steps
    finite horizon   bias       the normal start against the exact one, with the same noise and fine steps
    pool             variance   Var_{q_i}(h)/M of the pool, from draws of the exact training law
    sampling         variance   Var_{p_{i+1}}(h)/N of the particles, from particles of the exact law

Sources are measured in every round by itself and carried to later rounds by the exact channels, as in `defects`.  What
the full experiment shows beyond their sum is the interaction; it is reported, not distributed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..core import checks
from ..core.errors import InputError
from ..laws.channel_action import channel_matrix
from ..recursion.identity import accumulate_defects
from .attention import KernelGeneration
from .devices import choose_device
from .experiment import simulate
from .closed_form import ExactGeneration
from .laws import components_of
from .noise import BLOCK, NoiseStream, plan_chunks, seed_of_part
from .reverse import ReverseDiffusion
from .samplers import ExponentialMultistep, Sampler
from .statistics import HermiteStatistics

FloatArray = NDArray[np.float64]

BIASES = ("truncation", "blur", "discretisation", "finite horizon")
VARIANCES = ("pool", "sampling")
_FINE = ExponentialMultistep()


@dataclass(frozen=True)
class ErrorBudget:
    """Contributions to the deviation of the coefficients from the data's, by round and mode.

    Attributes
    ----------
    indices : (m, d).
    bias : (4, n + 1, m), in the order of BIASES; "truncation" is the ideal recursion's own c(p_i) - c(p*).
    bias_error : (4, n + 1, m), standard errors; 0 for what is known in closed form.
    variance : (2, n + 1, m), in the order of VARIANCES, for one run.
    total_bias, total_bias_error : (n + 1, m), of the full experiment.
    total_variance, total_variance_error : (n + 1, m), over the runs of the full experiment.
    runs : of the full experiment.
    """

    indices: NDArray[np.int64]
    bias: FloatArray
    bias_error: FloatArray
    variance: FloatArray
    total_bias: FloatArray
    total_bias_error: FloatArray
    total_variance: FloatArray
    total_variance_error: FloatArray
    runs: int

    @property
    def bias_interaction(self) -> FloatArray:
        """Bias of the full experiment that the sources do not explain, (n + 1, m)."""
        return self.total_bias - self.bias.sum(0)

    @property
    def bias_interaction_error(self) -> FloatArray:
        """Standard error of the interaction, (n + 1, m)."""
        return np.sqrt(self.total_bias_error**2 + (self.bias_error**2).sum(0))

    @property
    def variance_interaction(self) -> FloatArray:
        """Variance of the full experiment that the sources do not explain, (n + 1, m)."""
        return self.total_variance - self.variance.sum(0)

    @property
    def variance_interaction_error(self) -> FloatArray:
        """Standard error of that, (n + 1, m)."""
        return self.total_variance_error

    def table(self, round_index: int = -1, *, modes: int = 12) -> str:
        """The budget of one round as text: the largest modes, biases, standard deviations and interactions."""
        row = range(self.total_bias.shape[0])[round_index]
        size = np.abs(self.bias[:, row]).sum(0) + np.abs(self.total_bias[row])
        chosen = np.sort(np.argsort(-size, kind="stable")[:modes])
        heads = [
            "mode",
            *BIASES,
            "sum",
            "measured",
            "+-",
            "interaction/+-",
            "sd pool",
            "sd sampling",
            "sd measured",
        ]
        lines = ["  ".join(f"{head:>14}" for head in heads)]
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = self.bias_interaction[row] / self.bias_interaction_error[row]
        for k in chosen:
            numbers = [
                *self.bias[:, row, k],
                self.bias[:, row, k].sum(),
                self.total_bias[row, k],
                self.bias_interaction_error[row, k],
                ratio[k],
                *np.sqrt(self.variance[:, row, k]),
                np.sqrt(self.total_variance[row, k]),
            ]
            name = ",".join(map(str, self.indices[k]))
            lines.append("  ".join([f"{name:>14}", *(f"{value:14.3e}" for value in numbers)]))
        return "\n".join(lines)


def error_budget(
    recursion: Any,
    *,
    rounds: int,
    particles: int,
    pool: int | None = None,
    sampler: Sampler | None = None,
    steps: int | None = None,
    start: str = "normal",
    horizon: float | None = None,
    degree: int = 4,
    runs: int = 32,
    fine_steps: int = 100,
    device: str | torch.device = "auto",
    seed: int = 0,
    chunk: int | None = None,
) -> ErrorBudget:
    """Measure the error budget of the kernel generator on a recursion.

    Parameters
    ----------
    recursion : with the blur of the experiment.
    rounds, particles, pool, sampler, steps, start, horizon : of the full experiment, as for `simulate`; the final step
        of the sampler must be "noisy".
    degree : modes of total degree <= degree.
    runs : of the full experiment and of each measurement, at least 4; standard errors come from their scatter.
    fine_steps : steps of the second-order exponential sampler where discretisation is to be negligible.

    Cost : one kernel simulation and three exact ones, `runs` runs each.
    Raises : InputError for fewer than 4 runs, or a final step that changes the target of the rounds.
    """
    count = checks.integer(runs, "runs", minimum=4)
    chosen = ExponentialMultistep() if sampler is None else sampler
    if chosen.final_step != "noisy":
        raise InputError(f"sampler must have the final step 'noisy' for a budget, got {chosen.final_step!r}.")
    size = particles if pool is None else checks.integer(pool, "pool", minimum=1)
    coarse = ReverseDiffusion(chosen, steps, start, horizon)
    options: dict[str, Any] = {
        "rounds": rounds,
        "particles": particles,
        "degree": degree,
        "runs": count,
        "device": device,
        "chunk": chunk,
    }

    def run(generation: Any, number: int, **more: Any) -> Any:
        # Seeds apart, so that the measurements are independent; number equal where they are to share their noise.
        return simulate(recursion, generator=generation, seed=seed_of_part(seed, number), **options, **more)

    full = run(KernelGeneration(coarse, pool=size), 0)
    discretised = run(ExactGeneration(replace(coarse, start="marginal")), 1)
    fine = ReverseDiffusion(_FINE, fine_steps, "marginal", horizon)
    exact_start = run(ExactGeneration(fine), 2, products=True)
    normal_start = (
        run(ExactGeneration(replace(fine, start="normal")), 2) if start == "normal" else exact_start
    )

    indices = full.indices
    data = recursion.target.hermite_coefficients(degree).values
    exact = recursion.coefficients(degree, rounds=rounds)
    ideal = _without_blur(recursion).coefficients(degree, rounds=rounds)
    local = {
        "discretisation": discretised.coefficients[:, 1:] - exact[1:],
        "finite horizon": normal_start.coefficients[:, 1:] - exact_start.coefficients[:, 1:],
    }
    carried = {name: accumulate_defects(recursion, values, indices) for name, values in local.items()}
    zero = np.zeros_like(exact)
    deviation = full.coefficients - data
    spread = deviation.var(axis=0, ddof=1)
    variance = _variances(recursion, exact_start, size, degree, choose_device(device), seed_of_part(seed, 3))
    return ErrorBudget(
        indices=indices,
        bias=np.stack([ideal - data, exact - ideal, *(carried[name].mean(0) for name in BIASES[2:])]),
        bias_error=np.stack([zero, zero, *(_standard_error(carried[name]) for name in BIASES[2:])]),
        variance=variance,
        total_bias=deviation.mean(0),
        total_bias_error=_standard_error(deviation),
        total_variance=spread,
        # Of the sample variance of nearly normal numbers with the budgeted variance.
        total_variance_error=variance.sum(0) * np.sqrt(2.0 / (count - 1)),
        runs=count,
    )


def _variances(
    recursion: Any, exact: Any, pool: int, degree: int, device: torch.device, seed: int
) -> FloatArray:
    """Variance that pools and particles leave in each round, measured locally and carried by the channels."""
    n, rounds = exact.particles, exact.rounds
    sampling = [_covariance(exact.products[:, i].mean(0)) / n for i in range(rounds + 1)]
    pools = [np.zeros_like(sampling[0])]
    for i in range(rounds):
        drawn = _draw_products(recursion.training_law(i), n * exact.runs, degree, device, seed + i)
        action = channel_matrix(exact.indices, recursion.channel(i))
        pools.append((1.0 - 1.0 / n) * action @ (_covariance(drawn) / pool) @ action.T)
    kept = (1.0 - 1.0 / n) * (1.0 - 1.0 / pool)
    return np.stack([_carried(recursion, exact.indices, terms, kept) for terms in (pools, sampling)])


def _carried(recursion: Any, indices: NDArray[np.int64], local: list[FloatArray], kept: float) -> FloatArray:
    """Variances (n + 1, m) after each round, of independent errors with these covariances made in each.

    S(i+1, i+1) = kept L_i [sum_jk v_ij v_ik S(j, k)] L_i^T + local,     S(i+1, k) = L_i sum_j v_ij S(j, k)
    """
    rounds, m = len(local) - 1, len(indices)
    joint = np.zeros((rounds + 1, rounds + 1, m, m))
    joint[0, 0] = local[0]
    for i in range(rounds):
        earlier = recursion.mixing(i)[1]
        action = channel_matrix(indices, recursion.channel(i))
        past = joint[: i + 1, : i + 1]
        crossed = action @ np.einsum("j,jkst->kst", earlier, past)
        joint[i + 1, : i + 1] = crossed
        joint[: i + 1, i + 1] = crossed.swapaxes(1, 2)
        inherited = action @ np.einsum("j,k,jkst->st", earlier, earlier, past) @ action.T
        joint[i + 1, i + 1] = kept * inherited + local[i + 1]
    return np.einsum("iiss->is", joint)


def _draw_products(law: Any, count: int, degree: int, device: torch.device, seed: int) -> FloatArray:
    """Means of h_j h_k over independent draws of a law, (m, m)."""
    components = components_of(law, device)
    statistics = HermiteStatistics(
        components.dimension, degree, runs=1, particles=count, products=True, device=device
    )
    for chunk in plan_chunks(1, count, BLOCK):
        noise = NoiseStream(chunk.pieces, seed=seed, round_index=0, purpose="other", device=device)
        uniforms = noise.uniform(1)[:, 0]
        statistics.add(components.draw(uniforms, noise.normal(components.dimension)), chunk)
    products = statistics.result().products
    assert products is not None
    return products[0]


def _covariance(products: FloatArray) -> FloatArray:
    """Covariance of h from the means of h_j h_k; h_0 = 1 gives the means."""
    return products - np.outer(products[0], products[0])


def _without_blur(recursion: Any) -> Any:
    if recursion.blur == 0.0:
        return recursion
    regime = recursion.regime
    return type(recursion)(
        recursion.target,
        fresh_fraction=recursion.fresh_fraction,
        truncation=recursion.schedule,
        regime=regime.name if regime.table is None else regime.table,
        process=recursion.process,
        initial=recursion.initial,
    )


def _standard_error(values: FloatArray) -> FloatArray:
    return values.std(axis=0, ddof=1) / np.sqrt(len(values))
