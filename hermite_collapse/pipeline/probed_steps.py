r"""What a scheduler does, written down as a linear program, and run with the exact denoiser.

A step of a scheduler is linear in the samples x_k that it was given, the network's outputs m_k and its noise z_j:

    x_{i+1} = sum_k a_ik x_k + sum_k b_ik m_k + sum_j c_ij z_j,        k <= i

with coefficients that know nothing of the data; outputs are m_k = d_k D + n_k N + e_k x_k with the posterior means D
and N at the level of the call.  Along a direction of variance w all is then a product of small matrices:

    x_K = G(w) x_T + sum_j S_j(w) z_j,        V(w) = G(w)^2 start^2 + sum_j S_j(w)^2

for every w, every guidance and every mean, exactly.  The program is read off a scheduler object by
`scheduler_probe`; nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from ..core.errors import InputError
from ..core.types import FloatArray, IntArray
from ..core.value import writable
from ._program_kernels import run_backwards
from .denoiser import AnySamples, Posterior, Sampler
from .guidance import Guidance

Denoiser = Literal["posterior_mean", "flow_map"]


class _Program(NamedTuple):
    """Terms of the steps; levels (K, 2), outputs (K, 3), and targets (K, 2) of flow maps or (0, 2)."""

    pointer: IntArray
    variable: IntArray
    coefficient: FloatArray
    levels: FloatArray
    outputs: FloatArray
    targets: FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class ProbedSteps(Sampler):
    """A sampler of K calls of the network, read off a scheduler object; made by `SamplerSteps.of_scheduler`.

    Parameters
    ----------
    name : str
        The scheduler's class.
    start : float
        Standard deviation of the noise that it starts from.
    signal, noise : array, shape (K,)
        Levels a and s of the samples for which the network is called.
    on_data, on_noise, on_sample : array, shape (K,)
        What the network's output is made of: coefficients of D, of N and of x.
    pointer : array of int, shape (K + 1,)
        Step i has the terms pointer[i] to pointer[i + 1].
    variable : array of int
        Of each term: k for the sample x_k, K + k for the output m_k, 2 K + j for the noise z_j.
    coefficient : array
        Of each term.
    denoiser : str
        "posterior_mean", or "flow_map" for models of few steps.
    target : array, shape (K, 2), optional
        Level that the flow map of each call leads to.
    notes : tuple of str
        What was assumed about the scheduler.
    guidance : Guidance, optional
        Classifier-free guidance inside the sampler; w is then the variance within a class.
    training_steps : int, optional
        Number T of levels that the network was trained on.
    """

    name: str
    start: float
    signal: FloatArray
    noise: FloatArray
    on_data: FloatArray
    on_noise: FloatArray
    on_sample: FloatArray
    pointer: IntArray
    variable: IntArray
    coefficient: FloatArray
    denoiser: Denoiser = "posterior_mean"
    target: FloatArray | None = None
    notes: tuple[str, ...] = ()
    guidance: Guidance | None = None
    training_steps: int | None = None

    @property
    def deviation(self) -> float:
        """`start`."""
        return self.start

    @cached_property
    def noise_by_step(self) -> FloatArray | None:
        """Variance of the noise of each step, if every step uses the last sample, its output and noise of its own."""
        added, used = np.zeros(self.steps), set()
        for step in range(self.steps):
            for number, coefficient in self.terms(step):
                if number >= 2 * self.steps and number not in used:
                    used.add(number)
                    added[step] += coefficient**2
                elif number not in (step, self.steps + step):
                    return None
        return added

    def carry(
        self, x: AnySamples, posterior: Posterior[AnySamples], draw: Callable[[], AnySamples]
    ) -> AnySamples:
        last = self._last_use
        live = {0: x}
        for step in range(self.steps):
            live[self.steps + step] = self._network(live[step], step, posterior)
            parts = []
            for number, coefficient in self.terms(step):
                if number not in live:
                    live[number] = draw()
                parts.append(live[number] * coefficient)
            live[step + 1] = sum(parts[1:], start=parts[0])
            over = [n for n in live if last.get(self._owner(n), -1) <= step and n != step + 1]
            for number in over:
                del live[number]
        return live[self.steps]

    def advance(self, x: AnySamples, step: int, posterior: Posterior[AnySamples]) -> AnySamples:
        output = self._network(x, step, posterior)
        parts = [
            (x if number == step else output) * coefficient
            for number, coefficient in self.terms(step)
            if number < 2 * self.steps
        ]
        return sum(parts[1:], start=parts[0])

    def terms(self, step: int) -> list[tuple[int, float]]:
        """Return the variables of one step and their coefficients."""
        part = slice(self.pointer[step], self.pointer[step + 1])
        return list(zip(self.variable[part].tolist(), self.coefficient[part].tolist(), strict=True))

    def _owner(self, number: int) -> int:
        """Return the index that `_last_use` knows a variable by."""
        return number if number >= 2 * self.steps else number % self.steps

    def _network(self, x: AnySamples, call: int, posterior: Posterior[AnySamples]) -> AnySamples:
        """Return the network's output for samples at one call, with the posterior means of any law."""
        if self.target is not None:
            raise InputError(
                "sampler must call posterior means for a law that is not Gaussian, got one with flow maps."
            )
        data, noise = posterior(x, float(self.signal[call]), float(self.noise[call]))
        d, n, e = float(self.on_data[call]), float(self.on_noise[call]), float(self.on_sample[call])
        return data * d + noise * n + x * e

    def describe(self) -> str:
        guided = "" if self.guidance is None else f", {self.guidance.describe()}"
        return f"{self.name}, {self.steps} call{'s' if self.steps > 1 else ''} of the network{guided}"

    def _responses(self, w: FloatArray, between: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        """Return V and the mean gain by going through the program backwards.

        What the last sample depends on is kept for every sample, output and noise, from the last step to the first.
        """
        variance, gain = np.empty_like(w), np.empty_like(w)
        omega = 0.0 if between is None or self.guidance is None else self.guidance.omega
        pointer, variable, coefficient, levels, outputs, targets = self._program
        run_backwards(
            pointer,
            variable,
            coefficient,
            levels,
            outputs,
            targets,
            self.start,
            omega,
            np.ascontiguousarray(w),
            np.zeros_like(w) if between is None else np.ascontiguousarray(between),
            variance,
            gain,
        )
        return variance, gain

    @cached_property
    def _program(self) -> _Program:
        """The program as the compiled run takes it."""
        levels = np.stack([self.signal, self.noise], axis=1)
        outputs = np.stack([self.on_data, self.on_noise, self.on_sample], axis=1)
        targets = np.empty((0, 2)) if self.target is None else self.target
        terms = writable(self.pointer), writable(self.variable), writable(self.coefficient)
        return _Program(*terms, levels, outputs, writable(targets))

    @cached_property
    def _last_use(self) -> dict[int, int]:
        """The last step that uses each sample (or its output) and each noise."""
        last: dict[int, int] = {}
        for step in range(self.steps):
            for number in self.variable[self.pointer[step] : self.pointer[step + 1]]:
                index = int(number)
                last[index if index >= 2 * self.steps else index % self.steps] = step
        return last
