r"""Where the errors of a simulated recursion come from: a budget, each source measured with the others exact.

The full experiment is the kernel generator as it would be used: finitely many pool points and particles, a blur, a
standard-normal start at a finite horizon, finitely many steps.  Against the ideal recursion (no blur, perfect rounds)
its coefficients have a bias and a variance, and each source contributes

    blur             bias       the recursion with blur against the one without, in closed form
    discretisation   bias       reverse diffusion with exact scores and an exact start, in the experiment's steps
    finite horizon   bias       the normal start against the exact one, with the same noise and fine steps
    pool             variance   Var_{q_i}(h)/M of the pool, from draws of the exact training law
    sampling         variance   Var_{p_{i+1}}(h)/N of the particles, from particles of the exact law

Sources are measured in every round by itself and carried to later rounds by the exact channels, as in
`recursion.identity`.  What the full experiment shows beyond their sum is the interaction; it is reported, not
distributed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ..core import checks
from ..core.errors import InputError
from ..core.estimates import standard_error_of_mean
from ..core.signature import public
from ..core.types import FloatArray, IntArray
from ..core.value import Value
from ..laws.channel_action import channel_matrix
from ..laws.mixture import Law
from ..recursion.identity import accumulate_defects
from ..recursion.recursion import Recursion
from ..recursion.sampling_error import carried_covariances
from ..storage.record import SimulatedRecursion
from .attention import KernelGeneration
from .closed_form import ExactGeneration
from .devices import choose_device, default_chunk
from .experiment import simulate
from .generations import Generation
from .laws import components_of
from .noise import NoiseStream, plan_chunks, seed_of_part
from .reverse import ReverseDiffusion
from .samplers import ExponentialMultistep, Sampler
from .statistics import HermiteStatistics

BIASES = ("truncation", "blur", "discretisation", "finite horizon")
VARIANCES = ("pool", "sampling")
_FINE = ExponentialMultistep()


@dataclass(frozen=True, eq=False)
class ErrorBudget(Value):
    """Contributions to the deviation of the coefficients from the data's, by round and mode.

    Attributes
    ----------
    indices : array of int, shape (m, d)
    bias : array, shape (4, n + 1, m)
        In the order of BIASES; "truncation" is the ideal recursion's own c(p_i) - c(p*).
    bias_error : array, shape (4, n + 1, m)
        Standard errors; 0 for what is known in closed form.
    variance : array, shape (2, n + 1, m)
        In the order of VARIANCES, for one run.
    total_bias, total_bias_error : array, shape (n + 1, m)
        Of the full experiment.
    total_variance, total_variance_error : array, shape (n + 1, m)
        Over the runs of the full experiment.
    runs : int
        Of the full experiment.

    Examples
    --------
    >>> one = np.ones((2, 3))
    >>> budget = ErrorBudget(
    ...     indices=np.arange(3)[:, None], bias=np.ones((4, 2, 3)), bias_error=np.zeros((4, 2, 3)),
    ...     variance=np.ones((2, 2, 3)), total_bias=5.0 * one, total_bias_error=one, total_variance=one,
    ...     total_variance_error=one, runs=8,
    ... )
    >>> budget.bias_interaction[0].tolist()
    [1.0, 1.0, 1.0]
    """

    indices: IntArray
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
        """Return the budget of one round as text: the largest modes, biases, standard deviations and interactions."""
        row = range(self.total_bias.shape[0])[round_index]
        size = np.abs(self.bias[:, row]).sum(0) + np.abs(self.total_bias[row])
        shown = np.sort(np.argsort(-size, kind="stable")[:modes])
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
        for k in shown:
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


@public
def error_budget(
    recursion: Recursion,
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
    recursion : Recursion
        With the blur of the experiment.
    rounds, particles, pool, sampler, steps, start, horizon
        Of the full experiment, as for `simulate`; the final step of the sampler must be "noisy".
    degree : int
        Modes of total degree <= degree.
    runs : int
        Of the full experiment and of each measurement, at least 4; standard errors come from their scatter.
    fine_steps : int
        Steps of the second-order exponential sampler where discretisation is to be negligible.
    device, seed, chunk
        As for `simulate`.

    Returns
    -------
    ErrorBudget

    Raises
    ------
    InputError
        For fewer than 4 runs, or a final step that changes the target of the rounds.

    Cost
    ----
    One kernel simulation and three exact ones, `runs` runs each.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1, blur=0.1)
    >>> budget = hc.simulation.error_budget(
    ...     recursion, rounds=1, particles=50, degree=2, runs=4, steps=5, fine_steps=10, device="cpu"
    ... )
    >>> budget.bias.shape
    (4, 2, 3)
    """
    count = checks.integer(runs, "runs", minimum=4)
    used = ExponentialMultistep() if sampler is None else sampler
    if used.final_step != "noisy":
        raise InputError(f"sampler must have the final step 'noisy' for a budget, got {used.final_step!r}.")
    size = particles if pool is None else checks.integer(pool, "pool", minimum=1)
    coarse = ReverseDiffusion(used, steps, start, horizon)
    options: dict[str, Any] = {
        "rounds": rounds,
        "particles": particles,
        "degree": degree,
        "runs": count,
        "device": device,
        "chunk": chunk,
    }

    def run(generation: Generation, number: int, *, products: bool = False) -> SimulatedRecursion:
        # Seeds apart, so that the measurements are independent; number equal where they are to share their noise.
        part = seed_of_part(seed, number)
        return simulate(recursion, generator=generation, seed=part, products=products, **options)

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
    ideal = recursion.replace(blur=0.0).coefficients(degree, rounds=rounds)
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
        bias_error=np.stack([zero, zero, *(standard_error_of_mean(carried[name]) for name in BIASES[2:])]),
        variance=variance,
        total_bias=deviation.mean(0),
        total_bias_error=standard_error_of_mean(deviation),
        total_variance=spread,
        # Of the sample variance of nearly normal numbers with the budgeted variance.
        total_variance_error=variance.sum(0) * np.sqrt(2.0 / (count - 1)),
        runs=count,
    )


def _variances(
    recursion: Recursion, exact: SimulatedRecursion, pool: int, degree: int, device: torch.device, seed: int
) -> FloatArray:
    """Return the variances that pools and particles leave in each round, measured locally and carried on."""
    n, rounds = exact.particles, exact.rounds
    assert exact.products is not None
    sampling = [_covariance(exact.products[:, i].mean(0)) / n for i in range(rounds + 1)]
    pools = [np.zeros_like(sampling[0])]
    actions = [channel_matrix(exact.indices, recursion.channel(i)) for i in range(rounds)]
    for i, action in enumerate(actions):
        drawn = _draw_products(recursion.training_law(i), n * exact.runs, degree, device, seed + i)
        pools.append((1.0 - 1.0 / n) * action @ (_covariance(drawn) / pool) @ action.T)
    covariances = (
        carried_covariances(
            local,
            mixing=[recursion.mixing(i)[1] for i in range(rounds)],
            actions=actions,
            inherited=(1.0 - 1.0 / n) * (1.0 - 1.0 / pool),
        )
        for local in (pools, sampling)
    )
    return np.stack([np.einsum("iiss->is", covariance) for covariance in covariances])


def _draw_products(law: Law, count: int, degree: int, device: torch.device, seed: int) -> FloatArray:
    """Return the means of h_j h_k over independent draws of a law, (m, m)."""
    components = components_of(law, device)
    statistics = HermiteStatistics(
        components.dimension, degree, runs=1, particles=count, products=True, device=device
    )
    for chunk in plan_chunks(1, count, default_chunk(device, 8 * 10 * components.dimension)):
        noise = NoiseStream(chunk.pieces, seed=seed, round_index=0, purpose="other", device=device)
        statistics.add(components.sample(noise), chunk)
    products = statistics.result().products
    assert products is not None
    return products[0]


def _covariance(products: FloatArray) -> FloatArray:
    """Return the covariance of h from the means of h_j h_k; h_0 = 1 gives the means."""
    return products - np.outer(products[0], products[0])
