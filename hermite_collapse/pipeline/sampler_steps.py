r"""Samplers of K steps with the exact denoiser, along one Gaussian direction.

At level (a, s), x = a x_0 + s n with x_0 from N(m, w) and M = a^2 w + s^2, the posterior means are linear in x,

    D = E[x_0 | x] = (a w x + s^2 m) / M,        N = E[n | x] = s (x - a m) / M,

and so is every step: x' = c_x x + c_D D + c_N N + sqrt(q) z.  With m = 0 each step is x' = g x + sqrt(q) z, so the
variance runs through v' = g^2 v + q from the variance of the start; the mean runs through the same steps with m = 1.

| sampler | c_x | c_D | c_N | q |
|---|---|---|---|---|
| DDIM(eta), alpha_bar A -> P | 0 | sqrt(P) | sqrt(1 - P - q) | eta^2 (1-P)/(1-A) (1 - A/P) |
| DDPM, beta = 1 - A/P | sqrt(A/P) (1-P)/(1-A) | sqrt(P) beta/(1-A) | 0 | beta (1-P)/(1-A) or beta |
| Euler in sigma (EDM) | 0 | 1 | sigma' | 0 |
| Heun in sigma (EDM) | 0 | 1 | (sigma + sigma')/2, and (sigma' - sigma)/2 times N at the Euler point | 0 |
| flow matching, Euler | 0 | 1 - sigma' | sigma' | 0 |

The map starts where pipelines start, at unit noise (sigma_max for EDM), not at the true law of that level, and it
contains the last step.  V(w) is exact for Gaussian directions; it is not for mixtures (see `mechanism`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..core.signature import public
from ..core.types import FloatArray
from .denoiser import AnySamples, Posterior, Sampler, posterior_means
from .guidance import Guidance
from .step_coefficients import StepCoefficients, ddim_steps, ddpm_steps, edm_steps, flow_steps
from .training_noise import signal_levels

if TYPE_CHECKING:
    from .probed_steps import ProbedSteps
    from .scheduler_conventions import SchedulerObject
    from .scheduler_sources import Config


@dataclass(frozen=True, eq=False, repr=False)
class SamplerSteps(StepCoefficients, Sampler):
    """A sampler of K steps with the exact denoiser; made by `edm`, `ddpm`, `ddim`, `flow` or `of_scheduler`.

    Parameters
    ----------
    name : str
        What the sampler is, in words.
    start : float
        Variance of the noise that it starts from.
    signal, noise : array, shape (K,)
        Levels a and s at which the denoiser is called.
    on_sample, on_data, on_noise : array, shape (K,)
        Coefficients c_x, c_D and c_N of each step.
    added : array, shape (K,)
        Variance q of the noise that each step adds.
    corrector : array, shape (K,), optional
        Coefficient of the second posterior mean of the noise, taken at the level of the next step (Heun); 0 where there
        is none.
    training_steps : int, optional
        Number T of levels of which K are used, where there are such.
    guidance : Guidance, optional
        Classifier-free guidance inside the sampler; w is then the variance within a class.

    Examples
    --------
    >>> round(SamplerSteps.edm(steps=18).variance(0.25) / 0.25, 6)
    1.113551
    """

    guidance: Guidance | None = None

    @property
    def deviation(self) -> float:
        """sqrt(start)."""
        return math.sqrt(self.start)

    @property
    def noise_by_step(self) -> FloatArray:
        """`added`."""
        return self.added

    def carry(
        self, x: AnySamples, posterior: Posterior[AnySamples], draw: Callable[[], AnySamples]
    ) -> AnySamples:
        for step, variance in enumerate(self.added.tolist()):
            x = self.advance(x, step, posterior)
            if variance > 0.0:
                x = x + draw() * math.sqrt(variance)
        return x

    def advance(self, x: AnySamples, step: int, posterior: Posterior[AnySamples]) -> AnySamples:
        data, noise = posterior(x, float(self.signal[step]), float(self.noise[step]))
        following = data * float(self.on_data[step])
        for samples, coefficient in ((x, self.on_sample[step]), (noise, self.on_noise[step])):
            if coefficient != 0.0:
                following = following + samples * float(coefficient)
        if self.corrector is not None and self.corrector[step] != 0.0:
            level = float(self.noise[step + 1])
            _, second = posterior(data + noise * level, float(self.signal[step + 1]), level)
            following = following + second * float(self.corrector[step])
        return following

    def describe(self) -> str:
        guided = "" if self.guidance is None else f", {self.guidance.describe()}"
        return f"{self.name}, {self.steps} step{'s' if self.steps > 1 else ''}{guided}"

    def _responses(self, w: FloatArray, between: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        signal, noise = self.signal[:, np.newaxis], self.noise[:, np.newaxis]
        on_sample, on_data, on_noise = (
            values[:, np.newaxis] for values in (self.on_sample, self.on_data, self.on_noise)
        )
        data, noises = posterior_means(signal, noise, w, self.guidance, between)
        slope = on_sample + on_data * data.slope + on_noise * noises.slope
        shift = on_data * data.shift + on_noise * noises.shift
        if self.corrector is not None and self.steps > 1:
            # The Euler point x_e = D + sigma' N, with data mean m: slope and shift of N there.
            level, corrector = noise[1:], self.corrector[:-1, np.newaxis]
            _, second = posterior_means(signal[1:], level, w, self.guidance, between)
            slope[:-1] += corrector * second.slope * (data.slope[:-1] + level * noises.slope[:-1])
            shift[:-1] += corrector * (
                second.slope * (data.shift[:-1] + level * noises.shift[:-1]) + second.shift
            )
        # What a sample before each step, and after the last, is multiplied by until the end.
        carried = np.ones((self.steps + 1, w.size))
        np.cumprod(slope[::-1], axis=0, out=carried[-2::-1])
        variance = self.start * carried[0] ** 2 + self.added @ carried[1:] ** 2
        return variance, np.sum(shift * carried[1:], axis=0)

    @classmethod
    @public
    def edm(
        cls,
        *,
        steps: int = 18,
        sigma_min: float = 0.002,
        sigma_max: float = 80.0,
        rho: float = 7.0,
        method: str = "heun",
        sigmas: ArrayLike | None = None,
        guidance: Guidance | None = None,
    ) -> SamplerSteps:
        """Return the deterministic sampler of EDM.

            sigma_i = (sigma_max^(1/rho) + i/(K-1) (sigma_min^(1/rho) - sigma_max^(1/rho)))^rho,  i < K,  sigma_K = 0

        Parameters
        ----------
        steps : int
            K >= 1.
        sigma_min, sigma_max, rho : float
            Smallest and largest noise level, and the exponent of their spacing.
        method : str
            "heun" (the last step is Euler's) or "euler".
        sigmas : array, shape (K,) or (K + 1,), optional
            Decreasing noise levels in place of the formula, with or without the 0 at the end.
        guidance : Guidance, optional

        Returns
        -------
        SamplerSteps
            Started at variance sigma_max^2.

        Raises
        ------
        InputError
            For levels that do not decrease, and methods other than these.

        References
        ----------
        arXiv:2206.00364, Algorithm 1.

        Examples
        --------
        >>> euler = SamplerSteps.edm(steps=18, method="euler")
        >>> round(float(euler.variance(0.25) / 0.25), 6)
        0.715822
        """
        return cls(**vars(edm_steps(steps, sigma_min, sigma_max, rho, method, sigmas)), guidance=guidance)

    @classmethod
    @public
    def ddpm(
        cls,
        *,
        steps: int = 1000,
        train_steps: int = 1000,
        beta_start: float = 1e-4,
        beta_end: float = 0.02,
        schedule: str = "linear",
        variance: str = "posterior",
        alphas_cumprod: ArrayLike | None = None,
        guidance: Guidance | None = None,
    ) -> SamplerSteps:
        """Return the ancestral sampler of DDPM.

        Parameters
        ----------
        steps, train_steps : int
            K, and the number of training levels; K of them are used, spaced by train_steps // K from level 0.
        beta_start, beta_end, schedule : float, float, str
            Training noise: "linear", "scaled_linear" or "squaredcos_cap_v2".
        variance : str
            Of the noise of each step: "posterior" (fixed_small) or "beta" (fixed_large).
        alphas_cumprod : array, shape (T,), optional
            The table of signal levels in place of the schedule.
        guidance : Guidance, optional

        Returns
        -------
        SamplerSteps

        Raises
        ------
        InputError
            For more steps than training levels, and schedules and variances other than these.

        Examples
        --------
        >>> small, large = (SamplerSteps.ddpm(variance=kind) for kind in ("posterior", "beta"))
        >>> round(float(small.variance(0.01)) / 0.01, 6), round(float(large.variance(0.01)) / 0.01, 6)
        (0.927586, 1.015374)
        """
        table = signal_levels(alphas_cumprod, train_steps, beta_start, beta_end, schedule)
        return cls(**vars(ddpm_steps(steps, table, variance)), guidance=guidance)

    @classmethod
    @public
    def ddim(
        cls,
        *,
        steps: int = 50,
        eta: float = 0.0,
        train_steps: int = 1000,
        beta_start: float = 1e-4,
        beta_end: float = 0.02,
        schedule: str = "linear",
        spacing: str = "leading",
        offset: int = 0,
        set_alpha_to_one: bool = True,
        alphas_cumprod: ArrayLike | None = None,
        guidance: Guidance | None = None,
    ) -> SamplerSteps:
        """Return DDIM, with noise of share eta.

        Parameters
        ----------
        steps, train_steps : int
            K, and the number of training levels.
        eta : float
            0 for the deterministic sampler, 1 for the noise of DDPM.
        beta_start, beta_end, schedule : float, float, str
            Training noise: "linear", "scaled_linear" or "squaredcos_cap_v2".
        spacing, offset : str, int
            How the K levels are picked ("leading", "trailing" or "linspace"), and what is added to their numbers.
        set_alpha_to_one : bool
            Whether the last step ends without noise; else it ends at the first training level.
        alphas_cumprod : array, shape (T,), optional
            The table of signal levels in place of the schedule.
        guidance : Guidance, optional

        Returns
        -------
        SamplerSteps

        Raises
        ------
        InputError
            For more steps than training levels, an eta that adds more noise than a level has, and levels beyond the
            table.

        Examples
        --------
        >>> [round(float(SamplerSteps.ddim(eta=eta).variance(0.01)) / 0.01, 6) for eta in (0.0, 1.0)]
        [0.613933, 0.468655]
        """
        table = signal_levels(alphas_cumprod, train_steps, beta_start, beta_end, schedule)
        return cls(
            **vars(ddim_steps(steps, table, eta, spacing, offset, set_alpha_to_one)), guidance=guidance
        )

    @classmethod
    @public
    def flow(
        cls,
        *,
        steps: int = 50,
        shift: float = 1.0,
        sigmas: ArrayLike | None = None,
        guidance: Guidance | None = None,
    ) -> SamplerSteps:
        """Return Euler's method for flow matching, x = (1 - sigma) x_0 + sigma n.

            sigma_i = shift u / (1 + (shift - 1) u),   u = 1 - i/K

        Parameters
        ----------
        steps : int
            K >= 1.
        shift : float
            > 0; large shifts spend the steps at high noise.
        sigmas : array, shape (K,) or (K + 1,), optional
            Decreasing levels in (0, 1] in place of the formula, with or without the 0 at the end.
        guidance : Guidance, optional

        Returns
        -------
        SamplerSteps

        Raises
        ------
        InputError
            For levels that do not decrease or exceed 1.

        Examples
        --------
        >>> [round(float(SamplerSteps.flow(steps=k).variance(0.25)) / 0.25, 6) for k in (1, 10, 100)]
        [0.0, 0.742295, 0.970798]
        """
        return cls(**vars(flow_steps(steps, shift, sigmas)), guidance=guidance)

    @classmethod
    @public
    def of_scheduler(
        cls,
        scheduler: SchedulerObject | Config,
        *,
        steps: int,
        guidance: Guidance | None = None,
        timesteps: ArrayLike | None = None,
        sigmas: ArrayLike | None = None,
        mu: float | None = None,
        denoiser: str | None = None,
        step_options: Mapping[str, object] | None = None,
        network_level: str = "sigma",
    ) -> ProbedSteps:
        """Return any scheduler of diffusers with the exact denoiser, by probing the scheduler object itself.

        Parameters
        ----------
        scheduler : scheduler object, mapping or path
            An object, its configuration, a JSON file, a scheduler's folder or the folder of a whole pipeline.
        steps : int
            Number of inference steps that is given to the scheduler.
        guidance : Guidance, optional
            Classifier-free guidance inside the sampler; w is then the variance within a class.
        timesteps, sigmas : array, optional
            Levels that the pipeline passes to the scheduler, where it takes them.
        mu : float, optional
            Shift of schedulers with dynamic shifting; that of the largest images if left out.
        denoiser : str, optional
            What networks made for few steps are taken for: "posterior_mean" or "flow_map".
        step_options : mapping, optional
            More arguments of the scheduler's step, such as `{"eta": 1.0}`.
        network_level : str
            Where the network's level comes from: "sigma", that of the sample, or "timestep", which some schedulers
            round.

        Returns
        -------
        ProbedSteps
            With its `ending` and with `notes` on what was assumed; needs torch no more.

        Raises
        ------
        InputError
            Without torch and diffusers, for classes that cannot be probed, and for networks of few steps unless
            `denoiser` is given.

        Accuracy
        --------
        Exact for the scheduler's own tables, mostly rounded to float32: 1e-4 of the formula's V, 5e-4 for two or three
        steps.  Of w = 1e-5 a few per cent are lost to that rounding where few steps end in a full one, and all digits
        of a single step.

        Cost
        ----
        Milliseconds a step.

        Examples
        --------
        >>> from diffusers import DDIMScheduler  # doctest: +SKIP
        >>> SamplerSteps.of_scheduler(DDIMScheduler(clip_sample=False), steps=50).ending  # doctest: +SKIP
        Ending(kind='full', sigma=0.01...)
        """
        from .scheduler_probe import probe_scheduler

        return probe_scheduler(
            scheduler,
            steps=steps,
            guidance=guidance,
            timesteps=timesteps,
            sigmas=sigmas,
            mu=mu,
            denoiser=denoiser,
            step_options=step_options,
            network_level=network_level,
        )
