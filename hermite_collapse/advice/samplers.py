r"""Does truncation matter for my sampler, and with which sign?

A sampler's smallest noise level sigma (in units of the data's standard deviation) is its truncation.  What the last
step does with it decides the sign of the collapse: one round of training on its own output changes the law q by

    (1/2 - c) sigma^2 Laplace(q) + O(sigma^4),      c = 0 no denoising, 1/2 half a step, 1 fully denoised

so that with fresh fraction alpha variances move by (1 - 2c) sigma^2 / alpha in the long run, where that is small beside
them: noise is added, or directions die out.  Half a step cancels both to fourth order.  What is said of a direction is
exact at any sigma, the limit of the last step's own round map (`recursion.final_steps.limit_variance`).

Truncation is the smaller part of what most samplers do: where the sampler's steps are known, the advice says what they
do with exact scores, beside the last step alone (`pipeline`).  Whether they are a problem, and how many would be
enough, is judged as `audit` judges it: limits within 10 % of the data, of directions of variance 1 down to 0.01 in the
units of the sampler, and of the one that is asked about.  Defaults of well-known samplers are in `KNOWN_SAMPLERS`;
`read_scheduler` (in `schedulers`) reads those of diffusers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np

from ..core import checks
from ..core.errors import InputError
from ..core.numbers import percent
from ..core.signature import public
from ..core.types import FloatArray
from ..laws.channels import sigma_from_time, time_from_alpha_bar, time_from_sigma
from ..pipeline.denoiser import Sampler
from ..pipeline.interpolant import in_range
from ..pipeline.named_samplers import NAMES, named_sampler
from ..pipeline.pipeline import Pipeline
from ..pipeline.training_noise import training_betas
from ..recursion.constant_rounds import ConstantRounds
from ..recursion.final_steps import FINAL_STEPS, limit_variance
from ..recursion.repetitions import repetitions_to
from .enough import TOLERANCE, Situation, asked_steps, requirements_of, what_is_enough
from .steps_effect import StepsEffect, audited_directions, direction_words


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
    steps : int, optional
        Number of steps that the sampler was asked for, where that is not the number of its calls of the network.
    build : callable, optional
        Takes a number of steps and returns the sampler, where that is quick.

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
    steps: int | None = None
    build: Callable[[int], Sampler] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.truncation_time != np.inf:  # no signal at all
            time = checks.nonnegative(self.truncation_time, "truncation_time")
            object.__setattr__(self, "truncation_time", time)
        checks.keep(self, checks.positive, "data_scale")
        checks.one_of(self.final_step, FINAL_STEPS, "final_step")

    @property
    def sigma(self) -> float:
        """The noise level in units of the data's standard deviation."""
        time = self.truncation_time
        return np.inf if time == np.inf else float(sigma_from_time(time))


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
        Whether loss, or drift, exceeds ten per cent.
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
            f"{direction_words(self.smallest_variance)} by {size:.2g} in the long run, a quantity of order sigma^4.",
            "full": f"Full denoising alone turns the sign: with fresh fraction {self.fresh_fraction:g} the variance of "
            f"{direction_words(self.smallest_variance)} falls by {size:.2g} of the data's in the long run{self._dying}"
            f"; with half a step it would rise by {self.drift_of_half_step:.2g}.",
        }
        effect = effects[t.final_step]
        if t.truncation_time == np.inf:
            effect = "No signal is left there, so that every round forgets its data."
        sampler = t.sampler
        steps = ""
        if self.steps_effect is not None and sampler is not None:
            steps = f" {self.steps_effect.words(sampler, self.fresh_fraction)}"
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
        others = "guidance, the autoencoder, finite images and errors of the learned score"
        if effect is None:
            others = f"the sampler's steps, {others}"
        beyond = effect is not None and effect.matters
        if self.matters:
            advice = (
                "Truncation matters here: shorten it, anneal it over the rounds, or end with half a step."
            )
            return f"{advice} The sampler's steps matter as well. {self.enough}" if beyond else advice
        if beyond:
            return (
                f"Truncation is not your problem, but the sampler's steps are. {self.enough} Causes that this does not "
                f"look at are {others}."
            )
        steps = "" if effect is None else f", nor are the steps: {_within(effect.finest)}"
        return (
            f"Truncation is not your problem{steps}{':' if effect is None else '.'} "
            f"{'larger' if effect is None else 'Larger'} causes, which this does not look at, are {others}."
        )

    @cached_property
    def enough(self) -> str:
        """What limits within the tolerance take, in the words of an audit; "" where the steps are no problem."""
        effect, truncation = self.steps_effect, self.truncation
        sampler = truncation.sampler
        if effect is None or sampler is None or not effect.matters:
            return ""
        pipeline = Pipeline([sampler], fresh_fraction=self.fresh_fraction)
        steps = asked_steps(sampler, truncation.steps)
        own = effect.variance * truncation.data_scale**2
        parts = [(pipeline, audited_directions(own))]
        takes_all = sampler.training_steps == steps
        build = truncation.build
        now = Situation(
            pipeline, TOLERANCE, f"a direction of variance {effect.finest:.3g}", steps, False, True
        )
        words = what_is_enough(requirements_of(parts, TOLERANCE, build, steps), now)
        if takes_all:
            return f"{words} It takes all its {steps} training steps: there are no more."
        if build is None:
            return f"{words} How many steps would do, hermite-collapse audit says."
        return words


def _within(finest: float) -> str:
    """Return where limits are near the data, in words."""
    return f"limits down to a direction of variance {finest:.3g} are within {percent(TOLERANCE)} of the data"


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
    if truncation.sampler is not None:
        in_range(np.asarray(floor * truncation.data_scale**2), "smallest_variance")
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
        matters=(noisy and loss > TOLERANCE) or abs(drift) > TOLERANCE * floor,
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
    return replace(truncation, sampler=sampler, steps=steps or usual.get("steps"), build=partial(_made, name))


def _made(name: str, steps: int) -> Sampler:
    return named_sampler(name)(steps=steps)


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
