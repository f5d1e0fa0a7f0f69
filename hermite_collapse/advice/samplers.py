r"""Does truncation matter for my sampler, and with which sign?

A sampler's smallest noise level sigma (in units of the data's standard deviation) is its truncation.  What the last
step does with it decides the sign of the collapse: one round of training on its own output changes the law q by

    (1/2 - c) sigma^2 Laplace(q) + O(sigma^4),      c = 0 no denoising, 1/2 half a step, 1 fully denoised

so that with fresh fraction alpha variances move by (1 - 2c) sigma^2 / alpha in the long run, where that is small beside
them: noise is added, or directions die out.  Half a step cancels both to fourth order.  What is said of a direction is
exact at any sigma, the limit of the last step's own round map (`recursion.final_steps.limit_variance`).

Truncation is the smaller part of what most samplers do: where the sampler's steps are known, the advice says what they
do with exact scores, beside the last step alone (`pipeline`).  Defaults of well-known samplers are in `KNOWN_SAMPLERS`;
`read_scheduler` (in `schedulers`) reads those of diffusers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..core import checks
from ..core.errors import InputError
from ..core.numbers import cell, percent
from ..core.signature import public
from ..core.types import FloatArray
from ..laws.channels import sigma_from_time, time_from_alpha_bar, time_from_sigma
from ..pipeline.denoiser import Sampler
from ..pipeline.mechanisms import FinalStep
from ..pipeline.named_samplers import NAMES, named_sampler
from ..pipeline.pipeline import Pipeline
from ..pipeline.training_noise import training_betas
from ..recursion.constant_rounds import ConstantRounds
from ..recursion.final_steps import FINAL_STEPS, limit_variance
from ..recursion.repetitions import repetitions_to

NEGLIGIBLE_LOSS = 0.01


@dataclass(frozen=True)
class SamplerTruncation:
    """Where a sampler stops and how.

    Parameters
    ----------
    name : str
        Of the sampler.
    truncation_time : float
        Ornstein-Uhlenbeck time (rate 1/2) of the smallest noise level at which the network is asked, >= 0.
    final_step : str
        "noisy", "rescaled", "half" or "full": what is done with the sample at that level.
    sampler : Sampler, optional
        The steps of the sampler with exact scores, where they are known.
    data_scale : float
        Standard deviation of the data in the units of the sampler, > 0.
    note : str
        A sentence on what was assumed, or "".

    Raises
    ------
    InputError
        If the time is negative or the final step unknown.
    """

    name: str
    truncation_time: float
    final_step: str
    sampler: Sampler | None = None
    data_scale: float = 1.0
    note: str = ""

    def __post_init__(self) -> None:
        if self.truncation_time != np.inf:  # no signal at all
            time = checks.nonnegative(self.truncation_time, "truncation_time")
            object.__setattr__(self, "truncation_time", time)
        object.__setattr__(self, "data_scale", checks.positive(self.data_scale, "data_scale"))
        checks.one_of(self.final_step, FINAL_STEPS, "final_step")

    @property
    def sigma(self) -> float:
        """The noise level in units of the data's standard deviation."""
        time = self.truncation_time
        return np.inf if time == np.inf else float(sigma_from_time(time))


@dataclass(frozen=True)
class StepsEffect:
    """What all steps of a sampler do to one direction with exact scores, and what its last step does alone.

    Attributes
    ----------
    variance : float
        Of the direction, in units of the data's variance.
    in_round, last_step_in_round : float
        Share of the variance that one round keeps: all steps, and the last step alone.
    in_limit, last_step_in_limit : float
        The same in the long run; infinity where it grows without bound, NaN where rounds end in a cycle.
    """

    variance: float
    in_round: float
    last_step_in_round: float
    in_limit: float
    last_step_in_limit: float

    @property
    def dominant(self) -> Literal["steps", "last step"]:
        """Which does more to the variance in one round."""
        steps = abs(np.log(self.in_round / self.last_step_in_round))
        return "steps" if steps > abs(np.log(self.last_step_in_round)) else "last step"

    @property
    def matters(self) -> bool:
        """Whether the steps change the variance by more than one per cent in the long run."""
        return not abs(self.in_limit - 1.0) <= NEGLIGIBLE_LOSS

    @classmethod
    def of(
        cls, sampler: Sampler, *, variance: float, data_scale: float, fresh_fraction: float
    ) -> StepsEffect:
        """Return the effect on a direction of this variance, both in units of the data."""
        kind, sigma = sampler.ending
        last = FinalStep(0.0 if kind == "flow" else sigma, "noisy" if kind == "noisy" else "full")
        own = variance * data_scale**2
        limits = [
            float(Pipeline([part], fresh_fraction=fresh_fraction).limit(own)) / own
            for part in (sampler, last)
        ]
        return cls(
            variance,
            float(sampler.variance(own)) / own,
            float(last.variance(own)) / own,
            limits[0],
            limits[1],
        )

    @property
    def text(self) -> str:
        """The effect in a sentence."""
        return (
            f"With exact scores all its steps together multiply the variance of {_direction(self.variance)} by "
            f"{cell(self.in_round)} in one round and {_long_run(self.in_limit)} in the long run; its last step alone "
            f"by {cell(self.last_step_in_round)} and {_long_run(self.last_step_in_limit)}."
        )


def _direction(variance: float) -> str:
    """Return a direction of a variance, in units of the data's, in words."""
    width = "the data's variance" if variance == 1.0 else f"{cell(variance)} of the data's variance"
    return f"a direction with {width}"


def _long_run(factor: float) -> str:
    """Return a factor of the long run in words."""
    if np.isnan(factor):
        return "by factors that alternate"
    return "without bound" if factor == np.inf else f"by {cell(factor)}"


@dataclass(frozen=True)
class SamplerAdvice:
    """What recursive training with a sampler leads to: by truncation alone, and by its steps where they are known.

    Attributes
    ----------
    truncation : SamplerTruncation
        Where the sampler stops.
    fresh_fraction : float
        alpha.
    half_degree : float
        Degree at which a noisy end would keep half of a mode in the long run.
    filter_degree : float
        lambda = alpha / (rate t), the corner of the equivalent low-pass filter.
    degree : int
        The degree asked about.
    loss : float
        The share of that degree that a noisy end would remove in the long run.
    smallest_variance : float
        Of a direction that matters, in units of the data's variance.
    variance_drift : float
        Long-run change of a variance, in units of the data's: of a thin direction for a noisy end (1 - g_2), of one of
        the smallest variance that matters for the other final steps, by the last step alone.
    drift_of_half_step : float
        The same if the sampler ended with half a step.
    rounds : float
        Rounds after which 99 % of the long-run loss of that degree has happened.
    matters : bool
        Whether loss, or drift, exceeds one per cent.
    steps_effect : StepsEffect or None
        What the sampler's steps do, where they are known.
    """

    truncation: SamplerTruncation
    fresh_fraction: float
    half_degree: float
    filter_degree: float
    degree: int
    loss: float
    smallest_variance: float
    variance_drift: float
    drift_of_half_step: float
    rounds: float
    matters: bool
    steps_effect: StepsEffect | None = None

    @property
    def text(self) -> str:
        """The advice in a few sentences."""
        t = self.truncation
        size = abs(self.variance_drift)
        effects = {
            "noisy": f"With fresh fraction {self.fresh_fraction:g} the recursion keeps half of Hermite degree "
            f"{self.half_degree:.3g}, removes {self.loss:.2g} of degree {self.degree}, and fills thin directions up to "
            f"variance {size:.2g}; 99 % of that has happened after {self.rounds:.0f} rounds.",
            "rescaled": f"The noise stays in the sample: with fresh fraction {self.fresh_fraction:g} every variance "
            f"grows by {size:.2g}.",
            "half": f"Half a step alone, with fresh fraction {self.fresh_fraction:g}, raises the variance of "
            f"{_direction(self.smallest_variance)} by {size:.2g} in the long run, a quantity of order sigma^4.",
            "full": f"Full denoising alone turns the sign: with fresh fraction {self.fresh_fraction:g} the variance of "
            f"{_direction(self.smallest_variance)} falls by {size:.2g} of the data's in the long run{self._dying}; "
            f"with half a step it would rise by {self.drift_of_half_step:.2g}.",
        }
        effect = effects[t.final_step]
        if t.truncation_time == np.inf:
            effect = "No signal is left there, so that every round forgets its data."
        steps = "" if self.steps_effect is None else f" {self.steps_effect.text}"
        steps += f" {t.note}" if t.note else ""
        return (
            f"{t.name} stops at noise level sigma = {t.sigma:.3g} of the data's standard deviation (OU time "
            f"{t.truncation_time:.3g}), final step {t.final_step}. {effect}{steps} {self._conclusion}"
        )

    @property
    def _dying(self) -> str:
        """Which directions lose most of their variance under full denoising: those below v = sigma^2 / alpha.

        There the training variance is v sqrt(alpha), so that the share kept is sqrt(alpha) / (1 + sqrt(alpha)).
        """
        level, root = self.truncation.sigma**2 / self.fresh_fraction, np.sqrt(self.fresh_fraction)
        if not 0.0 < level < np.inf:
            return ""
        return f", and directions below {level:.2g} keep less than {percent(root / (1.0 + root))} of theirs"

    @property
    def _conclusion(self) -> str:
        effect = self.steps_effect
        steps_matter = effect is not None and effect.matters and effect.dominant == "steps"
        others = "guidance, the autoencoder, finite images and errors of the learned score"
        if self.matters:
            advice = (
                "Truncation matters here: shorten it, anneal it over the rounds, or end with half a step."
            )
            return f"{advice} The sampler's steps matter more: take more of them." if steps_matter else advice
        if effect is None:
            return (
                "Truncation is not your problem: larger causes, which this does not look at, are the sampler's steps, "
                f"{others}."
            )
        if steps_matter:
            return (
                "Truncation is not your problem, but the sampler's steps are: take more of them, or a sampler of "
                f"higher order. Causes that this does not look at are {others}."
            )
        return (
            "Truncation is not your problem, nor are the steps: larger causes, which this does not look at, are "
            f"{others}."
        )


@public
def advise_sampler(
    sampler: SamplerTruncation | str | float,
    *,
    fresh_fraction: float,
    degree: int = 8,
    smallest_variance: float = 1.0,
    steps: int | None = None,
) -> SamplerAdvice:
    """Say what truncation does to a recursion with this sampler, and what its steps do.

        variance drift   (1 - 2c) sigma^2 / alpha to leading order,     loss of degree n   1 - g_n

    Parameters
    ----------
    sampler : SamplerTruncation, str or float
        The name of a known sampler, where a sampler stops, or its truncation time in OU time (rate 1/2; a noisy end).
    fresh_fraction : float
        alpha in (0, 1].
    degree : int
        Highest Hermite degree that matters for the data, >= 1.
    smallest_variance : float
        Smallest variance of a direction that matters, in units of the data's variance, > 0.
    steps : int, optional
        Number of steps of a known sampler; as usual if left out.

    Returns
    -------
    SamplerAdvice

    Raises
    ------
    InputError
        If an argument is outside its range or the sampler is not known.

    Accuracy
    --------
    The figures of the last step alone are exact, for Gaussian directions where it denoises.  What the steps do is exact
    for Gaussian directions, and an upper bound in all cases tried for others.

    References
    ----------
    arXiv:2606.13796, Proposition 3.3, for the noisy end; the other final steps are this package's.

    Examples
    --------
    >>> advice = advise_sampler("edm", fresh_fraction=0.1)
    >>> advice.matters, round(advice.variance_drift, 6)
    (False, -0.00016)
    >>> round(advice.steps_effect.in_limit, 2), advice.steps_effect.dominant
    (5.36, 'steps')
    """
    if isinstance(sampler, str):
        truncation = known_sampler(sampler, steps=steps)
    elif steps is not None:
        raise InputError(f"steps must come with the name of a known sampler, got {steps!r}.")
    elif isinstance(sampler, SamplerTruncation):
        truncation = sampler
    else:
        truncation = SamplerTruncation("This sampler", checks.nonnegative(sampler, "sampler"), "noisy")
    alpha = checks.positive(checks.fraction(fresh_fraction), "fresh_fraction")
    n = checks.integer(degree, "degree", minimum=1)
    floor = checks.positive(smallest_variance, "smallest_variance")
    time = truncation.truncation_time
    noisy = truncation.final_step == "noisy"
    rounds = ConstantRounds(alpha, 0.5 * time)
    loss = float(rounds.loss(n))
    drift = float(rounds.loss(2)) if noisy else _drift(floor, truncation.sigma, alpha, truncation.final_step)
    return SamplerAdvice(
        truncation=truncation,
        fresh_fraction=alpha,
        half_degree=rounds.half_degree,
        filter_degree=alpha / (0.5 * time) if time > 0.0 else np.inf,
        degree=n,
        loss=loss,
        smallest_variance=floor,
        variance_drift=drift,
        drift_of_half_step=_drift(floor, truncation.sigma, alpha, "half"),
        rounds=max(float(repetitions_to(0.01, float(rounds.contraction(n)))), 1.0),
        matters=(noisy and loss > NEGLIGIBLE_LOSS) or abs(drift) > NEGLIGIBLE_LOSS * floor,
        steps_effect=None
        if truncation.sampler is None
        else StepsEffect.of(
            truncation.sampler, variance=floor, data_scale=truncation.data_scale, fresh_fraction=alpha
        ),
    )


def _drift(variance: float, sigma: float, fresh_fraction: float, final_step: str) -> float:
    """Return the long-run change of a variance by a last step alone."""
    if sigma == np.inf:  # no signal: the mean is all that full denoising leaves
        return -variance if final_step == "full" else np.inf
    _, model = limit_variance(variance, sigma=sigma, fresh_fraction=fresh_fraction, final_step=final_step)
    return float(model - variance)


def known_sampler(name: str, *, steps: int | None = None) -> SamplerTruncation:
    """Return the default truncation of a well-known sampler, with its steps where they are known."""
    words = (*KNOWN_SAMPLERS, *(word for word in NAMES if word not in KNOWN_SAMPLERS))
    checks.one_of(name, words, "sampler")
    if name not in NAMES:
        if steps is not None:
            raise InputError(f"steps must be left out for {name}, whose steps are not known, got {steps!r}.")
        return KNOWN_SAMPLERS[name]
    if name in ("flow", "flow_euler"):
        raise InputError(
            f"sampler must stop at some noise for its truncation to matter, got {name!r}: audit it."
        )
    usual = _USUAL_STEPS.get(name, {})
    sampler = named_sampler(name)(**(usual if steps is None else {"steps": steps}))
    truncation = KNOWN_SAMPLERS[_STOPS_LIKE.get(name, name)]
    if name not in KNOWN_SAMPLERS:
        truncation = replace(truncation, name=f"{name} (stops like {truncation.name})")
    return replace(truncation, sampler=sampler)


_USUAL_STEPS = {name: {"steps": 1000} for name in ("ddpm", "ddpm_beta", "improved_ddpm")}
_STOPS_LIKE = {"ddim": "ddpm", "ddpm_beta": "ddpm", "edm_heun": "edm", "edm_euler": "edm"}
"""Samplers with the noise levels of another one, by name."""


def _from_betas(name: str, betas: FloatArray, final_step: str) -> SamplerTruncation:
    return SamplerTruncation(name, float(time_from_alpha_bar(1.0 - betas[0])), final_step)


def _variance_preserving_time(start: float, beta_min: float, beta_max: float) -> float:
    """Integral of beta from 0 to `start` for beta growing linearly over the unit interval."""
    return beta_min * start + 0.5 * (beta_max - beta_min) * start**2


KNOWN_SAMPLERS: dict[str, SamplerTruncation] = {
    "ddpm": _from_betas("DDPM (linear betas)", training_betas(1000, 1e-4, 0.02, "linear"), "full"),
    "improved_ddpm": _from_betas(
        "Improved DDPM (cosine)", training_betas(1000, 1e-4, 0.02, "squaredcos_cap_v2"), "full"
    ),
    "stable_diffusion": _from_betas(
        "Stable Diffusion (scaled linear betas)",
        training_betas(1000, 0.00085, 0.012, "scaled_linear"),
        "full",
    ),
    "edm": SamplerTruncation(
        "EDM (sigma_min 0.002, data 0.5)", float(time_from_sigma(0.002 / 0.5)), "full", data_scale=0.5
    ),
    "score_sde_vp": SamplerTruncation(
        "Score SDE, VP (stops at 1e-3)", _variance_preserving_time(1e-3, 0.1, 20.0), "full"
    ),
    "score_sde_ve": SamplerTruncation(
        "Score SDE, VE (sigma_min 0.01, data in [0, 1] of deviation 0.25)",
        float(time_from_sigma(0.01 / 0.25)),
        "full",
        data_scale=0.25,
    ),
    "papers": SamplerTruncation("The collapse papers' sampler (t0 = 0.02)", 0.02, "noisy"),
}
